//! What a model is loaded from.

use std::path::{Path, PathBuf};
use std::sync::Arc;

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
}

impl ModelFile {
    /// The file's content.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        match self {
            Self::Onnx { bytes, .. } => bytes,
        }
    }

    /// Where its further files lie, if it may have any.
    pub(crate) fn folder(&self) -> Option<&Path> {
        match self {
            Self::Onnx { folder, .. } => folder.as_deref(),
        }
    }
}

impl From<Arc<[u8]>> for ModelFile {
    /// An ONNX file without any others.
    fn from(bytes: Arc<[u8]>) -> Self {
        Self::Onnx { bytes, folder: None }
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
