//! Whether a manifest can be: nothing twice, nothing that points nowhere, and each content wanted by somebody.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;

use modelet_spec::{Digest, Version};
use modelet_store::{FileEntry, FileRole, content_digest};

use super::manifest::{ArchiveFunction, ArchiveManifest, ArchiveModel, ArchiveModelVersion, ArchiveTenant};
use crate::error::ControlError;

/// The contents by their digests, with their lengths.
type Blobs = BTreeMap<Digest, u64>;

/// Refuses a manifest that no export writes; the first fault is told.
pub(crate) fn check(manifest: &ArchiveManifest) -> Result<(), ControlError> {
    let mut blobs = Blobs::new();
    for blob in &manifest.blobs {
        if blobs.insert(blob.digest, blob.bytes).is_some() {
            return Err(bad(format!("the content {} is listed twice", blob.digest)));
        }
    }
    let mut wanted = BTreeSet::new();
    once("tenant", manifest.tenants.iter().map(|tenant| &tenant.name))?;
    if manifest.seal.is_none() && manifest.secrets() > 0 {
        return Err(bad("it has secrets, and does not say how they are sealed".to_owned()));
    }
    manifest.tenants.iter().try_for_each(|tenant| check_tenant(tenant, &blobs, &mut wanted))?;
    match blobs.keys().find(|digest| !wanted.contains(*digest)) {
        Some(stray) => Err(bad(format!("nothing needs the content {stray}"))),
        None => Ok(()),
    }
}

fn check_tenant(tenant: &ArchiveTenant, blobs: &Blobs, wanted: &mut BTreeSet<Digest>) -> Result<(), ControlError> {
    once("model", tenant.models.iter().map(|model| &model.name))?;
    once("function", tenant.functions.iter().map(|function| &function.name))?;
    once("secret", tenant.secrets.iter().map(|secret| &secret.name))?;
    for model in &tenant.models {
        check_model(model, blobs, wanted).map_err(|why| bad(format!("model {}/{}: {why}", tenant.name, model.name)))?;
    }
    for function in &tenant.functions {
        let of = format!("function {}/{}", tenant.name, function.name);
        check_function(function, blobs, wanted).map_err(|why| bad(format!("{of}: {why}")))?;
    }
    Ok(())
}

fn check_model(model: &ArchiveModel, blobs: &Blobs, wanted: &mut BTreeSet<Digest>) -> Result<(), String> {
    let versions = numbers(model.versions.iter().map(|version| version.version))?;
    let pointed = model.labels.values().chain(&model.pinned);
    if let Some(version) = pointed.into_iter().find(|version| !versions.contains(version)) {
        return Err(format!("a label or a pin stands at version {version}, which is not there"));
    }
    let mut to = BTreeSet::new();
    if let Some(twice) = model.grants.iter().find(|grant| !to.insert(&grant.to)) {
        return Err(format!("it is granted to {} twice", twice.to));
    }
    for version in &model.versions {
        let files = entries(version, blobs)?;
        wanted.extend(files.iter().map(|file| file.digest));
        let mains = files.iter().filter(|file| file.role == FileRole::Model).count();
        if mains != 1 {
            return Err(format!("version {} has {mains} ONNX files", version.version));
        }
        if content_digest(&files) != version.digest {
            return Err(format!("version {} has not the digest of its files", version.version));
        }
    }
    Ok(())
}

/// The files of a version, sorted.
pub(super) fn entries(version: &ArchiveModelVersion, blobs: &Blobs) -> Result<Vec<FileEntry>, String> {
    let entry = |file: &super::ArchiveFile| {
        let role = file.role.parse().map_err(|e| format!("version {}: {e}", version.version))?;
        let bytes = blobs.get(&file.digest).ok_or_else(|| not_listed(&file.digest))?;
        Ok(FileEntry { path: file.path.clone(), role, digest: file.digest, bytes: *bytes })
    };
    let mut files = version.files.iter().map(entry).collect::<Result<Vec<_>, String>>()?;
    files.sort();
    let mut paths = BTreeSet::new();
    match files.iter().find(|file| !paths.insert(&file.path)) {
        Some(twice) => Err(format!("version {} has the file {} twice", version.version, twice.path)),
        None => Ok(files),
    }
}

fn check_function(function: &ArchiveFunction, blobs: &Blobs, wanted: &mut BTreeSet<Digest>) -> Result<(), String> {
    let versions = numbers(function.versions.iter().map(|version| version.version))?;
    let parts =
        function.traffic.iter().flat_map(|traffic| traffic.parts.iter().map(|part| part.version).chain(traffic.shadow));
    if let Some(version) = parts.chain([function.live]).find(|version| !versions.contains(version)) {
        return Err(format!("version {version} is to serve, and is not there"));
    }
    for version in &function.versions {
        let number = version.version;
        if version.manifest.name != function.name {
            return Err(format!("the manifest of version {number} is that of {}", version.manifest.name));
        }
        if !version.manifest.models.keys().eq(version.models.keys()) {
            return Err(format!("version {number} is not bound to the models of its manifest"));
        }
        if !blobs.contains_key(&version.component) {
            return Err(not_listed(&version.component));
        }
        wanted.insert(version.component);
    }
    Ok(())
}

fn numbers(versions: impl Iterator<Item = Version>) -> Result<BTreeSet<Version>, String> {
    let mut numbers = BTreeSet::new();
    for version in versions {
        if !numbers.insert(version) {
            return Err(format!("version {version} is there twice"));
        }
    }
    if numbers.is_empty() { Err("it has no version".to_owned()) } else { Ok(numbers) }
}

fn once<T: Ord + Display>(what: &str, names: impl Iterator<Item = T>) -> Result<(), ControlError> {
    let mut seen = BTreeSet::new();
    for name in names {
        if seen.contains(&name) {
            return Err(bad(format!("the {what} {name} is there twice")));
        }
        seen.insert(name);
    }
    Ok(())
}

fn not_listed(digest: &Digest) -> String {
    format!("the content {digest} is not listed under `blobs`")
}

pub(super) fn bad(why: String) -> ControlError {
    ControlError::Archive(why)
}

impl ArchiveManifest {
    /// How many secrets it has.
    #[must_use]
    pub fn secrets(&self) -> usize {
        self.tenants.iter().map(|tenant| tenant.secrets.len()).sum()
    }

    /// The lengths of the contents.
    pub(crate) fn lengths(&self) -> BTreeMap<Digest, u64> {
        self.blobs.iter().map(|blob| (blob.digest, blob.bytes)).collect()
    }
}

impl ArchiveModelVersion {
    /// Its files, as the store has them.
    pub(crate) fn entries(&self, lengths: &BTreeMap<Digest, u64>) -> Result<Vec<FileEntry>, ControlError> {
        entries(self, lengths).map_err(bad)
    }
}
