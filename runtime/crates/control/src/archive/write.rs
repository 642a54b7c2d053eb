//! An archive is written: the manifest, then each content, read once and compared with its digest on the way.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

use modelet_spec::{Digest, Hasher};
use tar::{Builder, EntryType, Header};

use super::{ArchiveManifest, MANIFEST, entry_name};

/// Writes an archive; `place` says where a content lies. An error that comes in the middle leaves an archive that breaks off.
pub(crate) fn write(
    to: impl Write,
    manifest: &ArchiveManifest,
    place: impl Fn(&Digest) -> std::path::PathBuf,
) -> io::Result<()> {
    let mut tar = Builder::new(to);
    let seconds = manifest.exported.ms() / 1000;
    let json = serde_json::to_vec_pretty(manifest)?;
    tar.append(&header(MANIFEST, json.len() as u64, seconds)?, json.as_slice())?;
    for blob in &manifest.blobs {
        let path = place(&blob.digest);
        let mut content = Content::open(&path, blob.bytes)?;
        tar.append(&header(&entry_name(&blob.digest), blob.bytes, seconds)?, &mut content)?;
        content.compare(&blob.digest, &path)?;
    }
    tar.into_inner()?.flush()
}

fn header(name: &str, bytes: u64, seconds: u64) -> io::Result<Header> {
    let mut header = Header::new_ustar();
    header.set_path(name)?;
    header.set_entry_type(EntryType::Regular);
    header.set_size(bytes);
    header.set_mode(0o600);
    header.set_mtime(seconds);
    header.set_cksum();
    Ok(header)
}

/// A file that is read to its end, and counted.
struct Content {
    file: io::Take<File>,
    hasher: Hasher,
    left: u64,
}

impl Content {
    fn open(path: &Path, bytes: u64) -> io::Result<Self> {
        Ok(Self { file: File::open(path)?.take(bytes), hasher: Digest::hasher(), left: bytes })
    }

    fn compare(self, digest: &Digest, path: &Path) -> io::Result<()> {
        if self.left == 0 && self.hasher.finish() == *digest {
            return Ok(());
        }
        Err(io::Error::other(format!("{} is damaged: `modelet doctor --verify` tells more", path.display())))
    }
}

impl Read for Content {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(buffer)?;
        self.hasher.update(buffer.get(..read).unwrap_or_default());
        self.left = self.left.saturating_sub(read as u64);
        Ok(read)
    }
}
