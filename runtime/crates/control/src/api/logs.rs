//! What functions wrote.

use std::time::Duration;

use axum::extract::State;
use modelet_spec::FunctionName;

use super::Api;
use super::caller::Caller;
use super::extract::{Name, Params};
use crate::control::blocking;
use crate::error::ControlError;
use crate::wire::{LogPage, LogQuery, Problem};

/// Longest wait for a line. A client that follows a log asks again.
const WAIT_MAX: Duration = Duration::from_secs(10);

/// Show what a function wrote
///
/// Without `after`, its newest lines; with it, the oldest after that one. With `wait_ms`, the answer comes with the next line.
#[utoipa::path(
    get, path = "/v1/functions/{name}/logs", tag = "functions",
    params(("name" = String, Path, description = "The function"), LogQuery),
    responses(
        (status = 200, body = LogPage),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json", description = "No such function"),
    )
)]
pub(super) async fn show(
    State(api): State<Api>,
    caller: Caller,
    Name(name): Name<FunctionName>,
    Params(query): Params<LogQuery>,
) -> Result<axum::Json<LogPage>, ControlError> {
    let tenant = caller.tenant(&api, query.tenant).await?;
    let control = api.control.clone();
    let found = blocking(move || control.stored(&tenant, &name).map(|_| control.logs.ring(&tenant, &name)));
    let wait = Duration::from_millis(query.wait_ms).min(WAIT_MAX);
    Ok(axum::Json(found.await?.page(query.after, query.invocation, wait).await))
}
