//! Smaller versions of a model: rewrite its file and compare the answers, both in a trial's process, and push what holds.

mod files;
mod report;

use std::sync::Arc;

use modelet_spec::{ModelName, Pick, TenantName};
use modelet_store::{ModelVersion, OutputFile};

use crate::acting::Acting;
use crate::artifact::Artifact;
use crate::control::{Control, blocking};
use crate::error::ControlError;
use crate::forms::Source;
use crate::pinned::card;
use crate::push;
use crate::trial::{RewriteJob, TrialSample};
use crate::wire::optimise as wire;

/// Makes a smaller version of a model: admitted, tried and stored as any push. Answers it and how it was made.
pub(crate) async fn optimise(
    control: &Acting,
    tenant: &TenantName,
    name: &ModelName,
    wish: wire::Optimise,
) -> Result<(ModelVersion, wire::Optimised), ControlError> {
    let min_cosine = wish.min_cosine.unwrap_or(wire::MIN_COSINE);
    if !(-1.0..=1.0).contains(&min_cosine) {
        return Err(ControlError::BadRequest(format!("min_cosine is {min_cosine}; -1 to 1 are cosines")));
    }
    let runtime = control.inference.ready()?.clone();
    let from = version(control, tenant, name, wish.version.as_deref()).await?;
    let (source, place) = lay_out(control, &from, &wish).await?;
    let job = RewriteJob {
        precision: wish.precision,
        activations: wish.activations,
        keep: wish.keep.clone(),
        has_given: !wish.samples.is_empty(),
        written_to: place.path().to_owned(),
    };
    let made = control.forms.rewrite(&runtime, &source, job).await?;
    if let Some((output, cosine)) = report::worst(&made).filter(|(_, cosine)| *cosine < min_cosine) {
        let (output, on) = (output.to_owned(), report::on(made.compared));
        return Err(ControlError::Drift { output, cosine, min: min_cosine, on });
    }
    let label = wish.label.clone();
    let report = report::report(&from, &wish, min_cosine, made);
    let pushed = files::push(control, &from, place, label).await?;
    remember(control, &pushed, &report).await?;
    Ok((pushed, report))
}

async fn version(
    control: &Arc<Control>,
    tenant: &TenantName,
    name: &ModelName,
    asked: Option<&str>,
) -> Result<ModelVersion, ControlError> {
    let pick: Pick =
        asked.unwrap_or("latest").parse().map_err(|e| ControlError::BadRequest(format!("version: {e}")))?;
    let (control, tenant, name) = (Arc::clone(control), tenant.clone(), name.clone());
    blocking(move || {
        let found = control.store.model(&tenant, &name, &pick)?;
        found.ok_or_else(|| ControlError::NoModel(format!("{name}@{pick}")))
    })
    .await
}

/// The old files, with the samples that answers are compared on, and a place for the new one.
async fn lay_out(
    control: &Arc<Control>,
    from: &ModelVersion,
    wish: &wire::Optimise,
) -> Result<(Source, OutputFile), ControlError> {
    // As text again: one reader of samples for all.
    let given = wish.samples.iter().enumerate();
    let given: Vec<_> =
        given.map(|(at, given)| TrialSample { name: at.to_string(), json: given.to_string() }).collect();
    let (control, from) = (Arc::clone(control), from.clone());
    blocking(move || {
        let mut source = Artifact::of(&from).source(&control.store, from.name.to_string(), &card(&from.card_json)?)?;
        if !given.is_empty() {
            source.samples = given;
        }
        Ok((source, control.store.begin_output()?))
    })
    .await
}

/// Keeps with the version how it was made.
async fn remember(control: &Arc<Control>, pushed: &ModelVersion, report: &wire::Optimised) -> Result<(), ControlError> {
    let json = push::json(report, "a report")?;
    let (store, pushed) = (Arc::clone(&control.store), pushed.clone());
    blocking(move || Ok(store.put_rewrite(&pushed.tenant, &pushed.name, pushed.version, &json)?)).await
}
