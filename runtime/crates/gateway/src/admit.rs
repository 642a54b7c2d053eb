//! Permits: the function's own first, then its tenant's, then the server's, each with a bounded queue and a bounded wait. Who waits for the server's has its turn by
//! its tenant's weight (`places.rs`).
//!
//! The order is the same for every request, so nobody holds what another waits for while waiting for what that one holds.

use std::sync::Arc;
use std::time::{Duration, Instant};

use modelet_engine::{AdmitError, Function, Permit};
use tokio::sync::Semaphore;

use crate::clock;
use crate::error::Refusal;
use crate::places::{Place, Places};

/// The right to run one invocation; given back when dropped.
#[derive(Debug)]
pub(crate) struct Permits {
    _function: Permit,
    _total: Place,
}

/// The permits that all functions share.
#[derive(Debug)]
pub(crate) struct Admission {
    places: Arc<Places>,
    wait: Duration,
}

impl Admission {
    /// So many run at a time, as many more wait, for `wait` at most.
    pub(crate) fn new(concurrency_total: u32, wait: Duration) -> Self {
        let places = usize::try_from(concurrency_total).unwrap_or(usize::MAX).clamp(1, Semaphore::MAX_PERMITS);
        Self { places: Places::new(places), wait }
    }

    /// The places of those that run.
    pub(crate) fn running(&self) -> Arc<Semaphore> {
        self.places.free()
    }

    /// How many may run.
    pub(crate) fn places(&self) -> usize {
        self.places.max()
    }

    /// Waits for all three permits.
    ///
    /// # Errors
    /// Which of the limits is reached.
    pub(crate) async fn admit(&self, function: &Function, now: Instant, deadline: Instant) -> Result<Permits, Refusal> {
        let until = deadline.min(clock::after(now, self.wait));
        let own = function.admit(until).await.map_err(refusal)?;
        let total = self.places.take(&function.spec().flow, until).await.ok_or(Refusal::ServerFull)?;
        Ok(Permits { _function: own, _total: total })
    }

    /// The same, if none of them has to be waited for.
    pub(crate) fn admit_now(&self, function: &Function) -> Option<Permits> {
        let own = function.admit_now()?;
        let total = self.places.take_now()?;
        Some(Permits { _function: own, _total: total })
    }

    /// Counts a request that came, once, before it is admitted.
    ///
    /// # Errors
    /// When its tenant has been asked as often as it may be in a second.
    pub(crate) fn arrived(function: &Function) -> Result<(), Refusal> {
        function.arrived().map_err(refusal)
    }
}

fn refusal(error: AdmitError) -> Refusal {
    match error {
        AdmitError::QueueFull { .. } | AdmitError::Deadline => Refusal::FunctionFull,
        AdmitError::Tenant { .. } => Refusal::TenantFull,
        AdmitError::Rate { retry_after } => Refusal::TenantRate { retry_after },
    }
}
