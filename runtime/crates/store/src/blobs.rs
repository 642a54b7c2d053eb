//! Contents, named by their digest: `blobs/<first two hex digits>/<64 hex digits>`.

use crate::error::{StoreError, io_at};
use crate::files::{self, Aside};
use crate::store::Store;
use modelet_spec::{Digest, Hasher};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Takes in a content whose digest is not known yet. Dropped before [`BlobWriter::finish`], it leaves nothing.
#[derive(Debug)]
pub struct BlobWriter {
    aside: Aside,
    hasher: Hasher,
    bytes: u64,
    data_dir: PathBuf,
}

impl Store {
    /// Begins a content. How long it may become is for the caller to say.
    ///
    /// # Errors
    /// When no file can be made.
    pub fn begin_blob(&self) -> Result<BlobWriter, StoreError> {
        let data_dir = self.data_dir().to_owned();
        Ok(BlobWriter { aside: Aside::begin(&data_dir)?, hasher: Digest::hasher(), bytes: 0, data_dir })
    }

    /// Keeps a content that is in memory.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn put_blob(&self, bytes: &[u8]) -> Result<Digest, StoreError> {
        let mut writer = self.begin_blob()?;
        writer.write_all(bytes).map_err(io_at("write", writer.aside.path()))?;
        writer.finish().map(|(digest, _)| digest)
    }

    /// A content, compared with its digest: what is returned is what was put in.
    ///
    /// # Errors
    /// [`StoreError::NoBlob`], [`StoreError::DamagedBlob`], or the file cannot be read.
    pub fn blob(&self, digest: &Digest) -> Result<Vec<u8>, StoreError> {
        let path = self.blob_path(digest);
        let bytes = files::read(&path)?.ok_or(StoreError::NoBlob(*digest))?;
        match Digest::of(&bytes) {
            found if found == *digest => Ok(bytes),
            found => Err(StoreError::DamagedBlob { path, found }),
        }
    }

    /// Where a content lies, if it is there. Who reads the file without [`Self::blob`] must compare the digest.
    #[must_use]
    pub fn blob_path(&self, digest: &Digest) -> PathBuf {
        place(self.data_dir(), digest)
    }

    /// Whether a content is there.
    #[must_use]
    pub fn has_blob(&self, digest: &Digest) -> bool {
        self.blob_path(digest).is_file()
    }
}

impl BlobWriter {
    /// Ends the content: it is on the disk under its digest when this returns. Also returns its length in bytes.
    ///
    /// # Errors
    /// When it cannot be written; then nothing is left of it.
    pub fn finish(self) -> Result<(Digest, u64), StoreError> {
        let digest = self.hasher.finish();
        // A file of the same digest is replaced by the same bytes, which also mends a damaged one.
        self.aside.keep(&place(&self.data_dir, &digest))?;
        Ok((digest, self.bytes))
    }
}

impl Write for BlobWriter {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        let count = self.aside.file.write(piece)?;
        self.hasher.update(piece.get(..count).unwrap_or(piece));
        self.bytes = self.bytes.saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.aside.file.flush()
    }
}

fn place(data_dir: &Path, digest: &Digest) -> PathBuf {
    let hex = digest.hex();
    let folder = hex.get(..2).unwrap_or("00");
    data_dir.join("blobs").join(folder).join(&hex)
}
