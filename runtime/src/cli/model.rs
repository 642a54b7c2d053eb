//! `modelet model push|list|show`.

use modelet_control::wire::{Model, ModelVersions, Models};

use super::client::Client;
use super::function::with_tenant;
use super::inspect::print_ports;
use super::output;
use super::{ModelCommand, PushArgs, ServerArgs};

pub(crate) fn run(command: &ModelCommand, server: &ServerArgs) -> anyhow::Result<()> {
    let client = Client::new(server)?;
    match command {
        ModelCommand::Push(args) => push(&client, args, server),
        ModelCommand::List(list) => {
            let answer: Models = client.get(&with_tenant("/v1/models", server))?;
            if list.json {
                return output::json(&answer);
            }
            print_list(&answer.models, "no models yet: push one with `modelet model push FILE.onnx --name NAME`");
            Ok(())
        }
        ModelCommand::Show { name, list } => {
            let answer: ModelVersions = client.get(&with_tenant(&format!("/v1/models/{name}"), server))?;
            if list.json {
                return output::json(&answer);
            }
            print_list(&answer.versions, "no versions");
            if let Some(newest) = answer.versions.first() {
                output::line("");
                print_ports(&newest.description);
            }
            Ok(())
        }
    }
}

fn push(client: &Client, args: &PushArgs, server: &ServerArgs) -> anyhow::Result<()> {
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

fn print_list(models: &[Model], empty: &str) {
    if models.is_empty() {
        return output::line(empty);
    }
    let row = |m: &Model| {
        vec![m.name.to_string(), m.version.to_string(), output::size(m.bytes), m.labels.join(","), m.digest.to_string()]
    };
    let rows: Vec<Vec<String>> = models.iter().map(row).collect();
    output::table(&["NAME", "VERSION", "SIZE", "LABELS", "DIGEST"], &rows);
}
