//! What `--prune` removes: what is there of the tenants that are meant, that no file names, and that nothing uses which stays.

use std::collections::BTreeSet;

use modelet_control::wire::{BoundModel, Traffic};
use modelet_spec::manifest::ModelSource;
use modelet_spec::{FunctionName, ModelName, TenantName, Version};

use super::plan::{Act, Step, meant};
use super::read::{Desired, TrafficWish};
use super::state::State;

/// Models with their owners.
type Models = BTreeSet<(TenantName, ModelName)>;

/// Functions before the models that they use.
pub(super) fn surplus<'a>(state: &State<'_>, desired: &Desired) -> anyhow::Result<Vec<Step<'a>>> {
    let of_functions = desired.functions.iter().map(|wish| (&wish.tenant, &wish.manifest.name));
    let of_traffic = desired.traffic.iter().map(|wish| (&wish.tenant, &wish.function));
    let named: BTreeSet<(&TenantName, &FunctionName)> = of_functions.chain(of_traffic).collect();
    let mut kept = wanted(desired);
    for (tenant, name) in &named {
        kept.extend(serving(state, desired, tenant, name)?);
    }
    let (mut functions, mut models) = (Vec::new(), Vec::new());
    let meant = meant(desired);
    for tenant in &meant {
        let Some(things) = state.things(tenant) else { continue };
        for name in things.functions.keys().filter(|name| !named.contains(&(*tenant, *name))) {
            let act = Act::RemoveFunction((*tenant).clone(), name.clone());
            functions.push(Step::removal("function", tenant, name.as_str(), act));
        }
        for name in things.models.models.iter().map(|model| &model.name) {
            let model = ((*tenant).clone(), name.clone());
            if !kept.contains(&model) && !is_used_elsewhere(state, &meant, tenant, name)? {
                models.push(Step::removal("model", tenant, name.as_str(), Act::RemoveModel(model.0, model.1)));
            }
        }
    }
    Ok(functions.into_iter().chain(models).collect())
}

/// The models that the files name, and those that their functions use, whoever owns them.
fn wanted(desired: &Desired) -> Models {
    let named = desired.models.iter().map(|wish| (wish.tenant.clone(), wish.name.clone()));
    let used = desired.functions.iter().flat_map(|wish| {
        wish.manifest.models.iter().filter_map(|(alias, source)| match source {
            // A file becomes a model that is named like the alias.
            ModelSource::File(_) => Some((wish.tenant.clone(), alias.parse().ok()?)),
            ModelSource::Ref(model) => {
                Some((model.owner.clone().unwrap_or_else(|| wish.tenant.clone()), model.name.clone()))
            }
        })
    });
    named.chain(used).collect()
}

/// What those versions of a function use that are on the server already and go on to serve.
fn serving(state: &State<'_>, desired: &Desired, tenant: &TenantName, name: &FunctionName) -> anyhow::Result<Models> {
    let Some(newest) = state.newest(tenant, name)? else { return Ok(Models::new()) };
    let in_files = desired.functions.iter().any(|wish| wish.tenant == *tenant && wish.manifest.name == *name);
    let shared = match desired.traffic.iter().find(|wish| wish.tenant == *tenant && wish.function == *name) {
        // What the files have of the function is its newest version, and the models of that are known.
        Some(wish) => wished(wish, newest.versions.first().map(|newest| newest.version).filter(|_| !in_files)),
        None => newest.traffic.as_ref().map(shared),
    };
    if in_files && shared.is_none() {
        return Ok(Models::new());
    }
    let shared = shared.unwrap_or_default();
    let versions = state.versions(tenant, name)?.versions;
    let serve = versions.iter().filter(|version| version.live || shared.contains(&version.version));
    Ok(serve.flat_map(|version| &version.models).map(|model| owned(tenant, model)).collect())
}

/// The versions that are to get requests, or copies of them; `None`: the live one gets all.
fn wished(wish: &TrafficWish, latest: Option<Version>) -> Option<BTreeSet<Version>> {
    let parts = wish.parts.iter().map(|(version, _)| *version);
    let versions = parts.chain(wish.shadow).filter_map(|version| version.or(latest)).collect();
    (!wish.parts.is_empty()).then_some(versions)
}

/// The versions that get requests, or copies of them.
fn shared(traffic: &Traffic) -> BTreeSet<Version> {
    traffic.parts.iter().map(|part| part.version).chain(traffic.shadow).collect()
}

fn owned(tenant: &TenantName, model: &BoundModel) -> (TenantName, ModelName) {
    (model.owner.clone().unwrap_or_else(|| tenant.clone()), model.name.clone())
}

/// Whether a function of a tenant that is not meant uses a model that was granted to it; so it is taken where the caller may not see that
/// tenant's functions.
fn is_used_elsewhere(
    state: &State<'_>,
    meant: &BTreeSet<&TenantName>,
    owner: &TenantName,
    name: &ModelName,
) -> anyhow::Result<bool> {
    for grant in state.grants(owner, name)?.grants {
        if meant.contains(&grant.to) {
            continue;
        }
        if !state.tenants.contains_key(&grant.to) || uses(state, &grant.to, &(owner.clone(), name.clone()))? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether a version that serves of a tenant's function uses a model.
fn uses(state: &State<'_>, user: &TenantName, model: &(TenantName, ModelName)) -> anyhow::Result<bool> {
    let means = |models: &[BoundModel]| models.iter().any(|bound| owned(user, bound) == *model);
    for function in &state.functions(user)?.functions {
        if means(&function.models) {
            return Ok(true);
        }
        let Some(traffic) = &function.traffic else { continue };
        let shared = shared(traffic);
        let versions = state.versions(user, &function.name)?.versions;
        if versions.iter().any(|version| shared.contains(&version.version) && means(&version.models)) {
            return Ok(true);
        }
    }
    Ok(false)
}
