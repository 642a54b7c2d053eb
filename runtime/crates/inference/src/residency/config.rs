//! How much may be in memory, and for how long.

use std::time::Duration;

use modelet_spec::Device;

/// Bounds of a [`Residency`](super::Residency).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResidencyConfig {
    /// Bytes of models on each device, in order of preference. On a device without a line no model is loaded.
    pub budgets: Vec<(Device, u64)>,
    /// How long a model stays after its last use, unless it is pinned.
    pub idle: Duration,
    /// Loads in progress at a time: each needs up to twice its model's memory while it lasts.
    pub loads_max: usize,
    /// How long a failed load is answered with its failure before the next caller's is tried; doubled at each further
    /// failure, up to [`Self::back_off_max`].
    pub back_off: Duration,
    /// The longest of these.
    pub back_off_max: Duration,
    /// How long a load waits for room while all that could go is in use.
    pub room_wait: Duration,
}

impl ResidencyConfig {
    /// `budget` bytes of main memory, and what [`Self::with_budgets`] has.
    #[must_use]
    pub fn with_budget(budget: u64) -> Self {
        Self::with_budgets(vec![(Device::Cpu, budget)])
    }

    /// These budgets; 5 min idle, two loads, failures kept for 250 ms to 8 s, 250 ms for room.
    #[must_use]
    pub fn with_budgets(budgets: Vec<(Device, u64)>) -> Self {
        Self {
            budgets,
            idle: Duration::from_secs(300),
            loads_max: 2,
            back_off: Duration::from_millis(250),
            back_off_max: Duration::from_secs(8),
            room_wait: Duration::from_millis(250),
        }
    }
}
