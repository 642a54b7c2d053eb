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
use zeroize::Zeroizing;

use super::client::{Client, query};
use super::function::with_tenant;
use super::output::{self, Progress};
use super::{ListArgs, ServerArgs, hidden};

/// How much is read at once.
const PIECE: usize = 256 << 10;

#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    /// The file to be made: a tar with manifest.json, and each component and model once
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Take the secrets along, sealed under a passphrase that is asked for; for the operator
    #[arg(long)]
    secrets: bool,
    /// The file with the passphrase, without the end of its last line [default: the terminal]
    #[arg(long, value_name = "FILE", requires = "secrets")]
    passphrase_file: Option<PathBuf>,
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
    /// The file with the passphrase of an archive with secrets [default: the terminal]
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
    /// Leave the secrets of the archive out
    #[arg(long, conflicts_with = "passphrase_file")]
    without_secrets: bool,
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
    secrets: usize,
    not_included: Vec<String>,
    left_out: Vec<String>,
}

/// `modelet export FILE`
pub(crate) fn export(args: &ExportArgs, server: &ServerArgs) -> anyhow::Result<()> {
    if args.file.exists() {
        bail!("{} is there already: name another file, or remove it", args.file.display());
    }
    let client = Client::new(server)?;
    let passphrase = match args.secrets {
        true => Some(hidden::passphrase(args.passphrase_file.as_deref(), true)?),
        false => None,
    };
    let from = client.stream(&with_tenant("/v1/export", server), passphrase.as_ref().map(|bytes| bytes.as_slice()))?;
    let part = Part::begin(&args.file)?;
    let bytes = part.fill(from)?;
    let manifest = part.manifest()?;
    if args.secrets && manifest.seal.is_none() {
        bail!(
            "what the server sent has no secrets: is it a Modelet server of this version, asked through nothing that takes headers away?"
        );
    }
    part.keep(&args.file)?;
    let exported = Exported::of(&args.file, bytes, manifest);
    if args.list.json {
        return output::json(&exported);
    }
    let Exported { tenants, models, functions, secrets, .. } = exported;
    let of = [(tenants, "tenant"), (models, "model"), (functions, "function")];
    let mut of = of.map(|(number, one)| output::count(number, one)).join(", ");
    if args.secrets {
        of = format!("{of}, {} under the passphrase", output::count(secrets, "secret"));
    }
    output::line(&format!("{}: {of}, {}", args.file.display(), output::size(bytes)));
    exported.left_out.iter().for_each(|left| output::line(&format!("  left out: {left}")));
    exported.not_included.iter().for_each(|what| output::line(&format!("  not in it: {what}")));
    Ok(())
}

impl Exported {
    fn of(file: &Path, bytes: u64, manifest: ArchiveManifest) -> Self {
        let secrets = manifest.secrets();
        let ArchiveManifest { tenants, not_included, left_out, .. } = manifest;
        Self {
            file: file.to_owned(),
            bytes,
            tenants: tenants.len(),
            models: tenants.iter().map(|tenant| tenant.models.len()).sum(),
            functions: tenants.iter().map(|tenant| tenant.functions.len()).sum(),
            secrets,
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
    let flags =
        [flag("dry_run", args.dry_run), flag("replace", args.replace), flag("without_secrets", args.without_secrets)];
    let [dry_run, replace, without_secrets] = flags;
    let path = query("/v1/import", &[tenant, dry_run, replace, without_secrets]);
    let (client, passphrase) = (Client::new(server)?, passphrase(args)?);
    let passphrase = passphrase.as_ref().map(|bytes| bytes.as_slice());
    let imported: Imported = client.post_archive(&path, &args.file, passphrase)?;
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

/// What opens the secrets of the file, if it has some and somebody is there to be asked; else the server says what is to be done.
fn passphrase(args: &ImportArgs) -> anyhow::Result<Option<Zeroizing<Vec<u8>>>> {
    if let Some(file) = &args.passphrase_file {
        return hidden::passphrase(Some(file), false).map(Some);
    }
    // What cannot be read is told when it is sent.
    let has_secrets = || {
        let read = File::open(&args.file).ok().and_then(|file| read_manifest(file).ok());
        read.is_some_and(|manifest| manifest.secrets() > 0)
    };
    if args.without_secrets || !hidden::is_anybody_there() || !has_secrets() {
        return Ok(None);
    }
    hidden::passphrase(None, false).map(Some)
}

fn line(item: &ImportedItem) -> String {
    let ImportedItem { kind, tenant, name, change, what } = item;
    let name = if kind == "tenant" { name.clone() } else { format!("{tenant}/{name}") };
    let what = if what.is_empty() { String::new() } else { format!(": {what}") };
    format!("  {change} {kind} {name}{what}")
}
