//! An archive is read: front to back, once, and nothing of it kept in memory but its manifest.
//!
//! Only plain files with exactly the names that the manifest announces are entries of an archive of ours; links, folders and long
//! names are refused by their headers, before a byte of them is looked at.

use std::collections::BTreeMap;
use std::io::{self, Read};

use modelet_spec::Digest;
use tar::{Archive, Entry, EntryType};

use super::check::bad;
use super::manifest::{FORMAT, FORMAT_VERSION, Head};
use super::{ArchiveManifest, MANIFEST, MANIFEST_BYTES_MAX, check, entry_name};
use crate::error::ControlError;
use crate::wire::Blob;

/// What may follow the last content: the end of a tar, filled up to a block.
const PADDING_BYTES_MAX: u64 = 64 << 10;

/// What is done with what is read.
pub(crate) trait Sink {
    /// The manifest was read and checked.
    fn begin(&mut self, manifest: &ArchiveManifest) -> Result<(), ControlError>;
    /// A content comes; so many bytes as announced. Whether they have the digest is for the sink to see to.
    fn blob(&mut self, blob: &Blob, bytes: &mut dyn Read) -> Result<(), ControlError>;
}

/// Reads an archive to its end.
pub(crate) fn read(from: impl Read, sink: &mut impl Sink) -> Result<ArchiveManifest, ControlError> {
    let mut archive = Archive::new(from);
    let manifest = entries(&mut archive, sink)?;
    let mut rest = archive.into_inner().take(PADDING_BYTES_MAX + 1);
    let mut padding = Vec::new();
    rest.read_to_end(&mut padding).map_err(broken)?;
    if padding.len() as u64 > PADDING_BYTES_MAX || padding.iter().any(|byte| *byte != 0) {
        return Err(bad("something follows its end".to_owned()));
    }
    Ok(manifest)
}

/// The manifest alone.
///
/// # Errors
/// It is no archive, or one of another version.
pub fn read_manifest(from: impl Read) -> Result<ArchiveManifest, ControlError> {
    let mut archive = Archive::new(from);
    let first = archive.entries().map_err(broken)?.raw(true).next();
    manifest(first)
}

fn entries<R: Read>(archive: &mut Archive<R>, sink: &mut impl Sink) -> Result<ArchiveManifest, ControlError> {
    let mut entries = archive.entries().map_err(broken)?.raw(true);
    let manifest = manifest(entries.next())?;
    check(&manifest)?;
    sink.begin(&manifest)?;
    let mut left: BTreeMap<String, &Blob> =
        manifest.blobs.iter().map(|blob| (entry_name(&blob.digest), blob)).collect();
    for entry in entries {
        let mut entry = entry.map_err(broken)?;
        let name = name(&entry)?;
        let Some(blob) = left.remove(&name) else {
            return Err(bad(format!("it has an entry {name:?} that its manifest does not announce, or has twice")));
        };
        if entry.size() != blob.bytes {
            let (is, should) = (entry.size(), blob.bytes);
            return Err(bad(format!("the content {} has {is} bytes, and {should} were announced", blob.digest)));
        }
        sink.blob(blob, &mut entry)?;
    }
    match left.values().next() {
        Some(blob) => Err(bad(format!("it breaks off: the content {} is missing", blob.digest))),
        None => Ok(manifest),
    }
}

fn manifest<R: Read>(first: Option<io::Result<Entry<'_, R>>>) -> Result<ArchiveManifest, ControlError> {
    let mut first = first.ok_or_else(|| bad("it is empty".to_owned()))?.map_err(broken)?;
    if name(&first)? != MANIFEST {
        return Err(bad(format!("its first entry is not {MANIFEST}: is it a file of `modelet export`?")));
    }
    if first.size() > MANIFEST_BYTES_MAX {
        return Err(bad(format!("its {MANIFEST} has more than {MANIFEST_BYTES_MAX} bytes")));
    }
    let mut json = Vec::new();
    first.read_to_end(&mut json).map_err(broken)?;
    if json.len() as u64 != first.size() {
        return Err(bad("it breaks off in its manifest".to_owned()));
    }
    let unreadable = |e: serde_json::Error| bad(format!("its {MANIFEST} cannot be read: {e}"));
    let head: Head = serde_json::from_slice(&json).map_err(unreadable)?;
    match (head.format.as_str(), head.version) {
        (FORMAT, FORMAT_VERSION) => serde_json::from_slice(&json).map_err(unreadable),
        (FORMAT, newer) => Err(bad(format!(
            "it has version {newer} of the format, and this modelet reads {FORMAT_VERSION}: use the modelet that wrote it"
        ))),
        (other, _) => Err(bad(format!("its format is {other:?}, not {FORMAT:?}"))),
    }
}

/// The name of a plain file's entry.
fn name<R: Read>(entry: &Entry<'_, R>) -> Result<String, ControlError> {
    let header = entry.header();
    let name = String::from_utf8_lossy(&header.path_bytes()).into_owned();
    match header.entry_type() {
        EntryType::Regular => Ok(name),
        other => Err(bad(format!("its entry {name:?} is no plain file ({other:?})"))),
    }
}

/// What a tar's reader says: the text of a damaged header is its own.
fn broken(error: io::Error) -> ControlError {
    // Of a header that ends early the crate says so in words alone.
    let text = error.to_string();
    match error.kind() == io::ErrorKind::UnexpectedEof || text.contains("read entire block") {
        true => bad("it breaks off".to_owned()),
        false => bad(format!("it cannot be read: {text}")),
    }
}

/// Reads a content to its end, and compares its length and its digest.
pub(crate) fn verify(blob: &Blob, bytes: &mut dyn Read) -> Result<(), ControlError> {
    let mut hasher = Digest::hasher();
    in_pieces(blob, bytes, |piece| {
        hasher.update(piece);
        Ok(())
    })?;
    let found = hasher.finish();
    if found == blob.digest { Ok(()) } else { Err(damaged(blob, &found)) }
}

/// Reads a content to its end in pieces, and compares its length. Its digest is for whoever takes the pieces.
pub(crate) fn in_pieces(
    blob: &Blob,
    bytes: &mut dyn Read,
    mut each: impl FnMut(&[u8]) -> Result<(), ControlError>,
) -> Result<(), ControlError> {
    let (mut count, mut piece) = (0, vec![0; 256 << 10]);
    loop {
        let read = bytes.read(&mut piece).map_err(broken)?;
        let Some(piece) = piece.get(..read).filter(|piece| !piece.is_empty()) else { break };
        count += read as u64;
        each(piece)?;
    }
    match count == blob.bytes {
        true => Ok(()),
        false => Err(bad(format!("it breaks off in the content {}", blob.digest))),
    }
}

/// A content has another digest than was announced.
pub(crate) fn damaged(blob: &Blob, found: &Digest) -> ControlError {
    bad(format!("it is damaged: the bytes of the content {} have the digest {found}", blob.digest))
}
