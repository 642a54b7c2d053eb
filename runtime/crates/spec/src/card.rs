//! What is known of a model beside its bytes: its card, `card.toml`.
//!
//! [`ModelCard::parse`] reads the file and reports all its faults at once, as a function's manifest does. The same type
//! travels as JSON, with the same keys and rules, so a `ModelCard` is valid wherever it is met. All of it is optional: a
//! model without a card has [`ModelCard::default`].

mod check;
mod read;

use crate::device::DeviceWish;
use crate::document::{self, Document, Fault, Faults};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// A model's card.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", default, deny_unknown_fields)]
pub struct ModelCard {
    /// What it does, for a person.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Under which licence it may be used, such as `Apache-2.0`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub licence: Option<String>,
    /// Where it comes from: a URL, a paper, a training run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Words to find it by.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// What was measured of it, such as `accuracy = 0.97`. Finite numbers.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub metrics: BTreeMap<String, f64>,
    /// Whether the shapes of its last calls are remembered, to warm its next load with. No value of a call is. Default: yes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub record: Option<bool>,
    /// How calls of it may be joined.
    #[serde(skip_serializing_if = "is_default")]
    pub batch: CardBatch,
    /// How it is run.
    #[serde(skip_serializing_if = "is_default")]
    pub run: CardRun,
}

/// `[batch]`: how calls of the model may be joined.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CardBatch {
    /// Its rows influence each other's answers, and joining calls of one tenant is meant nevertheless. Default: not.
    #[serde(skip_serializing_if = "is_default")]
    pub allow_row_mixing: bool,
    /// Batch sizes that run best, rising. Default: none is better.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub preferred: Vec<u32>,
    /// What dimension 0 is. Default: as the model's description lets guess.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dim0: Option<Dim0>,
    /// How inputs of a sequence model are filled up to the same length, by the input's name. Default: none is.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub pad: BTreeMap<String, PadRule>,
}

/// What dimension 0 of a model's inputs and outputs is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dim0 {
    /// The batch: a call with two rows gives what two calls with one row give.
    Batch,
    /// Anything else: calls are never joined.
    Other,
}

/// `{ dim = 1, value = 0 }`: how an input of a sequence model is filled up to the longest of its batch.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PadRule {
    /// The dimension in which calls may differ; at least 1. Outputs that carry it are cut back.
    pub dim: u32,
    /// What it is filled with: finite, and a whole number for an input of integers. Default 0.
    #[serde(default)]
    pub value: f64,
}

/// `[run]`: how the model is run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CardRun {
    /// A run that takes longer is stopped. Default: the server's.
    #[serde(with = "crate::span::option", skip_serializing_if = "Option::is_none")]
    pub limit: Option<Duration>,
    /// Runs at a time, each in a session of its own. Default: as the server decides.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sessions: Option<u32>,
    /// Threads inside one run. Default: as the server decides.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threads: Option<u32>,
    /// Whether weights are laid out for speed at load, which costs memory. Default: as the server decides.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prepack: Option<bool>,
    /// Where it should run. Default: where the server places it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device: Option<DeviceWish>,
    /// Whether TensorRT may compute in 16 bits where that is quicker. Default: no.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fp16: Option<bool>,
}

/// All faults of a card.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct CardError {
    /// The file as the reader called it.
    pub file: String,
    /// Its faults in the order of their lines; never empty.
    pub faults: Vec<Fault>,
}

impl fmt::Display for CardError {
    /// One line for each fault: `card.toml:12: what; fix`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        document::write_report(f, &self.file, &self.faults)
    }
}

impl ModelCard {
    /// Reads a card; `file_name` is what its faults are reported under.
    ///
    /// # Errors
    /// All faults at once: syntax, unknown keys (with the nearest known one), values of the wrong kind or out of range.
    pub fn parse(text: &str, file_name: &str) -> Result<Self, CardError> {
        let faults = Faults::new(file_name, text);
        let document = Document::parse(text, &faults);
        let card = read::card(document.root(&faults));
        check::check(&card, &mut |path, message| faults.add_path(path, message));
        match faults.is_empty() {
            true => Ok(card),
            false => {
                let (file, faults) = faults.into_parts();
                Err(CardError { file, faults })
            }
        }
    }
}

impl Serialize for ModelCard {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Self::serialize(self, serializer)
    }
}

impl<'de> Deserialize<'de> for ModelCard {
    /// Held to the rules of [`ModelCard::parse`]: what comes over the wire is not trusted to come from our own tool.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let card = Self::deserialize(deserializer)?;
        let mut faults = Vec::new();
        check::check(&card, &mut |path, message| faults.push(format!("{path}: {message}")));
        match faults.is_empty() {
            true => Ok(card),
            false => Err(serde::de::Error::custom(faults.join("; "))),
        }
    }
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
