//! What one owner's calls of a model have had of one device, for whoever keeps the books.

use std::sync::Arc;
use std::time::Duration;

use modelet_spec::Device;

use super::handle::ModelHandle;
use crate::meter::Meter;

/// One owner's calls of one model on one device. It is there as long as somebody reads it, and keeps nothing in memory.
#[derive(Debug)]
pub struct ModelAccount {
    /// The device.
    pub device: Device,
    meter: Arc<Meter>,
}

/// What they have had so far. The numbers only grow.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ModelTotals {
    /// Runs that had rows of the owner's.
    pub runs: u64,
    /// These rows.
    pub rows: u64,
    /// Time that sessions were busy with them; of a joined run the part of their rows.
    pub busy: Duration,
}

impl ModelHandle {
    /// The accounts of this handle's owner, one for each device that the model may be on.
    #[must_use]
    pub fn accounts(&self) -> Vec<ModelAccount> {
        let meters = self.seen_by_owner().meters();
        meters.iter().map(|(device, meter)| ModelAccount { device: *device, meter: Arc::clone(meter) }).collect()
    }
}

impl ModelAccount {
    /// All so far.
    #[must_use]
    pub fn read(&self) -> ModelTotals {
        let mut sizes = Default::default();
        self.meter.add_sizes_to(&mut sizes);
        ModelTotals { runs: sizes.runs(), rows: sizes.rows(), busy: self.meter.busy() }
    }

    /// Whether nobody will add to it any more: the owner's handles are gone, and its calls have ended.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        Arc::strong_count(&self.meter) == 1
    }
}
