//! The start: every live function of the store is loaded and served again.

use std::sync::Arc;

use modelet_spec::manifest::Manifest;
use modelet_store::FunctionVersion;

use crate::control::{Control, FunctionEntry, State, blocking};
use crate::deploy::{Bound, Draft};
use crate::error::ControlError;
use crate::memory;
use crate::pinned::Pinned;
use crate::sweep;

impl Control {
    /// Loads all functions of the store and swaps them in. One that cannot be loaded is logged and listed by `/readyz`;
    /// the others serve.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn load(self: &Arc<Self>) -> Result<(), ControlError> {
        sweep::start(self);
        let _publishing = self.publishing.lock().await;
        let control = Arc::clone(self);
        memory::load_pinned(self)?;
        blocking(move || {
            let mut builder = control.catalog_builder()?;
            let mut failed = Vec::new();
            let functions = control.store.functions(None)?;
            let total = functions.len();
            for version in functions {
                let added = control.restore(&version).and_then(|entry| Ok(builder.add(entry)?));
                if let Err(error) = added {
                    tracing::error!(
                        tenant = %version.tenant, function = %version.name, version = %version.version, %error,
                        "a function could not be loaded and does not serve; deploy it again"
                    );
                    failed.push(format!("{}: {error}", version.name));
                }
            }
            control.catalog.store(Arc::new(builder.build()));
            tracing::info!(functions = total - failed.len(), failed = failed.len(), "loaded the functions");
            control.state.store(Arc::new(State { loaded: true, failed }));
            Ok(())
        })
        .await
    }

    fn restore(&self, version: &FunctionVersion) -> Result<FunctionEntry, ControlError> {
        let draft = draft(version)?;
        let code = self.compiled(version)?;
        draft.entry(self, version.version, &code)
    }

    /// The compiled code, made again when there is none for this engine or its bytes are not what was stored.
    fn compiled(&self, version: &FunctionVersion) -> Result<Vec<u8>, ControlError> {
        if let Some(code) = self.store.read_compiled(&version.component, self.engine.id())? {
            return Ok(code);
        }
        tracing::info!(
            function = %version.name, version = %version.version, engine = self.engine.id(),
            "no usable compiled code: compiling again"
        );
        let compiled = self.engine.compile(&self.component(&version.tenant, &version.component)?)?;
        let record = self.store.write_compiled(&version.component, self.engine.id(), &compiled.code)?;
        self.store.set_compiled(version, &record)?;
        Ok(compiled.code)
    }
}

/// The draft that a stored version was made of.
pub(crate) fn draft(version: &FunctionVersion) -> Result<Draft, ControlError> {
    let manifest: Manifest = serde_json::from_str(&version.manifest_json)
        .map_err(|e| ControlError::Manifest(format!("as stored it cannot be read any more: {e}")))?;
    let pin = |m: &modelet_store::ModelBinding| Ok::<_, ControlError>((m.alias.clone(), Pinned::bound(m)?));
    let bound = version.models.iter().map(pin).collect::<Result<Bound, _>>()?;
    Ok(Draft { tenant: version.tenant.clone(), manifest, component: version.component, bound })
}
