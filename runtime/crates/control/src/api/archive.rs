//! Exports and imports: all desired state of a server or a tenant, as one file.

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, header};
use modelet_spec::TenantName;

use super::Api;
use super::caller::Caller;
use super::extract::Params;
use crate::error::ControlError;
use crate::import::Wish;
use crate::wire::{ImportQuery, Imported, Problem, TenantQuery};
use crate::{export, import};

/// Export all desired state of a tenant, or of the server
///
/// A tar: `manifest.json`, then each content once. Keys, secrets and what functions keep are not in it. The operator gets all
/// tenants unless one is named; others get their own.
#[utoipa::path(
    get, path = "/v1/export", tag = "archives", params(TenantQuery),
    responses(
        (status = 200, body = Vec<u8>, content_type = "application/x-tar"),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json", description = "No such tenant"),
    )
)]
pub(super) async fn export(
    State(api): State<Api>,
    caller: Caller,
    Params(query): Params<TenantQuery>,
) -> Result<Response, ControlError> {
    let tenant = one_or_all(&api, &caller, query.tenant).await?;
    let body = export::export(&api.control, tenant).await?;
    Ok(([(header::CONTENT_TYPE, HeaderValue::from_static("application/x-tar"))], body).into_response())
}

/// Import an export, all of it or nothing
///
/// Models stand their trial and components are compiled, as at a push and a deploy. What is here under the same name and is
/// another is refused, unless `replace` says that the archive's is to be served.
#[utoipa::path(
    post, path = "/v1/import", tag = "archives", params(ImportQuery),
    request_body(content = Vec<u8>, content_type = "application/x-tar"),
    responses(
        (status = 200, body = Imported),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json", description = "A quota does not hold it"),
        (status = 404, body = Problem, content_type = "application/problem+json", description = "No such tenant"),
        (status = 409, body = Problem, content_type = "application/problem+json", description = "A name is here with another content"),
        (status = 422, body = Problem, content_type = "application/problem+json", description = "The archive is refused"),
    )
)]
pub(super) async fn import(
    State(api): State<Api>,
    caller: Caller,
    Params(query): Params<ImportQuery>,
    body: Body,
) -> Result<axum::Json<Imported>, ControlError> {
    let tenant = one_or_all(&api, &caller, query.tenant).await?;
    let wish = Wish { tenant, dry_run: query.dry_run, replace: query.replace };
    // A task of its own: what a client has sent whole is done, whether or not it waits for the answer.
    let control = caller.changing_many(&api).await?;
    let task = tokio::spawn(async move { import::import(&control, wish, body).await });
    Ok(axum::Json(task.await??))
}

/// The tenant that is meant; `None`: all, as the operator means them who names none.
async fn one_or_all(api: &Api, caller: &Caller, named: Option<TenantName>) -> Result<Option<TenantName>, ControlError> {
    if named.is_none() && caller.operator().is_ok() {
        return Ok(None);
    }
    Ok(Some(caller.tenant(api, named).await?))
}
