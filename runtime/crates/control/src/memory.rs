//! What an owner asks of memory: that a model stays there, or goes.

use std::sync::Arc;

use modelet_inference::{LoadError, ModelHandle, Unload};
use modelet_spec::{ModelName, Pick, TenantName};
use modelet_store::{ModelVersion, Pin};

use crate::acting::Acting;
use crate::api::respond::with_sources;
use crate::control::{Control, blocking};
use crate::error::ControlError;
use crate::pinned::Pinned;
use crate::views;
use crate::wire;

/// A version of a model, as it is named.
pub(crate) struct Named {
    pub(crate) tenant: TenantName,
    pub(crate) name: ModelName,
    pub(crate) pick: Pick,
    /// To unload: whether also what is pinned.
    pub(crate) force: bool,
}

/// Pins a version, and loads it; or takes that back.
pub(crate) async fn pin(control: &Acting, named: Named, wanted: bool) -> Result<wire::Model, ControlError> {
    control.inference.ready()?;
    let version = find(control, named).await?;
    let handle = control.handle(&version)?;
    let this = control.clone();
    blocking(move || this.check()).await?;
    let was_pinned = handle.seen().is_pinned;
    handle.pin(wanted);
    if wanted && let Err(error) = handle.load().await {
        // What cannot be there is not kept as a wish that fails at each start.
        handle.pin(was_pinned);
        return Err(ControlError::NoMemory(error));
    }
    let control = control.clone();
    blocking(move || {
        if let Err(error) = control.changes().set_pin(&pin_of(&version), wanted) {
            handle.pin(was_pinned);
            return Err(error.into());
        }
        views::model_in_memory(&control, version)
    })
    .await
}

/// Lets a version go from memory.
pub(crate) async fn unload(control: &Arc<Control>, named: Named) -> Result<wire::Model, ControlError> {
    control.inference.ready()?;
    let force = named.force;
    let version = find(control, named).await?;
    let control = Arc::clone(control);
    blocking(move || {
        let label = format!("{}@{}", version.name, version.version);
        match control.handle(&version)?.unload(force) {
            Unload::Pinned => return Err(ControlError::Pinned(label)),
            Unload::Done | Unload::NotHere => {
                tracing::info!(tenant = %version.tenant, model = label, "unloaded by hand")
            }
        }
        views::model_in_memory(&control, version)
    })
    .await
}

/// At the start, and after an import: pins what was pinned, and loads it in the background.
pub(crate) async fn load_pinned(control: &Arc<Control>) -> Result<(), ControlError> {
    let this = Arc::clone(control);
    for (pin, handle) in blocking(move || pinned(&this)).await? {
        handle.pin(true);
        tokio::spawn(async move {
            if let Err(error) = handle.load().await {
                not_in_memory(&pin, &error);
            }
        });
    }
    Ok(())
}

/// What was pinned and can be loaded. What cannot is told: the other pins are none the worse for it. Blocks.
fn pinned(control: &Control) -> Result<Vec<(Pin, ModelHandle)>, ControlError> {
    let mut pinned = Vec::new();
    for pin in control.store.pins()? {
        let found = control.store.model(&pin.tenant, &pin.name, &Pick::Version(pin.version))?;
        match found.map(|version| control.handle(&version)) {
            Some(Ok(handle)) => pinned.push((pin, handle)),
            Some(Err(error)) => not_in_memory(&pin, &error),
            // Removed in this moment.
            None => {}
        }
    }
    Ok(pinned)
}

fn not_in_memory(pin: &Pin, error: &dyn std::error::Error) {
    let (tenant, model, version, error) = (&pin.tenant, &pin.name, &pin.version, with_sources(error));
    tracing::error!(%tenant, %model, %version, error, "a pinned model is not in memory");
}

impl Control {
    fn handle(&self, version: &ModelVersion) -> Result<ModelHandle, ControlError> {
        let pinned = Pinned::of(version.clone())?;
        let none = || ControlError::NoMemory(LoadError::Unavailable("there is no ONNX Runtime".to_owned()));
        self.models.handle(&pinned).ok_or_else(none)
    }
}

async fn find(control: &Arc<Control>, named: Named) -> Result<ModelVersion, ControlError> {
    let control = Arc::clone(control);
    blocking(move || {
        let Named { tenant, name, pick, .. } = named;
        let found = control.store.model(&tenant, &name, &pick)?;
        found.ok_or_else(|| {
            ControlError::NoModel(if pick == Pick::Latest { name.to_string() } else { format!("{name}@{pick}") })
        })
    })
    .await
}

fn pin_of(version: &ModelVersion) -> Pin {
    Pin { tenant: version.tenant.clone(), name: version.name.clone(), version: version.version }
}
