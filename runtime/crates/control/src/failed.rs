//! Functions that do not serve as they are stored, and why: what `/readyz` tells.
//!
//! Whatever puts a function into the catalog, or takes it out, says here that what was wrong with it is over. So nothing is compared
//! when somebody asks.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use modelet_spec::{FunctionName, TenantName};

/// A function that does not serve as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failed {
    pub(crate) tenant: TenantName,
    pub(crate) function: FunctionName,
    pub(crate) failure: Failure,
}

impl fmt::Display for Failed {
    /// For its owner.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.function, self.failure)
    }
}

/// What is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Failure {
    /// It could not be made, and does not serve.
    NotMade(String),
    /// Its live version has all requests: another that shares them could not be made.
    NotSharedOut(String),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotMade(why) => f.write_str(why),
            Self::NotSharedOut(why) => write!(f, "its requests are not shared out: {why}"),
        }
    }
}

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct FailedFunctions(Mutex<BTreeMap<(TenantName, FunctionName), Failure>>);

impl FailedFunctions {
    /// For the operator, a line for each; `default` is not named.
    pub(crate) fn told(&self) -> Vec<String> {
        let line = |((tenant, function), failure): (&(TenantName, FunctionName), &Failure)| {
            format!("{}: {failure}", named(tenant, function))
        };
        self.lock().iter().map(line).collect()
    }

    /// Functions do not serve as they are stored.
    pub(crate) fn found(&self, failed: impl IntoIterator<Item = Failed>) {
        self.lock().extend(failed.into_iter().map(|failed| ((failed.tenant, failed.function), failed.failure)));
    }

    /// A function serves as it is stored, or is gone.
    pub(crate) fn forget(&self, tenant: &TenantName, function: &FunctionName) {
        self.lock().remove(&(tenant.clone(), function.clone()));
    }

    /// The same of all functions of a tenant.
    pub(crate) fn forget_tenant(&self, tenant: &TenantName) {
        self.lock().retain(|(of, _), _| of != tenant);
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<(TenantName, FunctionName), Failure>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A function as the operator knows it.
pub(crate) fn named(tenant: &TenantName, function: &FunctionName) -> String {
    if *tenant == TenantName::default_tenant() { function.to_string() } else { format!("{tenant}/{function}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(tenant: &str, function: &str, failure: Failure) -> Failed {
        Failed { tenant: tenant.parse().unwrap(), function: function.parse().unwrap(), failure }
    }

    #[test]
    fn what_is_wrong_is_told_once_for_each_function_and_forgotten_with_it_or_its_tenant() {
        let all = FailedFunctions::default();
        let not_made = || Failure::NotMade("its code is gone".to_owned());
        all.found([
            failed("default", "f", Failure::NotSharedOut("version 1".to_owned())),
            failed("acme", "f", not_made()),
            failed("acme", "g", not_made()),
        ]);
        all.found([failed("default", "f", not_made())]);
        assert_eq!(all.told(), ["acme/f: its code is gone", "acme/g: its code is gone", "f: its code is gone"]);
        all.forget(&TenantName::default_tenant(), &"f".parse().unwrap());
        assert_eq!(all.told().len(), 2, "another tenant's function has the same name");
        all.forget_tenant(&"acme".parse().unwrap());
        assert!(all.told().is_empty());
    }
}
