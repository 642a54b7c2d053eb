//! Contents, named by their digest: `blobs/<first two hex digits>/<64 hex digits>`.
//!
//! One content is one file for all tenants, unless the store was told to keep them apart ([`Dedupe::Tenant`]): then each
//! tenant's lie below `blobs/by-tenant/<tenant>/`. Either way the files are looked for in both places, so that the choice
//! can change between two starts; which tenant may name which content is the metadata's business (`uploads`).

use crate::error::{StoreError, io_at};
use crate::files::{self, Aside};
use crate::store::Store;
use modelet_spec::{Digest, Hasher, TenantName};
use std::io::Write;
use std::path::{Path, PathBuf};

/// Whether the same bytes of two tenants are one file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Dedupe {
    /// They are, for everybody.
    #[default]
    All,
    /// Only within each tenant.
    Tenant,
}

/// Takes in a content whose digest is not known yet. Dropped before it is kept, it leaves nothing.
#[derive(Debug)]
pub(crate) struct BlobWriter {
    aside: Aside,
    hasher: Hasher,
    pub(crate) bytes: u64,
}

impl Store {
    /// A content, compared with its digest: what is returned is what was put in.
    ///
    /// # Errors
    /// [`StoreError::NoBlob`], [`StoreError::DamagedBlob`], or the file cannot be read.
    pub fn blob(&self, tenant: &TenantName, digest: &Digest) -> Result<Vec<u8>, StoreError> {
        let path = self.blob_path(tenant, digest);
        let bytes = files::read(&path)?.ok_or(StoreError::NoBlob(*digest))?;
        match Digest::of(&bytes) {
            found if found == *digest => Ok(bytes),
            found => Err(StoreError::DamagedBlob { path, found }),
        }
    }

    /// Where a content of a tenant lies, if it is there. Who reads the file without [`Self::blob`] must compare the digest.
    #[must_use]
    pub fn blob_path(&self, tenant: &TenantName, digest: &Digest) -> PathBuf {
        let own = place(self.data_dir(), Some(tenant), digest);
        if own.is_file() { own } else { place(self.data_dir(), None, digest) }
    }

    /// Whether the file that [`Self::blob_path`] named is what it was, for whoever has another process read it.
    ///
    /// # Errors
    /// [`StoreError::NoBlob`], [`StoreError::DamagedBlob`], or the file cannot be read.
    pub fn compare_blob(&self, path: &Path, digest: &Digest) -> Result<(), StoreError> {
        match files::digest_of(path)? {
            None => Err(StoreError::NoBlob(*digest)),
            Some((found, _)) if found == *digest => Ok(()),
            Some((found, _)) => Err(StoreError::DamagedBlob { path: path.to_owned(), found }),
        }
    }

    /// The length of a content in bytes; `None` if it is not there.
    #[must_use]
    pub fn blob_bytes(&self, tenant: &TenantName, digest: &Digest) -> Option<u64> {
        let metadata = std::fs::metadata(self.blob_path(tenant, digest)).ok()?;
        metadata.is_file().then_some(metadata.len())
    }

    /// Where a content of a tenant lies where tenants share none.
    pub(crate) fn own_place(&self, tenant: &TenantName, digest: &Digest) -> PathBuf {
        place(self.data_dir(), Some(tenant), digest)
    }

    pub(crate) fn begin_blob(&self) -> Result<BlobWriter, StoreError> {
        Ok(BlobWriter { aside: Aside::begin(self.data_dir())?, hasher: Digest::hasher(), bytes: 0 })
    }

    /// Ends a content: it is on the disk under its digest when this returns.
    pub(crate) fn keep_blob(&self, tenant: &TenantName, writer: BlobWriter) -> Result<Digest, StoreError> {
        let digest = writer.hasher.finish();
        let scope = match self.dedupe {
            Dedupe::All => None,
            Dedupe::Tenant => Some(tenant),
        };
        // A file of the same digest is replaced by the same bytes, which also mends a damaged one. To find it there and do
        // nothing would be quicker, and the time would tell that somebody has these bytes.
        writer.aside.keep(&place(self.data_dir(), scope, &digest))?;
        Ok(digest)
    }
}

impl BlobWriter {
    /// The digest of what was written.
    pub(crate) fn digest(&self) -> Digest {
        self.hasher.clone().finish()
    }

    pub(crate) fn write(&mut self, piece: &[u8]) -> Result<(), StoreError> {
        self.aside.file.write_all(piece).map_err(io_at("write", self.aside.path()))?;
        self.hasher.update(piece);
        self.bytes = self.bytes.saturating_add(piece.len() as u64);
        Ok(())
    }
}

/// The folder of what belongs to one tenant, or to all.
pub(crate) fn scope_folder(data_dir: &Path, kind: &str, scope: Option<&TenantName>) -> PathBuf {
    let folder = data_dir.join(kind);
    match scope {
        // A tenant's name is no path: its grammar has neither slashes nor leading dots.
        Some(tenant) => folder.join(BY_TENANT).join(tenant.as_str()),
        None => folder,
    }
}

/// Never the first two digits of a digest.
pub(crate) const BY_TENANT: &str = "by-tenant";

fn place(data_dir: &Path, scope: Option<&TenantName>, digest: &Digest) -> PathBuf {
    let hex = digest.hex();
    let folder = hex.get(..2).unwrap_or("00");
    scope_folder(data_dir, "blobs", scope).join(folder).join(&hex)
}
