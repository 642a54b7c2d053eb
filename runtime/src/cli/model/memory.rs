//! `modelet model pin NAME[@V] [--off]` and `modelet model unload NAME[@V] [--force]`.

use clap::Args;
use modelet_control::wire::Model;
use modelet_spec::{ModelRef, Pick};

use crate::cli::ServerArgs;
use crate::cli::client::Client;
use crate::cli::function::with_tenant;
use crate::cli::output;

#[derive(Debug, Args)]
pub(crate) struct PinArgs {
    /// The model, or one version of it as NAME@VERSION or NAME@LABEL
    #[arg(value_name = "NAME[@V]")]
    model: ModelRef,
    /// Take the pin back
    #[arg(long)]
    off: bool,
    /// Print JSON only
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct UnloadArgs {
    /// The model, or one version of it as NAME@VERSION or NAME@LABEL
    #[arg(value_name = "NAME[@V]")]
    model: ModelRef,
    /// Unload it although it is pinned
    #[arg(long)]
    force: bool,
    /// Print JSON only
    #[arg(long)]
    json: bool,
}

pub(super) fn pin(client: &Client, args: &PinArgs, server: &ServerArgs) -> anyhow::Result<()> {
    let path = path(&args.model, "pin", false, server);
    let model: Model = if args.off { client.delete(&path)? } else { client.put(&path)? };
    if args.json {
        return output::json(&model);
    }
    let what = if args.off { "is not pinned any more" } else { "is pinned" };
    output::line(&format!("{} version {} {what}  {}", model.name, model.version, state(&model)));
    Ok(())
}

pub(super) fn unload(client: &Client, args: &UnloadArgs, server: &ServerArgs) -> anyhow::Result<()> {
    let model: Model = client.post_nothing(&path(&args.model, "unload", args.force, server))?;
    if args.json {
        return output::json(&model);
    }
    output::line(&format!("{} version {} is unloaded", model.name, model.version));
    Ok(())
}

/// Whether it is in memory, in a few words.
fn state(model: &Model) -> String {
    let memory = &model.memory;
    if memory.resident {
        format!("{} in memory", output::size(memory.resident_bytes))
    } else {
        "not in memory".to_owned()
    }
}

fn path(model: &ModelRef, what: &str, force: bool, server: &ServerArgs) -> String {
    let mut path = with_tenant(&format!("/v1/models/{}/{what}", model.name), server);
    let mut add = |name: &str, value: &str| {
        let separator = if path.contains('?') { '&' } else { '?' };
        path.push_str(&format!("{separator}{name}={value}"));
    };
    if model.pick != Pick::Latest {
        add("version", &model.pick.to_string());
    }
    if force {
        add("force", "true");
    }
    path
}
