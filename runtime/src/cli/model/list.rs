//! `modelet model list|show`.

use modelet_control::wire::{Model, ModelVersions, Models};
use modelet_spec::ModelName;

use crate::cli::client::Client;
use crate::cli::function::with_tenant;
use crate::cli::inspect::print_ports;
use crate::cli::output;
use crate::cli::{ListArgs, ServerArgs};

pub(super) fn run(client: &Client, args: &ListArgs, server: &ServerArgs) -> anyhow::Result<()> {
    let answer: Models = client.get(&with_tenant("/v1/models", server))?;
    if args.json {
        return output::json(&answer);
    }
    print(&answer.models, "no models yet: push one with `modelet model push FILE.onnx --name NAME`");
    Ok(())
}

pub(super) fn show(client: &Client, name: &ModelName, args: &ListArgs, server: &ServerArgs) -> anyhow::Result<()> {
    let answer: ModelVersions = client.get(&with_tenant(&format!("/v1/models/{name}"), server))?;
    if args.json {
        return output::json(&answer);
    }
    print(&answer.versions, "no versions");
    if let Some(newest) = answer.versions.first() {
        output::line("");
        print_ports(&newest.description);
    }
    Ok(())
}

fn print(models: &[Model], empty: &str) {
    if models.is_empty() {
        return output::line(empty);
    }
    let row = |m: &Model| {
        vec![m.name.to_string(), m.version.to_string(), output::size(m.bytes), m.labels.join(","), m.digest.to_string()]
    };
    let rows: Vec<Vec<String>> = models.iter().map(row).collect();
    output::table(&["NAME", "VERSION", "SIZE", "LABELS", "DIGEST"], &rows);
}
