//! Exports and imports: all desired state of a server or a tenant, as one file.

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, header};
use modelet_spec::TenantName;

use super::Api;
use super::caller::Caller;
use super::extract::Params;
use super::passphrase::Passphrase;
use crate::error::ControlError;
use crate::import::{Wish, WishedSecrets};
use crate::wire::{ImportQuery, Imported, Problem, TenantQuery};
use crate::{export, import};

/// Export all desired state of a tenant, or of the server
///
/// A tar: `manifest.json`, then each content once. Keys and what functions keep are not in it; nor are secrets, unless the operator
/// gives a passphrase, under which they are sealed. The operator gets all tenants unless one is named; others get their own.
#[utoipa::path(
    get, path = "/v1/export", tag = "archives",
    params(
        TenantQuery,
        ("modelet-passphrase" = Option<String>, Header, description = "Takes the secrets along, sealed under this passphrase: base64 of text with 12 bytes at least. For the operator"),
    ),
    responses(
        (status = 200, body = Vec<u8>, content_type = "application/x-tar"),
        (status = 400, body = Problem, content_type = "application/problem+json", description = "No passphrase, or one that is too short"),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json", description = "Secrets are for the operator"),
        (status = 404, body = Problem, content_type = "application/problem+json", description = "No such tenant"),
        (status = 503, body = Problem, content_type = "application/problem+json", description = "A secret cannot be opened"),
    )
)]
pub(super) async fn export(
    State(api): State<Api>,
    caller: Caller,
    Params(query): Params<TenantQuery>,
    Passphrase(passphrase): Passphrase,
) -> Result<Response, ControlError> {
    let tenant = one_or_all(&api, &caller, query.tenant).await?;
    if passphrase.is_some() {
        caller.operator()?;
    }
    let control = caller.changing_many(&api).await?;
    let body = export::export(&control, tenant, passphrase).await?;
    Ok(([(header::CONTENT_TYPE, HeaderValue::from_static("application/x-tar"))], body).into_response())
}

/// Import an export, all of it or nothing
///
/// Models stand their trial and components are compiled, as at a push and a deploy. What is here under the same name and is
/// another is refused, unless `replace` says that the archive's is to be served. Secrets of an archive are opened with its passphrase
/// and sealed with this server's key.
#[utoipa::path(
    post, path = "/v1/import", tag = "archives",
    params(
        ImportQuery,
        ("modelet-passphrase" = Option<String>, Header, description = "What opens the secrets of the archive, in base64. For the operator"),
    ),
    request_body(content = Vec<u8>, content_type = "application/x-tar"),
    responses(
        (status = 200, body = Imported),
        (status = 400, body = Problem, content_type = "application/problem+json", description = "A passphrase that can be none, or one for secrets that stay out"),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json", description = "A quota does not hold it, or secrets are for the operator"),
        (status = 404, body = Problem, content_type = "application/problem+json", description = "No such tenant"),
        (status = 409, body = Problem, content_type = "application/problem+json", description = "A name is here with another content"),
        (status = 422, body = Problem, content_type = "application/problem+json", description = "The archive is refused, or its passphrase is another"),
    )
)]
pub(super) async fn import(
    State(api): State<Api>,
    caller: Caller,
    Params(query): Params<ImportQuery>,
    Passphrase(passphrase): Passphrase,
    body: Body,
) -> Result<axum::Json<Imported>, ControlError> {
    let tenant = one_or_all(&api, &caller, query.tenant).await?;
    let secrets = match (passphrase, query.without_secrets) {
        (Some(_), true) => {
            let why =
                "a passphrase opens secrets, and `without_secrets` leaves them out: only one of both can be meant";
            return Err(ControlError::BadRequest(why.to_owned()));
        }
        (Some(passphrase), false) => {
            caller.operator()?;
            WishedSecrets::Opened(passphrase)
        }
        (None, true) => WishedSecrets::LeftOut,
        (None, false) => WishedSecrets::Unsaid,
    };
    let wish = Wish { tenant, dry_run: query.dry_run, replace: query.replace, secrets };
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
