//! What an archive would change: compared by value with what is here.
//!
//! An import adds and sets, and takes nothing away. A version keeps its number where that was never used here, and is the one that is
//! here already where both are the same; else it gets the next number, and what means it by its number means that one.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use modelet_catalog::is_reserved;
use modelet_spec::manifest::Manifest;
use modelet_spec::{
    Claims, Digest, FunctionName, Label, ModelCard, ModelName, SecretName, TenantLimits, TenantName, Traffic, Version,
};
use modelet_store::{FileEntry, NewModelBinding, Serving, Tenant};

use super::{Wish, limits, routes, secrets};
use crate::archive::{ArchiveManifest, ArchiveTenant};
use crate::control::Control;
use crate::error::ControlError;
use crate::secrets::Values;
use crate::wire;

/// All that an archive would change.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Plan {
    pub(crate) tenants: Vec<TenantPlan>,
    pub(crate) items: Vec<wire::ImportedItem>,
    pub(crate) notes: Vec<String>,
    /// What is here under the same name and is another.
    pub(crate) conflicts: Vec<String>,
    /// The contents that are new, and for whom.
    pub(crate) wanted: BTreeMap<Digest, BTreeSet<TenantName>>,
}

/// What it would change of one tenant.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct TenantPlan {
    pub(crate) name: TenantName,
    pub(crate) is_new: bool,
    pub(crate) claims: Option<Claims>,
    pub(crate) limits: Option<TenantLimits>,
    pub(crate) quota: u64,
    /// How many of its models and functions are of no name that is here.
    pub(crate) new_models: u32,
    pub(crate) new_functions: u32,
    pub(crate) new_secrets: u32,
    pub(crate) models: Vec<NewModel>,
    pub(crate) labels: Vec<(ModelName, Label, Version)>,
    pub(crate) grants: Vec<(ModelName, TenantName, bool)>,
    pub(crate) pins: Vec<(ModelName, Version)>,
    pub(crate) functions: Vec<NewFunction>,
    pub(crate) serving: Vec<NewServing>,
    pub(crate) scales: Vec<(FunctionName, u32)>,
    /// Secrets that are new, or have another value.
    pub(crate) secrets: Vec<SecretName>,
}

/// A version of a model that is new here.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct NewModel {
    pub(crate) number: Version,
    pub(crate) name: ModelName,
    pub(crate) digest: Digest,
    pub(crate) files: Vec<FileEntry>,
    pub(crate) card: ModelCard,
}

/// A version of a function that is new here.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct NewFunction {
    pub(crate) number: Version,
    pub(crate) name: FunctionName,
    pub(crate) component: Digest,
    pub(crate) manifest: Manifest,
    pub(crate) models: Vec<NewModelBinding>,
}

/// A function that is served otherwise.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct NewServing {
    pub(crate) name: FunctionName,
    pub(crate) live: Version,
    pub(crate) traffic: Option<Traffic>,
    /// The manifest of the live version: its routes are the function's.
    pub(crate) manifest: Manifest,
}

impl NewServing {
    /// As the store keeps it.
    pub(crate) fn stored(&self, tenant: &TenantName) -> Result<Serving, ControlError> {
        let plan = crate::lineup::Plan {
            tenant: tenant.clone(),
            name: self.name.clone(),
            live: self.live,
            traffic: self.traffic.clone(),
        };
        plan.stored()
    }
}

impl Plan {
    /// Whether all is here already.
    pub(crate) fn is_empty(&self) -> bool {
        self.items.iter().all(|item| item.change == UNCHANGED)
    }

    /// As the API tells it.
    pub(crate) fn told(self, dry_run: bool) -> wire::Imported {
        wire::Imported { dry_run, items: self.items, notes: self.notes }
    }

    /// Notes a thing with what would change of it; `is_here`: there is one of this name already.
    pub(super) fn item(&mut self, kind: &str, of: (&TenantName, &str), is_here: bool, changes: &[String]) {
        let change = match (is_here, changes.is_empty()) {
            (false, _) => "added",
            (true, false) => "changed",
            (true, true) => UNCHANGED,
        };
        let (tenant, name) = (of.0.clone(), of.1.to_owned());
        if change == "changed" {
            self.conflicts.push(format!("the {kind} {} ({})", shown(kind, &tenant, &name), changes.join("; ")));
        }
        let (kind, change) = (kind.to_owned(), change.to_owned());
        self.items.push(wire::ImportedItem { kind, tenant, name, change, what: changes.join("; ") });
    }
}

const UNCHANGED: &str = "unchanged";

fn shown(kind: &str, tenant: &TenantName, name: &str) -> String {
    if kind == "tenant" { name.to_owned() } else { format!("{tenant}/{name}") }
}

/// Compares an archive with what is here. Blocks.
/// `values` are those of the secrets that come in.
pub(crate) fn plan(
    control: &Control,
    manifest: &ArchiveManifest,
    wish: &Wish,
    values: &Values,
) -> Result<Plan, ControlError> {
    let named = named(manifest, wish)?;
    let lengths = manifest.lengths();
    let mut plan = Plan::default();
    for left in &manifest.left_out {
        plan.notes.push(format!("not in the archive: {left}"));
    }
    let mut tenants = Vec::new();
    for (name, archived) in &named {
        tenants.push(tenant(control, name, archived, wish, &mut plan)?);
    }
    let mut numbers = super::versions::Numbers::read(&control.store)?;
    for (planned, (_, archived)) in tenants.iter_mut().zip(&named) {
        for model in &archived.models {
            super::versions::model(control, planned, model, &lengths, &mut numbers, &mut plan)?;
        }
    }
    for (planned, (_, archived)) in tenants.iter_mut().zip(&named) {
        for function in &archived.functions {
            super::versions::function(control, planned, function, &numbers, &mut plan)?;
        }
    }
    for (planned, (_, archived)) in tenants.iter_mut().zip(&named) {
        secrets::plan(control, planned, archived, values, &mut plan)?;
    }
    plan.tenants = tenants;
    if !wish.replace && !plan.conflicts.is_empty() {
        return Err(ControlError::ImportConflicts(plan.conflicts));
    }
    want(&mut plan);
    secrets::notes(control, manifest, wish, &mut plan)?;
    limits::sizes(&control.config.limits, &plan, &lengths)?;
    limits::counts(control, &plan)?;
    claims(control, &plan)?;
    routes::check(control, &plan)?;
    Ok(plan)
}

/// The tenants of an archive, by the names that they have here.
pub(super) fn named<'a>(
    manifest: &'a ArchiveManifest,
    wish: &Wish,
) -> Result<Vec<(TenantName, &'a ArchiveTenant)>, ControlError> {
    let Some(name) = &wish.tenant else {
        return Ok(manifest.tenants.iter().map(|tenant| (tenant.name.clone(), tenant)).collect());
    };
    match manifest.tenants.as_slice() {
        [only] => Ok(vec![(name.clone(), only)]),
        several => Err(ControlError::Archive(format!(
            "it has {} tenants, and one becomes {name}: export that one alone (`modelet export FILE --tenant T`)",
            several.len()
        ))),
    }
}

fn tenant(
    control: &Control,
    name: &TenantName,
    archived: &ArchiveTenant,
    wish: &Wish,
    plan: &mut Plan,
) -> Result<TenantPlan, ControlError> {
    let here = control.tenants.load().get(name).cloned();
    if here.is_none() && control.store.was_tenant(name)? {
        return Err(ControlError::NoNewTenant(format!(
            "the name {name} was a tenant's that was removed: make another tenant, and import the archive of the one with --tenant"
        )));
    }
    let (claims, limits) = (claims_of(archived), archived.limits.clone());
    if !limits.unusable().is_empty() {
        return Err(ControlError::Limits(format!("of {name}: no function could answer")));
    }
    let (claims, limits) = match &here {
        None => (Some(claims), (limits != TenantLimits::default()).then_some(limits)),
        // Whose archive becomes another tenant's brings neither: they are the operator's to give.
        Some(here) if wish.tenant.is_some() => {
            if here.claims != claims || here.limits != limits {
                plan.notes.push(format!("the claims and limits of {name} stay as they are here"));
            }
            (None, None)
        }
        Some(here) => ((here.claims != claims).then_some(claims), (here.limits != limits).then_some(limits)),
    };
    if *name == TenantName::default_tenant() && claims.as_ref().is_some_and(|claims| !claims.is_empty()) {
        let why = "the tenant `default` may claim all that no other was given: there is nothing to give it";
        return Err(ControlError::Archive(why.to_owned()));
    }
    let is_here = here.as_ref().is_some_and(|here| !is_blank(here));
    let mut changes = Vec::new();
    changes.extend(claims.as_ref().map(|claims| format!("it may claim {claims}")));
    changes.extend(limits.as_ref().map(|_| "limits".to_owned()));
    if wish.tenant.is_none() && (!changes.is_empty() || is_here) {
        plan.item("tenant", (name, name.as_str()), is_here, &changes);
    }
    let quota = limits.as_ref().or(here.as_ref().map(|here| &here.limits)).and_then(|limits| limits.model_bytes);
    let server = control.config.limits.tenant_model_bytes;
    Ok(TenantPlan {
        name: name.clone(),
        is_new: here.is_none(),
        claims,
        limits,
        quota: quota.map_or(server, |own| own.min(server)).0,
        new_models: 0,
        new_functions: 0,
        new_secrets: 0,
        models: Vec::new(),
        labels: Vec::new(),
        grants: Vec::new(),
        pins: Vec::new(),
        functions: Vec::new(),
        serving: Vec::new(),
        scales: Vec::new(),
        secrets: Vec::new(),
    })
}

/// Whether nobody has said anything of a tenant, as of `default` on a new server.
fn is_blank(tenant: &Tenant) -> bool {
    tenant.claims.is_empty() && tenant.limits == TenantLimits::default()
}

fn claims_of(tenant: &ArchiveTenant) -> Claims {
    Claims { hosts: tenant.hosts.clone(), paths: tenant.paths.clone() }
}

/// Says which contents are new, and for whom.
fn want(plan: &mut Plan) {
    for tenant in &plan.tenants {
        let files = tenant.models.iter().flat_map(|model| &model.files).map(|file| file.digest);
        for digest in files.chain(tenant.functions.iter().map(|function| function.component)) {
            plan.wanted.entry(digest).or_default().insert(tenant.name.clone());
        }
    }
}

/// Refuses claims that are reserved, or that two tenants would have afterwards.
fn claims(control: &Control, plan: &Plan) -> Result<(), ControlError> {
    let after = after(control, plan);
    for (name, claims) in plan.tenants.iter().filter_map(|tenant| Some((&tenant.name, tenant.claims.as_ref()?))) {
        if let Some(reserved) = claims.paths.iter().find(|path| is_reserved(path.as_str())) {
            let why = "it is reserved for the model protocols";
            return Err(ControlError::Claim { claim: reserved.to_string(), why });
        }
        let others = after.iter().filter(|(other, _)| *other != name);
        if let Some(claim) = others.into_iter().find_map(|(_, other)| claims.overlap(other)) {
            return Err(ControlError::Claim { claim, why: "another tenant has it, or a part of it" });
        }
    }
    Ok(())
}

/// What each tenant may claim afterwards.
pub(super) fn after(control: &Control, plan: &Plan) -> BTreeMap<TenantName, Claims> {
    let book: Arc<_> = control.tenants.load_full();
    let mut after: BTreeMap<_, _> = book.tenants().map(|t| (t.name.clone(), t.claims.clone())).collect();
    for tenant in &plan.tenants {
        if let Some(claims) = &tenant.claims {
            after.insert(tenant.name.clone(), claims.clone());
        }
    }
    after
}
