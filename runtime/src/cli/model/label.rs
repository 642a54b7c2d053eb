//! `modelet model label NAME@V LABEL [--remove]`.

use clap::Args;
use modelet_control::wire::{LabelAt, Model};
use modelet_spec::{Label, ModelRef};

use super::own;
use crate::cli::ServerArgs;
use crate::cli::client::{Client, query};
use crate::cli::output;

#[derive(Debug, Args)]
pub(crate) struct LabelArgs {
    /// The version, as NAME@VERSION, NAME@LABEL or NAME@latest
    #[arg(value_name = "NAME@V")]
    model: ModelRef,
    /// The label, such as stable
    label: Label,
    /// Take the label away; with @V, only if it stands there
    #[arg(long)]
    remove: bool,
    /// Print JSON only
    #[arg(long)]
    json: bool,
}

pub(super) fn run(client: &Client, args: &LabelArgs, server: &ServerArgs) -> anyhow::Result<()> {
    let (name, pick) = own(&args.model)?;
    let path = format!("/v1/models/{name}/labels/{}", args.label);
    let tenant = ("tenant", server.tenant.as_ref().map(ToString::to_string));
    let (model, what): (Model, _) = if args.remove {
        let version = ("version", pick.map(ToString::to_string));
        (client.delete(&query(&path, &[tenant, version]))?, "has no longer the label")
    } else {
        let at = LabelAt { version: args.model.pick.clone() };
        (client.put_json(&query(&path, &[tenant]), &at)?, "has the label")
    };
    if args.json {
        return output::json(&model);
    }
    output::line(&format!("{} version {} {what} {}", model.name, model.version, args.label));
    Ok(())
}
