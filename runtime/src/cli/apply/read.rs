//! The files of `modelet apply`: read whole, with every fault of all of them in one report.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::bail;
use modelet_spec::document::{Document, Faults, Section};
use modelet_spec::manifest::{Manifest, ModelSource};
use modelet_spec::{Claims, FunctionName, HostName, Label, ModelName, PathPrefix, TenantLimits, TenantName, Version};

use super::local::LocalModel;
use crate::cli::ServerArgs;
use crate::cli::project::{MANIFEST, Project};

/// What is to be.
#[derive(Debug, Default)]
pub(super) struct Desired {
    pub(super) tenants: Vec<TenantWish>,
    pub(super) models: Vec<ModelWish>,
    pub(super) functions: Vec<FunctionWish>,
    pub(super) traffic: Vec<TrafficWish>,
}

#[derive(Debug)]
pub(super) struct TenantWish {
    pub(super) name: TenantName,
    pub(super) claims: Claims,
    /// All that it may have; `None`: whatever it may.
    pub(super) limits: Option<TenantLimits>,
}

#[derive(Debug)]
pub(super) struct ModelWish {
    pub(super) tenant: TenantName,
    pub(super) name: ModelName,
    pub(super) local: LocalModel,
    pub(super) labels: Vec<Label>,
    /// `None`: whatever it is.
    pub(super) pinned: Option<bool>,
    /// All to whom it is granted, and whether calls may be joined; `None`: whoever it is.
    pub(super) grants: Option<BTreeMap<TenantName, bool>>,
}

#[derive(Debug)]
pub(super) struct FunctionWish {
    pub(super) tenant: TenantName,
    pub(super) manifest: Manifest,
    /// What model files and bodies of cases are relative to.
    pub(super) dir: PathBuf,
    pub(super) component: PathBuf,
    /// The models that are files, by alias.
    pub(super) models: BTreeMap<String, LocalModel>,
    /// Instances that are kept warm; `None`: whatever was said.
    pub(super) min: Option<u32>,
    pub(super) allow_new_capabilities: bool,
}

#[derive(Debug)]
pub(super) struct TrafficWish {
    pub(super) tenant: TenantName,
    pub(super) function: FunctionName,
    /// What each version gets; `None` is the newest. Empty: the live version has all.
    pub(super) parts: Vec<(Option<Version>, u8)>,
    pub(super) sticky: Option<String>,
    pub(super) shadow: Option<Option<Version>>,
}

/// Reads a file, or all of a folder.
pub(super) fn read(source: &Path, server: &ServerArgs) -> anyhow::Result<Desired> {
    let mut reader = Reader {
        tenant: server.tenant.clone().unwrap_or_else(TenantName::default_tenant),
        desired: Desired::default(),
        faults: Vec::new(),
    };
    let (files, functions) = gather(source)?;
    files.iter().for_each(|file| reader.file(file));
    functions.iter().for_each(|folder| reader.folder(folder));
    reader.twice();
    if reader.faults.is_empty() && files.is_empty() && functions.is_empty() {
        bail!("{} has neither a .toml file nor a function's folder", source.display());
    }
    if !reader.faults.is_empty() {
        bail!("{}", reader.faults.join("\n"));
    }
    Ok(reader.desired)
}

/// The files with what is to be, and the folders of functions; sorted.
fn gather(source: &Path) -> anyhow::Result<(BTreeSet<PathBuf>, BTreeSet<PathBuf>)> {
    let (mut files, mut functions) = (BTreeSet::new(), BTreeSet::new());
    if source.is_file() {
        return Ok((BTreeSet::from([source.to_owned()]), functions));
    }
    if source.join(MANIFEST).is_file() {
        return Ok((files, BTreeSet::from([source.to_owned()])));
    }
    let listed = std::fs::read_dir(source).map_err(|e| anyhow::anyhow!("{} cannot be read: {e}", source.display()))?;
    for entry in listed {
        let path = entry?.path();
        if path.join(MANIFEST).is_file() {
            functions.insert(path);
        } else if path.is_file() && path.extension().is_some_and(|end| end == "toml") {
            files.insert(path);
        }
    }
    Ok((files, functions))
}

struct Reader {
    /// Whose things are meant where a file does not say.
    tenant: TenantName,
    desired: Desired,
    faults: Vec<String>,
}

impl Reader {
    fn file(&mut self, file: &Path) {
        let name = file.display().to_string();
        let text = match std::fs::read_to_string(file) {
            Ok(text) => text,
            Err(error) => return self.faults.push(format!("{name} cannot be read: {error}")),
        };
        let faults = Faults::new(&name, &text);
        let document = Document::parse(&text, &faults);
        let mut root = document.root(&faults);
        let around = Around { dir: file.parent().unwrap_or(Path::new("")), tenant: &self.tenant };
        let mut desired = Desired::default();
        desired.tenants.extend(root.sections("tenant").into_iter().filter_map(tenant));
        desired.models.extend(root.sections("model").into_iter().filter_map(|section| model(section, &around)));
        desired
            .functions
            .extend(root.sections("function").into_iter().filter_map(|section| function(section, &around)));
        desired.traffic.extend(root.sections("traffic").into_iter().filter_map(|section| traffic(section, &around)));
        root.finish();
        let (file, found) = faults.into_parts();
        self.faults.extend(found.iter().map(|fault| format!("{file}:{}: {}", fault.line, fault.message)));
        self.desired.tenants.extend(desired.tenants);
        self.desired.models.extend(desired.models);
        self.desired.functions.extend(desired.functions);
        self.desired.traffic.extend(desired.traffic);
    }

    fn folder(&mut self, folder: &Path) {
        match FunctionWish::of(folder, &self.tenant) {
            Ok(wish) => self.desired.functions.push(wish),
            Err(error) => self.faults.push(error.to_string()),
        }
    }

    /// A thing that two files want, each in its way.
    fn twice(&mut self) {
        let Desired { tenants, models, functions, traffic } = &self.desired;
        let mut seen = BTreeSet::new();
        let names = tenants.iter().map(|t| format!("the tenant {}", t.name));
        let names = names.chain(models.iter().map(|m| format!("the model {}/{}", m.tenant, m.name)));
        let names = names.chain(functions.iter().map(|f| format!("the function {}/{}", f.tenant, f.manifest.name)));
        let names = names.chain(traffic.iter().map(|t| format!("the traffic of {}/{}", t.tenant, t.function)));
        let twice = names.filter(|name| !seen.insert(name.clone()));
        self.faults.extend(twice.map(|name| format!("{name} is there twice: leave one out")));
    }
}

/// What a section is read with.
struct Around<'a> {
    dir: &'a Path,
    tenant: &'a TenantName,
}

impl Around<'_> {
    fn tenant(&self, section: &mut Section<'_, '_>) -> TenantName {
        section.text("tenant").unwrap_or_else(|| self.tenant.clone())
    }
}

fn tenant(mut section: Section<'_, '_>) -> Option<TenantWish> {
    let name = section.required("name", "name = \"acme\"").and_then(|value| value.text());
    let hosts: Vec<HostName> = section.value("hosts").map(|value| value.texts()).unwrap_or_default();
    let paths: Vec<PathPrefix> = section.value("paths").map(|value| value.texts()).unwrap_or_default();
    let limits = section.section("limits").map(limits);
    section.finish();
    let claims = Claims { hosts: hosts.into_iter().collect(), paths: paths.into_iter().collect() };
    Some(TenantWish { name: name?, claims, limits: limits.map(Option::unwrap_or_default) })
}

/// `None`: there are faults.
fn limits(section: Section<'_, '_>) -> Option<TenantLimits> {
    let (at, faults) = (section.at(), section.faults());
    let mut fields = serde_json::Map::new();
    for (name, value) in section.entries() {
        let json = match value.as_str() {
            Some(text) => text.into(),
            None => value.number(0u64)?.into(),
        };
        fields.insert(name.to_owned(), json);
    }
    match serde_json::from_value(fields.into()) {
        Ok(limits) => Some(limits),
        Err(error) => {
            faults.add(at, format!("limits: {error}"));
            None
        }
    }
}

fn model(mut section: Section<'_, '_>, around: &Around<'_>) -> Option<ModelWish> {
    let tenant = around.tenant(&mut section);
    let name = section.required("name", "name = \"digits\"").and_then(|value| value.text());
    let card: Option<PathBuf> = section.text("card");
    let card = card.map(|card| around.dir.join(card));
    let source = section.required("source", "source = \"digits.onnx\", or a folder");
    let local = source.and_then(|value| {
        let source: PathBuf = value.text()?;
        LocalModel::of(&around.dir.join(source), card.as_deref()).map_err(|error| value.fault(error)).ok()
    });
    let labels = section.value("labels").map(|value| value.texts()).unwrap_or_default();
    let pinned = section.value("pinned").and_then(|value| value.flag());
    let grants = section.value("grants").map(|value| {
        let granted = value.list().into_iter().filter_map(|value| match value.as_str() {
            Some(_) => Some((value.text()?, false)),
            None => grant(value.section_or("a tenant such as \"beta\", or { to = \"beta\", share_batch = true }")?),
        });
        granted.collect()
    });
    section.finish();
    Some(ModelWish { tenant, name: name?, local: local?, labels, pinned, grants })
}

fn grant(mut section: Section<'_, '_>) -> Option<(TenantName, bool)> {
    let to = section.required("to", "to = \"beta\"").and_then(|value| value.text());
    let share_batch = section.value("share_batch").and_then(|value| value.flag()).unwrap_or(false);
    section.finish();
    Some((to?, share_batch))
}

fn function(mut section: Section<'_, '_>, around: &Around<'_>) -> Option<FunctionWish> {
    let tenant = around.tenant(&mut section);
    let min = section.value("min").and_then(|value| value.number(0));
    let allow_new_capabilities =
        section.value("allow_new_capabilities").and_then(|value| value.flag()).unwrap_or(false);
    let (at, faults) = (section.at(), section.faults());
    let (source, component) = (section.value("source"), section.value("component"));
    let manifest = section.section("manifest");
    let wish = match (source, component, manifest) {
        (Some(source), None, None) => {
            let folder: Option<PathBuf> = source.text();
            folder.and_then(|folder| {
                // A manifest's own faults come with their own file and lines.
                FunctionWish::of(&around.dir.join(folder), &tenant).map_err(|error| source.fault(error)).ok()
            })
        }
        (None, Some(component), Some(manifest)) => {
            let manifest = Manifest::read(manifest);
            let path: Option<PathBuf> = component.text();
            path.filter(|_| faults.is_empty()).and_then(|path| {
                let wish = FunctionWish::inline(manifest, around.dir, &around.dir.join(path), &tenant);
                wish.map_err(|error| component.fault(error)).ok()
            })
        }
        _ => {
            faults
                .add(at, "a function is source = \"FOLDER\", or component = \"FILE.wasm\" with a [function.manifest]");
            None
        }
    };
    section.finish();
    Some(FunctionWish { min, allow_new_capabilities, ..wish? })
}

fn traffic(mut section: Section<'_, '_>, around: &Around<'_>) -> Option<TrafficWish> {
    let tenant = around.tenant(&mut section);
    let function = section.required("function", "function = \"checkout\"").and_then(|value| value.text());
    let versions = section.required("versions", "versions = { 1 = 90, latest = 10 }, or {}");
    let parts = versions.and_then(|value| value.section()).map(|versions| {
        let part = |(version, value): (&str, modelet_spec::document::Value<'_, '_>)| {
            let which = version_of(version).map_err(|error| value.fault(error)).ok()?;
            Some((which, value.number(0u8)?))
        };
        versions.entries().into_iter().filter_map(part).collect::<Vec<_>>()
    });
    let sticky: Option<String> = section.text("sticky");
    let shadow = section.value("shadow");
    let shadow = shadow.and_then(|value| match value.as_str() {
        Some(text) => version_of(text).map_err(|error| value.fault(error)).ok(),
        None => value.number(1u32).and_then(Version::new).map(Some),
    });
    section.finish();
    let sticky = sticky.map(|header| header.to_lowercase());
    Some(TrafficWish { tenant, function: function?, parts: parts?, sticky, shadow })
}

/// A number, or `latest`.
fn version_of(text: &str) -> anyhow::Result<Option<Version>> {
    if text == "latest" {
        return Ok(None);
    }
    match text.parse() {
        Ok(version) => Ok(Some(version)),
        Err(_) => bail!("{text:?} is no version: write its number, or latest"),
    }
}

impl FunctionWish {
    /// The function in a folder, as it is built.
    fn of(folder: &Path, tenant: &TenantName) -> anyhow::Result<Self> {
        let project = Project::open(folder)?;
        let component = project.component()?;
        Self::inline(project.manifest, &project.dir, &component, tenant)
    }

    fn inline(manifest: Manifest, dir: &Path, component: &Path, tenant: &TenantName) -> anyhow::Result<Self> {
        if !component.is_file() {
            bail!("{} is not there", component.display());
        }
        let mut models = BTreeMap::new();
        for (alias, source) in &manifest.models {
            if let ModelSource::File(file) = source {
                models.insert(alias.clone(), LocalModel::of(&dir.join(file), None)?);
            }
        }
        Ok(Self {
            tenant: tenant.clone(),
            manifest,
            dir: dir.to_owned(),
            component: component.to_owned(),
            models,
            min: None,
            allow_new_capabilities: false,
        })
    }
}
