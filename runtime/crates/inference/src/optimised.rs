//! A model's optimised form: ONNX Runtime's own format, mapped, and used where it lies.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;

use modelet_spec::Digest;

use crate::facts::Facts;
use crate::onnx::ffi::Mapping;

/// A file that a trial has written, and what the trial found out. A clone is the same map.
///
/// ONNX Runtime trusts such a file, so only one whose digest was recorded when our own trial wrote it may become one.
#[derive(Clone, Debug)]
pub struct OptimisedFile {
    mapping: Arc<Mapping>,
    facts: Arc<Facts>,
}

impl OptimisedFile {
    /// Maps a file and compares the very bytes that are mapped with `digest`. Reads all of it: not for an executor's thread.
    ///
    /// # Errors
    /// It cannot be read or mapped, or has another digest: then it is as good as absent.
    pub fn open(path: &Path, digest: &Digest, facts: Facts) -> io::Result<Self> {
        let mapping = Mapping::of(&File::open(path)?)?;
        let found = Digest::of(mapping.bytes());
        if found != *digest {
            return Err(io::Error::new(io::ErrorKind::InvalidData, format!("its content has the digest {found}")));
        }
        Ok(Self { mapping: Arc::new(mapping), facts: Arc::new(facts) })
    }

    /// What the trial found out.
    #[must_use]
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    pub(crate) fn mapping(&self) -> &Arc<Mapping> {
        &self.mapping
    }
}
