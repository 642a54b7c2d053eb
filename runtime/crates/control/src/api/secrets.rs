//! Secrets: list, show, set, remove, and another key for all. There is no way to read a value.

use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use http::StatusCode;
use modelet_spec::{SecretName, SecretValue, TenantName};
use modelet_store::Thing;
use serde::Deserialize;
use utoipa::IntoParams;

use super::caller::Caller;
use super::conditions::Tagged;
use super::extract::{Name, Params};
use super::{Api, respond};
use crate::control::blocking;
use crate::error::ControlError;
use crate::page::Page;
use crate::secrets;
use crate::wire::{PageQuery, Problem, Rekeyed, RemovedSecret, Secret, Secrets, SetSecret, TenantQuery};

/// How a secret is removed.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct RemoveSecretQuery {
    /// The tenant; the caller's own when left out.
    #[param(value_type = Option<String>)]
    #[serde(default)]
    tenant: Option<TenantName>,
    /// Whether to remove it although functions that serve name it: they find it no longer.
    #[serde(default)]
    force: bool,
}

/// List the secrets of a tenant, without their values
#[utoipa::path(
    get, path = "/v1/secrets", tag = "secrets", params(PageQuery),
    responses(
        (status = 200, body = Secrets),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json", description = "No such tenant"),
    )
)]
pub(super) async fn list(
    State(api): State<Api>,
    caller: Caller,
    Params(query): Params<PageQuery>,
) -> Result<axum::Json<Secrets>, ControlError> {
    let tenant = caller.tenant(&api, query.tenant).await?;
    let page = Page::of(query.limit, query.after.as_deref())?;
    let secrets = blocking(move || secrets::list(&api.control, &tenant));
    let (secrets, next) = page.cut(secrets.await?, |secret| secret.name.to_string());
    Ok(axum::Json(Secrets { secrets, next }))
}

/// Show a secret, without its value
#[utoipa::path(
    get, path = "/v1/secrets/{name}", tag = "secrets",
    params(("name" = String, Path, description = "The secret"), TenantQuery),
    responses(
        (status = 200, body = Secret),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json", description = "No such secret"),
    )
)]
pub(super) async fn show(
    State(api): State<Api>,
    caller: Caller,
    Name(name): Name<SecretName>,
    Params(query): Params<TenantQuery>,
) -> Result<Tagged<Secret>, ControlError> {
    let tenant = caller.tenant(&api, query.tenant).await?;
    blocking(move || {
        let stored = api.control.store.secret(&tenant, &name)?.ok_or(ControlError::NoSecret(name))?;
        Ok(Tagged(Some(stored.revision.clone()), secrets::shown(stored)))
    })
    .await
}

/// Set a secret, or give it another value: the body, text in UTF-8
///
/// No answer ever has it. Functions that name the secret have the new value from now on; an instance that has the old one ends
/// after what it does.
#[utoipa::path(
    put, path = "/v1/secrets/{name}", tag = "secrets",
    params(("name" = String, Path, description = "The secret"), TenantQuery),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses(
        (status = 200, body = SetSecret, description = "It has another value"),
        (status = 201, body = SetSecret),
        (status = 400, body = Problem, content_type = "application/problem+json", description = "Empty, or no text"),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json", description = "The tenant has as many as it may"),
        (status = 404, body = Problem, content_type = "application/problem+json", description = "No such tenant"),
        (status = 413, body = Problem, content_type = "application/problem+json"),
        (status = 503, body = Problem, content_type = "application/problem+json", description = "The server's key for secrets cannot be used"),
    )
)]
pub(super) async fn set(
    State(api): State<Api>,
    caller: Caller,
    Name(name): Name<SecretName>,
    Params(query): Params<TenantQuery>,
    body: Result<Bytes, BytesRejection>,
) -> Result<(StatusCode, axum::Json<SetSecret>), ControlError> {
    let tenant = caller.tenant(&api, query.tenant).await?;
    let body = body.map_err(|e| ControlError::Body(e.body_text()))?;
    let limit = api.control.config.limits.secret_bytes.0;
    if body.len() as u64 > limit {
        return Err(ControlError::TooLarge { what: "secret", limit, key: "secret_bytes" });
    }
    let value = SecretValue::new(body.into()).map_err(|e| ControlError::BadRequest(e.to_string()))?;
    let by = caller.id().to_owned();
    // A task of its own: a client that goes away must not stop it between the store and the functions.
    let control = caller.changing(&api, Thing::secret(&tenant, &name)).await?;
    let task = tokio::spawn(async move { secrets::set(&control, (tenant, name), value, by).await });
    let (set, is_new) = task.await??;
    Ok((if is_new { respond::CREATED } else { respond::OK }, axum::Json(set)))
}

/// Remove a secret
///
/// Refused while a function that serves names it, unless forced.
#[utoipa::path(
    delete, path = "/v1/secrets/{name}", tag = "secrets",
    params(("name" = String, Path, description = "The secret"), RemoveSecretQuery),
    responses(
        (status = 200, body = RemovedSecret),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json", description = "No such secret"),
        (status = 409, body = Problem, content_type = "application/problem+json", description = "Functions that serve name it"),
    )
)]
pub(super) async fn remove(
    State(api): State<Api>,
    caller: Caller,
    Name(name): Name<SecretName>,
    Params(query): Params<RemoveSecretQuery>,
) -> Result<axum::Json<RemovedSecret>, ControlError> {
    let tenant = caller.tenant(&api, query.tenant).await?;
    let control = caller.changing(&api, Thing::secret(&tenant, &name)).await?;
    let task = tokio::spawn(async move { secrets::remove(&control, (tenant, name), query.force).await });
    Ok(axum::Json(task.await??))
}

/// Give all secrets of all tenants another key
///
/// The server makes one, seals every secret with it, and forgets the one before. For the operator.
#[utoipa::path(
    post, path = "/v1/secret-key/rotate", tag = "secrets",
    responses(
        (status = 200, body = Rekeyed),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json", description = "Not the operator"),
        (status = 503, body = Problem, content_type = "application/problem+json", description = "The key cannot be used, or a secret not be opened: nothing has changed"),
    )
)]
pub(super) async fn rekey(State(api): State<Api>, caller: Caller) -> Result<axum::Json<Rekeyed>, ControlError> {
    caller.operator()?;
    let control = caller.changing_many(&api).await?;
    let task = tokio::spawn(async move { secrets::rekey(&control).await });
    Ok(axum::Json(task.await??))
}
