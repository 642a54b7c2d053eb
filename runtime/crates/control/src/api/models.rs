//! Models: push, list, show.

use axum::body::Body;
use axum::extract::State;
use http::StatusCode;
use modelet_spec::ModelName;

use super::extract::{Name, Params};
use super::{Api, respond};
use crate::control::blocking;
use crate::error::ControlError;
use crate::push;
use crate::upload::{self, UploadLimit};
use crate::views;
use crate::wire::{Model, ModelVersions, Models, Problem, PushQuery, TenantQuery};

/// Push a model
///
/// The body is one ONNX file. It is loaded once before it is taken; what ONNX Runtime does not load is refused with its
/// message. The same bytes as the newest version make no new one.
#[utoipa::path(
    put, path = "/v1/models/{name}", tag = "models",
    params(("name" = String, Path, description = "The model"), PushQuery),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses(
        (status = 200, body = Model, description = "The newest version has these bytes already"),
        (status = 201, body = Model),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 413, body = Problem, content_type = "application/problem+json"),
        (status = 422, body = Problem, content_type = "application/problem+json", description = "The model was refused"),
        (status = 503, body = Problem, content_type = "application/problem+json", description = "There is no ONNX Runtime"),
    )
)]
pub(super) async fn push(
    State(api): State<Api>,
    Name(name): Name<ModelName>,
    Params(query): Params<PushQuery>,
    body: Body,
) -> Result<(StatusCode, axum::Json<Model>), ControlError> {
    let control = api.control;
    let tenant = control.tenant(query.tenant)?;
    // Before gigabytes are sent in vain.
    control.inference.ready()?;
    let limit = UploadLimit { what: "model", bytes: control.config.limits.model_bytes.0, key: "model_bytes" };
    let (blob, _) = upload::receive(&control.store, body, limit).await?;
    let pushed = push::push(&control, &tenant, &name, blob, query.label).await?;
    let created = pushed.created;
    let model = Model { created: Some(created), ..views::model(pushed)? };
    Ok((if created { respond::CREATED } else { respond::OK }, axum::Json(model)))
}

/// List the models of a tenant: the newest version of each
#[utoipa::path(
    get, path = "/v1/models", tag = "models", params(TenantQuery),
    responses(
        (status = 200, body = Models),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json", description = "No such tenant"),
    )
)]
pub(super) async fn list(
    State(api): State<Api>,
    Params(query): Params<TenantQuery>,
) -> Result<axum::Json<Models>, ControlError> {
    let tenant = api.control.tenant(query.tenant)?;
    let models = blocking(move || {
        let newest = api.control.store.models(Some(&tenant))?;
        newest.into_iter().map(|v| views::model_in_memory(&api.control, v)).collect::<Result<Vec<_>, _>>()
    });
    Ok(axum::Json(Models { models: models.await? }))
}

/// Show a model: all its versions, the newest first
#[utoipa::path(
    get, path = "/v1/models/{name}", tag = "models",
    params(("name" = String, Path, description = "The model"), TenantQuery),
    responses(
        (status = 200, body = ModelVersions),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json", description = "No such model"),
    )
)]
pub(super) async fn show(
    State(api): State<Api>,
    Name(name): Name<ModelName>,
    Params(query): Params<TenantQuery>,
) -> Result<axum::Json<ModelVersions>, ControlError> {
    let tenant = api.control.tenant(query.tenant)?;
    let versions = blocking(move || {
        let mut versions = api.control.store.model_versions(&tenant, &name)?;
        if versions.is_empty() {
            return Err(ControlError::NoModel(name.to_string()));
        }
        versions.sort_by_key(|v| std::cmp::Reverse(v.version));
        versions.into_iter().map(|v| views::model_in_memory(&api.control, v)).collect::<Result<Vec<_>, _>>()
    });
    Ok(axum::Json(ModelVersions { versions: versions.await? }))
}
