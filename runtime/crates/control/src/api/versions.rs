//! Versions of functions: list, make live, share requests out, remove.

use std::sync::Arc;

use axum::extract::State;
use modelet_spec::FunctionName;
use modelet_store::Thing;

use super::Api;
use super::caller::Caller;
use super::conditions::Tagged;
use super::extract::{Json, Name, Params};
use crate::control::blocking;
use crate::error::ControlError;
use crate::page::{Page, backwards};
use crate::restore::draft;
use crate::wire::{
    Function, FunctionVersions, PageAtQuery, Problem, RemoveFunctionQuery, RemovedFunction, Rollback, TenantQuery,
    Traffic, TrafficReport,
};
use crate::{history, retire, rollback, traffic, views};

/// List the versions of a function, the newest first, now or at an earlier moment
#[utoipa::path(
    get, path = "/v1/functions/{name}/versions", tag = "functions",
    params(("name" = String, Path, description = "The function"), PageAtQuery),
    responses(
        (status = 200, body = FunctionVersions),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json", description = "No such function"),
    )
)]
pub(super) async fn list(
    State(api): State<Api>,
    caller: Caller,
    Name(name): Name<FunctionName>,
    Params(query): Params<PageAtQuery>,
) -> Result<Tagged<FunctionVersions>, ControlError> {
    let tenant = caller.tenant(&api, query.tenant).await?;
    let page = Page::of(query.limit, query.after.as_deref())?;
    let control = Arc::clone(&api.control);
    let versions = blocking(move || {
        if let Some(at) = query.at {
            let then = history::versions(&control, (tenant, name), at)?;
            let (versions, next) = page.cut(then.versions, |version| backwards(version.version));
            return Ok(Tagged(None, FunctionVersions { versions, next, ..then }));
        }
        let _both = control.both.read();
        let stored = control.store.function_versions(&tenant, &name)?;
        let Some(revision) = stored.first().map(|version| version.revision.clone()) else {
            return Err(ControlError::NoFunction(name.to_string()));
        };
        let (stored, next) = page.cut(stored, |version| backwards(version.version));
        let live = control.serving(&tenant, &name);
        let versions = stored.iter().map(|version| views::function_version(live.as_ref(), version));
        let versions = versions.collect::<Result<_, _>>()?;
        let traffic = live.and_then(|live| Some(live.arms.as_ref()?.traffic().into()));
        Ok(Tagged(Some(revision), FunctionVersions { tenant, name, versions, next, traffic }))
    });
    versions.await
}

/// Make an earlier version live, or a later one, for all requests
///
/// At once, and without a request that fails: the version is in memory before the first one reaches it. Whatever shares the
/// function's requests out ends.
#[utoipa::path(
    post, path = "/v1/functions/{name}/rollback", tag = "functions", request_body = Rollback,
    params(("name" = String, Path, description = "The function"), TenantQuery),
    responses(
        (status = 200, body = Function),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json", description = "No such function or version"),
        (status = 409, body = Problem, content_type = "application/problem+json", description = "There is no version before, or a route of it is taken"),
        (status = 422, body = Problem, content_type = "application/problem+json", description = "The version cannot be linked any more"),
        (status = 503, body = Problem, content_type = "application/problem+json", description = "It cannot be brought into memory now"),
    )
)]
pub(super) async fn rollback(
    State(api): State<Api>,
    caller: Caller,
    Name(name): Name<FunctionName>,
    Params(query): Params<TenantQuery>,
    Json(rollback): Json<Rollback>,
) -> Result<axum::Json<Function>, ControlError> {
    let tenant = caller.tenant(&api, query.tenant).await?;
    let control = caller.changing(&api, Thing::function(&tenant, &name)).await?;
    // A task of its own: a client that goes away must not stop it between the store and the swap.
    let task = tokio::spawn(async move {
        let (entry, note) = rollback::rollback(&control, tenant, name, rollback.to).await?;
        blocking(move || {
            let stored = control.store.function_version(&entry.tenant, &entry.function, entry.version)?;
            let mut function = views::function(&entry, draft(&stored)?.shown());
            function.notes.extend(note);
            Ok(function)
        })
        .await
    });
    Ok(axum::Json(task.await??))
}

/// Remove a function with all its versions, or one version that gets no requests
///
/// A function goes from its routes at once; what it answers at that moment it finishes, and then its series go from the metrics.
/// Numbers of versions are not used again.
#[utoipa::path(
    delete, path = "/v1/functions/{name}", tag = "functions",
    params(("name" = String, Path, description = "The function"), RemoveFunctionQuery),
    responses(
        (status = 200, body = RemovedFunction),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json", description = "No such function or version"),
        (status = 409, body = Problem, content_type = "application/problem+json", description = "The version gets requests (`function-serves`), or the function answers some now (`function-busy`)"),
    )
)]
pub(super) async fn remove(
    State(api): State<Api>,
    caller: Caller,
    Name(name): Name<FunctionName>,
    Params(query): Params<RemoveFunctionQuery>,
) -> Result<axum::Json<RemovedFunction>, ControlError> {
    let tenant = caller.tenant(&api, query.tenant).await?;
    let control = caller.changing(&api, Thing::function(&tenant, &name)).await?;
    let task = tokio::spawn(async move {
        match query.version {
            Some(version) => retire::remove_version(&control, tenant, name, version).await,
            None => retire::remove(&control, tenant, name, query.force).await,
        }
    });
    Ok(axum::Json(task.await??))
}

/// Show how a function's requests are shared out, and how its shadow compares
#[utoipa::path(
    get, path = "/v1/functions/{name}/traffic", tag = "functions",
    params(("name" = String, Path, description = "The function"), TenantQuery),
    responses(
        (status = 200, body = TrafficReport),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json", description = "No such function"),
    )
)]
pub(super) async fn traffic(
    State(api): State<Api>,
    caller: Caller,
    Name(name): Name<FunctionName>,
    Params(query): Params<TenantQuery>,
) -> Result<Tagged<TrafficReport>, ControlError> {
    let tenant = caller.tenant(&api, query.tenant).await?;
    let report = blocking(move || {
        let _both = api.control.both.read();
        let revision = api.control.store.revision(&Thing::function(&tenant, &name))?;
        let live = api.control.serving(&tenant, &name).ok_or_else(|| ControlError::NoFunction(name.to_string()))?;
        Ok(Tagged(revision, views::traffic(&live, Vec::new())))
    });
    report.await
}

/// Share a function's requests out among its versions
///
/// As long as that holds a deploy goes not live: its version gets 0 % until it is given more. The routes are those of the live
/// version, which stays while it gets anything; then it is the one that gets most.
#[utoipa::path(
    put, path = "/v1/functions/{name}/traffic", tag = "functions", request_body = Traffic,
    params(("name" = String, Path, description = "The function"), TenantQuery),
    responses(
        (status = 200, body = TrafficReport),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json", description = "No such function or version"),
        (status = 409, body = Problem, content_type = "application/problem+json", description = "A route of the version that would be live is taken"),
        (status = 422, body = Problem, content_type = "application/problem+json", description = "The parts are not 100 % together, or contradict each other"),
        (status = 503, body = Problem, content_type = "application/problem+json", description = "A version cannot be brought into memory now"),
    )
)]
pub(super) async fn share(
    State(api): State<Api>,
    caller: Caller,
    Name(name): Name<FunctionName>,
    Params(query): Params<TenantQuery>,
    Json(wanted): Json<Traffic>,
) -> Result<axum::Json<TrafficReport>, ControlError> {
    let tenant = caller.tenant(&api, query.tenant).await?;
    let wanted = modelet_spec::Traffic::try_from(wanted)?;
    let control = caller.changing(&api, Thing::function(&tenant, &name)).await?;
    let task = tokio::spawn(async move { traffic::share(&control, tenant, name, Some(wanted)).await });
    let (live, note) = task.await??;
    Ok(axum::Json(views::traffic(&live, note.into_iter().collect())))
}

/// Give all of a function's requests to the live version; the next deploy goes live again
#[utoipa::path(
    delete, path = "/v1/functions/{name}/traffic", tag = "functions",
    params(("name" = String, Path, description = "The function"), TenantQuery),
    responses(
        (status = 200, body = TrafficReport),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json", description = "No such function"),
    )
)]
pub(super) async fn unshare(
    State(api): State<Api>,
    caller: Caller,
    Name(name): Name<FunctionName>,
    Params(query): Params<TenantQuery>,
) -> Result<axum::Json<TrafficReport>, ControlError> {
    let tenant = caller.tenant(&api, query.tenant).await?;
    let control = caller.changing(&api, Thing::function(&tenant, &name)).await?;
    let task = tokio::spawn(async move { traffic::share(&control, tenant, name, None).await });
    let (live, note) = task.await??;
    Ok(axum::Json(views::traffic(&live, note.into_iter().collect())))
}
