//! What nothing names any more is taken off the disk: now and then, and after each removal.

use std::sync::Arc;
use std::time::Duration;

use modelet_spec::TenantName;
use modelet_store::{Actor, Collected};

use crate::control::{Control, blocking};
use crate::error::ControlError;

/// How often all contents are looked at.
const EVERY: Duration = Duration::from_secs(600);
/// How long bytes that nothing names stay: what is sent must be named by a push or a deploy within this.
const GRACE: Duration = Duration::from_secs(3600);

/// Sweeps from time to time, as long as the control plane lives.
pub(crate) fn start(control: &Arc<Control>) {
    let weak = Arc::downgrade(control);
    tokio::spawn(async move {
        while let Some(control) = weak.upgrade() {
            sweep(control).await;
            tokio::time::sleep(EVERY).await;
        }
    });
}

/// Sweeps once, beside whatever else is done.
pub(crate) fn once(control: &Arc<Control>) {
    tokio::spawn(sweep(Arc::clone(control)));
}

/// Collects, and notes what has gone. Blocks.
fn collect(control: &Control) -> Result<Collected, ControlError> {
    let collected = control.store.collect(GRACE, control.config.history)?;
    if collected.files > 0 {
        let detail = format!("{} contents, {} bytes", collected.files, collected.bytes);
        control.store.by(&Actor::Server).note("server.collect", &TenantName::default_tenant(), "contents", &detail)?;
    }
    Ok(collected)
}

async fn sweep(control: Arc<Control>) {
    match blocking(move || collect(&control)).await {
        Ok(collected) if collected.files > 0 => {
            tracing::info!(files = collected.files, bytes = collected.bytes, "removed contents that nothing names");
        }
        Ok(_) => {}
        Err(error) => {
            tracing::error!(error = %crate::api::respond::with_sources(&error), "contents could not be removed")
        }
    }
}
