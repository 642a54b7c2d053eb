//! What differs is done, step by step, until one fails: then it is said what was done and what was not.

use anyhow::anyhow;
use modelet_control::wire::{
    Function, Grant, LabelAt, Model, NewGrant, Removed, RemovedFunction, Rollback, Scale, Tenant, TrafficReport,
};
use modelet_spec::{Pick, TenantName, Version};

use super::held::Holding;
use super::plan::{Act, Step};
use super::read::{FunctionWish, ModelWish, TrafficWish};
use super::state::{at, newest};
use super::traffic::wanted;
use crate::cli::bundle::Bundle;
use crate::cli::client::{Client, Refused};
use crate::cli::deploy::{self, Source};
use crate::cli::model::push;
use crate::cli::output;

/// Why nothing is done to a thing that somebody else was faster with.
const CHANGED: &str = "somebody else has changed it since it was compared with the files";

/// Does all that differs.
pub(super) fn all(client: &Client, held: &Holding, steps: &[Step<'_>]) -> anyhow::Result<()> {
    let different: Vec<&Step<'_>> = steps.iter().filter(|step| !step.acts.is_empty()).collect();
    for (number, step) in different.iter().enumerate() {
        output::step(&format!("{} {} ({} of {})", step.told.kind, step.told.name, number + 1, different.len()));
        let client = client.holding(&held.of(step.told.kind, &step.told.name));
        for (acted, act) in step.acts.iter().enumerate() {
            if let Err(error) = one(&client, act) {
                return Err(stopped(&different, number, acted, &error));
            }
        }
    }
    Ok(())
}

/// One line for a person: where it stopped, why, and how far it had come.
fn stopped(steps: &[&Step<'_>], number: usize, acted: usize, error: &anyhow::Error) -> anyhow::Error {
    let name = |step: &&Step<'_>| format!("{} {}", step.told.kind, step.told.name);
    let (done, rest) = steps.split_at_checked(number).unwrap_or((steps, &[]));
    let names = |steps: &[&Step<'_>]| match steps {
        [] => "nothing".to_owned(),
        steps => steps.iter().map(name).collect::<Vec<_>>().join(", "),
    };
    let (at, left) = match rest.split_first() {
        Some((at, left)) => (name(at), left),
        None => (String::new(), rest),
    };
    let part = if acted == 0 { "" } else { " in part" };
    let is_another = error.downcast_ref::<Refused>().is_some_and(|refused| refused.code == "precondition-failed");
    let (why, then) = match is_another {
        true => (CHANGED.to_owned(), "Apply again: it is compared anew"),
        false => (format!("{error:#}"), "Apply again when it is mended"),
    };
    anyhow!("stopped at {at}{part}: {why}. Done: {}. Not done: {}. {then}", names(done), names(left))
}

fn one(client: &Client, act: &Act<'_>) -> anyhow::Result<()> {
    match act {
        Act::CreateTenant(new) => client.post::<Tenant>("/v1/tenants", new).map(drop),
        Act::Claims(tenant, change) => {
            client.patch_json::<Tenant>(&format!("/v1/tenants/{tenant}/claims"), change).map(drop)
        }
        Act::Limits(tenant, patch) => {
            client.patch_json::<Tenant>(&format!("/v1/tenants/{tenant}/limits"), patch).map(drop)
        }
        Act::Push(wish) => {
            let bundle = Bundle::open(&wish.local.source, wish.local.card_file.as_deref())?;
            push::push(&client.speaking_for(&wish.tenant), &bundle, &of(wish, "")).map(drop)
        }
        Act::Label(wish, label) => {
            let latest = LabelAt { version: Pick::Latest };
            client.put_json::<Model>(&of(wish, &format!("/labels/{label}")), &latest).map(drop)
        }
        Act::Pin(wish, true) => client.put::<Model>(&of(wish, "/pin")).map(drop),
        Act::Pin(wish, false) => client.delete::<Model>(&of(wish, "/pin")).map(drop),
        Act::Grant(wish, to, share_batch) => {
            let new = NewGrant { share_batch: *share_batch };
            client.put_json::<Grant>(&of(wish, &format!("/grants/{to}")), &new).map(drop)
        }
        Act::Revoke(wish, to) => client.delete::<Grant>(&of(wish, &format!("/grants/{to}"))).map(drop),
        Act::Deploy(wish) => deploy(client, wish),
        Act::Live(tenant, name, version) => {
            let to = Rollback { to: Some(*version) };
            client.post::<Function>(&at(&format!("/v1/functions/{name}/rollback"), tenant), &to).map(drop)
        }
        Act::Scale(tenant, name, min) => {
            let path = at(&format!("/v1/functions/{name}/scale"), tenant);
            client.put_json::<Function>(&path, &Scale { min: *min }).map(drop)
        }
        Act::Traffic(wish) => traffic(client, wish),
        Act::RemoveFunction(tenant, name) => {
            client.delete::<RemovedFunction>(&at(&format!("/v1/functions/{name}"), tenant)).map(drop)
        }
        Act::RemoveModel(tenant, name) => {
            client.delete::<Removed>(&at(&format!("/v1/models/{name}"), tenant)).map(drop)
        }
    }
}

/// The path of a model, or of something below it.
fn of(wish: &ModelWish, below: &str) -> String {
    at(&format!("/v1/models/{}{below}", wish.name), &wish.tenant)
}

fn deploy(client: &Client, wish: &FunctionWish) -> anyhow::Result<()> {
    let source = Source { manifest: wish.manifest.clone(), component: wish.component.clone(), dir: wish.dir.clone() };
    let tenant: TenantName = wish.tenant.clone();
    let speaking = client.speaking_for(&tenant);
    deploy::deploy(&speaking, Some(tenant), source, wish.allow_new_capabilities).map(drop)
}

fn traffic(client: &Client, wish: &TrafficWish) -> anyhow::Result<()> {
    let name = &wish.function;
    let path = at(&format!("/v1/functions/{name}/traffic"), &wish.tenant);
    let latest = newest(client, &wish.tenant, name)?.versions.first().map_or(Version::FIRST, |newest| newest.version);
    match wanted(wish, latest) {
        Some(traffic) => client.put_json::<TrafficReport>(&path, &traffic).map(drop),
        None => client.delete::<TrafficReport>(&path).map(drop),
    }
}
