//! The server itself: alive, ready, its figures, its description; and the bytes that are pushed to it.

use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};

use super::Api;
use super::caller::Caller;
use super::extract::Params;
use super::respond;
use crate::control::blocking;
use crate::error::ControlError;
use crate::models::Inference;
use crate::upload::{self, UploadLimit};
use crate::wire::{Blob, Problem, Readiness, Server, TenantQuery};

/// The format of `/metrics`.
const METRICS_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Whether the process answers at all
#[utoipa::path(get, path = "/healthz", tag = "server", security(()), responses((status = 200, body = String)))]
pub(super) async fn healthz() -> &'static str {
    "ok\n"
}

/// Whether the server can do its work, and what is missing if not
///
/// Where the admin API can be reached from other machines, only a key of the tenant `default` that reads is told what is missing; others
/// are told whether it is ready.
#[utoipa::path(
    get, path = "/readyz", tag = "server", security(()),
    responses((status = 200, body = Readiness), (status = 503, body = Readiness))
)]
pub(super) async fn readyz(State(api): State<Api>, caller: Option<Extension<Caller>>) -> Response {
    let mut missing = Vec::new();
    if api.control.loaded().is_err() {
        missing.push("the functions are still being loaded: wait".to_owned());
    }
    if let Inference::Missing(why) = &api.control.inference {
        missing.push(why.clone());
    }
    let is_told = api.control.config.admin_is_loopback || caller.is_some_and(|caller| caller.is_of_default());
    let ready = missing.is_empty();
    respond::readiness(match is_told {
        true => {
            let (failed, damaged) = (api.control.failed.told(), api.control.damaged.told(&api.control.catalog.load()));
            Readiness { ready, missing, failed, damaged }
        }
        false => Readiness { ready, missing: Vec::new(), failed: Vec::new(), damaged: Vec::new() },
    })
}

/// Figures for Prometheus
///
/// Where the admin API can be reached from other machines, with a key of the tenant `default` that has the scope `read`.
#[utoipa::path(
    get, path = "/metrics", tag = "server", security(()),
    responses((status = 200, body = String, content_type = "application/openmetrics-text"))
)]
pub(super) async fn metrics(State(api): State<Api>) -> Result<Response, ControlError> {
    // Of ten thousand functions it is long, and the store is asked, too.
    let text = blocking(move || {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &api.registry)
            .map_err(|e| ControlError::Internal(format!("the metrics as text: {e}")))?;
        Ok(text)
    });
    let text = text.await?;
    Ok(([(header::CONTENT_TYPE, HeaderValue::from_static(METRICS_TYPE))], text).into_response())
}

/// This document
#[utoipa::path(get, path = "/openapi.json", tag = "server", security(()), responses((status = 200, body = Object)))]
pub(super) async fn openapi(State(api): State<Api>) -> Response {
    let json = HeaderValue::from_static("application/json");
    ([(header::CONTENT_TYPE, json)], api.openapi.to_string()).into_response()
}

/// What the server is and where it serves functions
#[utoipa::path(
    get, path = "/v1/server", tag = "server",
    responses((status = 200, body = Server), (status = 401, body = Problem, content_type = "application/problem+json"))
)]
pub(super) async fn server(State(api): State<Api>) -> axum::Json<Server> {
    axum::Json(Server {
        version: api.control.config.version.to_owned(),
        data_url: api.control.config.data_url.clone(),
        engine: api.control.engine.id().to_owned(),
    })
}

/// Store bytes, to be named by their digest in a deploy or a push
///
/// They are the tenant's own: nobody else can name them, whoever has the same. What nothing names after an hour is gone.
#[utoipa::path(
    post, path = "/v1/blobs", tag = "blobs", params(TenantQuery),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses(
        (status = 201, body = Blob),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json", description = "The tenant's quota does not hold them"),
        (status = 413, body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn push_blob(
    State(api): State<Api>,
    caller: Caller,
    Params(query): Params<TenantQuery>,
    body: Body,
) -> Result<(StatusCode, axum::Json<Blob>), ControlError> {
    let tenant = caller.tenant(&api, query.tenant).await?;
    caller.changing_many(&api).await?;
    let limits = &api.control.config.limits;
    // What the bytes are is not known yet; the deploy that names them holds a component to its own, lower limit.
    let bytes = limits.model_bytes.0.max(limits.component_bytes.0);
    let limit = UploadLimit { what: "upload", bytes, key: "model_bytes", quota: api.control.quota(&tenant) };
    let (digest, bytes) = upload::receive(&api.control.store, &tenant, body, limit).await?;
    Ok((respond::CREATED, axum::Json(Blob { digest, bytes })))
}
