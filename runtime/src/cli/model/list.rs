//! `modelet model list|show|versions`.

use std::time::Duration;

use anyhow::bail;
use modelet_control::wire::{GrantedModel, Memory, Model, ModelVersions, Models};
use modelet_spec::{ModelCard, ModelName, ModelRef, Pick, span};

use super::own;
use crate::cli::client::Client;
use crate::cli::function::{at, then};
use crate::cli::inspect::print_ports;
use crate::cli::output;
use crate::cli::pages;
use crate::cli::{AtArgs, ServerArgs};

pub(super) fn run(client: &Client, args: &AtArgs, server: &ServerArgs) -> anyhow::Result<()> {
    let answer: Models = pages::whole(client, &at("/v1/models", args, server))?;
    if args.json {
        return output::json(&answer);
    }
    let empty = match args.at {
        None => "no models yet: push one with `modelet model push FILE.onnx --name NAME`".to_owned(),
        Some(at) => format!("there were no models {}", then(at)),
    };
    print(&answer.models, &empty);
    print_granted(&answer.granted);
    Ok(())
}

pub(super) fn versions(client: &Client, name: &ModelName, args: &AtArgs, server: &ServerArgs) -> anyhow::Result<()> {
    let answer: ModelVersions = pages::whole(client, &at(&format!("/v1/models/{name}"), args, server))?;
    if args.json {
        return output::json(&answer);
    }
    print(&answer.versions, "no versions");
    Ok(())
}

pub(super) fn show(client: &Client, model: &ModelRef, args: &AtArgs, server: &ServerArgs) -> anyhow::Result<()> {
    let (name, pick) = own(model)?;
    let mut answer: ModelVersions = pages::whole(client, &at(&format!("/v1/models/{name}"), args, server))?;
    if let Some(pick) = pick {
        answer.versions.retain(|version| is_meant(version, pick));
    }
    let Some(newest) = answer.versions.first() else {
        bail!("there is no {model}: `modelet model versions {name}` lists the versions and their labels");
    };
    if args.json {
        return output::json(&answer);
    }
    print(&answer.versions, "no versions");
    print_card(&newest.card);
    for file in newest.files.iter().filter(|_| newest.files.len() > 1) {
        output::line(&format!("{:12}{}  {}  {}", file.role, file.path, output::size(file.bytes), file.digest));
    }
    output::line("");
    print_ports(&newest.description);
    if let Some(optimised) = &newest.optimised {
        output::line("");
        super::optimize::print(optimised);
    }
    Ok(())
}

fn is_meant(version: &Model, pick: &Pick) -> bool {
    match pick {
        Pick::Latest => true,
        Pick::Version(number) => version.version == *number,
        Pick::Label(label) => version.labels.iter().any(|at| at == label.as_str()),
    }
}

fn print_card(card: &ModelCard) {
    let line = |what: &str, text: &str| output::line(&format!("{what:12}{text}"));
    let texts = [("description", &card.description), ("licence", &card.licence), ("source", &card.source)];
    texts.into_iter().filter_map(|(what, text)| Some((what, text.as_ref()?))).for_each(|(what, text)| line(what, text));
    if !card.tags.is_empty() {
        line("tags", &card.tags.join(", "));
    }
    for (metric, value) in &card.metrics {
        line("metric", &format!("{metric} = {value}"));
    }
    if let Some(limit) = card.run.limit {
        line("run limit", &span::format(limit));
    }
    if let Some(device) = &card.run.device {
        line("device", &device.to_string());
    }
}

fn print(models: &[Model], empty: &str) {
    if models.is_empty() {
        return output::line(empty);
    }
    let row = |m: &Model| {
        let mut row = vec![m.name.to_string(), m.version.to_string(), output::size(m.bytes), m.labels.join(",")];
        row.extend(in_memory(&m.memory));
        row.push(m.digest.to_string());
        row
    };
    let rows: Vec<Vec<String>> = models.iter().map(row).collect();
    let [memory, device, sessions, used, loads, load] =
        ["MEMORY", "DEVICE", "SESSIONS", "LAST USE", "LOADS", "LOAD TIME"];
    let columns = ["NAME", "VERSION", "SIZE", "LABELS", memory, device, sessions, used, loads, load, "DIGEST"];
    output::table(&columns, &rows);
}

/// Models that other tenants granted.
fn print_granted(granted: &[GrantedModel]) {
    if granted.is_empty() {
        return;
    }
    let row = |model: &GrantedModel| {
        let shared = if model.share_batch { "yes" } else { "no" };
        let name = format!("{}/{}", model.owner, model.name);
        vec![name, model.version.to_string(), model.labels.join(","), shared.to_owned(), model.digest.to_string()]
    };
    output::line("");
    let rows: Vec<Vec<String>> = granted.iter().map(row).collect();
    output::table(&["GRANTED", "VERSION", "LABELS", "SHARED RUNS", "DIGEST"], &rows);
}

/// The columns of memory; a dash where nothing is to be said.
fn in_memory(memory: &Memory) -> [String; 6] {
    let dash = || "-".to_owned();
    let ms = |ms: u64| span::format(Duration::from_millis(ms));
    let pinned = if memory.pinned { " pinned" } else { "" };
    let bytes = if memory.resident { output::size(memory.resident_bytes) } else { dash() };
    // A figure of the last hour to the second is enough.
    let last_use = memory.last_use_ms.map_or_else(dash, |age| format!("{} ago", ms(age / 1000 * 1000)));
    let sessions = if memory.resident { memory.sessions.to_string() } else { dash() };
    let device = memory.device.filter(|_| memory.resident).map_or_else(dash, |device| device.to_string());
    let load = memory.load_ms.map_or_else(dash, ms);
    [format!("{bytes}{pinned}"), device, sessions, last_use, memory.loads.to_string(), load]
}
