//! Tenants: made, limited and removed by the operator.
//!
//! What they may claim and have is in memory as a [`Book`], read whole at each change, so that neither a deploy nor a request
//! asks the store for it. A change holds the lock of deploys: none may enter a catalog by what was true before it.

mod book;
mod claims;
mod remove;

use std::collections::{BTreeSet, HashSet};
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
/// used in a day: none of them is in memory afterwards, and requests that run go on under what they began with. Where one that serves
/// could not be made anew nothing changes: it would serve no longer, or under limits that are not what is said.
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
        // Functions are made with what the book says.
        let proposed = Proposed::put(&this, this.tenants.load().limited(&tenant, limits.clone()));
        let own = BTreeSet::from([tenant.clone()]);
        let made = if limits.of_functions() == before.of_functions() { None } else { Some(anew(&this, &own)?) };
        if let Some(lost) = made.iter().flat_map(|made| &made.failed).find(|failed| serves(&this, failed)) {
            let Failed { function, failure, .. } = lost;
            return Err(ControlError::Limits(format!(
                "nothing was changed, because the function {function} cannot be made anew under them: {failure}; mend it or remove it first"
            )));
        }
        let told = push::json(&limits, "limits")?;
        this.changes().set_tenant_limits(&tenant, &limits)?;
        proposed.keep();
        tracing::info!(%tenant, limits = %told, "changed a tenant's limits");
        // As it was kept: with the revision that the change has made.
        let book = Arc::new(Book::read(&this.store)?);
        this.tenants.store(Arc::clone(&book));
        this.books.set_gates(&book);
        made.map_or(Ok(Default::default()), |made| swap(&this, &own, made))
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
    control.catalog.store(Arc::new(switch::serving(control).build()));
    Ok(())
}

/// A book that holds from now on, and no longer if it comes to nothing.
struct Proposed<'a> {
    control: &'a Control,
    before: Option<Arc<Book>>,
}

impl<'a> Proposed<'a> {
    fn put(control: &'a Control, book: Book) -> Self {
        Self { control, before: Some(control.tenants.swap(Arc::new(book))) }
    }

    fn keep(mut self) {
        self.before = None;
    }
}

impl Drop for Proposed<'_> {
    fn drop(&mut self) {
        if let Some(before) = self.before.take() {
            self.control.tenants.store(before);
        }
    }
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

/// The functions of tenants, made anew from the store.
struct Anew {
    /// Each with how many of its instances are to be kept warm.
    made: Kept,
    /// Those that could not be, or not as they are stored.
    failed: Vec<Failed>,
}

/// Makes the functions of tenants anew from the store, and swaps all of them in at once: what is stored of several has been compared as
/// a whole, and what lies between may be something that could not serve. Returns those before, and the new ones with how many of their
/// instances are to be kept warm. Blocks.
pub(crate) fn reload(control: &Control, tenants: &BTreeSet<TenantName>) -> Result<(Entries, Kept), ControlError> {
    swap(control, tenants, anew(control, tenants)?)
}

fn anew(control: &Control, tenants: &BTreeSet<TenantName>) -> Result<Anew, ControlError> {
    let (mut anew, mut seen) = (Anew { made: Vec::new(), failed: Vec::new() }, Default::default());
    for tenant in tenants {
        let mut shared = control.shared_out(Some(tenant))?;
        for version in control.store.functions(Some(tenant))? {
            let plan = shared.remove(&(tenant.clone(), version.name.clone()));
            match control.restore(&version, plan, &mut seen, &mut anew.failed) {
                Ok((entry, min)) => {
                    let said = control.store.scale(tenant, &version.name)?;
                    anew.made.push((entry, said.unwrap_or(min)));
                }
                Err(error) => {
                    tracing::error!(%tenant, function = %version.name, %error, "a function could not be made anew");
                    let (tenant, function) = (tenant.clone(), version.name.clone());
                    anew.failed.push(Failed { tenant, function, failure: Failure::NotMade(error.to_string()) });
                }
            }
        }
    }
    Ok(anew)
}

/// Whether a function that could not be made serves now as it would then no longer.
fn serves(control: &Control, failed: &Failed) -> bool {
    let serving = control.serving(&failed.tenant, &failed.function);
    serving.is_some_and(|serving| match failed.failure {
        Failure::NotMade(_) => true,
        Failure::NotSharedOut(_) => serving.arms.is_some(),
    })
}

/// Swaps the functions of tenants in. One that could not be made goes on as it is, unless another version of it is live by now.
fn swap(control: &Control, tenants: &BTreeSet<TenantName>, anew: Anew) -> Result<(Entries, Kept), ControlError> {
    let mut before = of(control, tenants);
    let mut builder = switch::those(control, |entry| !tenants.contains(&entry.tenant));
    let Anew { made: mut kept, mut failed } = anew;
    kept.retain(|(entry, _)| {
        let Err(error) = builder.add(Arc::clone(entry)) else { return true };
        tracing::error!(tenant = %entry.tenant, function = %entry.function, %error, "a function does not serve");
        let (tenant, function) = (entry.tenant.clone(), entry.function.clone());
        failed.push(Failed { tenant, function, failure: Failure::NotMade(error.to_string()) });
        false
    });
    let serves: HashSet<_> = kept.iter().map(|(entry, _)| (entry.tenant.clone(), entry.function.clone())).collect();
    let is_left = |entry: &mut Arc<FunctionEntry>| !serves.contains(&(entry.tenant.clone(), entry.function.clone()));
    let left: Entries = before.extract_if(.., is_left).collect();
    for entry in left {
        let live = control.store.function(&entry.tenant, &entry.function)?;
        let is_live = live.is_some_and(|live| live.version == entry.version);
        if !is_live || builder.add(Arc::clone(&entry)).is_err() {
            before.push(entry);
        }
    }
    control.catalog.store(Arc::new(builder.build()));
    tenants.iter().for_each(|tenant| control.failed.forget_tenant(tenant));
    control.failed.found(failed);
    Ok((before, kept))
}

/// What serves of tenants.
fn of(control: &Control, tenants: &BTreeSet<TenantName>) -> Entries {
    let catalog = control.catalog.load();
    tenants.iter().flat_map(|tenant| catalog.functions_of(tenant)).cloned().collect()
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
