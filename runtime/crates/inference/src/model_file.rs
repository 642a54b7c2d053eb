//! What a model is loaded from.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::onnx::ffi::Mapping;
use crate::optimised::OptimisedFile;

/// What a model is loaded from.
#[derive(Clone, Debug)]
pub enum ModelFile {
    /// A file in ONNX's own format, admitted before ONNX Runtime sees it.
    Onnx {
        /// The file's content.
        bytes: Arc<[u8]>,
        /// Where the files that it names for its weights lie: plain files below this folder, no links. `None`: a model
        /// that names any is refused.
        folder: Option<PathBuf>,
    },
    /// What a trial has made of it, with what the trial found out.
    Optimised(OptimisedFile),
}

impl ModelFile {
    /// The file's content.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        match self {
            Self::Onnx { bytes, .. } => bytes,
            Self::Optimised(file) => file.mapping().bytes(),
        }
    }

    /// Where its further files lie, if it may have any.
    pub(crate) fn folder(&self) -> Option<&Path> {
        match self {
            Self::Onnx { folder, .. } => folder.as_deref(),
            Self::Optimised(_) => None,
        }
    }

    /// The map that sessions use in place, if there is one.
    pub(crate) fn mapping(&self) -> Option<&Arc<Mapping>> {
        match self {
            Self::Onnx { .. } => None,
            Self::Optimised(file) => Some(file.mapping()),
        }
    }
}

impl From<Arc<[u8]>> for ModelFile {
    /// An ONNX file without any others.
    fn from(bytes: Arc<[u8]>) -> Self {
        Self::Onnx { bytes, folder: None }
    }
}

impl From<OptimisedFile> for ModelFile {
    fn from(file: OptimisedFile) -> Self {
        Self::Optimised(file)
    }
}

impl From<Vec<u8>> for ModelFile {
    /// An ONNX file without any others.
    fn from(bytes: Vec<u8>) -> Self {
        Arc::<[u8]>::from(bytes).into()
    }
}

impl From<&[u8]> for ModelFile {
    /// An ONNX file without any others.
    fn from(bytes: &[u8]) -> Self {
        Arc::<[u8]>::from(bytes).into()
    }
}
