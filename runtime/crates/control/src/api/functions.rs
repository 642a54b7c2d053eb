//! Functions: deploy, list, show.

use std::sync::Arc;

use axum::extract::State;
use http::StatusCode;
use modelet_spec::FunctionName;
use modelet_store::FunctionVersion;

use super::caller::Caller;
use super::extract::{Json, Name, Params};
use super::{Api, respond};
use crate::control::{Control, blocking};
use crate::deploy;
use crate::error::ControlError;
use crate::restore::draft;
use crate::views;
use crate::wire::{Deploy, Function, Functions, Problem, TenantQuery};

/// Deploy a function
///
/// Checks the manifest, compiles the component, binds its models, links it, and serves it. Whatever is refused is refused
/// before anything serves.
#[utoipa::path(
    post, path = "/v1/functions", tag = "functions", request_body = Deploy,
    responses(
        (status = 201, body = Function),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json", description = "No such tenant"),
        (status = 409, body = Problem, content_type = "application/problem+json", description = "A route is taken, or the version gains capabilities"),
        (status = 422, body = Problem, content_type = "application/problem+json", description = "The manifest, the component or a model was refused"),
        (status = 503, body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn deploy(
    State(api): State<Api>,
    caller: Caller,
    Json(mut request): Json<Deploy>,
) -> Result<(StatusCode, axum::Json<Function>), ControlError> {
    let tenant = caller.tenant(&api, request.tenant.take()).await?;
    // A task of its own: a client that goes away must not stop a deploy between the store and the swap.
    let task = tokio::spawn(async move { deploy::deploy(&api.control, tenant, request).await });
    Ok((respond::CREATED, axum::Json(task.await??)))
}

/// List the functions of a tenant
#[utoipa::path(
    get, path = "/v1/functions", tag = "functions", params(TenantQuery),
    responses(
        (status = 200, body = Functions),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json", description = "No such tenant"),
    )
)]
pub(super) async fn list(
    State(api): State<Api>,
    caller: Caller,
    Params(query): Params<TenantQuery>,
) -> Result<axum::Json<Functions>, ControlError> {
    let tenant = caller.tenant(&api, query.tenant).await?;
    let functions = blocking(move || {
        let versions = api.control.store.functions(Some(&tenant))?;
        versions.iter().map(|version| view(&api.control, version)).collect::<Result<Vec<_>, _>>()
    });
    Ok(axum::Json(Functions { functions: functions.await? }))
}

/// Show a function: the version that is live
#[utoipa::path(
    get, path = "/v1/functions/{name}", tag = "functions",
    params(("name" = String, Path, description = "The function"), TenantQuery),
    responses(
        (status = 200, body = Function),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json", description = "No such function"),
    )
)]
pub(super) async fn show(
    State(api): State<Api>,
    caller: Caller,
    Name(name): Name<FunctionName>,
    Params(query): Params<TenantQuery>,
) -> Result<axum::Json<Function>, ControlError> {
    let tenant = caller.tenant(&api, query.tenant).await?;
    let function = blocking(move || {
        let version = api.control.store.function(&tenant, &name)?;
        let version = version.ok_or_else(|| ControlError::NoFunction(name.to_string()))?;
        view(&api.control, &version)
    });
    Ok(axum::Json(function.await?))
}

/// A stored version; what serves is asked of the catalog.
fn view(control: &Arc<Control>, version: &FunctionVersion) -> Result<Function, ControlError> {
    let draft = draft(version)?;
    match control.serving(&version.tenant, &version.name) {
        Some(entry) if entry.version == version.version => Ok(views::function(&entry, draft.models())),
        _ => Ok(views::not_serving(control, version, &draft)),
    }
}
