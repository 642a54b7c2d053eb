//! Files that another process writes, for us to keep or not.

use crate::error::{StoreError, io_at};
use crate::files::{self, Aside};
use crate::store::Store;
use modelet_spec::Digest;
use std::fs::{File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// A place for a process that we start to write to. Dropped before it is kept, it leaves nothing.
#[derive(Debug)]
pub struct OutputFile {
    aside: Aside,
}

impl Store {
    /// A place for another process to write to.
    ///
    /// # Errors
    /// When no file can be made.
    pub fn begin_output(&self) -> Result<OutputFile, StoreError> {
        Ok(OutputFile { aside: Aside::begin(self.data_dir())? })
    }
}

impl OutputFile {
    /// The file to write to: it is there, and empty.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.aside.path()
    }

    /// The digest of what has been written, read in pieces.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn digest(&self) -> Result<Digest, StoreError> {
        let path = self.path();
        let mut file = File::open(path).map_err(io_at("open", path))?;
        Ok(files::digest(&mut file, path)?.0)
    }

    /// Puts the file in its place, for nobody to write to any more: it may be mapped from now on. Returns its digest.
    pub(crate) fn keep(self, place: &Path) -> Result<Digest, StoreError> {
        let digest = self.digest()?;
        let read_only = self.aside.file.set_permissions(Permissions::from_mode(0o400));
        read_only.map_err(io_at("make read-only", self.path()))?;
        self.aside.keep(place)?;
        Ok(digest)
    }
}
