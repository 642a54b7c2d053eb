//! The versions of models and functions of an archive, and which of those here they are.

use std::collections::{BTreeMap, BTreeSet};

use modelet_spec::manifest::Manifest;
use modelet_spec::{Digest, ModelName, TenantName, Traffic, Version};
use modelet_store::{FunctionVersion, ModelVersion, NewModelBinding, Store};

use super::plan::{NewFunction, NewModel, NewServing, Plan, TenantPlan};
use crate::archive::{ArchiveBinding, ArchiveFunction, ArchiveFunctionVersion, ArchiveModel};
use crate::control::Control;
use crate::error::ControlError;
use crate::pinned::card;
use crate::wire;

/// Where versions of models of the archive are here, with their contents and those to whom they are granted; and what of grants and
/// pins is here already.
#[derive(Debug)]
pub(super) struct Numbers {
    models: BTreeMap<(TenantName, ModelName, Version), (Version, Digest)>,
    grants: BTreeSet<(TenantName, ModelName, TenantName)>,
    granted: BTreeMap<(TenantName, ModelName, TenantName), bool>,
    pinned: BTreeSet<(TenantName, ModelName, Version)>,
}

impl Numbers {
    /// With what is here, read once. Blocks.
    pub(super) fn read(store: &Store) -> Result<Self, ControlError> {
        let granted =
            store.grants()?.into_iter().map(|grant| ((grant.owner, grant.model, grant.to), grant.share_batch));
        let pinned = store.pins()?.into_iter().map(|pin| (pin.tenant, pin.name, pin.version));
        let (granted, pinned) = (granted.collect(), pinned.collect());
        Ok(Self { models: BTreeMap::new(), grants: BTreeSet::new(), granted, pinned })
    }
}

/// Hands out numbers: the one that a version had where it is free, else the next.
struct Free {
    used: BTreeSet<Version>,
}

impl Free {
    fn take(&mut self, wanted: Version) -> Version {
        let number = match self.used.contains(&wanted) {
            false => wanted,
            true => self.used.last().map_or(Version::FIRST, |last| last.next()),
        };
        self.used.insert(number);
        number
    }
}

/// Plans a model.
pub(super) fn model(
    control: &Control,
    tenant: &mut TenantPlan,
    archived: &ArchiveModel,
    lengths: &BTreeMap<Digest, u64>,
    numbers: &mut Numbers,
    plan: &mut Plan,
) -> Result<(), ControlError> {
    let (owner, name) = (tenant.name.clone(), &archived.name);
    let here = control.store.model_versions(&owner, name)?;
    let mut free = Free { used: control.store.model_numbers(&owner, name)?.into_iter().collect() };
    let (mut at, mut news) = (BTreeMap::new(), Vec::new());
    let mut sorted: Vec<_> = archived.versions.iter().collect();
    sorted.sort_by_key(|version| version.version);
    for version in sorted {
        let files = version.entries(lengths)?;
        let is_same = |known: &&ModelVersion| {
            known.files == files && card(&known.card_json).is_ok_and(|known| known == version.card)
        };
        let number = match same(here.iter().filter(is_same).map(|known| known.version), version.version) {
            Some(number) => number,
            None => {
                let number = free.take(version.version);
                news.push(number.to_string());
                let (name, digest, card) = (name.clone(), version.digest, version.card.clone());
                tenant.models.push(NewModel { number, name, digest, files, card });
                number
            }
        };
        renumbered(plan, "model", &format!("{owner}/{name}"), version.version, number);
        at.insert(version.version, number);
        numbers.models.insert((owner.clone(), name.clone(), version.version), (number, version.digest));
    }
    let mut changes = Vec::new();
    if !news.is_empty() {
        changes.push(format!("versions {}", news.join(", ")));
    }
    let stands = |label: &modelet_spec::Label| here.iter().find(|v| v.labels.contains(label)).map(|v| v.version);
    for (label, version) in &archived.labels {
        let number = at.get(version).copied().unwrap_or(*version);
        if stands(label) != Some(number) {
            changes.push(format!("{label} at {number}"));
            tenant.labels.push((name.clone(), label.clone(), number));
        }
    }
    grants(tenant, archived, numbers, &mut changes);
    for version in &archived.pinned {
        let number = at.get(version).copied().unwrap_or(*version);
        if !numbers.pinned.contains(&(owner.clone(), name.clone(), number)) {
            changes.push(format!("{number} pinned"));
            tenant.pins.push((name.clone(), number));
        }
    }
    tenant.new_models += u32::from(here.is_empty());
    plan.item("model", (&owner, name.as_str()), !here.is_empty(), &changes);
    Ok(())
}

fn grants(tenant: &mut TenantPlan, archived: &ArchiveModel, numbers: &mut Numbers, changes: &mut Vec<String>) {
    for grant in archived.grants.iter().filter(|grant| grant.to != tenant.name) {
        let of = (tenant.name.clone(), archived.name.clone(), grant.to.clone());
        if numbers.granted.get(&of) != Some(&grant.share_batch) {
            changes.push(format!("granted to {}", grant.to));
            tenant.grants.push((archived.name.clone(), grant.to.clone(), grant.share_batch));
        }
        numbers.grants.insert(of);
    }
}

/// Plans a function.
pub(super) fn function(
    control: &Control,
    tenant: &mut TenantPlan,
    archived: &ArchiveFunction,
    numbers: &Numbers,
    plan: &mut Plan,
) -> Result<(), ControlError> {
    let (owner, name) = (tenant.name.clone(), &archived.name);
    let here = control.store.function_versions(&owner, name)?;
    let mut free = Free { used: control.store.function_numbers(&owner, name)?.into_iter().collect() };
    let (mut at, mut news, mut live) = (BTreeMap::new(), Vec::new(), None);
    let mut sorted: Vec<_> = archived.versions.iter().collect();
    sorted.sort_by_key(|version| version.version);
    for version in sorted {
        let of = format!("function {owner}/{name}@{}", version.version);
        let models = bindings(control, &owner, version, numbers, &of)?;
        let is_same = |known: &&FunctionVersion| is_same_function(known, version, &models);
        let number = match same(here.iter().filter(is_same).map(|known| known.version), version.version) {
            Some(number) => number,
            None => {
                let number = free.take(version.version);
                news.push(number.to_string());
                let (name, component, manifest) = (name.clone(), version.component, version.manifest.clone());
                tenant.functions.push(NewFunction { number, name, component, manifest, models });
                number
            }
        };
        if version.version == archived.live {
            live = Some((number, version.manifest.clone()));
        }
        renumbered(plan, "function", &format!("{owner}/{name}"), version.version, number);
        at.insert(version.version, number);
    }
    let mut changes = Vec::new();
    if !news.is_empty() {
        changes.push(format!("versions {}", news.join(", ")));
    }
    // Checked before: the live version is among them.
    let Some((live, manifest)) = live else { return Ok(()) };
    serving(control, tenant, archived, (live, manifest), &at, &mut changes)?;
    let said = control.store.scale(&owner, name)?;
    if let Some(min) = archived.min.filter(|min| said != Some(*min)) {
        changes.push(format!("{min} instances kept warm"));
        tenant.scales.push((name.clone(), min));
    }
    tenant.new_functions += u32::from(here.is_empty());
    plan.item("function", (&owner, name.as_str()), !here.is_empty(), &changes);
    Ok(())
}

/// What is to serve, if that is not what serves.
fn serving(
    control: &Control,
    tenant: &mut TenantPlan,
    archived: &ArchiveFunction,
    (live, manifest): (Version, Manifest),
    at: &BTreeMap<Version, Version>,
    changes: &mut Vec<String>,
) -> Result<(), ControlError> {
    let traffic = match &archived.traffic {
        Some(traffic) => Some(Traffic::try_from(moved(traffic.clone(), at))?),
        None => None,
    };
    let serves = control.store.serving(&tenant.name, &archived.name)?.map(crate::lineup::Plan::of).transpose()?;
    if serves.is_some_and(|serves| serves.live == live && serves.traffic == traffic) {
        return Ok(());
    }
    let shared = if traffic.is_some() { ", its requests shared out" } else { "" };
    changes.push(format!("{live} live{shared}"));
    tenant.serving.push(NewServing { name: archived.name.clone(), live, traffic, manifest });
    Ok(())
}

/// The same with the numbers that versions have here.
fn moved(mut traffic: wire::Traffic, at: &BTreeMap<Version, Version>) -> wire::Traffic {
    let number = |version: Version| at.get(&version).copied().unwrap_or(version);
    traffic.parts.iter_mut().for_each(|part| part.version = number(part.version));
    traffic.shadow = traffic.shadow.map(number);
    traffic
}

/// What the models of a version are here: of the archive, or those that are here and that its tenant may use.
fn bindings(
    control: &Control,
    user: &TenantName,
    version: &ArchiveFunctionVersion,
    numbers: &Numbers,
    of: &str,
) -> Result<Vec<NewModelBinding>, ControlError> {
    let binding = |(alias, bound): (&String, &ArchiveBinding)| {
        let owner = bound.owner.clone().unwrap_or_else(|| user.clone());
        let written = format!("{owner}/{}@{} ({})", bound.name, bound.version, bound.digest);
        let none = || {
            ControlError::Archive(format!(
                "{of} means the model {written}, which is neither in the archive nor here for {user}"
            ))
        };
        let found = match numbers.models.get(&(owner.clone(), bound.name.clone(), bound.version)) {
            Some((number, digest)) => {
                let grant = (owner.clone(), bound.name.clone(), user.clone());
                let granted = owner == *user || numbers.grants.contains(&grant) || numbers.granted.contains_key(&grant);
                (granted && *digest == bound.digest).then_some(*number)
            }
            None => {
                let pick = modelet_spec::Pick::Version(bound.version);
                let model = control.store.usable_model(user, &owner, &bound.name, &pick)?;
                model.filter(|model| model.digest == bound.digest).map(|model| model.version)
            }
        };
        let (alias, name, digest) = (alias.clone(), bound.name.clone(), bound.digest);
        Ok(NewModelBinding { alias, owner, name, version: found.ok_or_else(none)?, digest })
    };
    version.models.iter().map(binding).collect()
}

fn is_same_function(known: &FunctionVersion, version: &ArchiveFunctionVersion, models: &[NewModelBinding]) -> bool {
    let bound = known.models.iter().map(|m| (&m.alias, &m.owner, &m.name, m.version, &m.digest));
    known.component == version.component
        && bound.eq(models.iter().map(|m| (&m.alias, &m.owner, &m.name, m.version, &m.digest)))
        && serde_json::from_str::<Manifest>(&known.manifest_json).is_ok_and(|known| known == version.manifest)
}

/// Of versions that are the same the one with the wanted number, else the newest.
fn same(known: impl Iterator<Item = Version>, wanted: Version) -> Option<Version> {
    known.max_by_key(|number| (*number == wanted, *number))
}

fn renumbered(plan: &mut Plan, kind: &str, name: &str, was: Version, is: Version) {
    if was != is {
        plan.notes.push(format!("version {was} of the {kind} {name} is version {is} here"));
    }
}
