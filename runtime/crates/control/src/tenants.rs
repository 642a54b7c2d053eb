//! Tenants: made, limited and removed by the operator.
//!
//! What they may claim and have is in memory as a [`Book`], read whole at each change, so that neither a deploy nor a request
//! asks the store for it. A change holds the lock of deploys: none may enter a catalog by what was true before it.

mod book;
mod claims;
mod remove;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use modelet_spec::{Claims, TenantLimits, TenantName};
use modelet_store::Tenant;

pub(crate) use book::Book;
pub(crate) use claims::change as change_claims;
pub(crate) use remove::remove;

use crate::acting::Acting;
use crate::control::{Control, FunctionEntry, blocking};
use crate::error::ControlError;
use crate::failed::{Failed, Failure};
use crate::{push, scale, switch};

/// Makes a tenant, with what it may have: no request of it comes before that holds.
pub(crate) async fn create(
    control: &Acting,
    name: TenantName,
    claims: Claims,
    limits: serde_json::Map<String, serde_json::Value>,
) -> Result<Tenant, ControlError> {
    let _publishing = control.publishing.lock().await;
    control.loaded()?;
    let control = control.clone();
    blocking(move || {
        claims::check_new(&control, &claims)?;
        let limits = patched(&TenantLimits::default(), limits)?;
        let told = push::json(&limits, "limits")?;
        control.changes().create_limited_tenant(&name, &claims, &limits)?;
        tracing::info!(tenant = %name, %claims, limits = %told, "made a tenant");
        claims_changed(&control)?;
        control.tenant(&name)
    })
    .await
}

/// Changes what a tenant may have, as JSON merge patch has it (RFC 7396). Its functions are made anew under it, but for what is
/// used in a day: none of them is in memory afterwards, and requests that run go on under what they began with.
pub(crate) async fn limit(
    control: &Acting,
    name: TenantName,
    patch: serde_json::Map<String, serde_json::Value>,
) -> Result<Tenant, ControlError> {
    let _publishing = control.publishing.lock().await;
    control.loaded()?;
    let (this, tenant) = (control.clone(), name.clone());
    let (before, kept) = blocking(move || {
        let before = this.tenant(&tenant)?.limits;
        let limits = patched(&before, patch)?;
        let told = push::json(&limits, "limits")?;
        this.changes().set_tenant_limits(&tenant, &limits)?;
        tracing::info!(%tenant, limits = %told, "changed a tenant's limits");
        let book = Arc::new(Book::read(&this.store)?);
        this.tenants.store(Arc::clone(&book));
        this.books.set_gates(&book);
        if limits.of_functions() == before.of_functions() {
            return Ok(Default::default());
        }
        reload(&this, &BTreeSet::from([tenant]))
    })
    .await?;
    replace(before, kept).await?;
    control.tenant(&name)
}

/// Reads all tenants anew: what they were given is kept from the others from now on. Blocks.
fn claims_changed(control: &Control) -> Result<(), ControlError> {
    let book = Arc::new(Book::read(&control.store)?);
    control.tenants.store(Arc::clone(&book));
    control.books.set_gates(&book);
    control.catalog.store(Arc::new(switch::those(control, |_| true)?.build()));
    Ok(())
}

fn patched(
    limits: &TenantLimits,
    patch: serde_json::Map<String, serde_json::Value>,
) -> Result<TenantLimits, ControlError> {
    let json = serde_json::to_value(limits).map_err(|e| ControlError::Internal(format!("limits as JSON: {e}")))?;
    let mut fields = if let serde_json::Value::Object(fields) = json { fields } else { serde_json::Map::new() };
    for (name, value) in patch {
        // Of a key that is not known only its name would be told, were it not there.
        if value.is_null() && fields.remove(&name).is_some() {
            continue;
        }
        fields.insert(name, value);
    }
    let limits: TenantLimits =
        serde_json::from_value(fields.into()).map_err(|e| ControlError::Limits(e.to_string()))?;
    match limits.unusable().as_slice() {
        [] => Ok(limits),
        names => Err(ControlError::Limits(format!("with 0 of {} no function could answer", names.join(", ")))),
    }
}

pub(crate) type Entries = Vec<Arc<FunctionEntry>>;
pub(crate) type Kept = Vec<(Arc<FunctionEntry>, u32)>;

/// Makes the functions of tenants anew from the store, and swaps all of them in at once: what is stored of several has been compared as
/// a whole, and what lies between may be something that could not serve. Returns those before, and the new ones with how many of their
/// instances are to be kept warm. Blocks.
pub(crate) fn reload(control: &Control, tenants: &BTreeSet<TenantName>) -> Result<(Entries, Kept), ControlError> {
    let before = of(control, tenants);
    let mut builder = switch::those(control, |entry| !tenants.contains(&entry.tenant))?;
    let (mut kept, mut seen, mut failed) = (Vec::new(), Default::default(), Vec::new());
    for tenant in tenants {
        let mut shared = control.shared_out(Some(tenant))?;
        for version in control.store.functions(Some(tenant))? {
            let plan = shared.remove(&(tenant.clone(), version.name.clone()));
            let added = control.restore(&version, plan, &mut seen, &mut failed).and_then(|(entry, min)| {
                let said = control.store.scale(tenant, &version.name)?;
                builder.add(Arc::clone(&entry))?;
                kept.push((entry, said.unwrap_or(min)));
                Ok(())
            });
            if let Err(error) = added {
                tracing::error!(%tenant, function = %version.name, %error, "a function could not be loaded and does not serve");
                let (tenant, function) = (tenant.clone(), version.name.clone());
                failed.push(Failed { tenant, function, failure: Failure::NotMade(error.to_string()) });
            }
        }
    }
    control.catalog.store(Arc::new(builder.build()));
    tenants.iter().for_each(|tenant| control.failed.forget_tenant(tenant));
    control.failed.found(failed);
    Ok((before, kept))
}

/// What serves of tenants.
fn of(control: &Control, tenants: &BTreeSet<TenantName>) -> Entries {
    control.catalog.load().functions().filter(|entry| tenants.contains(&entry.tenant)).cloned().collect()
}

/// What was kept warm of the functions before is of the new ones from now on.
pub(crate) async fn replace(before: Entries, kept: Kept) -> Result<(), ControlError> {
    for entry in before.iter().filter(|entry| entry.handle.kept() > 0) {
        entry.handle.scale(0).await?;
    }
    for (entry, min) in kept {
        scale::keep(&entry, min).await;
    }
    Ok(())
}

impl Control {
    /// A tenant, as it is in memory.
    pub(crate) fn tenant(&self, name: &TenantName) -> Result<Tenant, ControlError> {
        self.tenants.load().get(name).cloned().ok_or_else(|| ControlError::NoTenant(name.clone()))
    }

    /// What a tenant may have of models and uploads, in bytes.
    pub(crate) fn quota(&self, tenant: &TenantName) -> u64 {
        let server = self.config.limits.tenant_model_bytes;
        self.tenants.load().limits(tenant).model_bytes.map_or(server, |own| own.min(server)).0
    }

    /// Refuses what needs to know all functions before they are.
    pub(crate) fn loaded(&self) -> Result<(), ControlError> {
        match self.is_loaded.load(Ordering::Acquire) {
            true => Ok(()),
            false => {
                Err(ControlError::Unavailable("the server is still loading its functions: try again soon".to_owned()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn patch(limits: &TenantLimits, patch: serde_json::Value) -> Result<TenantLimits, String> {
        let serde_json::Value::Object(patch) = patch else { panic!("an object") };
        patched(limits, patch).map_err(|error| error.to_string())
    }

    #[test]
    fn a_patch_changes_what_it_names_and_takes_back_what_it_names_with_null() {
        let none = TenantLimits::default();
        let some = patch(&none, json!({"concurrency": 3, "memory": "64MiB", "cpu": "2s"})).unwrap();
        assert_eq!((some.concurrency, some.memory.map(|size| size.0)), (Some(3), Some(64 << 20)));
        let less = patch(&some, json!({"memory": null, "functions": 0})).unwrap();
        assert_eq!((less.concurrency, less.memory, less.functions), (Some(3), None, Some(0)));
        assert_eq!(patch(&less, json!({})).unwrap(), less);
        assert_eq!(patch(&none, json!({"memory": null})).unwrap(), none, "what is not there is taken back, too");
    }

    #[test]
    fn what_nothing_holds_is_not_accepted() {
        let none = TenantLimits::default();
        for (given, expected) in [
            (json!({"banana": 1}), "banana"),
            (json!({"banana": null}), "banana"),
            (json!({"memory": "lots"}), "lots"),
            (json!({"concurrency": -1}), "-1"),
            (json!({"concurrency": 0, "cpu": "0s"}), "with 0 of cpu, concurrency"),
        ] {
            let refused = patch(&none, given.clone()).unwrap_err();
            assert!(refused.contains(expected), "{given}: {refused}");
        }
    }
}
