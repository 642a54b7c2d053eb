//! The admin API: its routes, who may ask, and the OpenAPI document that the handlers themselves make.

mod archive;
mod audit;
mod bound;
mod caller;
pub(crate) mod conditions;
mod described;
mod drain;
mod extract;
mod functions;
mod grants;
mod history;
mod keys;
mod logs;
mod memory;
mod models;
pub(crate) mod once;
mod optimise;
mod passphrase;
pub(crate) mod respond;
mod secrets;
mod server;
mod tenants;
mod usage;
mod versions;

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use http::{Method, header};
use modelet_catalog::Scope;
use prometheus_client::registry::Registry;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::clock::now_ms;
use crate::control::Control;
use crate::error::ControlError;
use caller::Caller;
use conditions::Asked;
use respond::Code;

/// A body of JSON: a manifest with its cases is far below this.
const JSON_BYTES_MAX: usize = 4 << 20;

/// What every handler sees.
#[derive(Clone)]
pub(crate) struct Api {
    control: Arc<Control>,
    registry: Arc<Registry>,
    openapi: Arc<str>,
}

#[derive(OpenApi)]
#[openapi(
    info(title = "Modelet", description = "The admin API: all that the command line does."),
    modifiers(&BearerKey),
    security(("key" = []))
)]
struct Document;

struct BearerKey;

impl Modify for BearerKey {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
        let components = document.components.get_or_insert_with(Default::default);
        components.add_security_scheme("key", SecurityScheme::Http(scheme));
    }
}

impl Control {
    /// The admin API. `registry` is what `/metrics` shows.
    pub fn router(self: Arc<Self>, registry: Arc<Registry>) -> Router {
        let (router, document) = described();
        let openapi = document.to_pretty_json().unwrap_or_default().into();
        let api = Api { control: self, registry, openapi };
        // Inside the guard: an unknown path is told to those only who may know the known ones.
        router
            .fallback(unknown_path)
            .method_not_allowed_fallback(unknown_method)
            .layer(DefaultBodyLimit::max(JSON_BYTES_MAX))
            .layer(middleware::from_fn_with_state(api.clone(), guard))
            // Outside of it: what it refuses has a body, too.
            .layer(middleware::from_fn(drain::drain))
            .with_state(api)
    }
}

/// The routes, and the document of all that they may answer.
fn described() -> (Router<Api>, utoipa::openapi::OpenApi) {
    let (router, mut document) = paths().split_for_parts();
    described::complete(&mut document);
    (router, document)
}

fn paths() -> OpenApiRouter<Api> {
    OpenApiRouter::with_openapi(Document::openapi())
        .routes(routes!(server::healthz))
        .routes(routes!(server::readyz))
        .routes(routes!(server::metrics))
        .routes(routes!(server::openapi))
        .routes(routes!(server::server))
        .routes(routes!(server::push_blob))
        .routes(routes!(functions::list, functions::deploy))
        .routes(routes!(functions::show, versions::remove))
        .routes(routes!(functions::scale))
        .routes(routes!(versions::list))
        .routes(routes!(versions::rollback))
        .routes(routes!(versions::traffic, versions::share, versions::unshare))
        .routes(routes!(history::restore))
        .routes(routes!(archive::export))
        .routes(routes!(archive::import))
        .routes(routes!(audit::list))
        .routes(routes!(audit::verify))
        .routes(routes!(logs::show))
        .routes(routes!(models::list))
        .routes(routes!(models::show, models::push, models::remove))
        .routes(routes!(models::label, models::unlabel))
        .routes(routes!(memory::pin, memory::unpin))
        .routes(routes!(memory::unload))
        .routes(routes!(optimise::optimise))
        .routes(routes!(grants::list))
        .routes(routes!(grants::grant, grants::revoke))
        .routes(routes!(keys::list, keys::create))
        .routes(routes!(keys::rotate))
        .routes(routes!(keys::show, keys::revoke))
        .routes(routes!(secrets::list))
        .routes(routes!(secrets::show, secrets::set, secrets::remove))
        .routes(routes!(secrets::rekey))
        .routes(routes!(tenants::list, tenants::create))
        .routes(routes!(tenants::show, tenants::remove))
        .routes(routes!(tenants::limits))
        .routes(routes!(tenants::claims))
        .routes(routes!(usage::show))
}

/// What a path asks for before its handler sees a request.
#[derive(Debug, PartialEq, Eq)]
enum Door {
    /// No key.
    Open,
    /// None either, but who has one of the operator's is told more.
    Ajar,
    /// A key of the operator's that reads.
    Operator,
    /// A key with the scope that the request needs.
    Key,
}

impl Door {
    /// Names of tenants and functions are for whoever is on this machine, where the API can only be reached from there.
    fn of(path: &str, is_loopback: bool) -> Self {
        match path {
            "/healthz" | "/openapi.json" => Self::Open,
            "/readyz" | "/metrics" if is_loopback => Self::Open,
            "/readyz" => Self::Ajar,
            "/metrics" => Self::Operator,
            _ => Self::Key,
        }
    }
}

/// Lets a request pass that has a key with the right scope, or needs none.
async fn guard(State(api): State<Api>, mut request: Request, next: Next) -> Response {
    let door = Door::of(request.uri().path(), api.control.config.admin_is_loopback);
    if door == Door::Open {
        return next.run(request).await;
    }
    let response = match authorise(&api, &request) {
        Ok(caller) if door == Door::Operator && !caller.is_of_default() => ControlError::NotOfDefault.into_response(),
        Err(_) if door == Door::Ajar => next.run(request).await,
        Ok(caller) => {
            let (asked, reads) = (Arc::clone(caller.asked()), reads(request.method()));
            request.extensions_mut().insert(caller);
            match asked.once.clone() {
                Some(once) => once::run(api.clone(), asked, once, request, next).await,
                None => asked.answer(reads, next.run(request).await),
            }
        }
        Err(refused) => refused.into_response(),
    };
    if let Some(Code(code)) = response.extensions().get() {
        api.control.refusals.count(code);
    }
    response
}

fn authorise(api: &Api, request: &Request) -> Result<Caller, ControlError> {
    let header = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let secret = header.and_then(bearer).ok_or(ControlError::Unauthorised)?;
    let catalog = api.control.catalog.load();
    let key = catalog.authorise(secret, now_ms()).ok_or(ControlError::Unauthorised)?;
    let (method, path) = (request.method(), request.uri().path());
    let scope = needed(method, path);
    if !key.allows(scope) {
        return Err(ControlError::Forbidden { scope });
    }
    bound::check(&key, method, path)?;
    let asked = Arc::new(Asked::read(request.headers(), reads(method), &key)?);
    Ok(Caller::of(key, request.extensions().get().copied(), asked))
}

/// The scope that a request needs.
fn needed(method: &Method, path: &str) -> Scope {
    match path {
        "/v1/export" | "/v1/import" => Scope::Admin,
        _ if ["/v1/keys", "/v1/secret-key", "/v1/audit"].iter().any(|of| path.starts_with(of)) => Scope::Admin,
        _ if reads(method) => Scope::Read,
        _ if path.starts_with("/v1/tenants") || is_grant(path) => Scope::Admin,
        _ => Scope::Deploy,
    }
}

/// Whether a method changes nothing.
fn reads(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD)
}

/// Whose model others may use is for who administers the tenant.
fn is_grant(path: &str) -> bool {
    path.strip_prefix("/v1/models/").is_some_and(|rest| rest.split('/').nth(1) == Some("grants"))
}

/// The token of `Bearer TOKEN`; the scheme's case does not matter (RFC 9110).
fn bearer(header: &str) -> Option<&str> {
    let (scheme, token) = header.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

async fn unknown_path(request: Request) -> ControlError {
    ControlError::UnknownPath(request.uri().path().to_owned())
}

async fn unknown_method(request: Request) -> ControlError {
    ControlError::Method { path: request.uri().path().to_owned(), method: request.method().to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bearer_token_is_read_whatever_the_case_of_the_scheme() {
        assert_eq!(bearer("Bearer abc"), Some("abc"));
        assert_eq!(bearer("bearer  abc"), Some("abc"));
        assert_eq!(bearer("Basic abc"), None);
        assert_eq!(bearer("abc"), None);
    }

    #[test]
    fn what_names_tenants_needs_a_key_beyond_this_machine() {
        let doors = |path: &str| [true, false].map(|is_loopback| Door::of(path, is_loopback));
        assert_eq!(doors("/healthz"), [Door::Open, Door::Open]);
        assert_eq!(doors("/readyz"), [Door::Open, Door::Ajar]);
        assert_eq!(doors("/metrics"), [Door::Open, Door::Operator]);
        assert_eq!(doors("/v1/functions"), [Door::Key, Door::Key]);
    }

    #[test]
    fn the_document_is_as_agreed() {
        let (_, document) = described();
        insta::assert_snapshot!(document.to_pretty_json().unwrap());
    }
}
