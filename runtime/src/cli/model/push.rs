//! `modelet model push FILE.onnx|DIR`.

use std::path::PathBuf;

use clap::Args;
use modelet_control::wire::Model;
use modelet_spec::{Label, ModelName};

use crate::cli::ServerArgs;
use crate::cli::bundle::Bundle;
use crate::cli::client::{Client, query};
use crate::cli::inspect::print_ports;
use crate::cli::output;

#[derive(Debug, Args)]
pub(crate) struct PushArgs {
    /// The model: an ONNX file, or a folder with one, its weights, card.toml and samples/*.json
    #[arg(value_name = "FILE.onnx|DIR")]
    source: PathBuf,
    /// Its name
    #[arg(long, value_name = "N")]
    name: ModelName,
    /// A label for the new version, such as stable
    #[arg(long, value_name = "L")]
    label: Option<Label>,
    /// Its card [default: card.toml in the folder]
    #[arg(long, value_name = "FILE")]
    card: Option<PathBuf>,
    /// Print JSON only
    #[arg(long)]
    json: bool,
}

/// Sends a model to where `path` says; returns the version that it has become.
pub(crate) fn push(client: &Client, bundle: &Bundle, path: &str) -> anyhow::Result<Model> {
    if bundle.is_alone() {
        return client.put_file(path, &bundle.main);
    }
    let files = bundle.send(client)?;
    output::step("checking and loading");
    client.put_json(path, &files)
}

pub(super) fn run(client: &Client, args: &PushArgs, server: &ServerArgs) -> anyhow::Result<()> {
    let bundle = Bundle::open(&args.source, args.card.as_deref())?;
    let label = ("label", args.label.as_ref().map(ToString::to_string));
    let tenant = ("tenant", server.tenant.as_ref().map(ToString::to_string));
    let path = query(&format!("/v1/models/{}", args.name), &[tenant, label]);
    let model = push(client, &bundle, &path)?;
    if args.json {
        return output::json(&model);
    }
    let what = if model.created == Some(false) { "was here already" } else { "is pushed" };
    output::line(&format!("{} version {} {what}  {}", model.name, model.version, model.digest));
    print_ports(&model.description);
    Ok(())
}
