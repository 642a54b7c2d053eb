//! Keys: create, list, rotate, revoke.

use axum::Extension;
use axum::extract::State;
use http::StatusCode;
use modelet_store::Thing;

use super::caller::Caller;
use super::conditions::Tagged;
use super::extract::{Json, Name, Params};
use super::once::Unkept;
use super::{Api, respond};
use crate::control::blocking;
use crate::error::ControlError;
use crate::keys;
use crate::page::Page;
use crate::wire::{Key, KeyWithSecret, Keys, NewKey, PageQuery, Problem, Rotate, TenantQuery};

/// Make a key
///
/// Its secret is in this answer and in no other: the server keeps a hash of it.
#[utoipa::path(
    post, path = "/v1/keys", tag = "keys", request_body = NewKey,
    responses(
        (status = 201, body = KeyWithSecret),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json", description = "Not an admin key"),
        (status = 404, body = Problem, content_type = "application/problem+json", description = "No such tenant"),
    )
)]
pub(super) async fn create(
    State(api): State<Api>,
    caller: Caller,
    Json(mut new): Json<NewKey>,
) -> Result<(StatusCode, Extension<Unkept>, axum::Json<KeyWithSecret>), ControlError> {
    let tenant = caller.tenant(&api, new.tenant.take()).await?;
    let id = keys::new_id()?;
    let control = caller.changing(&api, Thing::key(&tenant, &id)).await?;
    Ok((respond::CREATED, Extension(Unkept), axum::Json(keys::create(&control, (tenant, id), new).await?)))
}

/// Show a key, without its secret
#[utoipa::path(
    get, path = "/v1/keys/{id}", tag = "keys", params(("id" = String, Path, description = "The key's id"), TenantQuery),
    responses(
        (status = 200, body = Key),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json", description = "Not an admin key"),
        (status = 404, body = Problem, content_type = "application/problem+json", description = "No such key"),
    )
)]
pub(super) async fn show(
    State(api): State<Api>,
    caller: Caller,
    Name(id): Name<String>,
    Params(query): Params<TenantQuery>,
) -> Result<Tagged<Key>, ControlError> {
    let tenant = caller.tenant(&api, query.tenant).await?;
    blocking(move || {
        let stored = api.control.store.key(&tenant, &id)?;
        Ok(Tagged(Some(stored.revision.clone()), keys::shown(&api.control, stored)))
    })
    .await
}

/// List the keys of a tenant, without their secrets
#[utoipa::path(
    get, path = "/v1/keys", tag = "keys", params(PageQuery),
    responses(
        (status = 200, body = Keys),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json", description = "Not an admin key"),
        (status = 404, body = Problem, content_type = "application/problem+json", description = "No such tenant"),
    )
)]
pub(super) async fn list(
    State(api): State<Api>,
    caller: Caller,
    Params(query): Params<PageQuery>,
) -> Result<axum::Json<Keys>, ControlError> {
    let tenant = caller.tenant(&api, query.tenant).await?;
    let page = Page::of(query.limit, query.after.as_deref())?;
    let keys = blocking(move || keys::list(&api.control, &tenant, &page));
    Ok(axum::Json(keys.await?))
}

/// Give a key another secret
///
/// It keeps its id and what it may do. The secret before holds for `overlap`, and no longer than it would have.
#[utoipa::path(
    post, path = "/v1/keys/{id}/rotate", tag = "keys", request_body = Rotate,
    params(("id" = String, Path, description = "The key's id"), TenantQuery),
    responses(
        (status = 200, body = KeyWithSecret),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json", description = "Not an admin key"),
        (status = 404, body = Problem, content_type = "application/problem+json", description = "No such key"),
    )
)]
pub(super) async fn rotate(
    State(api): State<Api>,
    caller: Caller,
    Name(id): Name<String>,
    Params(query): Params<TenantQuery>,
    Json(rotate): Json<Rotate>,
) -> Result<(Extension<Unkept>, axum::Json<KeyWithSecret>), ControlError> {
    let tenant = caller.tenant(&api, query.tenant).await?;
    let control = caller.changing(&api, Thing::key(&tenant, &id)).await?;
    Ok((Extension(Unkept), axum::Json(keys::rotate(&control, tenant, id, rotate.overlap).await?)))
}

/// Revoke a key: the next request with it is refused
#[utoipa::path(
    delete, path = "/v1/keys/{id}", tag = "keys", params(("id" = String, Path, description = "The key's id"), TenantQuery),
    responses(
        (status = 200, body = Key),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json", description = "Not an admin key"),
        (status = 404, body = Problem, content_type = "application/problem+json", description = "No such key"),
        (status = 409, body = Problem, content_type = "application/problem+json", description = "It is the key of the data directory"),
    )
)]
pub(super) async fn revoke(
    State(api): State<Api>,
    caller: Caller,
    Name(id): Name<String>,
    Params(query): Params<TenantQuery>,
) -> Result<axum::Json<Key>, ControlError> {
    let tenant = caller.tenant(&api, query.tenant).await?;
    let control = caller.changing(&api, Thing::key(&tenant, &id)).await?;
    Ok(axum::Json(keys::revoke(&control, tenant, id).await?))
}
