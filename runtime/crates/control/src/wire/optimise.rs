//! Smaller versions of a model, as the API asks for them and tells of them.

use modelet_spec::{Label, Version};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Cosine that the worst row must reach if nothing is said: below it, MiniLM's similarities are off in the second digit.
pub const MIN_COSINE: f64 = 0.98;

/// What to make of a model.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Optimise {
    /// To what its weights are made.
    pub precision: Precision,
    /// How the other side of products is made of integers; `int8` only.
    #[serde(default)]
    pub activations: Activations,
    /// Which version: a number, a label or `latest`, which it is if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Nodes to leave as they are, by their name or their output's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keep: Vec<String>,
    /// A label for the new version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub label: Option<Label>,
    /// Requests to compare the answers to, each as Open Inference v2 has it: `{"inputs": [{name, shape, datatype, data}]}`.
    /// Left out: those of the version.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<Object>)]
    pub samples: Vec<serde_json::Value>,
    /// The cosine that every row of every output must reach, or there is no new version. Left out: 0.98.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_cosine: Option<f64>,
}

/// To what weights are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// 8-bit integers.
    Int8,
    /// 16-bit floats.
    Fp16,
}

/// How the other side of a product is made of integers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Activations {
    /// A scale for each row: callers can be joined.
    #[default]
    Rows,
    /// One scale for all: quicker for one caller, and rows influence each other.
    Tensor,
}

/// How a version was made of another, and how far its answers are from that one's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Optimised {
    /// The version that it was made of.
    #[schema(value_type = u32)]
    pub from: Version,
    /// To what its weights were made.
    pub precision: Precision,
    /// How the other side of products is made of integers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub activations: Option<Activations>,
    /// The old file.
    pub bytes_before: u64,
    /// The new one.
    pub bytes_after: u64,
    /// What the answers were compared on.
    pub compared: Compared,
    /// How many calls that was.
    pub calls: u64,
    /// The cosine that was asked for.
    pub min_cosine: f64,
    /// Each output's drift.
    pub outputs: Vec<OutputDrift>,
    /// How many weights were rewritten.
    pub rewritten: u64,
    /// How many stay though they are large.
    pub kept: u64,
    /// The largest of both.
    pub weights: Vec<Weight>,
    /// What its user has to know.
    pub notes: Vec<String>,
}

/// What answers were compared on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Compared {
    /// Requests that came with the wish.
    Given,
    /// Samples of the version.
    Samples,
    /// Numbers made up, which prove little.
    MadeUp,
}

/// One output, over all calls.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct OutputDrift {
    /// Its name.
    pub name: String,
    /// Rows compared.
    pub rows: u64,
    /// The worst row's cosine; for floats.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cosine_min: Option<f64>,
    /// All rows'.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cosine_mean: Option<f64>,
    /// The largest difference of two numbers; for floats. Left out if one of them is not finite.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub difference_max: Option<f64>,
    /// How often the first of classes, or an integer or text, was the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub same: Option<u64>,
    /// Out of how many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub same_of: Option<u64>,
}

/// A weight and what became of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Weight {
    /// Its name in the file.
    pub name: String,
    /// What the nodes that use it do.
    pub op: String,
    /// Such a node; of several, the first.
    pub node: String,
    /// What it took.
    pub bytes_before: u64,
    /// What it takes.
    pub bytes_after: u64,
    /// Why it stays; left out if it was rewritten.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}
