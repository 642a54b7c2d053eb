//! How many connections are open: out of one function, out of a tenant's functions, out of all.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use modelet_engine::ports::{OutboundError, OutboundFault, Place};
use modelet_spec::{FunctionName, TenantName};

/// The counts. A clone is the same counts.
#[derive(Debug, Clone)]
pub(super) struct Permits {
    total_max: u32,
    open: Arc<Mutex<Open>>,
}

/// Who has connections open; who has none has no entry.
#[derive(Debug, Default)]
struct Open {
    total: u32,
    tenants: HashMap<TenantName, u32>,
    functions: HashMap<(TenantName, FunctionName), u32>,
}

/// The right to one connection, given back when dropped.
#[derive(Debug)]
pub(super) struct Permit {
    open: Arc<Mutex<Open>>,
    place: Arc<Place>,
}

impl Permits {
    pub(super) fn new(total_max: u32) -> Self {
        Self { total_max, open: Arc::default() }
    }

    /// Takes a place at once: a function that has all of its own open has work to do with them.
    pub(super) fn take(&self, place: &Arc<Place>) -> Result<Permit, OutboundError> {
        let mut open = lock(&self.open);
        let (tenant, function) = (place.tenant.clone(), (place.tenant.clone(), place.function.clone()));
        let of_tenant = open.tenants.get(&tenant).copied().unwrap_or(0);
        let of_function = open.functions.get(&function).copied().unwrap_or(0);
        let limits = &place.outbound;
        for (count, limit, whose) in [
            (of_function, limits.function, "this function's (`outbound_function`)"),
            (of_tenant, limits.tenant, "the tenant's (`outbound_tenant`)"),
            (open.total, self.total_max, "this server's (`outbound_total`)"),
        ] {
            if count >= limit {
                let why = format!("not sent: {count} connections are open, and {limit} are {whose} limit");
                return Err(OutboundError::new(OutboundFault::TooMany, why));
            }
        }
        open.total = open.total.saturating_add(1);
        open.tenants.insert(tenant, of_tenant.saturating_add(1));
        open.functions.insert(function, of_function.saturating_add(1));
        Ok(Permit { open: Arc::clone(&self.open), place: Arc::clone(place) })
    }

    /// How many are open in all.
    pub(super) fn open(&self) -> u32 {
        lock(&self.open).total
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut open = lock(&self.open);
        open.total = open.total.saturating_sub(1);
        let function = (self.place.tenant.clone(), self.place.function.clone());
        less(&mut open.tenants, &self.place.tenant);
        less(&mut open.functions, &function);
    }
}

fn less<K: Eq + std::hash::Hash>(counts: &mut HashMap<K, u32>, key: &K) {
    let Some(count) = counts.get_mut(key) else { return };
    *count = count.saturating_sub(1);
    if *count == 0 {
        counts.remove(key);
    }
}

fn lock(open: &Mutex<Open>) -> MutexGuard<'_, Open> {
    open.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outbound::tests::place;

    #[test]
    fn connections_are_counted_by_function_tenant_and_server_and_given_back() {
        let permits = Permits::new(4);
        let named = |tenant: &str, function: &str| {
            let mut place = place(&[]);
            (place.tenant, place.function) = (tenant.parse().unwrap(), function.parse().unwrap());
            (place.outbound.function, place.outbound.tenant) = (2, 3);
            Arc::new(place)
        };
        let (a, b, other) = (named("t", "a"), named("t", "b"), named("u", "a"));
        let mut held: Vec<Permit> = (0..2).map(|_| permits.take(&a).unwrap()).collect();
        assert!(permits.take(&a).unwrap_err().why.contains("outbound_function"));
        held.push(permits.take(&b).unwrap());
        assert!(permits.take(&b).unwrap_err().why.contains("outbound_tenant"));
        held.push(permits.take(&other).unwrap());
        assert!(permits.take(&other).unwrap_err().why.contains("outbound_total"));
        assert_eq!(permits.open(), 4);
        held.clear();
        assert_eq!(permits.open(), 0);
        let open = lock(&permits.open);
        assert!(open.tenants.is_empty() && open.functions.is_empty(), "nothing is remembered of who has none");
    }
}
