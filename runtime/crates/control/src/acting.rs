//! The control plane in somebody's hands. What changes something asks for this, so that none can be made without who makes it; what
//! only reads asks for [`Control`].

use std::ops::Deref;
use std::sync::Arc;

use modelet_store::{Actor, Changes, Intent};

use crate::control::Control;
use crate::error::ControlError;

/// The control plane in somebody's hands, for something that is meant.
#[derive(Clone)]
pub(crate) struct Acting {
    control: Arc<Control>,
    by: Arc<Actor>,
    intent: Arc<Intent>,
}

impl Acting {
    /// In the hands of `by`, for `intent`.
    pub(crate) fn new(control: &Arc<Control>, by: Actor, intent: Arc<Intent>) -> Self {
        Self { control: Arc::clone(control), by: Arc::new(by), intent }
    }

    /// Refuses what is meant where it cannot be made any more. For changes that begin with something else than the store. Blocks.
    pub(crate) fn check(&self) -> Result<(), ControlError> {
        Ok(self.control.store.check_intent(&self.intent)?)
    }

    /// The store, for changes.
    pub(crate) fn changes(&self) -> Changes<'_> {
        self.control.store.by(&self.by).meaning(&self.intent)
    }
}

impl Deref for Acting {
    type Target = Arc<Control>;

    fn deref(&self) -> &Arc<Control> {
        &self.control
    }
}
