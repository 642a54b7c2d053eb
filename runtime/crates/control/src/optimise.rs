//! Smaller versions of a model: rewrite its file, compare the answers, push what holds.

mod compare;
mod files;
mod report;

use std::sync::Arc;

use modelet_inference::admission::{self, AdmissionLimits, ExternalData};
use modelet_inference::optimize::{self, Activations, Optimized, Options, Precision};
use modelet_spec::{ModelName, Pick, TenantName};
use modelet_store::ModelVersion;

use crate::control::{Control, blocking};
use crate::error::ControlError;
use crate::wire::optimise as wire;
use files::Old;

/// Makes a smaller version of a model: admitted, tried and stored as any push. Answers it and how it was made.
pub(crate) async fn optimise(
    control: &Arc<Control>,
    tenant: &TenantName,
    name: &ModelName,
    wish: wire::Optimise,
) -> Result<(ModelVersion, wire::Optimised), ControlError> {
    let min_cosine = wish.min_cosine.unwrap_or(wire::MIN_COSINE);
    if !(-1.0..=1.0).contains(&min_cosine) {
        return Err(ControlError::BadRequest(format!("min_cosine is {min_cosine}; -1 to 1 are cosines")));
    }
    let from = version(control, tenant, name, wish.version.as_deref()).await?;
    // Never closed, so there always is a turn in the end.
    let turn = control.optimising.acquire().await;
    let (old, made) = rewrite(control, &from, &wish).await?;
    let made = Arc::new(made);
    let comparison = compare::compare(control, &from, (old, Arc::clone(&made)), &wish).await?;
    if let Some((output, cosine)) = comparison.drift.worst().filter(|(_, cosine)| *cosine < min_cosine) {
        let (output, on) = (output.to_owned(), report::on(comparison.on));
        return Err(ControlError::Drift { output, cosine, min: min_cosine, on });
    }
    drop(turn);
    let report = report::report(&from, &wish, min_cosine, &made, &comparison);
    let pushed = files::push(control, &from, made, wish.label).await?;
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

/// The old files, and the new one.
async fn rewrite(
    control: &Arc<Control>,
    from: &ModelVersion,
    wish: &wire::Optimise,
) -> Result<(Old, Optimized), ControlError> {
    let runtime = control.inference.ready()?.clone();
    let (this, from) = (Arc::clone(control), from.clone());
    let (precision, keep) = (precision(wish), wish.keep.clone());
    blocking(move || {
        let old = files::read(&this, &from)?;
        let external_data = if old.folder.is_some() { ExternalData::Contained } else { ExternalData::Refused };
        let limits = AdmissionLimits { external_data, ..AdmissionLimits::default() };
        let admitted = admission::admit(&old.main, &limits).map_err(|e| ControlError::Model(e.to_string()))?;
        // The new file has more nodes, and the more there are, the less each may fold.
        let folded_bytes_max = runtime.folded_bytes_max(admitted.outline.nodes.saturating_mul(2));
        let options = Options { keep, folded_bytes_max, ..Options::new(precision) };
        let made = optimize::optimize(&old.main, &options, &limits)?;
        Ok((old, made))
    })
    .await
}

fn precision(wish: &wire::Optimise) -> Precision {
    match (wish.precision, wish.activations) {
        (wire::Precision::Fp16, _) => Precision::Fp16,
        (wire::Precision::Int8, wire::Activations::Rows) => Precision::Int8(Activations::Rows),
        (wire::Precision::Int8, wire::Activations::Tensor) => Precision::Int8(Activations::Tensor),
    }
}

/// Keeps with the version how it was made.
async fn remember(control: &Arc<Control>, pushed: &ModelVersion, report: &wire::Optimised) -> Result<(), ControlError> {
    let json = serde_json::to_string(report).map_err(|e| ControlError::Internal(format!("a report as JSON: {e}")))?;
    let (store, pushed) = (Arc::clone(&control.store), pushed.clone());
    blocking(move || Ok(store.put_rewrite(&pushed.tenant, &pushed.name, pushed.version, &json)?)).await
}
