//! What a function's author writes: `function.toml`.
//!
//! [`Manifest::parse`] reads the file and reports all its faults at once. The same type travels as JSON over the admin API
//! (same keys, except that `[models] inline` is `inline_models` there) and is held to the same rules when it is read back,
//! so a `Manifest` is valid wherever it is met.

mod case;
mod check;
mod config;
mod read;
mod source;

pub use case::{Case, CaseExpect, CaseRequest};
pub use config::ConfigValue;
pub use source::ModelSource;

use crate::auth::Auth;
use crate::document::{self, Document, Fault, Faults};
use crate::limits::FunctionLimits;
use crate::name::{FunctionName, SecretName};
use crate::outbound::OutboundRule;
use crate::path::PathPattern;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// A function's manifest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct Manifest {
    /// What the function is called.
    pub name: FunctionName,
    /// How its component comes to be.
    #[serde(default)]
    pub build: Option<Build>,
    /// Where it answers; none is allowed (`deploy --route` may add some).
    #[serde(default)]
    pub route: Vec<RouteSpec>,
    /// The models that it can load, by the name that it uses.
    #[serde(default)]
    pub models: BTreeMap<String, ModelSource>,
    /// `[models] inline = true`: it may also load models from its own bytes.
    #[serde(default)]
    pub inline_models: bool,
    /// What it wishes for.
    #[serde(default)]
    pub limits: FunctionLimits,
    /// How its instances live.
    #[serde(default)]
    pub instances: Instances,
    /// How its calls of a model, named as in [`Self::models`], may be joined with others'.
    #[serde(default)]
    pub batch: BTreeMap<String, BatchRule>,
    /// Whom it may call.
    #[serde(default)]
    pub outbound: Outbound,
    /// What it reads by `wasi:config`.
    #[serde(default)]
    pub config: BTreeMap<String, ConfigValue>,
    /// Smoke tests.
    #[serde(default)]
    pub case: Vec<Case>,
}

/// `[build]`: how the component comes to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Build {
    /// The command, run by the shell in the function's folder; `None`: the component lies there ready.
    #[serde(default)]
    pub command: Option<String>,
    /// The component: in the function's folder, or in Cargo's target directory.
    pub component: PathBuf,
}

/// `[[route]]`: where the function answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RouteSpec {
    /// Lower-case host without a port; `None`: any.
    #[serde(default)]
    pub host: Option<String>,
    /// Which paths.
    pub path: PathPattern,
    /// Upper-case methods; empty: any.
    #[serde(default)]
    pub methods: Vec<String>,
    /// Who may call; `None`: as the server has it (a key, but nothing for tenant `default` on loopback).
    #[serde(default)]
    pub auth: Option<Auth>,
}

/// `[instances]`: how sandboxes live.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Instances {
    /// Whether one serves more than one request. Default `instance`.
    pub reuse: Reuse,
    /// How long one waits warm for the next request. Default 30 s.
    #[serde(with = "crate::span")]
    pub idle: Duration,
    /// After so many requests it is replaced. Default 10,000: a slow leak in a guest then costs little, and a fresh sandbox nothing.
    pub max_requests: u32,
    /// After so long it is replaced, however few its requests. Default 1 h: what a guest has read of the world ages.
    #[serde(with = "crate::span")]
    pub max_age: Duration,
    /// So many requests at a time are answered by one; more than 1 for `wasi:http` 0.3 alone, and with `reuse = "instance"`. A
    /// trap ends them all, and what an instance may take is for all of them together. Default 1.
    pub requests: u32,
    /// So many are kept warm, idle or not; `modelet function scale` says otherwise. Default 0: an unused function costs nothing.
    pub min: u32,
}

impl Default for Instances {
    fn default() -> Self {
        Self {
            reuse: Reuse::Instance,
            idle: Duration::from_secs(30),
            max_requests: 10_000,
            max_age: Duration::from_secs(3600),
            requests: 1,
            min: 0,
        }
    }
}

/// Whether a sandbox serves more than one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reuse {
    /// It is kept warm, one request after the other.
    Instance,
    /// A fresh one for each request.
    Request,
}

/// `[batch]`: how calls of one model may be joined.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BatchRule {
    /// The most rows in one run, over all calls in it. Default 1: none are joined.
    pub max: u32,
    /// How long the first call waits for others. Default 0 ms: only what waits already is joined.
    #[serde(with = "crate::span")]
    pub wait: Duration,
    /// With whose calls. Default `tenant`.
    pub share: Share,
}

impl Default for BatchRule {
    fn default() -> Self {
        Self { max: 1, wait: Duration::ZERO, share: Share::Tenant }
    }
}

/// With whose calls a call may be joined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Share {
    /// With none.
    None,
    /// With calls of the same function.
    Function,
    /// With calls of the same tenant.
    Tenant,
    /// With everybody's.
    All,
}

/// `[outbound]`: whom the function may call.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Outbound {
    /// Origins such as `https://api.example.com`; empty: nothing leaves.
    pub allow: Vec<OutboundRule>,
}

/// All faults of a manifest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct ManifestError {
    /// The file as the reader called it.
    pub file: String,
    /// Its faults in the order of their lines; never empty.
    pub faults: Vec<Fault>,
}

impl fmt::Display for ManifestError {
    /// One line for each fault: `function.toml:12: what; fix`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        document::write_report(f, &self.file, &self.faults)
    }
}

impl Manifest {
    /// Reads a manifest; `file_name` is what its faults are reported under.
    ///
    /// # Errors
    /// All faults at once: syntax, unknown keys (with the nearest known one), values of the wrong kind or out of range, and
    /// parts that contradict each other.
    pub fn parse(text: &str, file_name: &str) -> Result<Self, ManifestError> {
        let faults = Faults::new(file_name, text);
        let document = Document::parse(text, &faults);
        let manifest = read::manifest(document.root(&faults));
        check::check(&manifest, &mut |path, message| faults.add_path(path, message));
        match faults.is_empty() {
            true => Ok(manifest),
            false => {
                let (file, faults) = faults.into_parts();
                Err(ManifestError { file, faults })
            }
        }
    }

    /// The secrets that it names, each with the key of `[config]` under which it is read.
    pub fn secrets(&self) -> impl Iterator<Item = (&str, &SecretName)> {
        self.config.iter().filter_map(|(key, value)| match value {
            ConfigValue::Secret { secret } => Some((key.as_str(), secret)),
            ConfigValue::Text(_) => None,
        })
    }
}

impl Manifest {
    /// Reads a manifest that is a part of another file: its faults go where that file's go. Where there are any, what is returned
    /// is not to be used.
    #[must_use]
    pub fn read(section: document::Section<'_, '_>) -> Self {
        let (faults, path) = (section.faults(), section.path().to_owned());
        let manifest = read::manifest(section);
        check::check(&manifest, &mut |inner, message| faults.add_path(&format!("{path}.{inner}"), message));
        manifest
    }
}

impl Serialize for Manifest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Self::serialize(self, serializer)
    }
}

impl<'de> Deserialize<'de> for Manifest {
    /// Held to the rules of [`Manifest::parse`]: what comes over the wire is not trusted to come from our own tool.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let manifest = Self::deserialize(deserializer)?;
        let mut faults = Vec::new();
        check::check(&manifest, &mut |path, message| faults.push(format!("{path}: {message}")));
        match faults.is_empty() {
            true => Ok(manifest),
            false => Err(serde::de::Error::custom(faults.join("; "))),
        }
    }
}
