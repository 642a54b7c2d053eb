//! Tenants: create, list, show, limits, remove.

use axum::extract::State;
use http::StatusCode;
use modelet_spec::{Claims, TenantName};
use modelet_store::Thing;

use super::caller::Caller;
use super::conditions::{Tagged, etag};
use super::extract::{Json, Name, Params};
use super::{Api, respond};
use crate::control::{Control, blocking};
use crate::error::ControlError;
use crate::page::Page;
use crate::tenants;
use crate::wire::{
    ChangeClaims, ForceQuery, NewTenant, PageOfAllQuery, Problem, RemovedTenant, Tenant, TenantUse, Tenants,
};

/// Make a tenant, with the hosts and paths that its functions may claim and with what it may have
///
/// For the operator: an admin key of the tenant `default`. No two tenants have a host or a part of a path in common, and what
/// is given is kept from the functions of `default`, too.
#[utoipa::path(
    post, path = "/v1/tenants", tag = "tenants", request_body = NewTenant,
    responses(
        (status = 201, body = Tenant),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json", description = "Not the operator"),
        (status = 409, body = Problem, content_type = "application/problem+json", description = "The name or a claim is taken"),
        (status = 422, body = Problem, content_type = "application/problem+json", description = "There is no such limit, or it has no such value"),
        (status = 503, body = Problem, content_type = "application/problem+json", description = "The server is not ready"),
    )
)]
pub(super) async fn create(
    State(api): State<Api>,
    caller: Caller,
    Json(new): Json<NewTenant>,
) -> Result<(StatusCode, axum::Json<Tenant>), ControlError> {
    caller.operator()?;
    let claims = Claims { hosts: new.hosts, paths: new.paths };
    let control = caller.changing(&api, Thing::tenant(&new.name)).await?;
    let task = tokio::spawn(async move { tenants::create(&control, new.name, claims, new.limits).await });
    Ok((respond::CREATED, axum::Json(view(task.await??))))
}

/// List tenants
#[utoipa::path(
    get, path = "/v1/tenants", tag = "tenants", params(PageOfAllQuery),
    responses(
        (status = 200, body = Tenants),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 401, body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn list(
    State(api): State<Api>,
    caller: Caller,
    Params(query): Params<PageOfAllQuery>,
) -> Result<axum::Json<Tenants>, ControlError> {
    let page = Page::of(query.limit, query.after.as_deref())?;
    let book = api.control.tenants.load();
    let seen = book.tenants().filter(|tenant| caller.speaks_for(&tenant.name)).collect();
    let (tenants, next) = page.cut(seen, |tenant| tenant.name.to_string());
    Ok(axum::Json(Tenants { tenants: tenants.into_iter().cloned().map(shown).collect(), next }))
}

/// Show a tenant: what it may claim and have, and what it has
#[utoipa::path(
    get, path = "/v1/tenants/{name}", tag = "tenants", params(("name" = String, Path, description = "The tenant")),
    responses(
        (status = 200, body = Tenant),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json", description = "No such tenant"),
    )
)]
pub(super) async fn show(
    State(api): State<Api>,
    caller: Caller,
    Name(name): Name<TenantName>,
) -> Result<Tagged<Tenant>, ControlError> {
    let name = caller.tenant(&api, Some(name)).await?;
    let control = api.control;
    blocking(move || {
        let tenant = control.tenant(&name)?;
        let revision = tenant.revision.clone();
        Ok(Tagged(Some(revision), Tenant { usage: Some(usage(&control, &name)?), ..shown(tenant) }))
    })
    .await
}

/// Change what a tenant may have
///
/// A JSON merge patch (RFC 7396): what it does not name stays, `null` takes a limit back, so that the server's holds. Its
/// functions are made anew under the new limits; requests that run go on under the old ones.
#[utoipa::path(
    patch, path = "/v1/tenants/{name}/limits", tag = "tenants", request_body = Object,
    params(("name" = String, Path, description = "The tenant")),
    responses(
        (status = 200, body = Tenant),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json", description = "Not the operator"),
        (status = 404, body = Problem, content_type = "application/problem+json", description = "No such tenant"),
        (status = 422, body = Problem, content_type = "application/problem+json", description = "There is no such limit, or it has no such value"),
        (status = 503, body = Problem, content_type = "application/problem+json", description = "The server is not ready"),
    )
)]
pub(super) async fn limits(
    State(api): State<Api>,
    caller: Caller,
    Name(name): Name<TenantName>,
    Json(patch): Json<serde_json::Map<String, serde_json::Value>>,
) -> Result<axum::Json<Tenant>, ControlError> {
    let name = caller.operated(&api, name).await?;
    let control = caller.changing(&api, Thing::tenant(&name)).await?;
    let task = tokio::spawn(async move { tenants::limit(&control, name, patch).await });
    Ok(axum::Json(view(task.await??)))
}

/// Change where a tenant's functions may answer
///
/// What is to go goes first. Refused where another tenant or another's function has something of what is given, and where a
/// function of the tenant needs what is taken back.
#[utoipa::path(
    patch, path = "/v1/tenants/{name}/claims", tag = "tenants", request_body = ChangeClaims,
    params(("name" = String, Path, description = "The tenant")),
    responses(
        (status = 200, body = Tenant),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json", description = "Not the operator"),
        (status = 404, body = Problem, content_type = "application/problem+json", description = "No such tenant, or it has no such claim"),
        (status = 409, body = Problem, content_type = "application/problem+json", description = "A claim is taken, or needed"),
        (status = 503, body = Problem, content_type = "application/problem+json", description = "The server is not ready"),
    )
)]
pub(super) async fn claims(
    State(api): State<Api>,
    caller: Caller,
    Name(name): Name<TenantName>,
    Json(change): Json<ChangeClaims>,
) -> Result<axum::Json<Tenant>, ControlError> {
    let name = caller.operated(&api, name).await?;
    let add = Claims { hosts: change.add_hosts, paths: change.add_paths };
    let remove = Claims { hosts: change.remove_hosts, paths: change.remove_paths };
    let control = caller.changing(&api, Thing::tenant(&name)).await?;
    let task = tokio::spawn(async move { tenants::change_claims(&control, name, add, remove).await });
    Ok(axum::Json(view(task.await??)))
}

/// Remove a tenant
///
/// Refused while it has functions or models, unless forced. Its routes go at once, requests that run are waited for, and then
/// all that it had goes: functions, models, keys, what its functions kept. Its name is never used again.
#[utoipa::path(
    delete, path = "/v1/tenants/{name}", tag = "tenants",
    params(("name" = String, Path, description = "The tenant"), ForceQuery),
    responses(
        (status = 200, body = RemovedTenant),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json", description = "Not the operator"),
        (status = 404, body = Problem, content_type = "application/problem+json", description = "No such tenant"),
        (status = 409, body = Problem, content_type = "application/problem+json", description = "It has functions or models, or is `default`"),
        (status = 503, body = Problem, content_type = "application/problem+json", description = "The server is not ready"),
    )
)]
pub(super) async fn remove(
    State(api): State<Api>,
    caller: Caller,
    Name(name): Name<TenantName>,
    Params(query): Params<ForceQuery>,
) -> Result<axum::Json<RemovedTenant>, ControlError> {
    let name = caller.operated(&api, name).await?;
    let control = caller.changing(&api, Thing::tenant(&name)).await?;
    let task = tokio::spawn(async move { tenants::remove(&control, name, query.force).await });
    Ok(axum::Json(task.await??))
}

/// A tenant as it is read.
fn shown(tenant: modelet_store::Tenant) -> Tenant {
    Tenant { etag: Some(etag(&tenant.revision)), ..view(tenant) }
}

fn view(tenant: modelet_store::Tenant) -> Tenant {
    Tenant {
        name: tenant.name,
        hosts: tenant.claims.hosts,
        paths: tenant.claims.paths,
        limits: tenant.limits,
        created_ms: tenant.created_ms,
        usage: None,
        etag: None,
    }
}

/// What a tenant has. Blocks.
fn usage(control: &Control, name: &TenantName) -> Result<TenantUse, ControlError> {
    let used = control.store.tenant_use(name)?;
    let catalog = control.catalog.load();
    let today = control.books.today(name);
    let own = catalog.functions_of(name);
    Ok(TenantUse {
        functions: used.functions,
        models: used.models,
        model_bytes: used.model_bytes,
        model_bytes_max: control.quota(name),
        secrets: used.secrets,
        keyvalue_keys: used.keyvalue_keys,
        keyvalue_bytes: used.keyvalue_bytes,
        cpu_seconds_today: today.cpu_us as f64 / 1e6,
        inference_seconds_today: today.busy_us as f64 / 1e6,
        running: own.map(crate::retire::busy).sum(),
    })
}
