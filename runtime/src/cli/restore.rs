//! `modelet restore --at TIME [--dry-run]`.

use clap::Args;
use modelet_control::wire::{Changed, Restore, Restored};
use modelet_spec::At;

use super::client::Client;
use super::function::with_tenant;
use super::{ServerArgs, output};

#[derive(Debug, Args)]
pub(crate) struct RestoreArgs {
    /// The moment: 2026-11-28T17:40:00Z, or 10m for ten minutes ago
    #[arg(long, value_name = "TIME")]
    at: At,
    /// Only say what would change
    #[arg(long)]
    dry_run: bool,
    /// Print JSON only
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &RestoreArgs, server: &ServerArgs) -> anyhow::Result<()> {
    let restore = Restore { at: args.at, dry_run: args.dry_run };
    let restored: Restored = Client::new(server)?.post(&with_tenant("/v1/restore", server), &restore)?;
    if args.json {
        return output::json(&restored);
    }
    let (at, changes) = (restored.at, restored.changes.len());
    output::line(&match (changes, args.dry_run) {
        (0, _) => format!("all is as it was at {at}"),
        (_, true) => format!("{} to what was at {at}; nothing is done yet", output::count(changes, "change")),
        (_, false) => format!("{}: all is as it was at {at}", output::count(changes, "change")),
    });
    let word = |state: &Option<String>| state.clone().unwrap_or_else(|| "nothing".to_owned());
    let line = |c: &Changed| format!("  {} {}: {} -> {}", c.kind, c.name, word(&c.before), word(&c.after));
    restored.changes.iter().for_each(|change| output::line(&line(change)));
    restored.missing.iter().for_each(|missing| output::line(&format!("  stays as it is: {missing}")));
    Ok(())
}
