//! Contents that come before those who will own them: what an import brings.
//!
//! Nothing names them until the import's transaction does. Those that it never names go with the next collection, as those of a
//! crash do; a long import says now and then that they are still wanted ([`Store::refresh`]).

use crate::blobs::{BlobWriter, Dedupe};
use crate::error::{StoreError, io_at};
use crate::files;
use crate::store::Store;
use crate::uploads::Counted;
use modelet_spec::{Digest, TenantName};
use std::fs::File;
use std::sync::Arc;
use std::time::SystemTime;

/// A content on its way. Dropped before [`Store::keep_staged`], it leaves nothing.
#[derive(Debug)]
pub struct Staged {
    writer: BlobWriter,
}

/// Room in a tenant's quota, as if it had been used already; dropping it gives it back.
#[derive(Debug)]
pub struct Reserved {
    _counted: Counted,
}

impl Store {
    /// Takes `bytes` of what a tenant may have, `quota_bytes` in all, for what it is about to bring.
    ///
    /// # Errors
    /// [`StoreError::Quota`], [`StoreError::NoTenant`], or the metadata cannot be read.
    pub fn reserve(&self, tenant: &TenantName, bytes: u64, quota_bytes: u64) -> Result<Reserved, StoreError> {
        let used_bytes = self.used_bytes(tenant)?;
        let mut counted = Counted::new(tenant, Arc::clone(&self.in_flight));
        let wanted_bytes = used_bytes.saturating_add(counted.add(bytes));
        if wanted_bytes > quota_bytes {
            return Err(StoreError::Quota { quota_bytes, used_bytes, wanted_bytes });
        }
        Ok(Reserved { _counted: counted })
    }

    /// Begins a content.
    ///
    /// # Errors
    /// No file can be made.
    pub fn stage(&self) -> Result<Staged, StoreError> {
        Ok(Staged { writer: self.begin_blob()? })
    }

    /// Ends a content that is for these tenants; it is on the disk when this returns, if it has the digest that was expected.
    ///
    /// # Errors
    /// [`StoreError::OtherDigest`], or it cannot be written; then nothing is left of it.
    pub fn keep_staged(&self, staged: Staged, expected: &Digest, tenants: &[TenantName]) -> Result<(), StoreError> {
        let found = staged.writer.digest();
        if found != *expected {
            return Err(StoreError::OtherDigest { expected: *expected, found });
        }
        let Some((first, others)) = tenants.split_first() else { return Ok(()) };
        self.keep_blob(first, staged.writer)?;
        if self.dedupe == Dedupe::All {
            return Ok(());
        }
        let file = self.blob_path(first, expected);
        for tenant in others {
            let place = self.own_place(tenant, expected);
            files::make_durably(place.parent().unwrap_or(&place))?;
            files::copy(self.data_dir(), &file, &place)?;
        }
        Ok(())
    }

    /// Has a content counted as just written: nothing names it yet, and it is wanted.
    ///
    /// # Errors
    /// It is not there, or the disk refuses.
    pub fn refresh(&self, tenant: &TenantName, digest: &Digest) -> Result<(), StoreError> {
        let path = self.blob_path(tenant, digest);
        let touched = File::options().write(true).open(&path).and_then(|file| file.set_modified(SystemTime::now()));
        touched.map_err(io_at("keep", &path))
    }
}

impl Staged {
    /// Takes in more bytes.
    ///
    /// # Errors
    /// They cannot be written.
    pub fn write(&mut self, piece: &[u8]) -> Result<(), StoreError> {
        self.writer.write(piece)
    }
}
