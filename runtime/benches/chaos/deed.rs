//! One change: how it is asked for, and what it makes of a state.

use crate::account::Row;
use crate::state::{Imported, State};

/// A change that its writer may make now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Deed {
    /// A new version of a function, with another value in its configuration and perhaps another component. `version` is the number
    /// that it has to get.
    Deploy { function: String, folder: String, component: String, version: u32, stamp: String },
    /// Another version is live, with the value that it had.
    Rollback { function: String, version: u32, stamp: String },
    /// A version that is not live goes.
    Retire { function: String, version: u32 },
    /// A function goes with all its versions.
    Drop { function: String },
    /// So many instances are kept warm.
    Scale { function: String, min: u32 },
    /// A new version of a model. `version` is the number that it has to get.
    Push { model: String, file: String, digest: String, version: u32, label: Option<String> },
    /// A label moves.
    Label { model: String, version: u32, label: String },
    /// A label goes.
    Unlabel { model: String, label: String },
    /// A version of a model goes, and its labels; with the last one whom it was granted to.
    Remove { model: String, version: u32 },
    /// A function's requests are shared out between its live version and another.
    Share { function: String, live: u32, other: u32, percent: u32 },
    /// The live version has all requests again.
    Unshare { function: String },
    /// A tenant is made.
    Tenant { name: String },
    /// So many functions it may have.
    Limit { name: String, functions: u32 },
    /// A tenant goes, and what was granted to it.
    Dissolve { name: String },
    /// Another tenant may use a model.
    Grant { model: String, to: String, share: bool },
    /// It may no longer.
    Revoke { model: String, to: String },
    /// A key gets another secret: the one that is known opens no longer.
    Rotate { key: String },
    /// A secret of functions gets another value.
    Keep { secret: String, file: String, value: String },
    /// A tenant is as an archive has it.
    Import { tenant: String, archive: String, imported: Imported },
}

impl Deed {
    /// What is typed.
    pub(crate) fn arguments(&self) -> Vec<String> {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        match self {
            Self::Deploy { folder, stamp, .. } => words(&["deploy", folder, "--config", &format!("stamp={stamp}")]),
            Self::Rollback { function, version, .. } => words(&["rollback", function, "--to", &version.to_string()]),
            Self::Retire { function, version } => {
                words(&["function", "remove", function, "--version", &version.to_string()])
            }
            Self::Drop { function } => words(&["function", "remove", function]),
            Self::Scale { function, min } => words(&["function", "scale", function, "--min", &min.to_string()]),
            Self::Push { model, file, label: None, .. } => words(&["model", "push", file, "--name", model]),
            Self::Push { model, file, label: Some(label), .. } => {
                words(&["model", "push", file, "--name", model, "--label", label])
            }
            Self::Label { model, version, label } => words(&["model", "label", &format!("{model}@{version}"), label]),
            Self::Unlabel { model, label } => words(&["model", "label", model, label, "--remove"]),
            Self::Remove { model, version } => words(&["model", "remove", &format!("{model}@{version}")]),
            Self::Share { function, live, other, percent } => {
                words(&["traffic", function, &format!("{live}={}", 100 - percent), &format!("{other}={percent}")])
            }
            Self::Unshare { function } => words(&["traffic", function, "--off"]),
            Self::Tenant { name } => words(&["tenant", "create", name]),
            Self::Limit { name, functions } => words(&["tenant", "limits", name, &format!("functions={functions}")]),
            Self::Dissolve { name } => words(&["tenant", "remove", name]),
            Self::Grant { model, to, share: false } => words(&["model", "grant", model, "--to", to]),
            Self::Grant { model, to, share: true } => words(&["model", "grant", model, "--to", to, "--share-batch"]),
            Self::Revoke { model, to } => words(&["model", "revoke", model, "--to", to]),
            Self::Rotate { key } => words(&["key", "rotate", key, "--json"]),
            Self::Keep { secret, file, .. } => words(&["secret", "set", secret, "--file", file]),
            Self::Import { archive, .. } => words(&["import", archive, "--replace"]),
        }
    }

    /// The rows of the audit that say so.
    pub(crate) fn rows(&self, state: &State) -> Vec<Row> {
        let row = |kind: &str, tenant: &str, subject: &str| Row {
            kind: kind.to_owned(),
            tenant: tenant.to_owned(),
            subject: subject.to_owned(),
        };
        let own = |kind: &str, subject: &str| row(kind, "default", subject);
        let of = |kind: &str, name: &str, version: &u32| own(kind, &format!("{name}@{version}"));
        match self {
            Self::Deploy { function, version, .. } => vec![of("function.deploy", function, version)],
            Self::Rollback { function, version, .. } => vec![of("function.rollback", function, version)],
            Self::Retire { function, version } => vec![of("function.remove", function, version)],
            Self::Drop { function } => {
                let versions = state.functions.get(function).into_iter().flat_map(|deployed| deployed.versions.keys());
                versions.map(|version| of("function.remove", function, version)).collect()
            }
            Self::Scale { function, .. } => vec![own("function.scale", function)],
            Self::Push { model, version, label, .. } => {
                let labels = label.iter().map(|_| of("model.label", model, version));
                std::iter::once(of("model.push", model, version)).chain(labels).collect()
            }
            Self::Label { model, version, .. } => vec![of("model.label", model, version)],
            Self::Unlabel { model, label } => {
                let at = state.models.get(model).and_then(|model| model.labels.get(label));
                at.map(|version| of("model.unlabel", model, version)).into_iter().collect()
            }
            Self::Remove { model, version } => {
                let labels = state.models.get(model).into_iter().flat_map(|model| model.labels.values());
                let labels = labels.filter(|at| *at == version).map(|_| of("model.unlabel", model, version));
                labels.chain([of("model.remove", model, version)]).collect()
            }
            Self::Share { function, live, .. } => vec![of("function.traffic", function, live)],
            Self::Unshare { function } => {
                let live = state.functions.get(function).map(|deployed| deployed.live).unwrap_or_default();
                vec![of("function.traffic", function, &live)]
            }
            Self::Tenant { name } => vec![row("tenant.create", name, name)],
            Self::Limit { name, .. } => vec![row("tenant.limits", name, name)],
            Self::Dissolve { name } => vec![row("tenant.remove", name, name)],
            Self::Grant { model, .. } => vec![own("model.grant", model)],
            Self::Revoke { model, .. } => vec![own("model.revoke", model)],
            Self::Rotate { key } => vec![own("key.rotate", key)],
            Self::Keep { secret, .. } => vec![own("secret.set", secret)],
            Self::Import { tenant, .. } => vec![row("tenant.import", tenant, tenant)],
        }
    }

    /// What is so once it is done.
    pub(crate) fn apply(&self, state: &State) -> State {
        let mut after = state.clone();
        match self {
            Self::Deploy { function, component, version, stamp, .. } => {
                let deployed = after.functions.entry(function.clone()).or_default();
                deployed.versions.insert(*version, component.clone());
                (deployed.live, deployed.stamp) = (*version, stamp.clone());
            }
            Self::Rollback { function, version, stamp } => {
                let function = after.functions.entry(function.clone()).or_default();
                (function.live, function.stamp) = (*version, stamp.clone());
                function.shares.clear();
            }
            Self::Retire { function, version } => {
                after.functions.entry(function.clone()).or_default().versions.remove(version);
            }
            Self::Drop { function } => {
                after.functions.remove(function);
            }
            Self::Scale { function, min } => {
                after.functions.entry(function.clone()).and_modify(|function| function.min = *min);
            }
            Self::Push { model, digest, version, label, .. } => {
                let model = after.models.entry(model.clone()).or_default();
                model.versions.insert(*version, digest.clone());
                model.labels.extend(label.clone().map(|label| (label, *version)));
            }
            Self::Label { model, version, label } => {
                after.models.entry(model.clone()).or_default().labels.insert(label.clone(), *version);
            }
            Self::Unlabel { model, label } => {
                after.models.entry(model.clone()).or_default().labels.remove(label);
            }
            Self::Remove { model, version } => {
                let left = after.models.entry(model.clone()).or_default();
                left.versions.remove(version);
                left.labels.retain(|_, at| at != version);
                after.models.retain(|_, model| !model.versions.is_empty());
            }
            Self::Share { function, live, other, percent } => {
                let shares = [(*live, 100 - percent), (*other, *percent)].into();
                after.functions.entry(function.clone()).and_modify(|function| function.shares = shares);
            }
            Self::Unshare { function } => {
                after.functions.entry(function.clone()).and_modify(|function| function.shares.clear());
            }
            Self::Tenant { name } => _ = after.tenants.insert(name.clone(), None),
            Self::Limit { name, functions } => _ = after.tenants.insert(name.clone(), Some(*functions)),
            Self::Dissolve { name } => {
                after.tenants.remove(name);
                after.models.values_mut().for_each(|model| _ = model.grants.remove(name));
            }
            Self::Grant { model, to, share } => {
                after.models.entry(model.clone()).and_modify(|model| _ = model.grants.insert(to.clone(), *share));
            }
            Self::Revoke { model, to } => {
                after.models.entry(model.clone()).and_modify(|model| _ = model.grants.remove(to));
            }
            Self::Rotate { .. } => after.key_opens = false,
            Self::Keep { value, .. } => after.secret.clone_from(value),
            Self::Import { imported, .. } => after.imported.clone_from(imported),
        }
        after
    }
}
