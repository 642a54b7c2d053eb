//! All that inference sees of a tenant.

use std::time::Instant;

/// Whose work it is, how much it counts, and until when: inference schedules by this and never learns a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flow {
    /// The function that asks. Equal ids are one queue.
    pub id: u64,
    /// The group it shares with others (its tenant): fairness is between groups first, then between flows.
    pub group: u64,
    /// Calls of two groups share a run only within one circle: a model whose owner agrees to it. Nothing else hangs on it.
    pub circle: u64,
    /// Its share among the groups; 0 counts as 1.
    pub weight: u32,
    /// Higher goes first; equal priorities share.
    pub priority: u8,
    /// After this moment the answer is of no use.
    pub deadline: Option<Instant>,
}

impl Flow {
    /// A flow alone in its group, with the weight 1, the priority 0 and no deadline.
    #[must_use]
    pub fn new(id: u64, group: u64) -> Self {
        Self { id, group, circle: 0, weight: 1, priority: 0, deadline: None }
    }

    /// The same flow with a deadline.
    #[must_use]
    pub fn until(self, deadline: Instant) -> Self {
        Self { deadline: Some(deadline), ..self }
    }
}
