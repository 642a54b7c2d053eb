//! What differs between the files and the server, and what is to be done about it.

use std::collections::BTreeSet;

use anyhow::bail;
use modelet_control::wire::{ChangeClaims, FunctionVersion, FunctionVersions, NewTenant, Traffic, TrafficPart};
use modelet_spec::manifest::ModelSource;
use modelet_spec::{FunctionName, Label, ModelName, ModelRef, Pick, TenantLimits, TenantName, Version};
use serde::Serialize;

use super::local::digest;
use super::read::{Desired, FunctionWish, ModelWish, TenantWish, TrafficWish};
use super::state::{self, State};
use crate::cli::client::Client;

/// One thing, what differs of it, and what is done about that.
pub(super) struct Step<'a> {
    pub(super) told: Told,
    pub(super) acts: Vec<Act<'a>>,
}

/// One thing and what differs of it, for a person or a program.
#[derive(Debug, Serialize)]
pub(super) struct Told {
    pub(super) kind: &'static str,
    pub(super) name: String,
    pub(super) change: Change,
    pub(super) what: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Change {
    Added,
    Changed,
    Removed,
    Unchanged,
}

/// One request, or a few that belong together.
pub(super) enum Act<'a> {
    CreateTenant(NewTenant),
    Claims(TenantName, ChangeClaims),
    Limits(TenantName, serde_json::Map<String, serde_json::Value>),
    Push(&'a ModelWish),
    /// At the newest version.
    Label(&'a ModelWish, Label),
    Pin(&'a ModelWish, bool),
    Grant(&'a ModelWish, TenantName, bool),
    Revoke(&'a ModelWish, TenantName),
    Deploy(&'a FunctionWish),
    Live(TenantName, FunctionName, Version),
    Scale(TenantName, FunctionName, u32),
    Traffic(&'a TrafficWish),
    RemoveFunction(TenantName, FunctionName),
    RemoveModel(TenantName, ModelName),
}

impl<'a> Step<'a> {
    fn new(kind: &'static str, name: String, is_there: bool, what: Vec<String>, acts: Vec<Act<'a>>) -> Self {
        let change = match (is_there, acts.is_empty()) {
            (false, _) => Change::Added,
            (true, false) => Change::Changed,
            (true, true) => Change::Unchanged,
        };
        Self { told: Told { kind, name, change, what }, acts }
    }
}

/// Compares all that is to be with all that is, in the order in which it is done.
pub(super) fn plan<'a>(client: &Client, desired: &'a Desired, prune: bool) -> anyhow::Result<Vec<Step<'a>>> {
    let state = State::of(client, &meant(desired))?;
    let mut steps = Vec::new();
    for wish in &desired.tenants {
        steps.push(tenant(&state, wish)?);
    }
    for wish in &desired.models {
        steps.push(model(client, &state, wish, prune)?);
    }
    for wish in &desired.functions {
        steps.push(function(client, &state, desired, wish)?);
    }
    for wish in &desired.traffic {
        steps.push(traffic(client, &state, desired, wish)?);
    }
    if prune {
        steps.extend(surplus(&state, desired));
    }
    Ok(steps)
}

/// The tenants whose things are meant.
fn meant(desired: &Desired) -> BTreeSet<TenantName> {
    let models = desired.models.iter().map(|wish| &wish.tenant);
    let functions = desired.functions.iter().map(|wish| &wish.tenant);
    models.chain(functions).chain(desired.traffic.iter().map(|wish| &wish.tenant)).cloned().collect()
}

fn tenant<'a>(state: &State, wish: &TenantWish) -> anyhow::Result<Step<'a>> {
    let name = &wish.name;
    let there = state.tenants.get(name);
    let (mut what, mut acts) = (Vec::new(), Vec::new());
    match there {
        None => {
            what.push(format!("it may claim {}", wish.claims));
            let (hosts, paths) = (wish.claims.hosts.clone(), wish.claims.paths.clone());
            acts.push(Act::CreateTenant(NewTenant { name: name.clone(), hosts, paths }));
        }
        Some(tenant) if tenant.hosts != wish.claims.hosts || tenant.paths != wish.claims.paths => {
            what.push(format!("it may claim {}", wish.claims));
            let (hosts, paths) = (&wish.claims.hosts, &wish.claims.paths);
            let change = ChangeClaims {
                add_hosts: hosts.difference(&tenant.hosts).cloned().collect(),
                add_paths: paths.difference(&tenant.paths).cloned().collect(),
                remove_hosts: tenant.hosts.difference(hosts).cloned().collect(),
                remove_paths: tenant.paths.difference(paths).cloned().collect(),
            };
            acts.push(Act::Claims(name.clone(), change));
        }
        Some(_) => {}
    }
    let has = there.map(|tenant| tenant.limits.clone()).unwrap_or_default();
    if let Some(limits) = wish.limits.as_ref().filter(|limits| **limits != has) {
        let patch = patch(&has, limits)?;
        let shown = patch.iter().map(|(name, value)| match value {
            serde_json::Value::Null => format!("{name}=none"),
            value => format!("{name}={}", value.as_str().map_or(value.to_string(), str::to_owned)),
        });
        what.push(format!("limits {}", shown.collect::<Vec<_>>().join(" ")));
        acts.push(Act::Limits(name.clone(), patch));
    }
    Ok(Step::new("tenant", name.to_string(), there.is_some(), what, acts))
}

/// What changes limits into others: what is not in those is taken back.
fn patch(has: &TenantLimits, wanted: &TenantLimits) -> anyhow::Result<serde_json::Map<String, serde_json::Value>> {
    let fields = |limits: &TenantLimits| match serde_json::to_value(limits) {
        Ok(serde_json::Value::Object(fields)) => Ok(fields),
        Ok(_) => Ok(serde_json::Map::new()),
        Err(error) => Err(error),
    };
    let (has, mut wanted) = (fields(has)?, fields(wanted)?);
    wanted.retain(|name, value| has.get(name) != Some(value));
    let kept = fields_of(&wanted);
    for name in has.keys().filter(|name| !kept.contains(*name)) {
        wanted.insert(name.clone(), serde_json::Value::Null);
    }
    Ok(wanted)
}

fn fields_of(fields: &serde_json::Map<String, serde_json::Value>) -> BTreeSet<String> {
    fields.keys().cloned().collect()
}

fn model<'a>(client: &Client, state: &State, wish: &'a ModelWish, prune: bool) -> anyhow::Result<Step<'a>> {
    let newest = state.model(&wish.tenant, &wish.name);
    let same = newest.filter(|newest| wish.local.is(newest));
    let (mut what, mut acts) = (Vec::new(), Vec::new());
    if same.is_none() {
        what.push(format!("a new version of {}", wish.local.source.display()));
        acts.push(Act::Push(wish));
    }
    for label in &wish.labels {
        if !same.is_some_and(|same| same.labels.contains(&label.to_string())) {
            what.push(format!("label {label}"));
            acts.push(Act::Label(wish, label.clone()));
        }
    }
    let is_pinned = same.is_some_and(|same| same.memory.pinned);
    if let Some(pinned) = wish.pinned.filter(|pinned| *pinned != is_pinned) {
        what.push(if pinned { "pinned" } else { "pinned no longer" }.to_owned());
        acts.push(Act::Pin(wish, pinned));
    }
    if let Some(wanted) = &wish.grants {
        let there = match newest {
            Some(_) => state::grants(client, &wish.tenant, &wish.name)?.grants,
            None => Vec::new(),
        };
        for (to, share_batch) in wanted {
            if !there.iter().any(|grant| grant.to == *to && grant.share_batch == *share_batch) {
                what.push(format!("granted to {to}"));
                acts.push(Act::Grant(wish, to.clone(), *share_batch));
            }
        }
        for grant in there.iter().filter(|grant| prune && !wanted.contains_key(&grant.to)) {
            what.push(format!("granted to {} no longer", grant.to));
            acts.push(Act::Revoke(wish, grant.to.clone()));
        }
    }
    Ok(Step::new("model", format!("{}/{}", wish.tenant, wish.name), newest.is_some(), what, acts))
}

fn function<'a>(client: &Client, state: &State, desired: &Desired, wish: &'a FunctionWish) -> anyhow::Result<Step<'a>> {
    let (tenant, name) = (&wish.tenant, &wish.manifest.name);
    let versions = state.versions(client, tenant, name)?;
    let newest = versions.as_ref().and_then(|versions| versions.versions.first());
    let (mut what, mut acts) = (Vec::new(), Vec::new());
    match newest {
        None => what.push(format!("a first version of {}", wish.component.display())),
        Some(newest) => what.extend(differs(client, state, desired, wish, newest)?),
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
    let kept = state.things(tenant).and_then(|things| things.functions.get(name)).map_or(0, |f| f.instances.kept);
    if let Some(min) = wish.min.filter(|min| u64::from(*min) != kept) {
        what.push(format!("{min} instances kept warm"));
        acts.push(Act::Scale(tenant.clone(), name.clone(), min));
    }
    Ok(Step::new("function", format!("{tenant}/{name}"), newest.is_some(), what, acts))
}

/// In what a function differs from its newest version on the server.
fn differs(
    client: &Client,
    state: &State,
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
            (Some(bound), ModelSource::File(_), Some(local)) => {
                let versions = state::model_versions(client, &wish.tenant, &bound.name);
                versions.is_ok_and(|all| all.versions.iter().any(|v| v.version == bound.version && local.is(v)))
            }
            (Some(_), ModelSource::File(_), None) => false,
            (Some(bound), ModelSource::Ref(reference), _) => resolved(client, state, desired, &wish.tenant, reference)?
                .is_none_or(|version| version == bound.version),
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
    client: &Client,
    state: &State,
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
            let versions = state::model_versions(client, owner, &reference.name)?.versions;
            let labelled = versions.iter().find(|version| version.labels.contains(&label.to_string()));
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

fn traffic<'a>(client: &Client, state: &State, desired: &Desired, wish: &'a TrafficWish) -> anyhow::Result<Step<'a>> {
    let (tenant, name) = (&wish.tenant, &wish.function);
    let versions = state.versions(client, tenant, name)?;
    let function = desired.functions.iter().find(|f| f.tenant == *tenant && f.manifest.name == *name);
    if versions.is_none() && function.is_none() {
        bail!("the traffic of {tenant}/{name}: there is no such function, neither in the files nor on the server");
    }
    let newest = versions.as_ref().and_then(|versions| versions.versions.first());
    let is_deployed = match (function, newest) {
        (Some(function), Some(newest)) => !differs(client, state, desired, function, newest)?.is_empty(),
        (_, newest) => newest.is_none(),
    };
    let latest = match newest {
        Some(newest) if is_deployed => newest.version.next(),
        Some(newest) => newest.version,
        None => Version::FIRST,
    };
    let wanted = wanted(wish, latest);
    let there = versions.as_ref().and_then(|versions: &FunctionVersions| versions.traffic.clone()).map(sorted);
    let (mut what, mut acts) = (Vec::new(), Vec::new());
    if wanted != there {
        what.push(wanted.as_ref().map_or("the live version has all".to_owned(), shown));
        acts.push(Act::Traffic(wish));
    }
    Ok(Step::new("traffic", format!("{tenant}/{name}"), there.is_some() || wanted.is_none(), what, acts))
}

/// How requests are to be shared out, where `latest` is this version.
pub(super) fn wanted(wish: &TrafficWish, latest: Version) -> Option<Traffic> {
    if wish.parts.is_empty() {
        return None;
    }
    let part = |(version, percent): &(Option<Version>, u8)| TrafficPart {
        version: version.unwrap_or(latest),
        percent: *percent,
    };
    let shadow = wish.shadow.map(|shadow| shadow.unwrap_or(latest));
    Some(sorted(Traffic { parts: wish.parts.iter().map(part).collect(), sticky: wish.sticky.clone(), shadow }))
}

fn sorted(mut traffic: Traffic) -> Traffic {
    traffic.parts.sort_by_key(|part| part.version);
    traffic
}

fn shown(traffic: &Traffic) -> String {
    let parts = traffic.parts.iter().map(|part| format!("{} {} %", part.version, part.percent));
    let sticky = traffic.sticky.iter().map(|header| format!("sticky by {header}"));
    let shadow = traffic.shadow.iter().map(|version| format!("shadow {version}"));
    parts.chain(sticky).chain(shadow).collect::<Vec<_>>().join(", ")
}

/// What is there of the tenants that are meant, and that nobody wants: functions before the models that they use.
fn surplus<'a>(state: &State, desired: &Desired) -> Vec<Step<'a>> {
    let (mut functions, mut models) = (Vec::new(), Vec::new());
    for tenant in &meant(desired) {
        let Some(things) = state.things(tenant) else { continue };
        let wanted = |name: &FunctionName| {
            desired.functions.iter().any(|wish| wish.tenant == *tenant && wish.manifest.name == *name)
        };
        functions.extend(
            things.functions.keys().filter(|name| !wanted(name)).map(|name| {
                removal("function", tenant, name.as_str(), Act::RemoveFunction(tenant.clone(), name.clone()))
            }),
        );
        let of_function = |wish: &FunctionWish, name: &ModelName| {
            wish.tenant == *tenant
                && wish.manifest.models.iter().any(|(alias, source)| match source {
                    ModelSource::File(_) => alias == name.as_str(),
                    ModelSource::Ref(reference) => {
                        reference.name == *name && reference.owner.as_ref().is_none_or(|owner| owner == tenant)
                    }
                })
        };
        let wanted = |name: &ModelName| {
            desired.models.iter().any(|wish| wish.tenant == *tenant && wish.name == *name)
                || desired.functions.iter().any(|wish| of_function(wish, name))
        };
        let there = things.models.models.iter().map(|model| &model.name).filter(|name| !wanted(name));
        models.extend(
            there.map(|name| removal("model", tenant, name.as_str(), Act::RemoveModel(tenant.clone(), name.clone()))),
        );
    }
    functions.into_iter().chain(models).collect()
}

fn removal<'a>(kind: &'static str, tenant: &TenantName, name: &str, act: Act<'a>) -> Step<'a> {
    let told = Told { kind, name: format!("{tenant}/{name}"), change: Change::Removed, what: Vec::new() };
    Step { told, acts: vec![act] }
}
