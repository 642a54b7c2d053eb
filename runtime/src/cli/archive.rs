//! `modelet export FILE` and `modelet import FILE`.

use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, bail};
use clap::Args;
use modelet_control::wire::{Imported, ImportedItem};
use modelet_control::{ArchiveManifest, read_manifest};
use serde::Serialize;

use super::client::{Client, query};
use super::function::with_tenant;
use super::output::{self, Progress};
use super::{ListArgs, ServerArgs};

/// How much is read at once.
const PIECE: usize = 256 << 10;

#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    /// The file to be made: a tar with manifest.json, and each component and model once
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    list: ListArgs,
}

#[derive(Debug, Args)]
pub(crate) struct ImportArgs {
    /// The file of an export
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Only say what would change: all of the file is read and compared, and nothing is kept
    #[arg(long)]
    dry_run: bool,
    /// Serve what is here under the same name and is another as the file has it; versions that are here stay
    #[arg(long)]
    replace: bool,
    #[command(flatten)]
    list: ListArgs,
}

/// What an export has made.
#[derive(Debug, Serialize)]
struct Exported {
    file: PathBuf,
    bytes: u64,
    tenants: usize,
    models: usize,
    functions: usize,
    not_included: Vec<String>,
    left_out: Vec<String>,
}

/// `modelet export FILE`
pub(crate) fn export(args: &ExportArgs, server: &ServerArgs) -> anyhow::Result<()> {
    if args.file.exists() {
        bail!("{} is there already: name another file, or remove it", args.file.display());
    }
    let client = Client::new(server)?;
    let from = client.stream(&with_tenant("/v1/export", server))?;
    let part = Part::begin(&args.file)?;
    let bytes = part.fill(from)?;
    let manifest = part.manifest()?;
    part.keep(&args.file)?;
    let exported = Exported::of(&args.file, bytes, manifest);
    if args.list.json {
        return output::json(&exported);
    }
    let Exported { tenants, models, functions, .. } = exported;
    let of = [(tenants, "tenant"), (models, "model"), (functions, "function")];
    let of = of.map(|(number, one)| output::count(number, one)).join(", ");
    output::line(&format!("{}: {of}, {}", args.file.display(), output::size(bytes)));
    exported.left_out.iter().for_each(|left| output::line(&format!("  left out: {left}")));
    exported.not_included.iter().for_each(|what| output::line(&format!("  not in it: {what}")));
    Ok(())
}

impl Exported {
    fn of(file: &Path, bytes: u64, manifest: ArchiveManifest) -> Self {
        let ArchiveManifest { tenants, not_included, left_out, .. } = manifest;
        Self {
            file: file.to_owned(),
            bytes,
            tenants: tenants.len(),
            models: tenants.iter().map(|tenant| tenant.models.len()).sum(),
            functions: tenants.iter().map(|tenant| tenant.functions.len()).sum(),
            not_included,
            left_out,
        }
    }
}

/// A file that is being written. Dropped before it is kept, it is removed: half an archive is none.
struct Part {
    file: File,
    path: PathBuf,
}

impl Part {
    fn begin(place: &Path) -> anyhow::Result<Self> {
        let mut name = place.file_name().ok_or_else(|| anyhow!("{} is no file", place.display()))?.to_owned();
        name.push(".part");
        let path = place.with_file_name(name);
        let folder = place.parent().filter(|folder| !folder.as_os_str().is_empty());
        if let Some(folder) = folder.filter(|folder| !folder.is_dir()) {
            bail!("{} is no folder: make it first, or name another place", folder.display());
        }
        // What functions are configured with is in it: for its owner alone.
        let opened = OpenOptions::new().read(true).write(true).create(true).truncate(true).mode(0o600).open(&path);
        Ok(Self { file: opened.map_err(|e| anyhow!("{} cannot be written: {e}", path.display()))?, path })
    }

    fn fill(&self, from: impl Read) -> anyhow::Result<u64> {
        let mut from = Progress::new(from, &format!("writing {}", self.path.display()), 0);
        let (mut to, mut piece, mut bytes) = (BufWriter::with_capacity(PIECE, &self.file), vec![0; PIECE], 0);
        loop {
            let read = from.read(&mut piece).map_err(|_| {
                anyhow!("the export broke off after {}: the server's log says why", output::size(bytes))
            })?;
            let Some(piece) = piece.get(..read).filter(|piece| !piece.is_empty()) else { break };
            to.write_all(piece).with_context(|| format!("{} cannot be written", self.path.display()))?;
            bytes += read as u64;
        }
        to.flush().with_context(|| format!("{} cannot be written", self.path.display()))?;
        Ok(bytes)
    }

    fn manifest(&self) -> anyhow::Result<ArchiveManifest> {
        let file = File::open(&self.path).with_context(|| format!("{} cannot be read", self.path.display()))?;
        read_manifest(file).map_err(|e| anyhow!("what the server sent is no export: {e}"))
    }

    fn keep(self, place: &Path) -> anyhow::Result<()> {
        let kept = self.file.sync_all().and_then(|()| std::fs::rename(&self.path, place));
        kept.with_context(|| format!("{} cannot be written", place.display()))
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        // Gone already where it was kept.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// `modelet import FILE`
pub(crate) fn import(args: &ImportArgs, server: &ServerArgs) -> anyhow::Result<()> {
    let flag = |name, wanted: bool| (name, wanted.then(|| "true".to_owned()));
    let tenant = ("tenant", server.tenant.as_ref().map(ToString::to_string));
    let path = query("/v1/import", &[tenant, flag("dry_run", args.dry_run), flag("replace", args.replace)]);
    let imported: Imported = Client::new(server)?.post_file(&path, &args.file)?;
    if args.list.json {
        return output::json(&imported);
    }
    let changed = imported.items.iter().filter(|item| item.change != "unchanged").count();
    output::line(&match (changed, args.dry_run) {
        (0, _) => "all of it is here already".to_owned(),
        (_, true) => format!("{}; nothing is done yet", output::count(changed, "change")),
        (_, false) => format!("{}: all of it is here", output::count(changed, "change")),
    });
    imported.items.iter().for_each(|item| output::line(&line(item)));
    imported.notes.iter().for_each(|note| output::line(&format!("  note: {note}")));
    Ok(())
}

fn line(item: &ImportedItem) -> String {
    let ImportedItem { kind, tenant, name, change, what } = item;
    let name = if kind == "tenant" { name.clone() } else { format!("{tenant}/{name}") };
    let what = if what.is_empty() { String::new() } else { format!(": {what}") };
    format!("  {change} {kind} {name}{what}")
}
