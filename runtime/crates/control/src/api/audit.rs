//! Changes and who made them: list, verify.

use axum::extract::State;

use super::Api;
use super::caller::Caller;
use super::extract::Params;
use crate::audit;
use crate::control::blocking;
use crate::error::ControlError;
use crate::wire::{Audit, AuditQuery, AuditVerified, AuditVerifyQuery, Problem};

/// List changes, the newest first: who changed what, when, from where, from what to what
///
/// Who administers a tenant sees the changes of its things; the operator sees all.
#[utoipa::path(
    get, path = "/v1/audit", tag = "audit", params(AuditQuery),
    responses(
        (status = 200, body = Audit),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json", description = "The key has not the scope `admin`"),
        (status = 404, body = Problem, content_type = "application/problem+json", description = "No such tenant"),
    )
)]
pub(super) async fn list(
    State(api): State<Api>,
    caller: Caller,
    Params(query): Params<AuditQuery>,
) -> Result<axum::Json<Audit>, ControlError> {
    // The operator sees what was of tenants that are no more; whether one ever was is for the store to say.
    let reader = match caller.operator() {
        Ok(()) => None,
        Err(_) => Some(caller.tenant(&api, query.tenant.clone()).await?),
    };
    let listed = blocking(move || audit::list(&api.control, query, reader.as_ref()));
    Ok(axum::Json(listed.await?))
}

/// Check that no change was altered, taken away or put in since it was written down
#[utoipa::path(
    get, path = "/v1/audit/verify", tag = "audit", params(AuditVerifyQuery),
    responses(
        (status = 200, body = AuditVerified, description = "Whether it is whole, and what is wrong if not"),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json", description = "Not the operator"),
    )
)]
pub(super) async fn verify(
    State(api): State<Api>,
    caller: Caller,
    Params(query): Params<AuditVerifyQuery>,
) -> Result<axum::Json<AuditVerified>, ControlError> {
    caller.operator()?;
    let verified = blocking(move || audit::verify(&api.control, query.anchor));
    Ok(axum::Json(verified.await?))
}
