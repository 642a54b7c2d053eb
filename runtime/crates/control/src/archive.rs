//! The file of `modelet export`: a tar with `manifest.json` first, then each content once as `blobs/sha256/<64 hex digits>`.
//!
//! The manifest is for a person, too: `tar xOf FILE manifest.json`. What an archive says is believed nowhere: [`check`] looks at
//! all of it before anything is done, [`read`] compares each content with its digest, and no path in it is ever used as one.

mod check;
mod manifest;
mod read;
mod write;

pub(crate) use check::check;
pub use manifest::{
    ArchiveBinding, ArchiveFile, ArchiveFunction, ArchiveFunctionVersion, ArchiveGrant, ArchiveManifest, ArchiveModel,
    ArchiveModelVersion, ArchiveSeal, ArchiveSecret, ArchiveTenant,
};
pub(crate) use manifest::{FORMAT, FORMAT_VERSION, not_included};
pub use read::read_manifest;
pub(crate) use read::{Sink, damaged, in_pieces, read, verify};
pub(crate) use write::write;

use modelet_spec::Digest;

/// What the first entry is called.
const MANIFEST: &str = "manifest.json";

/// More than the manifest of ten thousand functions has.
const MANIFEST_BYTES_MAX: u64 = 32 << 20;

/// What the entry of a content is called.
fn entry_name(digest: &Digest) -> String {
    format!("blobs/sha256/{}", digest.hex())
}
