//! `modelet model remove NAME[@V] [--force]`.

use clap::Args;
use modelet_control::wire::Removed;
use modelet_spec::ModelRef;

use super::own;
use crate::cli::ServerArgs;
use crate::cli::client::{Client, query};
use crate::cli::output;

#[derive(Debug, Args)]
pub(crate) struct RemoveArgs {
    /// The model, or one version of it as NAME@VERSION or NAME@LABEL
    #[arg(value_name = "NAME[@V]")]
    model: ModelRef,
    /// Remove it although functions use it: they find it no longer
    #[arg(long)]
    force: bool,
    /// Print JSON only
    #[arg(long)]
    json: bool,
}

pub(super) fn run(client: &Client, args: &RemoveArgs, server: &ServerArgs) -> anyhow::Result<()> {
    let (name, pick) = own(&args.model)?;
    let tenant = ("tenant", server.tenant.as_ref().map(ToString::to_string));
    let version = ("version", pick.map(ToString::to_string));
    let force = ("force", args.force.then(|| "true".to_owned()));
    let removed: Removed = client.delete(&query(&format!("/v1/models/{name}"), &[tenant, version, force]))?;
    if args.json {
        return output::json(&removed);
    }
    let versions: Vec<String> = removed.versions.iter().map(ToString::to_string).collect();
    output::line(&format!("{name} version {} is removed", versions.join(", ")));
    for function in &removed.functions {
        output::line(&format!("  {function} finds it no longer: deploy it with another model"));
    }
    Ok(())
}
