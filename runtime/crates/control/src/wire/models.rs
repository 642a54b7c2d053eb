//! Models, as the admin API reads and writes them.

use std::collections::BTreeMap;

use modelet_spec::{Digest, FilePath, FunctionName, ModelCard, ModelName, Pick, TenantName, Version};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::Memory;

/// Where a pushed model goes.
#[derive(Debug, Clone, Default, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct PushQuery {
    /// The tenant; `default` when left out.
    #[param(value_type = Option<String>)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<TenantName>,
    /// A label that the new version gets, such as `stable`.
    #[param(value_type = Option<String>)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<modelet_spec::Label>,
}

/// A model of several files, or one with a card; each file was sent before by `POST /v1/blobs`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PushFiles {
    /// The ONNX file and those that it refers to for its weights: path in the model's folder, and digest.
    #[schema(value_type = BTreeMap<String, String>)]
    pub files: BTreeMap<FilePath, Digest>,
    /// Which of them is the ONNX file. May be left out where only one ends with `.onnx`.
    #[schema(value_type = Option<String>)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub main: Option<FilePath>,
    /// `card.toml`, as JSON.
    #[schema(value_type = Option<Object>)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub card: Option<ModelCard>,
    /// A label that the new version gets, such as `stable`.
    #[schema(value_type = Option<String>)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<modelet_spec::Label>,
    /// Requests to try the model with, `{"inputs": [{"name", "shape", "datatype", "data"}]}` each: path and digest.
    #[schema(value_type = BTreeMap<String, String>)]
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub samples: BTreeMap<FilePath, Digest>,
}

/// At which version a label is to stand.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LabelAt {
    /// A version's number as text, another label, or `latest`.
    #[schema(value_type = String)]
    pub version: Pick,
}

/// Which version of a model is meant.
#[derive(Debug, Clone, Default, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct VersionQuery {
    /// The tenant; `default` when left out.
    #[param(value_type = Option<String>)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<TenantName>,
    /// Its number, a label, or `latest`.
    #[param(value_type = Option<String>)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<Pick>,
}

/// What of a model is removed, and how.
#[derive(Debug, Clone, Default, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct RemoveQuery {
    /// The tenant; `default` when left out.
    #[param(value_type = Option<String>)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<TenantName>,
    /// One version: its number, a label, or `latest`. All when left out.
    #[param(value_type = Option<String>)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<Pick>,
    /// Whether to remove it although functions use it: they find no model then.
    #[serde(default)]
    pub force: bool,
}

/// What was removed.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Removed {
    /// The versions, newest first.
    #[schema(value_type = Vec<u32>)]
    pub versions: Vec<Version>,
    /// The functions that used one of them and find it no longer.
    #[schema(value_type = Vec<String>)]
    pub functions: Vec<FunctionName>,
}

/// A version of a model.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Model {
    /// Its owner.
    #[schema(value_type = String)]
    pub tenant: TenantName,
    /// Its name.
    #[schema(value_type = String)]
    pub name: ModelName,
    /// Its version: 1, 2, 3 …
    #[schema(value_type = u32)]
    pub version: Version,
    /// `sha256:…` of its one file, or of the list of its files.
    #[schema(value_type = String)]
    pub digest: Digest,
    /// The size of its files together; samples not counted.
    pub bytes: u64,
    /// Whether a push made this version; false when the newest version already was the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<bool>,
    /// The labels that stand at this version.
    #[serde(default)]
    pub labels: Vec<String>,
    /// What goes in and what comes out.
    pub description: ModelDescription,
    /// Its card, `card.toml` as JSON; empty where there is none.
    #[schema(value_type = Object)]
    #[serde(default)]
    pub card: ModelCard,
    /// Its files, sorted by path.
    #[serde(default)]
    pub files: Vec<ModelFile>,
    /// Whether and how it is in memory.
    #[serde(default)]
    pub memory: Memory,
    /// How it was made of another version, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub optimised: Option<super::optimise::Optimised>,
    /// The model's ETag, in a listing of models, as `if-match` takes it: another after each change of what is said of it. Elsewhere the header
    /// has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub etag: Option<String>,
}

/// One file of a model.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ModelFile {
    /// Where it lies in the model's folder.
    #[schema(value_type = String)]
    pub path: FilePath,
    /// `model` (the ONNX file), `data` (weights) or `sample`.
    pub role: String,
    /// `sha256:…` of its bytes.
    #[schema(value_type = String)]
    pub digest: Digest,
    /// Its size.
    pub bytes: u64,
}

/// All models that the caller may see.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Models {
    /// One entry per model: its newest version.
    pub models: Vec<Model>,
    /// Those that other tenants granted to this one; on the first page.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub granted: Vec<super::GrantedModel>,
    /// Where the next page begins; left out of the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// The versions of one model.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ModelVersions {
    /// Newest first.
    pub versions: Vec<Model>,
    /// Where the next page begins; left out of the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// What a model takes and gives.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ModelDescription {
    /// What goes in.
    pub inputs: Vec<ModelPort>,
    /// What comes out.
    pub outputs: Vec<ModelPort>,
    /// The version of each operator set; the empty name is ONNX's own.
    #[serde(default)]
    pub opsets: BTreeMap<String, i64>,
}

/// One input or output of a model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ModelPort {
    /// Its name.
    pub name: String,
    /// Its element type, such as `f32`.
    pub element_type: String,
    /// Its dimensions: a number, the name of a dimension that varies, or `?`. Left out when the model says not how many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shape: Option<Vec<String>>,
}
