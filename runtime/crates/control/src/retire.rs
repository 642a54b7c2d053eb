//! Functions and versions of them go: out of the catalog at once, and what still answers a request may finish it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use modelet_spec::{FunctionName, TenantName, Version};

use crate::acting::Acting;
use crate::control::{FunctionEntry, blocking};
use crate::error::ControlError;
use crate::lineup::Plan;
use crate::wire::RemovedFunction;
use crate::{sweep, switch};

/// How often it is looked whether the last request has been answered.
const LOOK: Duration = Duration::from_millis(10);
/// How long is waited for requests beyond the function's own time: for the look at it, and a busy machine.
const DRAIN_MORE: Duration = Duration::from_secs(1);

/// Removes a version that nobody's request can reach.
pub(crate) async fn remove_version(
    control: &Acting,
    tenant: TenantName,
    name: FunctionName,
    version: Version,
) -> Result<RemovedFunction, ControlError> {
    let _publishing = control.publishing.lock().await;
    let this = control.clone();
    let removed = blocking(move || {
        let written = || format!("{name}@{version}");
        let serving = this.store.serving(&tenant, &name)?;
        let plan = serving.map(Plan::of).transpose()?;
        let serves = plan.filter(|plan| plan.live == version || shares(plan, version));
        // Looked up first: what is not there does not serve, and is not said to.
        this.store.function_version(&tenant, &name, version)?;
        if let Some(plan) = serves {
            return Err(ControlError::FunctionServes { version: written(), live: plan.live == version });
        }
        let removed = this.changes().remove_function(&tenant, &name, Some(version))?;
        tracing::info!(%tenant, function = %name, %version, "version removed");
        Ok(RemovedFunction { versions: removed.versions, in_flight: 0 })
    });
    let removed = removed.await?;
    sweep::once(control);
    Ok(removed)
}

fn shares(plan: &Plan, version: Version) -> bool {
    plan.traffic.iter().any(|traffic| traffic.versions().any(|shared| shared == version))
}

/// Removes a function with all its versions. While it answers requests that is refused, unless forced; then they are waited for,
/// no longer than the function's own time.
pub(crate) async fn remove(
    control: &Acting,
    tenant: TenantName,
    name: FunctionName,
    force: bool,
) -> Result<RemovedFunction, ControlError> {
    let publishing = control.publishing.lock().await;
    control.loaded()?;
    let before = control.serving(&tenant, &name);
    let busy = before.as_ref().map_or(0, busy);
    if busy > 0 && !force {
        return Err(ControlError::FunctionBusy { function: name.to_string(), busy });
    }
    let (this, of) = (control.clone(), (tenant.clone(), name.clone()));
    let removed = blocking(move || {
        let next = switch::without(&this, &of.0, &of.1);
        let _both = this.both.write();
        let removed = this.changes().remove_function(&of.0, &of.1, None)?;
        this.catalog.store(Arc::new(next));
        this.failed.forget(&of.0, &of.1);
        Ok(removed)
    });
    let removed = removed.await?;
    drop(publishing);
    switch::let_go(before.as_ref(), None).await?;
    let in_flight = match &before {
        Some(before) => drain(before).await,
        None => 0,
    };
    control.logs.forget(&tenant, &name);
    sweep::once(control);
    tracing::info!(%tenant, function = %name, versions = removed.versions.len(), force, in_flight, "function removed");
    Ok(RemovedFunction { versions: removed.versions, in_flight })
}

/// Requests that its versions answer now; the shadow's are nobody's.
pub(crate) fn busy(entry: &Arc<FunctionEntry>) -> u64 {
    entry.all().map(|version| version.handle.instances().0 as u64).sum()
}

/// Waits for what it answers. Returns how many requests are left.
async fn drain(entry: &Arc<FunctionEntry>) -> u64 {
    let time = entry.all().map(|version| version.limits.time).max().unwrap_or_default();
    drained(Instant::now() + time + DRAIN_MORE, || busy(entry) == 0).await;
    busy(entry)
}

/// Waits until nothing runs any more; whether that was so in time. Nothing tells of the end of a request, so it is looked for.
pub(crate) async fn drained(until: Instant, is_over: impl Fn() -> bool) -> bool {
    while !is_over() {
        if Instant::now() >= until {
            return false;
        }
        tokio::time::sleep(LOOK).await;
    }
    true
}
