//! `modelet model push FILE.onnx`.

use std::path::PathBuf;

use clap::Args;
use modelet_control::wire::Model;
use modelet_spec::{Label, ModelName};

use crate::cli::ServerArgs;
use crate::cli::client::Client;
use crate::cli::function::with_tenant;
use crate::cli::inspect::print_ports;
use crate::cli::output;

#[derive(Debug, Args)]
pub(crate) struct PushArgs {
    /// The model
    #[arg(value_name = "FILE.onnx")]
    file: PathBuf,
    /// Its name
    #[arg(long, value_name = "N")]
    name: ModelName,
    /// A label for the new version, such as stable
    #[arg(long, value_name = "L")]
    label: Option<Label>,
    /// Print JSON only
    #[arg(long)]
    json: bool,
}

pub(super) fn run(client: &Client, args: &PushArgs, server: &ServerArgs) -> anyhow::Result<()> {
    let mut path = with_tenant(&format!("/v1/models/{}", args.name), server);
    if let Some(label) = &args.label {
        let separator = if path.contains('?') { '&' } else { '?' };
        path.push_str(&format!("{separator}label={label}"));
    }
    let model: Model = client.put_file(&path, &args.file)?;
    if args.json {
        return output::json(&model);
    }
    let what = if model.created == Some(false) { "was here already" } else { "is pushed" };
    output::line(&format!("{} version {} {what}  {}", model.name, model.version, model.digest));
    print_ports(&model.description);
    Ok(())
}
