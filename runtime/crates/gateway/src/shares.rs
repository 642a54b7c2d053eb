//! How much of what all requests share is taken.

use std::fmt;
use std::sync::Arc;

use tokio::sync::Semaphore;

/// Connections and places of running invocations. A clone is the same ones.
#[derive(Clone)]
pub struct Shares {
    pub(crate) connections: Arc<Semaphore>,
    pub(crate) connections_max: usize,
    pub(crate) running: Arc<Semaphore>,
    pub(crate) running_max: usize,
}

impl Shares {
    /// The part of the connections that are open: from 0 to 1. The one that is waited for counts as open.
    #[must_use]
    pub fn connections(&self) -> f64 {
        taken(&self.connections, self.connections_max)
    }

    /// The part of the places for running invocations that are taken: from 0 to 1.
    #[must_use]
    pub fn concurrency(&self) -> f64 {
        taken(&self.running, self.running_max)
    }
}

impl fmt::Debug for Shares {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Shares")
    }
}

fn taken(places: &Semaphore, max: usize) -> f64 {
    max.saturating_sub(places.available_permits()) as f64 / max.max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_is_a_part_of_one() {
        let (connections, running) = (Arc::new(Semaphore::new(4)), Arc::new(Semaphore::new(2)));
        let (connections_max, running_max) = (4, 2);
        let shares = Shares { connections: Arc::clone(&connections), connections_max, running, running_max };
        let _open = connections.try_acquire_many(3).unwrap();
        assert_eq!((shares.connections(), shares.concurrency()), (0.75, 0.0));
    }
}
