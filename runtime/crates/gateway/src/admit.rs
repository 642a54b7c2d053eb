//! Permits: the function's own first, then its tenant's, then the server's, each with a bounded queue and a bounded wait.
//!
//! The order is the same for every request, so nobody holds what another waits for while waiting for what that one holds.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use modelet_engine::{AdmitError, Function, Permit};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout_at;

use crate::clock;
use crate::error::Refusal;

/// The right to run one invocation; given back when dropped.
#[derive(Debug)]
pub(crate) struct Permits {
    _function: Permit,
    _total: TotalPermit,
}

/// The server's part of [`Permits`].
#[derive(Debug)]
pub(crate) struct TotalPermit(#[expect(dead_code, reason = "held for its drop")] OwnedSemaphorePermit);

/// The permits that all functions share.
#[derive(Debug)]
pub(crate) struct Admission {
    running: Arc<Semaphore>,
    waiting: AtomicUsize,
    places: usize,
    wait: Duration,
}

impl Admission {
    /// So many run at a time, as many more wait, for `wait` at most.
    pub(crate) fn new(concurrency_total: u32, wait: Duration) -> Self {
        let places = usize::try_from(concurrency_total).unwrap_or(usize::MAX).clamp(1, Semaphore::MAX_PERMITS);
        Self { running: Arc::new(Semaphore::new(places)), waiting: AtomicUsize::new(0), places, wait }
    }

    /// The places of those that run.
    pub(crate) fn running(&self) -> Arc<Semaphore> {
        Arc::clone(&self.running)
    }

    /// How many may run.
    pub(crate) fn places(&self) -> usize {
        self.places
    }

    /// Waits for all three permits.
    ///
    /// # Errors
    /// Which of the limits is reached.
    pub(crate) async fn admit(&self, function: &Function, now: Instant, deadline: Instant) -> Result<Permits, Refusal> {
        let until = deadline.min(clock::after(now, self.wait));
        let own = function.admit(until).await.map_err(refusal)?;
        let total = self.total(until).await?;
        Ok(Permits { _function: own, _total: total })
    }

    /// The same, if none of them has to be waited for.
    pub(crate) fn admit_now(&self, function: &Function) -> Option<Permits> {
        let own = function.admit_now()?;
        let total = self.running.clone().try_acquire_owned().ok()?;
        Some(Permits { _function: own, _total: TotalPermit(total) })
    }

    /// Counts a request that came, once, before it is admitted.
    ///
    /// # Errors
    /// When its tenant has been asked as often as it may be in a second.
    pub(crate) fn arrived(function: &Function) -> Result<(), Refusal> {
        function.arrived().map_err(refusal)
    }

    async fn total(&self, until: Instant) -> Result<TotalPermit, Refusal> {
        if let Ok(permit) = self.running.clone().try_acquire_owned() {
            return Ok(TotalPermit(permit));
        }
        let _waiting = Waiting::enter(&self.waiting, self.places).ok_or(Refusal::ServerFull)?;
        match timeout_at(until.into(), self.running.clone().acquire_owned()).await {
            Ok(Ok(permit)) => Ok(TotalPermit(permit)),
            Ok(Err(_)) | Err(_) => Err(Refusal::ServerFull),
        }
    }
}

fn refusal(error: AdmitError) -> Refusal {
    match error {
        AdmitError::QueueFull { .. } | AdmitError::Deadline => Refusal::FunctionFull,
        AdmitError::Tenant { .. } => Refusal::TenantFull,
        AdmitError::Rate { retry_after } => Refusal::TenantRate { retry_after },
    }
}

/// A place in the queue.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn enter(waiting: &'a AtomicUsize, places: usize) -> Option<Self> {
        let place = Self(waiting);
        (waiting.fetch_add(1, Ordering::Relaxed) < places).then_some(place)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_full_server_lets_wait_and_refuses_when_the_wait_or_the_queue_is_over() {
        let admission = Arc::new(Admission::new(1, Duration::from_secs(60)));
        let far = Instant::now() + Duration::from_secs(60);
        let first = admission.total(far).await.unwrap();

        let waiter = tokio::spawn({
            let admission = admission.clone();
            async move { admission.total(far).await.map(drop) }
        });
        while admission.waiting.load(Ordering::Relaxed) == 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(admission.total(far).await.map(drop), Err(Refusal::ServerFull), "the queue has one place");
        drop(first);
        assert_eq!(waiter.await.unwrap(), Ok(()));

        let _held = admission.total(far).await.unwrap();
        assert_eq!(admission.total(Instant::now()).await.map(drop), Err(Refusal::ServerFull), "the wait is over");
        assert_eq!(admission.waiting.load(Ordering::Relaxed), 0);
    }
}
