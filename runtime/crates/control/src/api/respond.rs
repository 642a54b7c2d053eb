//! The only table from an error of the control plane to a status code.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use modelet_catalog::CatalogError;
use modelet_engine::{CompileError, LoadError, ScaleError};

use super::conditions::tag;
use crate::child::Death;
use crate::error::{AskedError, ControlError};
use crate::wire::{Problem, Readiness};

/// Something new is there.
pub(crate) const CREATED: StatusCode = StatusCode::CREATED;
/// All is as it was asked for.
pub(crate) const OK: StatusCode = StatusCode::OK;
/// The caller has it already.
pub(crate) const NOT_MODIFIED: StatusCode = StatusCode::NOT_MODIFIED;
/// The media type of a problem.
const PROBLEM_JSON: &str = "application/problem+json";

impl IntoResponse for ControlError {
    fn into_response(self) -> Response {
        let (status, code) = describe(&self);
        match &self {
            Self::Store(cause) | Self::DiskFull(cause) | Self::ReadOnly(cause) => {
                tracing::error!(code, error = %with_sources(cause), "an admin request failed")
            }
            Self::Internal(cause) => tracing::error!(code, error = %cause, "an admin request failed"),
            refused => tracing::debug!(code, reason = %refused, "an admin request was refused"),
        }
        let mut response = problem(status, code, self.to_string());
        if let Self::Asked(AskedError::Unexpected { now: Some(now), .. }) = &self {
            tag(&mut response, now);
        }
        if matches!(self, Self::Asked(AskedError::UnderWay)) {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}

/// An answer that was given before.
pub(super) fn again(status: u16, body: Body) -> Response {
    // A status that was kept is one.
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, body).into_response()
}

/// The answer of `/readyz`: 503 sends a load balancer elsewhere.
pub(crate) fn readiness(readiness: Readiness) -> Response {
    let status = if readiness.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, axum::Json(readiness)).into_response()
}

/// The code of a problem, beside its answer: for who counts.
#[derive(Debug, Clone, Copy)]
pub(super) struct Code(pub(super) &'static str);

/// The answer to a request that was refused: RFC 9457.
fn problem(status: StatusCode, code: &'static str, detail: String) -> Response {
    let problem = Problem {
        kind: "about:blank".to_owned(),
        title: status.canonical_reason().unwrap_or_default().to_owned(),
        status: status.as_u16(),
        code: code.to_owned(),
        detail,
        invocation: None,
    };
    let mut response = (status, axum::Json(problem)).into_response();
    response.extensions_mut().insert(Code(code));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
    if status == StatusCode::UNAUTHORIZED {
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    if status == StatusCode::SERVICE_UNAVAILABLE {
        headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    }
    response
}

/// Status and stable code of each error.
fn describe(error: &ControlError) -> (StatusCode, &'static str) {
    use ControlError as E;
    match error {
        E::Unauthorised => (StatusCode::UNAUTHORIZED, "unauthorized"),
        E::Forbidden { .. } => (StatusCode::FORBIDDEN, "forbidden"),
        E::Bound(_) => (StatusCode::FORBIDDEN, "forbidden"),
        E::NotTheOperator => (StatusCode::FORBIDDEN, "not-the-operator"),
        E::NotOfDefault => (StatusCode::FORBIDDEN, "not-the-operator"),
        E::UnknownPath(_) => (StatusCode::NOT_FOUND, "unknown-path"),
        E::Method { .. } => (StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed"),
        E::BadRequest(_) => (StatusCode::BAD_REQUEST, "bad-request"),
        E::Body(_) => (StatusCode::BAD_REQUEST, "bad-body"),
        E::TooLarge { .. } => (StatusCode::PAYLOAD_TOO_LARGE, "too-large"),
        E::NoTenant(_) => (StatusCode::NOT_FOUND, "no-tenant"),
        E::NoGrant(_) => (StatusCode::NOT_FOUND, "no-grant"),
        E::NoKey(_) => (StatusCode::NOT_FOUND, "no-key"),
        E::AdminKey => (StatusCode::CONFLICT, "admin-key"),
        E::NoSecret(_) => (StatusCode::NOT_FOUND, "no-secret"),
        E::NoSuchSecret { .. } => (StatusCode::UNPROCESSABLE_ENTITY, "no-such-secret"),
        E::SecretInUse { .. } => (StatusCode::CONFLICT, "secret-in-use"),
        E::SealedSecret(_) => (StatusCode::SERVICE_UNAVAILABLE, "secret-sealed"),
        E::SecretKey => (StatusCode::SERVICE_UNAVAILABLE, "secret-key"),
        E::NoNewTenant(_) => (StatusCode::CONFLICT, "tenant-exists"),
        E::Claim { .. } => (StatusCode::CONFLICT, "claim-taken"),
        E::NoClaim(_) => (StatusCode::NOT_FOUND, "no-claim"),
        E::ClaimInUse(_) => (StatusCode::CONFLICT, "claim-in-use"),
        E::Limits(_) => (StatusCode::UNPROCESSABLE_ENTITY, "bad-limits"),
        E::DefaultTenant => (StatusCode::CONFLICT, "default-tenant"),
        E::TenantInUse { .. } => (StatusCode::CONFLICT, "tenant-in-use"),
        E::Count { .. } => (StatusCode::FORBIDDEN, "quota-exceeded"),
        E::NoFunction(_) => (StatusCode::NOT_FOUND, "no-function"),
        E::NoVersion { .. } => (StatusCode::NOT_FOUND, "no-version"),
        E::NothingBefore { .. } => (StatusCode::CONFLICT, "no-version-before"),
        E::FunctionServes { .. } => (StatusCode::CONFLICT, "function-serves"),
        E::FunctionBusy { .. } => (StatusCode::CONFLICT, "function-busy"),
        E::ModelGone { .. } => (StatusCode::CONFLICT, "model-gone"),
        E::Traffic(_) => (StatusCode::UNPROCESSABLE_ENTITY, "bad-traffic"),
        E::BeforeHistory { .. } => (StatusCode::UNPROCESSABLE_ENTITY, "before-history"),
        E::Cases(_) => (StatusCode::UNPROCESSABLE_ENTITY, "case-failed"),
        E::NoCaseFile(_) => (StatusCode::UNPROCESSABLE_ENTITY, "no-case-file"),
        E::NoModel(_) => (StatusCode::NOT_FOUND, "no-model"),
        E::Archive(_) => (StatusCode::UNPROCESSABLE_ENTITY, "bad-archive"),
        E::NoPassphrase(_) => (StatusCode::UNPROCESSABLE_ENTITY, "passphrase-needed"),
        E::WrongPassphrase => (StatusCode::UNPROCESSABLE_ENTITY, "wrong-passphrase"),
        E::ImportConflicts(_) => (StatusCode::CONFLICT, "import-conflicts"),
        E::Asked(AskedError::Unexpected { .. }) => (StatusCode::PRECONDITION_FAILED, "precondition-failed"),
        E::Asked(AskedError::UnderWay) => (StatusCode::CONFLICT, "request-under-way"),
        E::Asked(AskedError::Another) => (StatusCode::UNPROCESSABLE_ENTITY, "idempotency-key-reused"),
        E::Asked(AskedError::Done { .. }) => (StatusCode::CONFLICT, "already-done"),
        E::ChangedMeanwhile => (StatusCode::CONFLICT, "changed-meanwhile"),
        E::NoBlob(_) => (StatusCode::UNPROCESSABLE_ENTITY, "no-blob"),
        E::Manifest(_) => (StatusCode::UNPROCESSABLE_ENTITY, "bad-manifest"),
        E::NoModelFile { .. } => (StatusCode::UNPROCESSABLE_ENTITY, "no-model-file"),
        E::StrayModel(_) => (StatusCode::UNPROCESSABLE_ENTITY, "stray-model"),
        E::NoSuchModel { .. } => (StatusCode::UNPROCESSABLE_ENTITY, "no-such-model"),
        E::Model(_) => (StatusCode::UNPROCESSABLE_ENTITY, "bad-model"),
        E::Files(_) => (StatusCode::UNPROCESSABLE_ENTITY, "bad-files"),
        E::Quota { .. } => (StatusCode::FORBIDDEN, "quota-exceeded"),
        E::ModelInUse { .. } => (StatusCode::CONFLICT, "model-in-use"),
        E::NoLabel { .. } => (StatusCode::NOT_FOUND, "no-label"),
        E::NotOptimised(_) => (StatusCode::UNPROCESSABLE_ENTITY, "not-optimised"),
        E::Drift { .. } => (StatusCode::CONFLICT, "drift"),
        E::Component(CompileError::TooLarge { .. }) => (StatusCode::PAYLOAD_TOO_LARGE, "too-large"),
        E::Component(_) => (StatusCode::UNPROCESSABLE_ENTITY, "bad-component"),
        E::NotCompiled(death) => not_compiled(death),
        E::Link(LoadError::NotYet | LoadError::Cancelled) => (StatusCode::SERVICE_UNAVAILABLE, "not-loaded"),
        E::Link(LoadError::Unreadable(_) | LoadError::Remake(_)) => (StatusCode::INTERNAL_SERVER_ERROR, "not-loaded"),
        E::Link(LoadError::Stale(_) | LoadError::Link(_) | LoadError::Limits(_)) => {
            (StatusCode::UNPROCESSABLE_ENTITY, "no-link")
        }
        E::Scale(ScaleError::OverConcurrency { .. }) => (StatusCode::UNPROCESSABLE_ENTITY, "over-concurrency"),
        E::Scale(ScaleError::OverTotal { .. }) => (StatusCode::CONFLICT, "over-total"),
        E::Scale(ScaleError::Load(_) | ScaleError::Instance(_)) => (StatusCode::SERVICE_UNAVAILABLE, "not-scaled"),
        E::NewCapabilities(_) => (StatusCode::CONFLICT, "new-capabilities"),
        E::Route(CatalogError::HostNotGiven { .. }) => (StatusCode::FORBIDDEN, "host-not-given"),
        E::Route(CatalogError::PathNotGiven { .. }) => (StatusCode::FORBIDDEN, "path-not-given"),
        E::Route(_) => (StatusCode::CONFLICT, "bad-route"),
        E::Pinned(_) => (StatusCode::CONFLICT, "model-pinned"),
        E::NoMemory(_) => (StatusCode::SERVICE_UNAVAILABLE, "no-memory"),
        E::Unavailable(_) => (StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
        E::DiskFull(_) => (StatusCode::INSUFFICIENT_STORAGE, "disk-full"),
        E::ReadOnly(_) => (StatusCode::SERVICE_UNAVAILABLE, "read-only"),
        E::Store(_) => (StatusCode::INTERNAL_SERVER_ERROR, "store"),
        E::Key { .. } => (StatusCode::INTERNAL_SERVER_ERROR, "key"),
        E::Internal(_) => (StatusCode::INTERNAL_SERVER_ERROR, "internal"),
    }
}

/// Status and stable code of a compilation that ended without an answer.
fn not_compiled(death: &Death) -> (StatusCode, &'static str) {
    match death {
        Death::Memory(_) => (StatusCode::UNPROCESSABLE_ENTITY, "compile-memory"),
        Death::Cpu(_) => (StatusCode::UNPROCESSABLE_ENTITY, "compile-cpu"),
        Death::Time(_) => (StatusCode::UNPROCESSABLE_ENTITY, "compile-time"),
        Death::File | Death::Output => (StatusCode::UNPROCESSABLE_ENTITY, "compile-size"),
        Death::Crashed(_) | Death::Left(_) | Death::Unknown(_) => (StatusCode::UNPROCESSABLE_ENTITY, "compile-crashed"),
        // Nothing is known to be wrong with the component.
        Death::Killed => (StatusCode::SERVICE_UNAVAILABLE, "compile-killed"),
    }
}

/// An error with everything that caused it, for the log.
pub(crate) fn with_sources(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(&format!(": {cause}"));
        source = cause.source();
    }
    text
}
