//! Functions: deploy, list, show, scale.

use std::sync::Arc;

use axum::extract::State;
use http::StatusCode;
use modelet_spec::FunctionName;
use modelet_store::{FunctionVersion, Thing};

use super::caller::Caller;
use super::conditions::{Tagged, etag};
use super::extract::{Json, Name, Params};
use super::{Api, respond};
use crate::control::{Control, FunctionEntry, blocking};
use crate::deploy;
use crate::error::ControlError;
use crate::page::Page;
use crate::restore::draft;
use crate::wire::{Deploy, Function, Functions, ListQuery, PageAtQuery, Problem, Scale, TenantQuery};
use crate::{history, secrets, views};

/// Deploy a function
///
/// Checks the manifest, compiles the component in a process of its own, binds its models, links it, asks it the manifest's own
/// `[[case]]`s, and serves it. Whatever is refused is refused before anything serves. While the function's requests are shared out
/// the new version gets none of them. A component that takes too much to compile is refused with `compile-memory`,
/// `compile-cpu`, `compile-time` or `compile-size`; one whose compiler crashes, with `compile-crashed` and the signal.
#[utoipa::path(
    post, path = "/v1/functions", tag = "functions", request_body = Deploy,
    responses(
        (status = 201, body = Function),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json", description = "No such tenant"),
        (status = 409, body = Problem, content_type = "application/problem+json", description = "A route is taken, or the version gains capabilities"),
        (status = 422, body = Problem, content_type = "application/problem+json", description = "The manifest, the component or a model was refused, or a `[[case]]` is not answered as it says (`case-failed`)"),
        (status = 503, body = Problem, content_type = "application/problem+json", description = "The server is not ready, or the compiler was killed (`compile-killed`)"),
    )
)]
pub(super) async fn deploy(
    State(api): State<Api>,
    caller: Caller,
    Json(mut request): Json<Deploy>,
) -> Result<(StatusCode, axum::Json<Function>), ControlError> {
    let tenant = caller.tenant(&api, request.tenant.take()).await?;
    caller.may_deploy(&request)?;
    if caller.is_bound() {
        secrets::check_bound(&api.control, &tenant, &request.manifest).await?;
    }
    // A task of its own: a client that goes away must not stop a deploy between the store and the swap.
    let control = caller.changing(&api, Thing::function(&tenant, &request.manifest.name)).await?;
    let task = tokio::spawn(async move { deploy::deploy(&control, tenant, request).await });
    Ok((respond::CREATED, axum::Json(task.await??)))
}

/// List the functions of a tenant, now or at an earlier moment
#[utoipa::path(
    get, path = "/v1/functions", tag = "functions", params(PageAtQuery),
    responses(
        (status = 200, body = Functions),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json", description = "No such tenant"),
    )
)]
pub(super) async fn list(
    State(api): State<Api>,
    caller: Caller,
    Params(query): Params<PageAtQuery>,
) -> Result<axum::Json<Functions>, ControlError> {
    let tenant = caller.tenant(&api, query.tenant).await?;
    let page = Page::of(query.limit, query.after.as_deref())?;
    let functions = blocking(move || {
        if let Some(at) = query.at {
            let mut then = history::functions(&api.control, &tenant, at)?;
            then.retain(|function| caller.sees_function(&function.name));
            let (functions, next) = page.cut(then, |function| function.name.to_string());
            return Ok(Functions { functions, next });
        }
        let _both = api.control.both.read();
        let mut versions = api.control.store.functions_after(&tenant, page.after(), page.count_max())?;
        let next = page.end(&mut versions, |version| version.name.to_string());
        let catalog = api.control.catalog.load();
        let view = |version: &FunctionVersion| {
            let shown = view(&api.control, version, catalog.function(&tenant, &version.name))?;
            Ok::<_, ControlError>(Function { etag: Some(etag(&version.revision)), ..shown })
        };
        let seen = versions.iter().filter(|version| caller.sees_function(&version.name));
        Ok(Functions { functions: seen.map(view).collect::<Result<_, _>>()?, next })
    });
    Ok(axum::Json(functions.await?))
}

/// Show a function: the version that is live, or was at an earlier moment
#[utoipa::path(
    get, path = "/v1/functions/{name}", tag = "functions",
    params(("name" = String, Path, description = "The function"), ListQuery),
    responses(
        (status = 200, body = Function),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json", description = "No such function"),
    )
)]
pub(super) async fn show(
    State(api): State<Api>,
    caller: Caller,
    Name(name): Name<FunctionName>,
    Params(query): Params<ListQuery>,
) -> Result<Tagged<Function>, ControlError> {
    let tenant = caller.tenant(&api, query.tenant).await?;
    let function = blocking(move || match query.at {
        None => {
            let _both = api.control.both.read();
            let stored = api.control.stored(&tenant, &name)?;
            let shown = Function { etag: Some(etag(&stored.revision)), ..live(&api.control, &stored)? };
            Ok(Tagged(Some(stored.revision), shown))
        }
        Some(at) => {
            let functions = history::functions(&api.control, &tenant, at)?;
            let function = functions.into_iter().find(|function| function.name == name);
            Ok(Tagged(None, function.ok_or_else(|| ControlError::NoFunction(name.to_string()))?))
        }
    });
    function.await
}

/// Keep so many instances of a function warm
///
/// They are there before the answer. What is said here beats the manifest and holds for versions to come, until it is said
/// otherwise; 0 keeps none.
#[utoipa::path(
    put, path = "/v1/functions/{name}/scale", tag = "functions", request_body = Scale,
    params(("name" = String, Path, description = "The function"), TenantQuery),
    responses(
        (status = 200, body = Function),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json", description = "No such function"),
        (status = 409, body = Problem, content_type = "application/problem+json", description = "All functions together would keep too many"),
        (status = 422, body = Problem, content_type = "application/problem+json", description = "More than the function's concurrency"),
        (status = 503, body = Problem, content_type = "application/problem+json", description = "They cannot be made"),
    )
)]
pub(super) async fn scale(
    State(api): State<Api>,
    caller: Caller,
    Name(name): Name<FunctionName>,
    Params(query): Params<TenantQuery>,
    Json(scale): Json<Scale>,
) -> Result<axum::Json<Function>, ControlError> {
    let tenant = caller.tenant(&api, query.tenant).await?;
    let control = caller.changing(&api, Thing::function(&tenant, &name)).await?;
    // A task of its own: a client that goes away must not stop it between the instances and the word that is kept.
    let task = tokio::spawn(async move {
        crate::scale::scale(&control, tenant.clone(), name.clone(), scale.min).await?;
        blocking(move || live(&control, &control.stored(&tenant, &name)?)).await
    });
    Ok(axum::Json(task.await??))
}

/// A stored version; what serves is asked of the catalog.
fn live(control: &Arc<Control>, version: &FunctionVersion) -> Result<Function, ControlError> {
    view(control, version, control.serving(&version.tenant, &version.name).as_ref())
}

/// A stored version, beside what serves of its function.
fn view(
    control: &Arc<Control>,
    version: &FunctionVersion,
    serving: Option<&Arc<FunctionEntry>>,
) -> Result<Function, ControlError> {
    let draft = draft(version)?;
    match serving {
        Some(entry) if entry.version == version.version => Ok(views::function(entry, draft.shown())),
        _ => Ok(views::not_serving(control, version, &draft)),
    }
}
