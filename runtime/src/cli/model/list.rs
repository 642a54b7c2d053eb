//! `modelet model list|show`.

use std::time::Duration;

use modelet_control::wire::{Memory, Model, ModelVersions, Models};
use modelet_spec::{ModelName, span};

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
        let mut row = vec![m.name.to_string(), m.version.to_string(), output::size(m.bytes), m.labels.join(",")];
        row.extend(in_memory(&m.memory));
        row.push(m.digest.to_string());
        row
    };
    let rows: Vec<Vec<String>> = models.iter().map(row).collect();
    let [memory, sessions, used, loads, load] = ["MEMORY", "SESSIONS", "LAST USE", "LOADS", "LOAD TIME"];
    output::table(&["NAME", "VERSION", "SIZE", "LABELS", memory, sessions, used, loads, load, "DIGEST"], &rows);
}

/// The columns of memory; a dash where nothing is to be said.
fn in_memory(memory: &Memory) -> [String; 5] {
    let dash = || "-".to_owned();
    let ms = |ms: u64| span::format(Duration::from_millis(ms));
    let pinned = if memory.pinned { " pinned" } else { "" };
    let bytes = if memory.resident { output::size(memory.resident_bytes) } else { dash() };
    // A figure of the last hour to the second is enough.
    let last_use = memory.last_use_ms.map_or_else(dash, |age| format!("{} ago", ms(age / 1000 * 1000)));
    let sessions = if memory.resident { memory.sessions.to_string() } else { dash() };
    let load = memory.load_ms.map_or_else(dash, ms);
    [format!("{bytes}{pinned}"), sessions, last_use, memory.loads.to_string(), load]
}
