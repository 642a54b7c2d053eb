//! A tenant goes: first its routes, then what runs, then all that it had.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use modelet_spec::{ModelName, TenantName};
use modelet_store::{Changes, TenantRemoval};

use super::{Book, Entries, of, reload, replace};
use crate::acting::Acting;
use crate::control::{Control, FunctionEntry, blocking};
use crate::error::ControlError;
use crate::wire::RemovedTenant;
use crate::{retire, sweep, switch};

/// Removes a tenant. Requests that run when its routes go are waited for, as long as a server's stop would.
pub(crate) async fn remove(control: &Acting, name: TenantName, force: bool) -> Result<RemovedTenant, ControlError> {
    let leaving = withdraw(control, name.clone(), force).await?;
    // Whoever runs or waits for its turn holds the entry of its version; a guest that still writes its answer is busy.
    let is_free = |entry: &Arc<FunctionEntry>| entry.all().all(|version| Arc::strong_count(version) == 1);
    let is_over = || leaving.iter().all(|entry| is_free(entry) && retire::busy(entry) == 0);
    if !retire::drained(Instant::now() + control.config.drain, is_over).await {
        tracing::warn!(tenant = %name, "requests to functions of a removed tenant still run");
    }
    let removed = finish(control, name.clone(), force).await;
    if removed.is_err() {
        // It stays, so its functions must serve again.
        restore(control, name.clone()).await?;
    }
    let removal = removed?;
    for entry in &leaving {
        entry.handle.scale(0).await?;
    }
    sweep::once(control);
    tracing::info!(tenant = %name, functions = removal.functions.len(), "removed a tenant");
    let mut models: Vec<ModelName> = removal.models.into_iter().map(|version| version.name).collect();
    models.dedup();
    Ok(RemovedTenant { name, functions: removal.functions, models })
}

/// Takes a tenant's routes out of service.
async fn withdraw(control: &Acting, name: TenantName, force: bool) -> Result<Entries, ControlError> {
    let _publishing = control.publishing.lock().await;
    control.loaded()?;
    let control = control.clone();
    blocking(move || {
        control.check()?;
        control.store.check_tenant_removal(&name, force)?;
        let leaving = of(&control, &BTreeSet::from([name.clone()]));
        control.catalog.store(Arc::new(switch::those(&control, |entry| entry.tenant != name).build()));
        Ok(leaving)
    })
    .await
}

/// Removes all that the tenant had, also what has come in since its routes went.
async fn finish(control: &Acting, name: TenantName, force: bool) -> Result<TenantRemoval, ControlError> {
    let _publishing = control.publishing.lock().await;
    let control = control.clone();
    blocking(move || {
        let remove = |changes: &Changes<'_>| Ok(changes.remove_tenant(&name, force)?);
        let removal = control.models.grants.change(&control.changes(), |_| control.change_keys(remove))?;
        control.tenants.store(Arc::new(Book::read(&control.store)?));
        control.catalog.store(Arc::new(switch::those(&control, |entry| entry.tenant != name).build()));
        control.failed.forget_tenant(&name);
        control.models.forget(&removal.models);
        control.logs.forget_tenant(&name);
        Ok(removal)
    })
    .await
}

/// Puts a tenant's functions back into service.
async fn restore(control: &Arc<Control>, name: TenantName) -> Result<(), ControlError> {
    let _publishing = control.publishing.lock().await;
    let control = Arc::clone(control);
    let (before, kept) = blocking(move || reload(&control, &BTreeSet::from([name]))).await?;
    replace(before, kept).await
}
