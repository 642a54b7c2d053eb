//! What tenants have used today, against what they may.

use std::collections::HashMap;
use std::time::Duration;

use modelet_catalog::{Gate, Spent, Usage};
use modelet_spec::{TenantLimits, TenantName, UsageCounts};
use modelet_store::{Store, UsageSpan};

use crate::error::ControlError;
use crate::tenants::Book;

/// A day of UTC.
#[derive(Debug, Clone, Default)]
pub(super) struct Day {
    /// When it began, in seconds since 1970.
    start_s: u64,
    spent: HashMap<TenantName, UsageCounts>,
}

impl Day {
    /// The day of `now_s`, as far as it is in the books. Blocks.
    pub(super) fn read(store: &Store, now_s: u64) -> Result<Self, ControlError> {
        let spent = store.usage_of_day(now_s)?.into_iter().collect();
        Ok(Self { start_s: UsageSpan::Day.begin(now_s), spent })
    }

    /// It is `now_s`: with another day nothing is used yet.
    pub(super) fn begin(&mut self, now_s: u64) {
        let start_s = UsageSpan::Day.begin(now_s);
        if start_s != self.start_s {
            *self = Self { start_s, spent: HashMap::new() };
        }
    }

    /// Something was used.
    pub(super) fn add(&mut self, tenant: &TenantName, counts: UsageCounts) {
        match self.spent.get_mut(tenant) {
            Some(spent) => *spent = spent.plus(counts),
            None => _ = self.spent.insert(tenant.clone(), counts),
        }
    }

    /// What a tenant has used.
    pub(super) fn of(&self, tenant: &TenantName) -> UsageCounts {
        self.spent.get(tenant).copied().unwrap_or_default()
    }

    /// Closes the gates of those that have used up what they may, and opens the others'.
    pub(super) fn set_gates(&self, usage: &Usage, tenants: &Book) {
        for tenant in tenants.tenants() {
            // A gate that is asked for is there from now on, also before the tenant's first request.
            if has_quota(&tenant.limits) {
                drop(usage.gate(&tenant.name));
            }
        }
        usage.each_gate(|name, gate| {
            let Some(tenant) = tenants.get(name) else { return false };
            self.set(gate, &tenant.limits, self.of(name));
            true
        });
    }

    fn set(&self, gate: &Gate, limits: &TenantLimits, spent: UsageCounts) {
        let is_over = |limit: Option<Duration>, us: u64| limit.is_some_and(|limit| Duration::from_micros(us) >= limit);
        let midnight_ms = (self.start_s + UsageSpan::Day.seconds()) * 1000;
        if is_over(limits.cpu_per_day, spent.cpu_us) {
            gate.close(Spent::Cpu, midnight_ms);
        } else if is_over(limits.inference_per_day, spent.busy_us) {
            gate.close(Spent::Inference, midnight_ms);
        } else {
            gate.open();
        }
    }
}

fn has_quota(limits: &TenantLimits) -> bool {
    limits.cpu_per_day.is_some() || limits.inference_per_day.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gate_is_closed_from_the_limit_on_until_midnight_and_the_next_day_begins_anew() {
        let (gate, tenant) = (Gate::default(), TenantName::default_tenant());
        let second = Some(Duration::from_secs(1));
        let limits = TenantLimits { cpu_per_day: second, inference_per_day: second, ..TenantLimits::default() };
        let mut day = Day { start_s: 86400, spent: HashMap::new() };
        let noon_ms = (86400 + 43200) * 1000;
        let mut use_more = |cpu_us: u64, busy_us: u64| {
            day.add(&tenant, UsageCounts { cpu_us, busy_us, ..UsageCounts::default() });
            day.set(&gate, &limits, day.of(&tenant));
            gate.check(noon_ms)
        };
        let half_day = Duration::from_secs(43200);
        assert_eq!(use_more(999_999, 0), Ok(()));
        assert_eq!(use_more(0, 1_000_000), Err((Spent::Inference, half_day)));
        assert_eq!(use_more(1, 0), Err((Spent::Cpu, half_day)));
        day.set(&gate, &TenantLimits::default(), day.of(&tenant));
        assert_eq!(gate.check(noon_ms), Ok(()), "a limit that is taken back holds nobody");
        day.begin(86400 + 5);
        assert_eq!(day.of(&tenant).cpu_us, 1_000_000);
        day.begin(2 * 86400);
        assert_eq!(day.of(&tenant), UsageCounts::default());
    }
}
