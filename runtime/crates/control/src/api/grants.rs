//! Grants of models: grant, list, revoke.

use axum::extract::State;
use modelet_spec::{ModelName, TenantName};
use modelet_store::Thing;

use super::Api;
use super::caller::Caller;
use super::conditions::Tagged;
use super::extract::{Json, Name, Params};
use crate::control::blocking;
use crate::error::ControlError;
use crate::grants;
use crate::page::Page;
use crate::wire::{Grant, Grants, NewGrant, PageQuery, Problem, TenantQuery};

/// Grant a model to another tenant
///
/// Its functions may name it `OWNER/NAME` then, with all versions and labels. Granted again, it is granted as said now.
#[utoipa::path(
    put, path = "/v1/models/{name}/grants/{to}", tag = "models", request_body = NewGrant,
    params(
        ("name" = String, Path, description = "The model"),
        ("to" = String, Path, description = "The other tenant"),
        TenantQuery,
    ),
    responses(
        (status = 200, body = Grant),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json", description = "Not an admin key"),
        (status = 404, body = Problem, content_type = "application/problem+json", description = "No such model"),
    )
)]
pub(super) async fn grant(
    State(api): State<Api>,
    caller: Caller,
    Name((name, to)): Name<(ModelName, TenantName)>,
    Params(query): Params<TenantQuery>,
    Json(new): Json<NewGrant>,
) -> Result<axum::Json<Grant>, ControlError> {
    let tenant = caller.tenant(&api, query.tenant).await?;
    if caller.operator().is_ok() {
        // Who may not see other tenants is not told by this which there are; who may is spared a typing error.
        api.control.tenant(&to)?;
    }
    let control = caller.changing(&api, Thing::model(&tenant, &name)).await?;
    Ok(axum::Json(grants::grant(&control, tenant, name, to, new.share_batch).await?))
}

/// Take a grant back: from the next time on that a function loads the model by its name, it finds none
#[utoipa::path(
    delete, path = "/v1/models/{name}/grants/{to}", tag = "models",
    params(
        ("name" = String, Path, description = "The model"),
        ("to" = String, Path, description = "The other tenant"),
        TenantQuery,
    ),
    responses(
        (status = 200, body = Grant),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json", description = "Not an admin key"),
        (status = 404, body = Problem, content_type = "application/problem+json", description = "No such model, or no such grant"),
    )
)]
pub(super) async fn revoke(
    State(api): State<Api>,
    caller: Caller,
    Name((name, to)): Name<(ModelName, TenantName)>,
    Params(query): Params<TenantQuery>,
) -> Result<axum::Json<Grant>, ControlError> {
    let tenant = caller.tenant(&api, query.tenant).await?;
    let control = caller.changing(&api, Thing::model(&tenant, &name)).await?;
    Ok(axum::Json(grants::revoke(&control, tenant, name, to).await?))
}

/// List to whom a model is granted
#[utoipa::path(
    get, path = "/v1/models/{name}/grants", tag = "models",
    params(("name" = String, Path, description = "The model"), PageQuery),
    responses(
        (status = 200, body = Grants),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json", description = "No such model"),
    )
)]
pub(super) async fn list(
    State(api): State<Api>,
    caller: Caller,
    Name(name): Name<ModelName>,
    Params(query): Params<PageQuery>,
) -> Result<Tagged<Grants>, ControlError> {
    let tenant = caller.tenant(&api, query.tenant).await?;
    let page = Page::of(query.limit, query.after.as_deref())?;
    let grants = blocking(move || grants::list(&api.control, &tenant, &name));
    let (grants, revision) = grants.await?;
    let (grants, next) = page.cut(grants, |grant| grant.to.to_string());
    Ok(Tagged(Some(revision), Grants { grants, next }))
}
