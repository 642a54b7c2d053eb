//! Requests per second of a tenant, over all its functions: an arrival is counted by one atomic word, without a lock. A tenant without a
//! limit has nothing of this.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use governor::clock::{Clock, MonotonicClock};
use governor::middleware::NoOpMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use modelet_spec::TenantName;

type Limiter = RateLimiter<NotKeyed, InMemoryState, MonotonicClock, NoOpMiddleware<std::time::Instant>>;

/// What a tenant may ask for in a second. So much may also come at once, after a quiet second.
pub(crate) struct Rate {
    limiter: Limiter,
    per_second: NonZeroU32,
}

/// The rates of all tenants that have one and whose functions are there.
#[derive(Default)]
pub(crate) struct Rates(Mutex<HashMap<TenantName, Weak<Rate>>>);

impl Rates {
    /// The rate of a tenant. Functions made while its limit was another keep the one they have.
    pub(crate) fn of(&self, tenant: &TenantName, per_second: NonZeroU32) -> Arc<Rate> {
        let mut rates = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = rates.get(tenant).and_then(Weak::upgrade);
        if let Some(rate) = known.filter(|rate| rate.per_second == per_second) {
            return rate;
        }
        let rate = Arc::new(Rate::new(per_second));
        rates.retain(|_, rate| rate.strong_count() > 0);
        rates.insert(tenant.clone(), Arc::downgrade(&rate));
        rate
    }
}

impl Rate {
    fn new(per_second: NonZeroU32) -> Self {
        let quota = Quota::per_second(per_second);
        Self { limiter: RateLimiter::direct_with_clock(quota, MonotonicClock), per_second }
    }

    /// Counts one request in, or says when the next one may come.
    pub(crate) fn count(&self) -> Result<(), Duration> {
        self.limiter.check().map_err(|not_until| not_until.wait_time_from(MonotonicClock.now()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn per_second(count: u32) -> NonZeroU32 {
        NonZeroU32::new(count).unwrap()
    }

    #[test]
    fn so_many_come_in_and_the_next_is_told_when() {
        let rate = Rate::new(per_second(3));
        let counted: Vec<_> = (0..4).map(|_| rate.count()).collect();
        assert!(counted[..3].iter().all(Result::is_ok), "{counted:?}");
        let wait = counted[3].unwrap_err();
        assert!(wait > Duration::ZERO && wait <= Duration::from_millis(334), "{wait:?}");
    }

    #[test]
    fn the_functions_of_a_tenant_share_its_rate_and_a_changed_one_is_another() {
        let rates = Rates::default();
        let (acme, other): (TenantName, TenantName) = ("acme".parse().unwrap(), "other".parse().unwrap());
        let first = rates.of(&acme, per_second(1));
        assert!(Arc::ptr_eq(&first, &rates.of(&acme, per_second(1))));
        assert!(!Arc::ptr_eq(&first, &rates.of(&other, per_second(1))));
        assert!(!Arc::ptr_eq(&first, &rates.of(&acme, per_second(2))));
        drop(first);
        drop(rates.of(&"third".parse().unwrap(), per_second(1)));
        assert_eq!(rates.0.lock().unwrap().len(), 1, "who has no functions is forgotten when another comes");
    }
}
