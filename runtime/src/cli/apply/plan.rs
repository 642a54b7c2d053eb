//! What differs between the files and the server, and what is to be done about it.

use std::collections::BTreeSet;

use modelet_control::wire::{ChangeClaims, NewTenant};
use modelet_spec::{FunctionName, Label, ModelName, TenantName, Version};
use serde::Serialize;

use super::function::function;
use super::held::Holding;
use super::model::model;
use super::prune::surplus;
use super::read::{Desired, FunctionWish, ModelWish, TrafficWish};
use super::state::State;
use super::tenant::tenant;
use super::traffic::traffic;
use crate::cli::client::Client;

/// One thing, what differs of it, and what is done about that.
pub(super) struct Step<'a> {
    pub(super) told: Told,
    pub(super) acts: Vec<Act<'a>>,
}

/// One thing and what differs of it, for a person or a program.
#[derive(Debug, Serialize)]
pub(super) struct Told {
    pub(super) kind: &'static str,
    pub(super) name: String,
    pub(super) change: Change,
    pub(super) what: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Change {
    Added,
    Changed,
    Removed,
    Unchanged,
}

/// One request, or a few that belong together.
pub(super) enum Act<'a> {
    CreateTenant(NewTenant),
    Claims(TenantName, ChangeClaims),
    Limits(TenantName, serde_json::Map<String, serde_json::Value>),
    Push(&'a ModelWish),
    /// At the newest version.
    Label(&'a ModelWish, Label),
    Pin(&'a ModelWish, bool),
    Grant(&'a ModelWish, TenantName, bool),
    Revoke(&'a ModelWish, TenantName),
    Deploy(&'a FunctionWish),
    Live(TenantName, FunctionName, Version),
    Scale(TenantName, FunctionName, u32),
    Traffic(&'a TrafficWish),
    RemoveFunction(TenantName, FunctionName),
    RemoveModel(TenantName, ModelName),
}

impl<'a> Step<'a> {
    pub(super) fn new(kind: &'static str, name: String, is_there: bool, what: Vec<String>, acts: Vec<Act<'a>>) -> Self {
        let change = match (is_there, acts.is_empty()) {
            (false, _) => Change::Added,
            (true, false) => Change::Changed,
            (true, true) => Change::Unchanged,
        };
        Self { told: Told { kind, name, change, what }, acts }
    }

    /// Something that is to go.
    pub(super) fn removal(kind: &'static str, tenant: &TenantName, name: &str, act: Act<'a>) -> Self {
        let told = Told { kind, name: format!("{tenant}/{name}"), change: Change::Removed, what: Vec::new() };
        Self { told, acts: vec![act] }
    }
}

/// The functions that get a new version.
pub(super) type Anew<'a> = BTreeSet<(&'a TenantName, &'a FunctionName)>;

/// Compares all that is to be with all that is, in the order in which it is done. Returns things as they were then, too.
pub(super) fn plan<'a>(client: &Client, desired: &'a Desired, prune: bool) -> anyhow::Result<(Vec<Step<'a>>, Holding)> {
    let state = State::of(client, &meant(desired))?;
    let (mut steps, mut anew) = (Vec::new(), Anew::new());
    for wish in &desired.tenants {
        steps.push(tenant(&state, wish)?);
    }
    for wish in &desired.models {
        steps.push(model(&state, wish, prune)?);
    }
    for wish in &desired.functions {
        let step = function(&state, desired, wish)?;
        if step.acts.iter().any(|act| matches!(act, Act::Deploy(_))) {
            anew.insert((&wish.tenant, &wish.manifest.name));
        }
        steps.push(step);
    }
    for wish in &desired.traffic {
        steps.push(traffic(&state, &anew, wish)?);
    }
    if prune {
        steps.extend(surplus(&state, desired)?);
    }
    Ok((steps, state.held()))
}

/// The tenants whose things are meant.
pub(super) fn meant(desired: &Desired) -> BTreeSet<&TenantName> {
    let models = desired.models.iter().map(|wish| &wish.tenant);
    let functions = desired.functions.iter().map(|wish| &wish.tenant);
    models.chain(functions).chain(desired.traffic.iter().map(|wish| &wish.tenant)).collect()
}
