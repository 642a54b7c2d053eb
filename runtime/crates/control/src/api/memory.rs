//! Models in memory: pin, unload.

use axum::extract::{FromRequestParts, State};
use http::request::Parts;
use modelet_spec::Pick;
use modelet_store::Thing;

use super::Api;
use super::caller::Caller;
use super::extract::{Name, Params};
use crate::error::ControlError;
use crate::memory::{self, Named};
use crate::wire::{MemoryQuery, Model, Problem};

/// Keep a model in memory, from now on and after each start
///
/// It is loaded before the answer. It counts against the models' memory and does not go for another.
#[utoipa::path(
    put, path = "/v1/models/{name}/pin", tag = "models",
    params(("name" = String, Path, description = "The model"), MemoryQuery),
    responses(
        (status = 200, body = Model),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json", description = "No such model"),
        (status = 503, body = Problem, content_type = "application/problem+json", description = "There is no memory for it"),
    )
)]
pub(super) async fn pin(
    State(api): State<Api>,
    caller: Caller,
    named: Named,
) -> Result<axum::Json<Model>, ControlError> {
    let control = caller.changing(&api, Thing::model(&named.tenant, &named.name)).await?;
    Ok(axum::Json(memory::pin(&control, named, true).await?))
}

/// Let a model go from memory when nobody uses it, as others do
#[utoipa::path(
    delete, path = "/v1/models/{name}/pin", tag = "models",
    params(("name" = String, Path, description = "The model"), MemoryQuery),
    responses(
        (status = 200, body = Model),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json", description = "No such model"),
    )
)]
pub(super) async fn unpin(
    State(api): State<Api>,
    caller: Caller,
    named: Named,
) -> Result<axum::Json<Model>, ControlError> {
    let control = caller.changing(&api, Thing::model(&named.tenant, &named.name)).await?;
    Ok(axum::Json(memory::pin(&control, named, false).await?))
}

/// Let a model go from memory now
///
/// Calls in progress finish. The next call loads it again.
#[utoipa::path(
    post, path = "/v1/models/{name}/unload", tag = "models",
    params(("name" = String, Path, description = "The model"), MemoryQuery),
    responses(
        (status = 200, body = Model),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json", description = "No such model"),
        (status = 409, body = Problem, content_type = "application/problem+json", description = "It is pinned"),
    )
)]
pub(super) async fn unload(
    State(api): State<Api>,
    caller: Caller,
    named: Named,
) -> Result<axum::Json<Model>, ControlError> {
    let control = caller.changing(&api, Thing::model(&named.tenant, &named.name)).await?;
    Ok(axum::Json(memory::unload(&control, named).await?))
}

impl FromRequestParts<Api> for Named {
    type Rejection = ControlError;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, ControlError> {
        let caller = Caller::from_request_parts(parts, api).await?;
        let Name(name) = Name::from_request_parts(parts, api).await?;
        let Params(MemoryQuery { tenant, version, force }) = Params::from_request_parts(parts, api).await?;
        Ok(Self { tenant: caller.tenant(api, tenant).await?, name, pick: version.unwrap_or(Pick::Latest), force })
    }
}
