//! `modelet apply FILE|DIR [--dry-run] [--prune]`: what files say becomes what the server has.
//!
//! [`read`] gathers the files, with all their faults in one report; [`plan`] compares them with the server, by value, and [`prune`] finds what is to go; [`act`] does what
//! differs, in the order of dependencies: tenants, models, functions, traffic, and last what is to go.

mod act;
mod function;
mod held;
mod local;
mod model;
mod plan;
mod prune;
mod read;
mod state;
mod tenant;
mod traffic;

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::client::Client;
use super::{ServerArgs, output};
use plan::{Change, Step};

#[derive(Debug, Args)]
pub(crate) struct ApplyArgs {
    /// A file with what is to be, or a folder with such files and with functions' folders
    #[arg(value_name = "FILE|DIR")]
    source: PathBuf,
    /// Only show the difference
    #[arg(long)]
    dry_run: bool,
    /// Also remove functions, models and grants that the files do not name, of the tenants that they name
    #[arg(long)]
    prune: bool,
    /// Print JSON only
    #[arg(long)]
    json: bool,
}

/// What was done, or would be.
#[derive(Debug, Serialize)]
struct Applied<'a> {
    dry_run: bool,
    items: Vec<&'a plan::Told>,
}

pub(crate) fn run(args: &ApplyArgs, server: &ServerArgs) -> anyhow::Result<()> {
    let desired = read::read(&args.source, server)?;
    let client = Client::new(server)?;
    let (steps, held) = plan::plan(&client, &desired, args.prune)?;
    if !args.dry_run {
        act::all(&client, &held, &steps)?;
    }
    if args.json {
        return output::json(&Applied { dry_run: args.dry_run, items: steps.iter().map(|step| &step.told).collect() });
    }
    print(&steps, args.dry_run);
    Ok(())
}

fn print(steps: &[Step], dry_run: bool) {
    for Step { told, .. } in steps {
        let sign = match told.change {
            Change::Added => '+',
            Change::Changed => '~',
            Change::Removed => '-',
            Change::Unchanged => '=',
        };
        output::line(&format!("{sign} {} {}", told.kind, told.name));
        told.what.iter().for_each(|what| output::line(&format!("    {what}")));
    }
    let count = |change: Change| steps.iter().filter(|step| step.told.change == change).count();
    let (added, changed) = (count(Change::Added), count(Change::Changed));
    let (removed, unchanged) = (count(Change::Removed), count(Change::Unchanged));
    let end = match (added + changed + removed, dry_run) {
        (0, _) => "; nothing to do",
        (_, true) => "; nothing is done yet",
        (_, false) => "",
    };
    output::line(&format!("{added} added, {changed} changed, {removed} removed, {unchanged} unchanged{end}"));
}
