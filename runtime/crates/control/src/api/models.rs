//! Models: push, list, show, label, remove.

use axum::extract::{FromRequest, Request, State};
use http::{StatusCode, header};
use modelet_spec::{Label, ModelCard, ModelName};
use modelet_store::{ModelVersion, Thing};

use super::caller::Caller;
use super::conditions::{Tagged, etag};
use super::extract::{Json, Name, Params};
use super::{Api, respond};
use crate::artifact::Given;
use crate::control::blocking;
use crate::error::ControlError;
use crate::page::{Page, backwards};
use crate::push::{self, Push};
use crate::remove;
use crate::upload::{self, UploadLimit};
use crate::views;
use crate::wire::{
    LabelAt, Model, ModelVersions, Models, PageAtQuery, Problem, PushFiles, PushQuery, RemoveQuery, Removed,
    TenantQuery, VersionQuery,
};
use crate::{grants, history};

/// Push a model
///
/// The body is one ONNX file, or JSON that names several files, or one with a card, by the digests under which they were
/// stored before. The model is checked and loaded once before it is taken; a refusal names the node. The files and the card
/// of the newest version make no new one.
#[utoipa::path(
    put, path = "/v1/models/{name}", tag = "models",
    params(("name" = String, Path, description = "The model"), PushQuery),
    request_body(content((Vec<u8> = "application/octet-stream"), (PushFiles = "application/json"))),
    responses(
        (status = 200, body = Model, description = "The newest version is the same already"),
        (status = 201, body = Model),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json", description = "The tenant's quota does not hold it"),
        (status = 413, body = Problem, content_type = "application/problem+json"),
        (status = 422, body = Problem, content_type = "application/problem+json", description = "The model was refused"),
        (status = 503, body = Problem, content_type = "application/problem+json", description = "There is no ONNX Runtime"),
    )
)]
pub(super) async fn push(
    State(api): State<Api>,
    caller: Caller,
    Name(name): Name<ModelName>,
    Params(query): Params<PushQuery>,
    request: Request,
) -> Result<(StatusCode, axum::Json<Model>), ControlError> {
    let tenant = caller.tenant(&api, query.tenant).await?;
    let control = caller.changing(&api, Thing::model(&tenant, &name)).await?;
    // Before gigabytes are sent in vain.
    control.inference.ready()?;
    let mut push = if is_json(&request) {
        let Json(files) = Json::<PushFiles>::from_request(request, &()).await?;
        Push::of(&tenant, name, files)?
    } else {
        let (bytes, quota) = (control.config.limits.model_bytes.0, control.quota(&tenant));
        let limit = UploadLimit { what: "model", bytes, key: "model_bytes", quota };
        let (blob, _) = upload::receive(&control.store, &tenant, request.into_body(), limit).await?;
        Push { tenant, name, given: Given::file(blob)?, card: ModelCard::default(), label: None }
    };
    push.label = push.label.or(query.label);
    let pushed = push::push(&control, push).await?;
    let created = pushed.created;
    let model = Model { created: Some(created), ..views::model(pushed)? };
    Ok((if created { respond::CREATED } else { respond::OK }, axum::Json(model)))
}

fn is_json(request: &Request) -> bool {
    let kind = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
}

/// List the models of a tenant: the newest version of each, now or at an earlier moment
#[utoipa::path(
    get, path = "/v1/models", tag = "models", params(PageAtQuery),
    responses(
        (status = 200, body = Models),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json", description = "No such tenant"),
    )
)]
pub(super) async fn list(
    State(api): State<Api>,
    caller: Caller,
    Params(query): Params<PageAtQuery>,
) -> Result<axum::Json<Models>, ControlError> {
    let tenant = caller.tenant(&api, query.tenant).await?;
    let page = Page::of(query.limit, query.after.as_deref())?;
    let listed = blocking(move || {
        if let Some(at) = query.at {
            let (then, next) =
                page.cut(history::models(&api.control, &tenant, at)?, |version| version.name.to_string());
            let seen = then.into_iter().filter(|version| caller.sees_model(&version.name));
            let models = seen.map(views::model).collect::<Result<Vec<_>, _>>()?;
            return Ok(Models { models, granted: Vec::new(), next });
        }
        // A bound key sees what it is bound to of its tenant's own.
        let is_told = page.is_first() && !caller.is_bound();
        let granted = if is_told { grants::granted(&api.control, &tenant)? } else { Vec::new() };
        let mut newest = api.control.store.models_after(&tenant, page.after(), page.count_max())?;
        let next = page.end(&mut newest, |version| version.name.to_string());
        let seen = newest.into_iter().filter(|version| caller.sees_model(&version.name));
        let models = seen.map(|v| shown(&api, v)).collect::<Result<Vec<_>, _>>()?;
        Ok(Models { models, granted, next })
    });
    Ok(axum::Json(listed.await?))
}

/// Show a model: all its versions, the newest first, now or at an earlier moment
#[utoipa::path(
    get, path = "/v1/models/{name}", tag = "models",
    params(("name" = String, Path, description = "The model"), PageAtQuery),
    responses(
        (status = 200, body = ModelVersions),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json", description = "No such model"),
    )
)]
pub(super) async fn show(
    State(api): State<Api>,
    caller: Caller,
    Name(name): Name<ModelName>,
    Params(query): Params<PageAtQuery>,
) -> Result<Tagged<ModelVersions>, ControlError> {
    let tenant = caller.tenant(&api, query.tenant).await?;
    let page = Page::of(query.limit, query.after.as_deref())?;
    let listed = blocking(move || {
        let mut versions = match query.at {
            None => api.control.store.model_versions(&tenant, &name)?,
            Some(at) => api.control.store.models_at(&tenant, Some(&name), history::moment(&api.control, at)?.1)?,
        };
        let Some(revision) = versions.first().map(|version| version.revision.clone()) else {
            return Err(ControlError::NoModel(name.to_string()));
        };
        versions.sort_by_key(|v| std::cmp::Reverse(v.version));
        let (versions, next) = page.cut(versions, |version| backwards(version.version));
        let rewrites = api.control.store.rewrites(&tenant, &name)?;
        let shown = versions.into_iter().map(|version| {
            let optimised = rewrites.get(&version.version).map(|json| views::optimised(json)).transpose()?;
            Ok::<_, ControlError>(Model { optimised, ..views::model_in_memory(&api.control, version)? })
        });
        let listed = ModelVersions { versions: shown.collect::<Result<_, _>>()?, next };
        Ok(Tagged(query.at.is_none().then_some(revision), listed))
    });
    listed.await
}

/// A version as it is listed.
fn shown(api: &Api, version: ModelVersion) -> Result<Model, ControlError> {
    let etag = Some(etag(&version.revision));
    Ok(Model { etag, ..views::model_in_memory(&api.control, version)? })
}

/// Remove a model: one version, or all
///
/// It is out of every listing at once, and its bytes count no longer. What live functions use is refused, unless forced:
/// they find no such model then. A version's number is never used again.
#[utoipa::path(
    delete, path = "/v1/models/{name}", tag = "models",
    params(("name" = String, Path, description = "The model"), RemoveQuery),
    responses(
        (status = 200, body = Removed),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json", description = "No such model"),
        (status = 409, body = Problem, content_type = "application/problem+json", description = "Functions use it"),
    )
)]
pub(super) async fn remove(
    State(api): State<Api>,
    caller: Caller,
    Name(name): Name<ModelName>,
    Params(query): Params<RemoveQuery>,
) -> Result<axum::Json<Removed>, ControlError> {
    let tenant = caller.tenant(&api, query.tenant).await?;
    let control = caller.changing(&api, Thing::model(&tenant, &name)).await?;
    Ok(axum::Json(remove::remove(&control, tenant, name, query.version, query.force).await?))
}

/// Put a label at a version; where it stood before, it stands no longer
#[utoipa::path(
    put, path = "/v1/models/{name}/labels/{label}", tag = "models", request_body = LabelAt,
    params(
        ("name" = String, Path, description = "The model"),
        ("label" = String, Path, description = "The label"),
        TenantQuery,
    ),
    responses(
        (status = 200, body = Model),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json", description = "No such version"),
    )
)]
pub(super) async fn label(
    State(api): State<Api>,
    caller: Caller,
    Name((name, label)): Name<(ModelName, Label)>,
    Params(query): Params<TenantQuery>,
    Json(at): Json<LabelAt>,
) -> Result<axum::Json<Model>, ControlError> {
    let tenant = caller.tenant(&api, query.tenant).await?;
    let control = caller.changing(&api, Thing::model(&tenant, &name)).await?;
    let labelled =
        blocking(move || views::model(control.changes().label_model(&tenant, &name, &at.version, &label)?));
    Ok(axum::Json(labelled.await?))
}

/// Take a label away; with `version`, only if it stands there
#[utoipa::path(
    delete, path = "/v1/models/{name}/labels/{label}", tag = "models",
    params(
        ("name" = String, Path, description = "The model"),
        ("label" = String, Path, description = "The label"),
        VersionQuery,
    ),
    responses(
        (status = 200, body = Model),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json", description = "No such label there"),
    )
)]
pub(super) async fn unlabel(
    State(api): State<Api>,
    caller: Caller,
    Name((name, label)): Name<(ModelName, Label)>,
    Params(query): Params<VersionQuery>,
) -> Result<axum::Json<Model>, ControlError> {
    let tenant = caller.tenant(&api, query.tenant).await?;
    let control = caller.changing(&api, Thing::model(&tenant, &name)).await?;
    let stood = blocking(move || {
        views::model(control.changes().unlabel_model(&tenant, &name, query.version.as_ref(), &label)?)
    });
    Ok(axum::Json(stood.await?))
}
