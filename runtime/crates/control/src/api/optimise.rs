//! Models: make a smaller version.

use axum::extract::State;
use http::StatusCode;
use modelet_spec::ModelName;
use modelet_store::Thing;

use super::caller::Caller;
use super::extract::{Json, Name, Params};
use super::{Api, respond};
use crate::error::ControlError;
use crate::optimise;
use crate::views;
use crate::wire::optimise::Optimise;
use crate::wire::{Model, Problem, TenantQuery};

/// Make a smaller version of a model
///
/// Its weights are rewritten, the answers of the old and the new one compared, and the new one is checked and tried as any
/// push. If a row's answer drifts further than `min_cosine` allows, there is no new version.
#[utoipa::path(
    post, path = "/v1/models/{name}/optimize", tag = "models", request_body = Optimise,
    params(("name" = String, Path, description = "The model"), TenantQuery),
    responses(
        (status = 200, body = Model, description = "The newest version has these bytes already"),
        (status = 201, body = Model),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json", description = "No such model or version"),
        (status = 409, body = Problem, content_type = "application/problem+json", description = "The answers drift too far"),
        (status = 422, body = Problem, content_type = "application/problem+json", description = "The model cannot be rewritten"),
        (status = 503, body = Problem, content_type = "application/problem+json", description = "There is no ONNX Runtime"),
    )
)]
pub(super) async fn optimise(
    State(api): State<Api>,
    caller: Caller,
    Name(name): Name<ModelName>,
    Params(query): Params<TenantQuery>,
    Json(wish): Json<Optimise>,
) -> Result<(StatusCode, axum::Json<Model>), ControlError> {
    let tenant = caller.tenant(&api, query.tenant).await?;
    let control = caller.changing(&api, Thing::model(&tenant, &name)).await?;
    let (made, report) = optimise::optimise(&control, &tenant, &name, wish).await?;
    let created = made.created;
    let model = Model { created: Some(created), optimised: Some(report), ..views::model(made)? };
    Ok((if created { respond::CREATED } else { respond::OK }, axum::Json(model)))
}
