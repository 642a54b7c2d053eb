//! What the store has, in the words of an archive.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use modelet_spec::{FunctionName, ModelName, TenantName, Version};
use modelet_store::{Exported, FileEntry, FunctionVersion, ModelBinding, ModelVersion, Serving, Tenant};

use crate::archive::{
    ArchiveBinding, ArchiveFile, ArchiveFunction, ArchiveFunctionVersion, ArchiveGrant, ArchiveModel,
    ArchiveModelVersion, ArchiveTenant,
};
use crate::error::ControlError;
use crate::lineup::Plan;
use crate::pinned::card;

/// What is exported, by whose it is: found without a look at all of it.
pub(super) struct State<'e> {
    exported: &'e Exported,
    /// Whether all tenants are.
    is_whole: bool,
    models: HashMap<&'e TenantName, BTreeMap<&'e ModelName, ArchiveModel>>,
    serving: HashMap<&'e TenantName, Vec<&'e Serving>>,
    functions: HashMap<(&'e TenantName, &'e FunctionName), Vec<&'e FunctionVersion>>,
    scales: HashMap<(&'e TenantName, &'e FunctionName), u32>,
    there: HashSet<(&'e TenantName, &'e ModelName, Version)>,
    granted: HashSet<(&'e TenantName, &'e ModelName, &'e TenantName)>,
    /// What was there and is not taken along, and why.
    pub(super) left_out: Vec<String>,
}

impl<'e> State<'e> {
    pub(super) fn of(exported: &'e Exported, is_whole: bool) -> Result<Self, ControlError> {
        let mut state = Self {
            exported,
            is_whole,
            models: models(exported)?,
            serving: HashMap::new(),
            functions: HashMap::new(),
            scales: exported.scales.iter().map(|(tenant, name, min)| ((tenant, name), *min)).collect(),
            there: exported.models.iter().map(|v| (&v.tenant, &v.name, v.version)).collect(),
            granted: exported.grants.iter().map(|grant| (&grant.owner, &grant.model, &grant.to)).collect(),
            left_out: Vec::new(),
        };
        for serving in &exported.serving {
            state.serving.entry(&serving.tenant).or_default().push(serving);
        }
        for version in &exported.functions {
            state.functions.entry((&version.tenant, &version.name)).or_default().push(version);
        }
        Ok(state)
    }

    /// All tenants, in the order of their names.
    pub(super) fn tenants(&mut self) -> Result<Vec<ArchiveTenant>, ControlError> {
        self.exported.tenants.iter().map(|tenant| self.tenant(tenant)).collect()
    }

    fn tenant(&mut self, tenant: &'e Tenant) -> Result<ArchiveTenant, ControlError> {
        let models = self.models.remove(&tenant.name).unwrap_or_default();
        let mut functions = Vec::new();
        for serving in self.serving.remove(&tenant.name).unwrap_or_default() {
            functions.extend(self.function(serving)?);
        }
        Ok(ArchiveTenant {
            name: tenant.name.clone(),
            hosts: tenant.claims.hosts.clone(),
            paths: tenant.claims.paths.clone(),
            limits: tenant.limits.clone(),
            models: models.into_values().collect(),
            functions,
            secrets: Vec::new(),
        })
    }

    /// A function. What means a model that is gone or granted no longer could not be deployed again: it is left out.
    fn function(&mut self, serving: &'e Serving) -> Result<Option<ArchiveFunction>, ControlError> {
        let (owner, name, plan) = (&serving.tenant, &serving.name, Plan::of(serving.clone())?);
        let (mut versions, mut serves) = (Vec::new(), BTreeSet::from([plan.live]));
        serves.extend(plan.traffic.iter().flat_map(|traffic| traffic.versions().collect::<Vec<_>>()));
        let mut missing = None;
        for version in self.functions.remove(&(owner, name)).unwrap_or_default() {
            match self.lost(version) {
                None => versions.push(function_version(version)?),
                Some(model) if serves.contains(&version.version) => missing = Some((version.version, model)),
                Some(model) => self.left_out.push(format!(
                    "function {owner}/{name}@{}: its model {model} is gone, or granted no longer",
                    version.version
                )),
            }
        }
        if let Some((version, model)) = missing {
            self.left_out.push(format!(
                "function {owner}/{name}: version {version} serves, and its model {model} is gone, or granted no longer"
            ));
            return Ok(None);
        }
        Ok(Some(ArchiveFunction {
            name: name.clone(),
            live: plan.live,
            traffic: plan.traffic.as_ref().map(Into::into),
            min: self.scales.get(&(owner, name)).copied(),
            versions,
        }))
    }

    /// A model that a version means and nobody can bind to any more.
    fn lost(&self, function: &FunctionVersion) -> Option<String> {
        let lost = function.models.iter().find(|model| {
            let is_own = model.owner == function.tenant;
            let granted = is_own || self.granted.contains(&(&model.owner, &model.name, &function.tenant));
            // Of other tenants' models an export of one tenant knows nothing.
            let is_known = is_own || self.is_whole;
            !granted || (is_known && !self.there.contains(&(&model.owner, &model.name, model.version)))
        })?;
        Some(format!("{}/{}@{}", lost.owner, lost.name, lost.version))
    }
}

/// All models, by tenant and name.
fn models(exported: &Exported) -> Result<HashMap<&TenantName, BTreeMap<&ModelName, ArchiveModel>>, ControlError> {
    let mut all: HashMap<_, BTreeMap<_, ArchiveModel>> = HashMap::new();
    for version in &exported.models {
        let name = &version.name;
        let model = all.entry(&version.tenant).or_default().entry(name).or_insert_with(|| ArchiveModel {
            name: name.clone(),
            labels: BTreeMap::new(),
            pinned: BTreeSet::new(),
            grants: Vec::new(),
            versions: Vec::new(),
        });
        model.labels.extend(version.labels.iter().map(|label| (label.clone(), version.version)));
        model.versions.push(model_version(version)?);
    }
    for pin in &exported.pins {
        if let Some(model) = all.get_mut(&pin.tenant).and_then(|models| models.get_mut(&pin.name)) {
            model.pinned.insert(pin.version);
        }
    }
    for grant in &exported.grants {
        if let Some(model) = all.get_mut(&grant.owner).and_then(|models| models.get_mut(&grant.model)) {
            model.grants.push(ArchiveGrant { to: grant.to.clone(), share_batch: grant.share_batch });
        }
    }
    Ok(all)
}

fn model_version(version: &ModelVersion) -> Result<ArchiveModelVersion, ControlError> {
    let file =
        |file: &FileEntry| ArchiveFile { path: file.path.clone(), role: file.role.to_string(), digest: file.digest };
    Ok(ArchiveModelVersion {
        version: version.version,
        digest: version.digest,
        files: version.files.iter().map(file).collect(),
        card: card(&version.card_json)?,
    })
}

fn function_version(version: &FunctionVersion) -> Result<ArchiveFunctionVersion, ControlError> {
    let manifest = serde_json::from_str(&version.manifest_json)
        .map_err(|e| ControlError::Internal(format!("a stored manifest of {}: {e}", version.name)))?;
    let binding = |model: &ModelBinding| {
        let owner = (model.owner != version.tenant).then(|| model.owner.clone());
        let bound = ArchiveBinding { owner, name: model.name.clone(), version: model.version, digest: model.digest };
        (model.alias.clone(), bound)
    };
    Ok(ArchiveFunctionVersion {
        version: version.version,
        component: version.component,
        manifest,
        models: version.models.iter().map(binding).collect(),
    })
}
