//! `modelet function versions|remove` and `modelet rollback`.

use clap::Args;
use modelet_control::wire::{Function, FunctionVersion, FunctionVersions, RemovedFunction, Rollback};
use modelet_spec::{FunctionName, Version};

use super::client::{Client, query};
use super::function::{at, with_tenant};
use super::{AtArgs, ServerArgs, output, pages};

#[derive(Debug, Args)]
pub(crate) struct RollbackArgs {
    /// The function
    function: FunctionName,
    /// The version to make live [default: the one before the live one]
    #[arg(long, value_name = "VERSION")]
    to: Option<Version>,
    /// Print JSON only
    #[arg(long)]
    json: bool,
}

// Its own `--version` is not the program's.
#[derive(Debug, Args)]
#[command(disable_version_flag = true)]
pub(crate) struct RemoveFunctionArgs {
    /// The function
    name: FunctionName,
    /// One version that gets no requests [default: the function with all its versions]
    #[arg(id = "number", long = "version", value_name = "N")]
    version: Option<Version>,
    /// Remove it although it answers requests: it finishes those, and gets no more
    #[arg(long)]
    force: bool,
    /// Print JSON only
    #[arg(long)]
    json: bool,
}

/// `modelet rollback FUNCTION [--to VERSION]`
pub(crate) fn rollback(args: &RollbackArgs, server: &ServerArgs) -> anyhow::Result<()> {
    let path = with_tenant(&format!("/v1/functions/{}/rollback", args.function), server);
    let function: Function = Client::new(server)?.post(&path, &Rollback { to: args.to })?;
    if args.json {
        return output::json(&function);
    }
    output::line(&format!("{} version {} is live", function.name, function.version));
    function.notes.iter().for_each(|note| output::line(&format!("  note: {note}")));
    Ok(())
}

/// `modelet function versions NAME`
pub(super) fn list(client: &Client, name: &FunctionName, args: &AtArgs, server: &ServerArgs) -> anyhow::Result<()> {
    let answer: FunctionVersions = pages::whole(client, &at(&format!("/v1/functions/{name}/versions"), args, server))?;
    if args.json {
        return output::json(&answer);
    }
    let row = |v: &FunctionVersion| {
        let memory = if v.instances.warmth.is_empty() { "-" } else { &v.instances.warmth };
        vec![v.version.to_string(), serves(v), v.deployed.to_string(), memory.to_owned(), v.digest.to_string()]
    };
    let rows: Vec<Vec<String>> = answer.versions.iter().map(row).collect();
    output::table(&["VERSION", "SERVES", "DEPLOYED", "IN MEMORY", "DIGEST"], &rows);
    Ok(())
}

/// What a version serves, in a few words.
fn serves(version: &FunctionVersion) -> String {
    let mut words = Vec::new();
    if version.live {
        words.push("live".to_owned());
    }
    match version.percent {
        // All requests are what a live version has that nothing else is said of.
        100 if version.live => {}
        0 if version.reachable && !version.live => words.push("0 %".to_owned()),
        0 => {}
        percent => words.push(format!("{percent} %")),
    }
    if version.shadow {
        words.push("shadow".to_owned());
    }
    if words.is_empty() { "-".to_owned() } else { words.join(", ") }
}

/// `modelet function remove NAME [--version N] [--force]`
pub(super) fn remove(client: &Client, args: &RemoveFunctionArgs, server: &ServerArgs) -> anyhow::Result<()> {
    let tenant = ("tenant", server.tenant.as_ref().map(ToString::to_string));
    let version = ("version", args.version.map(|version| version.to_string()));
    let force = ("force", args.force.then(|| "true".to_owned()));
    let name = &args.name;
    let removed: RemovedFunction =
        client.delete(&query(&format!("/v1/functions/{name}"), &[tenant, version, force]))?;
    if args.json {
        return output::json(&removed);
    }
    match args.version {
        Some(version) => output::line(&format!("{name} version {version} is removed")),
        None => {
            let versions = output::count(removed.versions.len(), "version");
            output::line(&format!("{name} is removed, with {versions}"));
        }
    }
    if removed.in_flight > 0 {
        let requests = output::count(removed.in_flight, "request");
        output::line(&format!("  note: {requests} not answered within the function's time"));
    }
    Ok(())
}
