//! In what a function differs from its wish.

use modelet_control::wire::FunctionVersion;
use modelet_spec::manifest::ModelSource;
use modelet_spec::{ModelRef, Pick, TenantName, Version};

use super::local::digest;
use super::plan::{Act, Step};
use super::read::{Desired, FunctionWish};
use super::state::State;

/// What is to be done about a function.
pub(super) fn function<'a>(state: &State<'_>, desired: &Desired, wish: &'a FunctionWish) -> anyhow::Result<Step<'a>> {
    let (tenant, name) = (&wish.tenant, &wish.manifest.name);
    let versions = state.newest(tenant, name)?;
    let newest = versions.as_ref().and_then(|versions| versions.versions.first());
    let (mut what, mut acts) = (Vec::new(), Vec::new());
    match newest {
        None => what.push(format!("a first version of {}", wish.component.display())),
        Some(newest) => what.extend(differs(state, desired, wish, newest)?),
    }
    if !what.is_empty() {
        acts.push(Act::Deploy(wish));
    } else if let (Some(newest), Some(versions)) = (newest, &versions)
        && !newest.live
        && versions.traffic.is_none()
        && !desired.traffic.iter().any(|traffic| traffic.tenant == *tenant && traffic.function == *name)
    {
        what.push(format!("version {} is live", newest.version));
        acts.push(Act::Live(tenant.clone(), name.clone(), newest.version));
    }
    let kept = state.function(tenant, name).map_or(0, |function| function.instances.kept);
    if let Some(min) = wish.min.filter(|min| u64::from(*min) != kept) {
        what.push(format!("{min} instances kept warm"));
        acts.push(Act::Scale(tenant.clone(), name.clone(), min));
    }
    Ok(Step::new("function", format!("{tenant}/{name}"), newest.is_some(), what, acts))
}

/// In what a function differs from its newest version on the server.
fn differs(
    state: &State<'_>,
    desired: &Desired,
    wish: &FunctionWish,
    newest: &FunctionVersion,
) -> anyhow::Result<Vec<String>> {
    let mut what = Vec::new();
    let component = digest(&wish.component)?;
    if component != newest.digest {
        what.push(format!("component {} is {component}", newest.digest));
    }
    if newest.manifest.as_ref() != Some(&wish.manifest) {
        what.push("function.toml".to_owned());
    }
    for (alias, source) in &wish.manifest.models {
        let bound = newest.models.iter().find(|model| model.alias == *alias);
        let is_same = match (bound, source, wish.models.get(alias)) {
            (None, ..) => false,
            // One that was removed has no versions to ask for.
            (Some(bound), ModelSource::File(_), Some(_)) if state.model(&wish.tenant, &bound.name).is_none() => false,
            (Some(bound), ModelSource::File(_), Some(local)) => {
                let all = state.model_versions(&wish.tenant, &bound.name)?;
                all.versions.iter().any(|version| version.version == bound.version && local.is(version))
            }
            (Some(_), ModelSource::File(_), None) => false,
            (Some(bound), ModelSource::Ref(reference), _) => {
                resolved(state, desired, &wish.tenant, reference)?.is_none_or(|version| version == bound.version)
            }
        };
        if !is_same {
            what.push(format!("model {alias}"));
        }
    }
    Ok(what)
}

/// The version that a reference means after all is done; `None`: that cannot be told from here. A
/// model that is about to get a new version has the next number.
fn resolved(
    state: &State<'_>,
    desired: &Desired,
    user: &TenantName,
    reference: &ModelRef,
) -> anyhow::Result<Option<Version>> {
    let owner = reference.owner.as_ref().unwrap_or(user);
    let wish = desired.models.iter().find(|wish| wish.tenant == *owner && wish.name == reference.name);
    let newest = state.model(owner, &reference.name);
    let next = || newest.map_or(Version::FIRST, |newest| newest.version.next());
    let is_new = wish.is_some_and(|wish| !newest.is_some_and(|newest| wish.local.is(newest)));
    match &reference.pick {
        Pick::Version(version) => Ok(Some(*version)),
        Pick::Latest if is_new => Ok(Some(next())),
        Pick::Label(label) if wish.is_some_and(|wish| wish.labels.contains(label)) => {
            Ok(if is_new { Some(next()) } else { newest.map(|newest| newest.version) })
        }
        Pick::Latest if newest.is_some() => Ok(newest.map(|newest| newest.version)),
        Pick::Label(label) if newest.is_some() => {
            let all = state.model_versions(owner, &reference.name)?;
            let labelled = all.versions.iter().find(|version| version.labels.contains(&label.to_string()));
            Ok(labelled.map(|version| version.version))
        }
        Pick::Latest | Pick::Label(_) => {
            let granted = state.things(user).into_iter().flat_map(|things| &things.models.granted);
            let mut granted = granted.filter(|model| model.owner == *owner && model.name == reference.name);
            Ok(granted.next().and_then(|model| match &reference.pick {
                Pick::Label(label) if !model.labels.contains(&label.to_string()) => None,
                _ => Some(model.version),
            }))
        }
    }
}
