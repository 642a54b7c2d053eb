//! What came in is looked at as if it had been pushed and deployed here: nothing of it is believed.

use std::collections::BTreeMap;
use std::sync::Arc;

use modelet_spec::{Digest, TenantName};
use modelet_store::{CompiledRecord, ImportedTenant, NewFunctionVersion, NewModelVersion};

use super::plan::{NewFunction, NewModel, TenantPlan};
use super::receive::{Kept, Received};
use crate::artifact::Artifact;
use crate::control::{Control, blocking};
use crate::deploy::{self, Draft};
use crate::error::ControlError;
use crate::{description, push};

/// What was found out of a component: its code, and why its instances are not reused.
type Examined = BTreeMap<(TenantName, Digest, bool), (CompiledRecord, Option<String>)>;

/// Tries every new model and compiles every new component; returns what the store is to keep.
pub(super) async fn admit(
    control: &Arc<Control>,
    received: &mut Received,
) -> Result<Vec<ImportedTenant>, ControlError> {
    let mut tenants = Vec::new();
    let mut examined = Examined::new();
    let Received { plan, kept, .. } = received;
    for planned in &plan.tenants {
        let mut tenant = begun(planned)?;
        for model in &planned.models {
            let name = format!("the model {}/{}@{}", planned.name, model.name, model.number);
            let admitted = admit_model(control, &planned.name, model).await.map_err(|why| of(&name, why))?;
            tenant.models.push((model.number, admitted));
            refresh(control, kept).await?;
        }
        for function in &planned.functions {
            let name = format!("the function {}/{}@{}", planned.name, function.name, function.number);
            let admitted = admit_function(control, &planned.name, function, &mut examined);
            tenant.functions.push((function.number, admitted.await.map_err(|why| of(&name, why))?));
            refresh(control, kept).await?;
        }
        if !tenant.is_empty() {
            tenants.push(tenant);
        }
    }
    Ok(tenants)
}

/// Says of what came that it is wanted, as long as it takes.
async fn refresh(control: &Arc<Control>, kept: &mut Kept) -> Result<(), ControlError> {
    if kept.is_due() {
        let (control, mut due) = (Arc::clone(control), kept.clone());
        *kept = blocking(move || due.refresh(&control.store).map(|()| due)).await?;
    }
    Ok(())
}

/// What needs no look.
fn begun(planned: &TenantPlan) -> Result<ImportedTenant, ControlError> {
    let serving = planned.serving.iter().map(|serving| serving.stored(&planned.name)).collect::<Result<_, _>>()?;
    Ok(ImportedTenant {
        name: planned.name.clone(),
        is_new: planned.is_new,
        claims: planned.claims.clone(),
        limits: planned.limits.clone(),
        quota_bytes: planned.quota,
        models: Vec::new(),
        labels: planned.labels.clone(),
        grants: planned.grants.clone(),
        pins: planned.pins.clone(),
        functions: Vec::new(),
        serving,
        scales: planned.scales.clone(),
        secrets: planned.secrets.clone(),
    })
}

async fn admit_model(
    control: &Arc<Control>,
    tenant: &TenantName,
    model: &NewModel,
) -> Result<NewModelVersion, ControlError> {
    let runtime = control.inference.ready()?.clone();
    let (this, tenant, model) = (Arc::clone(control), tenant.clone(), model.clone());
    let (named, card) = (model.name.to_string(), model.card.clone());
    let artifact = Artifact { tenant: tenant.clone(), content: model.digest, files: model.files.clone() };
    let source = blocking(move || {
        artifact.admit(&artifact.main(&this.store)?, true, &this.config.limits)?;
        Ok(artifact.source(&this.store, named, &card)?)
    });
    let (facts, _) = control.forms.make(&runtime, &source.await?).await?;
    Ok(NewModelVersion {
        tenant,
        name: model.name,
        digest: model.digest,
        files: model.files,
        card_json: push::json(&model.card, "a card")?,
        description_json: push::json(&description::describe(&facts.description), "a description")?,
        label: None,
    })
}

async fn admit_function(
    control: &Arc<Control>,
    tenant: &TenantName,
    function: &NewFunction,
    examined: &mut Examined,
) -> Result<NewFunctionVersion, ControlError> {
    let is_reused = function.manifest.instances.reuse == modelet_spec::manifest::Reuse::Instance;
    let key = (tenant.clone(), function.component, is_reused);
    let (compiled, not_reused) = match examined.get(&key) {
        Some(known) => known.clone(),
        None => {
            // Its models are not here yet, and its cases may need them: it is called by a request that is made up.
            let mut manifest = function.manifest.clone();
            manifest.case.clear();
            let draft = Draft {
                tenant: tenant.clone(),
                manifest,
                component: function.component,
                bound: deploy::Bound::new(),
                not_reused: None,
                image: None,
                tried_with: None,
            };
            let found = deploy::examine(control, draft).await?;
            examined.insert(key, found.clone());
            found
        }
    };
    Ok(NewFunctionVersion {
        tenant: tenant.clone(),
        name: function.name.clone(),
        component: function.component,
        compiled,
        manifest_json: push::json(&function.manifest, "a manifest")?,
        models: function.models.clone(),
        not_reused,
    })
}

/// Says of which thing of the archive a refusal is, where that is the archive's fault.
fn of(name: &str, why: ControlError) -> ControlError {
    match why {
        ControlError::Store(_) | ControlError::Internal(_) | ControlError::Unavailable(_) => why,
        refused => ControlError::Archive(format!("{name}: {refused}")),
    }
}
