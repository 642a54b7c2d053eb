//! The control plane in somebody's hands. What changes something asks for this, so that none can be made without who makes it; what
//! only reads asks for [`Control`].

use std::ops::Deref;
use std::sync::Arc;

use modelet_store::{Actor, Changes};

use crate::control::Control;

/// The control plane in somebody's hands.
#[derive(Clone)]
pub(crate) struct Acting {
    control: Arc<Control>,
    by: Arc<Actor>,
}

impl Acting {
    /// In the hands of `by`.
    pub(crate) fn new(control: &Arc<Control>, by: Actor) -> Self {
        Self { control: Arc::clone(control), by: Arc::new(by) }
    }

    /// The store, for changes.
    pub(crate) fn changes(&self) -> Changes<'_> {
        self.control.store.by(&self.by)
    }
}

impl Deref for Acting {
    type Target = Arc<Control>;

    fn deref(&self) -> &Arc<Control> {
        &self.control
    }
}
