//! The files of a model as a folder: what a model with weights in other files is loaded from.
//!
//! `folders/<64 hex digits of the content>/…`, made of hard links to the contents, so that it costs no bytes. It is laid
//! anew for each use: a content that was mended or sent again is another file under the same name.

use crate::blobs::{Dedupe, scope_folder};
use crate::error::StoreError;
use crate::files::{self, make_durably};
use crate::models::{FileEntry, FileRole};
use crate::store::Store;
use modelet_spec::{Digest, TenantName};
use std::path::PathBuf;

impl Store {
    /// Lays the files of a model (its samples are left out) and returns the folder. Each file is compared with its digest,
    /// and none is a symbolic link. The folder stays as long as a version has this content, and a while longer.
    ///
    /// # Errors
    /// [`StoreError::NoBlob`], [`StoreError::DamagedBlob`], or it cannot be laid.
    pub fn model_folder(
        &self,
        tenant: &TenantName,
        content: &Digest,
        files: &[FileEntry],
    ) -> Result<PathBuf, StoreError> {
        let scope = (self.dedupe == Dedupe::Tenant).then_some(tenant);
        let folder = scope_folder(self.data_dir(), "folders", scope).join(content.hex());
        for file in files.iter().filter(|file| file.role != FileRole::Sample) {
            let blob = self.blob_path(tenant, &file.digest);
            self.compare_blob(&blob, &file.digest)?;
            let place = folder.join(file.path.as_str());
            make_durably(place.parent().unwrap_or(&folder))?;
            files::link(self.data_dir(), &blob, &place)?;
        }
        Ok(folder)
    }
}
