//! What was used.

use axum::extract::State;

use super::Api;
use super::caller::Caller;
use super::extract::Params;
use crate::control::blocking;
use crate::error::ControlError;
use crate::usage;
use crate::wire::{Problem, UsageQuery, UsageReport};

/// Show what was used, by tenant, function and model
///
/// In pages: with more rows than one holds there is a `next`, to be sent as `after`.
#[utoipa::path(
    get, path = "/v1/usage", tag = "tenants", params(UsageQuery),
    responses(
        (status = 200, body = UsageReport),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json", description = "There never was such a tenant"),
    )
)]
pub(super) async fn show(
    State(api): State<Api>,
    caller: Caller,
    Params(query): Params<UsageQuery>,
) -> Result<axum::Json<UsageReport>, ControlError> {
    let whose = caller.billed(&api, query.tenant.clone()).await?;
    let control = api.control;
    Ok(axum::Json(blocking(move || usage::report(&control, whose, &query)).await?))
}
