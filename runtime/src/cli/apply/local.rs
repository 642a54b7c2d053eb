//! A model on this machine, as the server would have it after a push.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::Context;
use modelet_control::wire::Model;
use modelet_spec::{Digest, ModelCard};

use crate::cli::bundle::Bundle;

/// A model on this machine.
#[derive(Debug)]
pub(super) struct LocalModel {
    /// The file or the folder.
    pub(super) source: PathBuf,
    /// A card in another place.
    pub(super) card_file: Option<PathBuf>,
    files: BTreeSet<(String, &'static str, Digest)>,
    card: ModelCard,
}

impl LocalModel {
    /// Looks at a file or a folder.
    pub(super) fn of(source: &Path, card: Option<&Path>) -> anyhow::Result<Self> {
        let bundle = Bundle::open(source, card)?;
        let mut files = BTreeSet::from([(bundle.main_name()?.to_string(), "model", digest(&bundle.main)?)]);
        for (role, listed) in [("data", &bundle.data), ("sample", &bundle.samples)] {
            for (path, place) in listed {
                files.insert((path.to_string(), role, digest(place)?));
            }
        }
        let card_file = card.map(Path::to_owned);
        Ok(Self { source: source.to_owned(), card_file, files, card: bundle.card.unwrap_or_default() })
    }

    /// Whether a version on the server is the same: then a push would make none.
    pub(super) fn is(&self, version: &Model) -> bool {
        let there: BTreeSet<(&str, &str, Digest)> =
            version.files.iter().map(|file| (file.path.as_str(), file.role.as_str(), file.digest)).collect();
        self.card == version.card
            && self.files.len() == there.len()
            && self.files.iter().all(|(path, role, digest)| there.contains(&(path.as_str(), *role, *digest)))
    }
}

/// The digest of a file, read in pieces.
pub(super) fn digest(file: &Path) -> anyhow::Result<Digest> {
    let unreadable = || format!("{} cannot be read", file.display());
    let mut from = File::open(file).with_context(unreadable)?;
    let (mut hasher, mut piece) = (Digest::hasher(), vec![0; 1 << 20]);
    loop {
        let read = from.read(&mut piece).with_context(unreadable)?;
        let Some(piece) = piece.get(..read).filter(|piece| !piece.is_empty()) else { return Ok(hasher.finish()) };
        hasher.update(piece);
    }
}
