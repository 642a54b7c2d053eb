//! A function's own permits: so many invocations at once, so many waiting, each no longer than its deadline.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The right to run one invocation of a function; given back when dropped.
#[derive(Debug)]
pub struct Permit {
    _permit: OwnedSemaphorePermit,
}

/// No permit was to be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AdmitError {
    /// As many wait already as may.
    #[error("the function's queue of {queue} is full")]
    QueueFull {
        /// The queue's limit.
        queue: u32,
    },
    /// The deadline passed while waiting.
    #[error("no instance came free before the deadline")]
    Deadline,
}

/// The permits of one function.
pub(crate) struct Permits {
    running: Arc<Semaphore>,
    waiting: AtomicU32,
    queue: u32,
}

/// Takes one from the waiting count when the wait ends, however it ends.
struct Waiting<'a>(&'a AtomicU32);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Permits {
    pub(crate) fn new(concurrency: u32, queue: u32) -> Self {
        let running = Arc::new(Semaphore::new(usize::try_from(concurrency.max(1)).unwrap_or(1)));
        Self { running, waiting: AtomicU32::new(0), queue }
    }

    pub(crate) async fn admit(&self, deadline: Instant) -> Result<Permit, AdmitError> {
        if let Ok(permit) = self.running.clone().try_acquire_owned() {
            return Ok(Permit { _permit: permit });
        }
        if self.waiting.fetch_add(1, Ordering::Relaxed) >= self.queue {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            return Err(AdmitError::QueueFull { queue: self.queue });
        }
        let _waiting = Waiting(&self.waiting);
        match tokio::time::timeout_at(deadline.into(), self.running.clone().acquire_owned()).await {
            Ok(Ok(permit)) => Ok(Permit { _permit: permit }),
            Ok(Err(_)) | Err(_) => Err(AdmitError::Deadline),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[tokio::test]
    async fn one_runs_one_waits_the_third_is_refused() {
        let permits = Arc::new(Permits::new(1, 1));
        let far = Instant::now() + Duration::from_secs(60);
        let first = permits.admit(far).await.unwrap();
        let second = tokio::spawn({
            let permits = permits.clone();
            async move { permits.admit(far).await }
        });
        while permits.waiting.load(Ordering::Relaxed) == 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(permits.admit(far).await.unwrap_err(), AdmitError::QueueFull { queue: 1 });
        drop(first);
        drop(second.await.unwrap().unwrap());
        assert_eq!(permits.waiting.load(Ordering::Relaxed), 0);
    }

    #[tokio::test]
    async fn waiting_ends_at_the_deadline() {
        let permits = Permits::new(1, 1);
        let _held = permits.admit(Instant::now()).await.unwrap();
        assert_eq!(permits.admit(Instant::now()).await.unwrap_err(), AdmitError::Deadline);
        assert_eq!(permits.waiting.load(Ordering::Relaxed), 0);
    }
}
