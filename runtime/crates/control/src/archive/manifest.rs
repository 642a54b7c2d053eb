//! `manifest.json`: all desired state of an export, with its contents by their digests.

use std::collections::BTreeMap;

use modelet_spec::manifest::Manifest;
use modelet_spec::{
    Digest, FilePath, FunctionName, HostName, Label, ModelCard, ModelName, PathPrefix, SecretName, TenantLimits,
    TenantName, Timestamp, Version,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

use crate::wire::{Blob, Traffic};

/// What the archive is.
pub(crate) const FORMAT: &str = "modelet-export";
/// The version of the format that is written, and the only one that is read.
pub(crate) const FORMAT_VERSION: u32 = 1;

/// What never is in an archive, whatever there is.
const NOT_INCLUDED: [&str; 4] = [
    "keys: their hashes open nothing on a server with another hash key; make new ones with `modelet key create`",
    "what functions keep by wasi:keyvalue",
    "the history, and versions that were removed",
    "compiled code and optimised forms: they are made anew, and never trusted from a file",
];

/// Nor are these, unless somebody gives a passphrase.
const NO_SECRETS: &str =
    "secrets: give them to the other server by `modelet secret set`, or export with --secrets under a passphrase";

/// What is not in an archive that has secrets, or none.
pub(crate) fn not_included(has_secrets: bool) -> Vec<String> {
    let secrets = (!has_secrets).then_some(NO_SECRETS);
    secrets.into_iter().chain(NOT_INCLUDED).map(str::to_owned).collect()
}

/// All that an archive has.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArchiveManifest {
    /// `modelet-export`.
    pub format: String,
    /// The version of the format.
    pub version: u32,
    /// The version of Modelet that wrote it.
    pub modelet: String,
    /// When.
    pub exported: Timestamp,
    /// What never is in an archive.
    #[serde(default)]
    pub not_included: Vec<String>,
    /// What was there and could not be taken along, and why.
    #[serde(default)]
    pub left_out: Vec<String>,
    /// How its secrets are sealed; absent: it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seal: Option<ArchiveSeal>,
    /// By name.
    pub tenants: Vec<ArchiveTenant>,
    /// The contents, in the order in which they follow.
    pub blobs: Vec<Blob>,
}

/// How secrets are sealed: with a key that is made of a passphrase. Bytes are in base64.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArchiveSeal {
    /// `argon2id`, of version 19.
    pub kdf: String,
    /// How much memory it takes, in KiB.
    pub memory_kib: u32,
    /// How often it goes over that.
    pub passes: u32,
    /// Parts of the memory that are filled beside each other.
    pub lanes: u32,
    /// 16 random bytes.
    pub salt: String,
    /// `chacha20-poly1305`: its nonce of 12 bytes comes before what is sealed.
    pub aead: String,
    /// Nothing, sealed and bound to the names of all secrets: whether it opens tells whether the passphrase is the one.
    pub check: String,
}

/// A secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArchiveSecret {
    /// Its name.
    pub name: SecretName,
    /// Its value, sealed and bound to its tenant and name.
    pub sealed: String,
}

/// A tenant with all that it has.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArchiveTenant {
    /// Its name.
    pub name: TenantName,
    /// Hosts at which its functions may answer.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub hosts: BTreeSet<HostName>,
    /// Paths at and below which they may.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub paths: BTreeSet<PathPrefix>,
    /// What it may have.
    #[serde(default)]
    pub limits: TenantLimits,
    /// Its models, by name.
    #[serde(default)]
    pub models: Vec<ArchiveModel>,
    /// Its functions, by name.
    #[serde(default)]
    pub functions: Vec<ArchiveFunction>,
    /// Its secrets, by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<ArchiveSecret>,
}

/// A model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArchiveModel {
    /// Its name.
    pub name: ModelName,
    /// Where its labels stand.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<Label, Version>,
    /// Versions that are to stay in memory.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub pinned: BTreeSet<Version>,
    /// To whom it is granted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub grants: Vec<ArchiveGrant>,
    /// Its versions, the oldest first.
    pub versions: Vec<ArchiveModelVersion>,
}

/// A grant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArchiveGrant {
    /// Who may use the model.
    pub to: TenantName,
    /// Whether calls may be joined with other tenants'.
    #[serde(default)]
    pub share_batch: bool,
}

/// A version of a model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArchiveModelVersion {
    /// Its number.
    pub version: Version,
    /// Its content.
    pub digest: Digest,
    /// Its files, sorted by path.
    pub files: Vec<ArchiveFile>,
    /// Its card.
    #[serde(default)]
    pub card: ModelCard,
}

/// A file of a model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArchiveFile {
    /// Where it lies in the model's folder.
    pub path: FilePath,
    /// `model`, `data` or `sample`.
    pub role: String,
    /// Its content.
    pub digest: Digest,
}

/// A function.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArchiveFunction {
    /// Its name.
    pub name: FunctionName,
    /// The version that is live.
    pub live: Version,
    /// How its requests are shared out; absent: the live version has all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traffic: Option<Traffic>,
    /// How many instances are kept warm where somebody said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<u32>,
    /// Its versions, the oldest first.
    pub versions: Vec<ArchiveFunctionVersion>,
}

/// A version of a function.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArchiveFunctionVersion {
    /// Its number.
    pub version: Version,
    /// Its component.
    pub component: Digest,
    /// `function.toml`, as JSON.
    pub manifest: Manifest,
    /// What each model of the manifest was bound to.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub models: BTreeMap<String, ArchiveBinding>,
}

/// A version of a model that a function was bound to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArchiveBinding {
    /// Whose; absent: the function's own tenant's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<TenantName>,
    /// Which model.
    pub name: ModelName,
    /// Which version of it.
    pub version: Version,
    /// Its content.
    pub digest: Digest,
}

/// What is read first: whether the rest can be understood.
#[derive(Debug, Deserialize)]
pub(crate) struct Head {
    #[serde(default)]
    pub(crate) format: String,
    #[serde(default)]
    pub(crate) version: u32,
}
