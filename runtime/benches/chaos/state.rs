//! What a writer's things are: values that can be compared.

use std::collections::BTreeMap;

/// All things of one writer, by their names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct State {
    /// Functions that were deployed.
    pub(crate) functions: BTreeMap<String, Function>,
    /// Models with a version that was not removed.
    pub(crate) models: BTreeMap<String, Model>,
}

/// A function as it serves.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Function {
    /// Its live version.
    pub(crate) live: u32,
    /// The digests of components by version.
    pub(crate) versions: BTreeMap<u32, String>,
    /// What it answers: a value of its configuration.
    pub(crate) stamp: String,
    /// Instances that are kept warm.
    pub(crate) min: u32,
}

/// A model.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Model {
    /// Digests by version.
    pub(crate) versions: BTreeMap<u32, String>,
    /// Versions by label.
    pub(crate) labels: BTreeMap<String, u32>,
}

impl State {
    /// How it differs from another, in words.
    pub(crate) fn difference(&self, seen: &Self) -> String {
        let of = |what: &Self| (format!("{:?}", what.functions), format!("{:?}", what.models));
        let (ours, theirs) = (of(self), of(seen));
        let pairs = [("functions", ours.0, theirs.0), ("models", ours.1, theirs.1)];
        let told = pairs.iter().filter(|(_, ours, theirs)| ours != theirs);
        told.map(|(what, ours, theirs)| format!("{what}: {ours} was acknowledged, {theirs} is there"))
            .collect::<Vec<_>>()
            .join("; ")
    }
}
