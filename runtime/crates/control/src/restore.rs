//! The start: every live function of the store is served again, from where it lies.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use modelet_spec::manifest::Manifest;
use modelet_spec::{Digest, FunctionName, TenantName};
use modelet_store::{FunctionVersion, Serving};

use crate::code::Coded;
use crate::compile::Image;
use crate::control::{Control, FunctionEntry, blocking};
use crate::deploy::{Bound, Draft};
use crate::error::ControlError;
use crate::failed::{Failed, Failure};
use crate::keys;
use crate::lineup::{FunctionArms, Plan};
use crate::memory;
use crate::pinned::Pinned;
use crate::{scale, scrub, sweep, usage};

impl Control {
    /// Loads all functions of the store and swaps them in. One that cannot be loaded is logged and listed by `/readyz`;
    /// the others serve.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn load(self: &Arc<Self>) -> Result<(), ControlError> {
        sweep::start(self);
        keys::start_writing_uses(self);
        usage::start(self);
        self.start_issuers();
        let _publishing = self.publishing.lock().await;
        let control = Arc::clone(self);
        memory::load_pinned(self).await?;
        let kept = blocking(move || control.restore_all()).await?;
        scale::keep_all(kept);
        scrub::start(self);
        Ok(())
    }

    /// Swaps all functions in. Returns those with instances that are to be kept warm. Blocks.
    fn restore_all(&self) -> Result<Vec<(Arc<FunctionEntry>, u32)>, ControlError> {
        let mut builder = self.catalog_builder()?;
        let (mut failed, mut seen, mut mins) = (Vec::new(), HashSet::new(), self.said()?);
        let functions = self.store.functions(None)?;
        let mut shared = self.shared_out(None)?;
        for version in functions {
            let owned = (version.tenant.clone(), version.name.clone());
            let plan = shared.remove(&owned);
            let added = self.restore(&version, plan, &mut seen, &mut failed).and_then(|(entry, min)| {
                builder.add(entry)?;
                Ok(min)
            });
            match added {
                Ok(min) => _ = mins.entry(owned).or_insert(min),
                Err(error) => {
                    tracing::error!(
                        tenant = %version.tenant, function = %version.name, version = %version.version, %error,
                        "a function could not be loaded and does not serve; deploy it again"
                    );
                    let (tenant, function) = (version.tenant.clone(), version.name.clone());
                    failed.push(Failed { tenant, function, failure: Failure::NotMade(error.to_string()) });
                }
            }
        }
        let catalog = Arc::new(builder.build());
        self.catalog.store(Arc::clone(&catalog));
        tracing::info!(functions = catalog.functions().count(), failed = failed.len(), "loaded the functions");
        self.failed.found(failed);
        self.is_loaded.store(true, Ordering::Release);
        let min = |entry: &Arc<FunctionEntry>| mins.get(&(entry.tenant.clone(), entry.function.clone())).copied();
        let kept =
            catalog.functions().filter_map(|entry| Some((Arc::clone(entry), min(entry).filter(|min| *min > 0)?)));
        Ok(kept.collect())
    }

    /// How many instances are kept warm where somebody said so.
    fn said(&self) -> Result<HashMap<(TenantName, FunctionName), u32>, ControlError> {
        Ok(self.store.scales()?.into_iter().map(|(tenant, name, min)| ((tenant, name), min)).collect())
    }

    /// What serves of the functions whose requests are shared out.
    pub(crate) fn shared_out(
        &self,
        tenant: Option<&TenantName>,
    ) -> Result<HashMap<(TenantName, FunctionName), Plan>, ControlError> {
        let plan = |serving: Serving| Ok(((serving.tenant.clone(), serving.name.clone()), Plan::of(serving)?));
        self.store.shared_out(tenant)?.into_iter().map(plan).collect()
    }

    /// The versions beside a function's live one. Where one of them cannot be made, the live one has all requests: better than
    /// nobody's being answered.
    fn arms(&self, plan: &Plan, failed: &mut Vec<Failed>) -> Option<Box<FunctionArms>> {
        match plan.arms_anew(self) {
            Ok(arms) => arms,
            Err(error) => {
                let (tenant, name) = (&plan.tenant, &plan.name);
                tracing::error!(%tenant, function = %name, %error, "its requests are not shared out: its live version has all");
                let failure = Failure::NotSharedOut(error.to_string());
                failed.push(Failed { tenant: tenant.clone(), function: name.clone(), failure });
                None
            }
        }
    }

    /// One function with the versions that share its requests, and how many of its instances its manifest keeps warm; all made anew. Of
    /// its code is only looked at whether it is there: it is loaded when somebody calls.
    pub(crate) fn restore(
        &self,
        version: &FunctionVersion,
        plan: Option<Plan>,
        seen: &mut HashSet<Digest>,
        failed: &mut Vec<Failed>,
    ) -> Result<(Arc<FunctionEntry>, u32), ControlError> {
        let draft = draft(version)?;
        let of = Coded::of(version);
        self.codes.ensure(&of, seen)?;
        let code = self.codes.stored(of, &version.compiled);
        let mut entry = draft.entry(self, version.version, code)?;
        entry.arms = plan.and_then(|plan| self.arms(&plan, failed));
        Ok((Arc::new(entry), draft.manifest.instances.min))
    }
}

/// The draft that a stored version was made of.
pub(crate) fn draft(version: &FunctionVersion) -> Result<Draft, ControlError> {
    let manifest: Manifest = serde_json::from_str(&version.manifest_json)
        .map_err(|e| ControlError::Manifest(format!("as stored it cannot be read any more: {e}")))?;
    let pin = |m: &modelet_store::ModelBinding| Ok::<_, ControlError>((m.alias.clone(), Pinned::bound(m)?));
    let bound = version.models.iter().map(pin).collect::<Result<Bound, _>>()?;
    Ok(Draft {
        tenant: version.tenant.clone(),
        manifest,
        component: version.component,
        bound,
        not_reused: version.not_reused.clone(),
        image: version.compiled.image.as_deref().map(Image::read).transpose()?,
        tried_with: None,
    })
}
