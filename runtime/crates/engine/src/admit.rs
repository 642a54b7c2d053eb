//! Permits of a function, and of its tenant: so many invocations at once, so many waiting, each no longer than its deadline.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use modelet_spec::TenantName;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The right to run one invocation of a function; given back when dropped.
#[derive(Debug)]
pub struct Permit {
    _function: OwnedSemaphorePermit,
    _tenant: Option<OwnedSemaphorePermit>,
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
    /// The functions of its tenant have all that they may have together, and none came free in time, or as many wait already as may.
    #[error("the tenant's limit of {concurrency} concurrent requests is reached")]
    Tenant {
        /// The limit.
        concurrency: u32,
    },
    /// The functions of its tenant have been asked as often as they may be in a second.
    #[error("the tenant's limit of requests per second is reached")]
    Rate {
        /// When the next request may come.
        retry_after: Duration,
    },
}

/// The permits of all tenants whose functions are there.
#[derive(Default)]
pub(crate) struct Tenants(Mutex<HashMap<TenantName, Weak<Permits>>>);

/// Permits to run at a time: of one function, or of all functions of a tenant.
pub(crate) struct Permits {
    running: Arc<Semaphore>,
    waiting: AtomicU32,
    queue: u32,
    concurrency: u32,
}

/// Takes one from the waiting count when the wait ends, however it ends.
struct Waiting<'a>(&'a AtomicU32);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Tenants {
    /// The permits of a tenant. Functions made while its limit was another keep those they have.
    pub(crate) fn of(&self, tenant: &TenantName, concurrency: u32) -> Arc<Permits> {
        let mut tenants = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = tenants.get(tenant).and_then(Weak::upgrade);
        if let Some(permits) = known.filter(|permits| permits.concurrency == concurrency) {
            return permits;
        }
        let permits = Arc::new(Permits::new(concurrency, concurrency));
        tenants.retain(|_, permits| permits.strong_count() > 0);
        tenants.insert(tenant.clone(), Arc::downgrade(&permits));
        permits
    }
}

impl Permits {
    pub(crate) fn new(concurrency: u32, queue: u32) -> Self {
        let running = Arc::new(Semaphore::new(usize::try_from(concurrency.max(1)).unwrap_or(1)));
        Self { running, waiting: AtomicU32::new(0), queue, concurrency }
    }

    /// Waits for a permit of the function, then for one of its tenant. The order is the same for all, so that nobody holds what
    /// another waits for while waiting for what that one holds.
    pub(crate) async fn admit(&self, tenant: Option<&Self>, deadline: Instant) -> Result<Permit, AdmitError> {
        let function = self.take(deadline).await?;
        let of_tenant = match tenant {
            Some(tenant) => {
                let concurrency = tenant.concurrency;
                Some(tenant.take(deadline).await.map_err(|_| AdmitError::Tenant { concurrency })?)
            }
            None => None,
        };
        Ok(Permit { _function: function, _tenant: of_tenant })
    }

    /// The same, if both are free.
    pub(crate) fn admit_now(&self, tenant: Option<&Self>) -> Option<Permit> {
        let function = self.take_now()?;
        let of_tenant = match tenant {
            Some(tenant) => Some(tenant.take_now()?),
            None => None,
        };
        Some(Permit { _function: function, _tenant: of_tenant })
    }

    fn take_now(&self) -> Option<OwnedSemaphorePermit> {
        self.running.clone().try_acquire_owned().ok()
    }

    pub(crate) async fn take(&self, deadline: Instant) -> Result<OwnedSemaphorePermit, AdmitError> {
        if let Some(permit) = self.take_now() {
            return Ok(permit);
        }
        if self.waiting.fetch_add(1, Ordering::Relaxed) >= self.queue {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            return Err(AdmitError::QueueFull { queue: self.queue });
        }
        let _waiting = Waiting(&self.waiting);
        match tokio::time::timeout_at(deadline.into(), self.running.clone().acquire_owned()).await {
            Ok(Ok(permit)) => Ok(permit),
            Ok(Err(_)) | Err(_) => Err(AdmitError::Deadline),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_runs_one_waits_the_third_is_refused() {
        let permits = Arc::new(Permits::new(1, 1));
        let far = Instant::now() + Duration::from_secs(60);
        let first = permits.take(far).await.unwrap();
        let second = tokio::spawn({
            let permits = permits.clone();
            async move { permits.take(far).await }
        });
        while permits.waiting.load(Ordering::Relaxed) == 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(permits.take(far).await.unwrap_err(), AdmitError::QueueFull { queue: 1 });
        drop(first);
        drop(second.await.unwrap().unwrap());
        assert_eq!(permits.waiting.load(Ordering::Relaxed), 0);
    }

    #[tokio::test]
    async fn waiting_ends_at_the_deadline() {
        let permits = Permits::new(1, 1);
        let _held = permits.take(Instant::now()).await.unwrap();
        assert_eq!(permits.take(Instant::now()).await.unwrap_err(), AdmitError::Deadline);
        assert_eq!(permits.waiting.load(Ordering::Relaxed), 0);
    }

    #[tokio::test]
    async fn the_functions_of_a_tenant_share_its_permits_and_no_other_tenants_do() {
        let tenants = Tenants::default();
        let (acme, other): (TenantName, TenantName) = ("acme".parse().unwrap(), "other".parse().unwrap());
        let (first, second) = (Permits::new(9, 9), Permits::new(9, 9));
        let (soon, far) = (Instant::now(), Instant::now() + Duration::from_secs(60));
        let shared = tenants.of(&acme, 1);
        let held = first.admit(Some(&shared), far).await.unwrap();
        let refused = second.admit(Some(&tenants.of(&acme, 1)), soon).await.unwrap_err();
        assert_eq!(refused, AdmitError::Tenant { concurrency: 1 });
        assert!(second.admit_now(Some(&shared)).is_none());
        assert_eq!(second.running.available_permits(), 9, "what was taken before is given back");
        drop(second.admit(Some(&tenants.of(&other, 1)), soon).await.unwrap());
        drop(held);
        drop(second.admit(Some(&tenants.of(&acme, 1)), soon).await.unwrap());
        drop(shared);
        drop(tenants.of(&other, 1));
        drop(tenants.of(&"third".parse().unwrap(), 1));
        assert_eq!(tenants.0.lock().unwrap().len(), 1, "who has no functions is forgotten when another comes");
    }
}
