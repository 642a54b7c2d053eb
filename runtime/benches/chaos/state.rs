//! What a writer's things are: values that can be compared.

use std::collections::BTreeMap;

/// All things of one writer, by their names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct State {
    /// Functions that were deployed.
    pub(crate) functions: BTreeMap<String, Function>,
    /// Models with a version that was not removed.
    pub(crate) models: BTreeMap<String, Model>,
    /// Tenants that were made, and how many functions each may have where that was said.
    pub(crate) tenants: BTreeMap<String, Option<u32>>,
    /// Whether the secret that is known of the writer's key opens.
    pub(crate) key_opens: bool,
    /// What the function that has the writer's secret finds.
    pub(crate) secret: String,
    /// What the last import has made.
    pub(crate) imported: Imported,
}

/// What is served of a tenant that is imported.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Imported {
    /// What its function answers: a value of its configuration.
    pub(crate) stamp: String,
    /// The digest of its model's labelled version.
    pub(crate) model: String,
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
    /// Its versions' parts of the requests in percent, where they are shared out.
    pub(crate) shares: BTreeMap<u32, u32>,
}

/// A model.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Model {
    /// Digests by version.
    pub(crate) versions: BTreeMap<u32, String>,
    /// Versions by label.
    pub(crate) labels: BTreeMap<String, u32>,
    /// Tenants that may use it, and whether their calls may be joined with others'.
    pub(crate) grants: BTreeMap<String, bool>,
}

impl State {
    /// How it differs from another, in words.
    pub(crate) fn difference(&self, seen: &Self) -> String {
        let of = |what: &Self| {
            let tenants = format!("{:?}, the key opens: {}", what.tenants, what.key_opens);
            let kept = format!("{:?}, {:?}", what.secret, what.imported);
            [format!("{:?}", what.functions), format!("{:?}", what.models), tenants, kept]
        };
        let pairs = ["functions", "models", "tenants", "kept"].into_iter().zip(of(self)).zip(of(seen));
        let pairs: Vec<_> = pairs.map(|((what, ours), theirs)| (what, ours, theirs)).collect();
        let told = pairs.iter().filter(|(_, ours, theirs)| ours != theirs);
        told.map(|(what, ours, theirs)| format!("{what}: {ours} was acknowledged, {theirs} is there"))
            .collect::<Vec<_>>()
            .join("; ")
    }
}
