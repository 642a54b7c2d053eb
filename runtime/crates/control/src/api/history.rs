//! Back to an earlier moment.

use axum::extract::State;

use super::Api;
use super::caller::Caller;
use super::extract::{Json, Params};
use crate::error::ControlError;
use crate::history;
use crate::wire::{Problem, Restore, Restored, TenantQuery};

/// Go back to what served at an earlier moment
///
/// Of one tenant: its functions, how their requests are shared out, versions of models and labels are as they were then, all at
/// once. Versions of models that came later go, as by removal; versions of functions that came later stay and do not serve. Keys,
/// secrets, grants, limits, pins and the audit are not touched. It is a change like others: going to a moment before it takes it
/// back.
#[utoipa::path(
    post, path = "/v1/restore", tag = "history", request_body = Restore, params(TenantQuery),
    responses(
        (status = 200, body = Restored),
        (status = 400, body = Problem, content_type = "application/problem+json", description = "The moment is yet to come"),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json", description = "No such tenant"),
        (status = 409, body = Problem, content_type = "application/problem+json", description = "A route of then is taken by another tenant"),
        (status = 422, body = Problem, content_type = "application/problem+json", description = "The history does not go back so far"),
        (status = 503, body = Problem, content_type = "application/problem+json", description = "The server is not ready"),
    )
)]
pub(super) async fn restore(
    State(api): State<Api>,
    caller: Caller,
    Params(query): Params<TenantQuery>,
    Json(restore): Json<Restore>,
) -> Result<axum::Json<Restored>, ControlError> {
    let tenant = caller.tenant(&api, query.tenant).await?;
    let control = caller.changing_many(&api).await?;
    // A task of its own: a client that goes away must not stop it between the store and the swap.
    let task = tokio::spawn(async move { history::restore(&control, tenant, restore.at, restore.dry_run).await });
    Ok(axum::Json(task.await??))
}
