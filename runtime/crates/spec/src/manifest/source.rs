//! Where a function's model comes from.

use crate::model_ref::ModelRef;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::path::PathBuf;

/// Where a function's model comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ModelSource {
    /// `{ file = "models/x.onnx" }`: a file in the function's folder, pushed with the deploy.
    File(PathBuf),
    /// `"magika@1"`: a model that has been pushed.
    Ref(ModelRef),
}

#[derive(Serialize, Deserialize)]
#[serde(untagged, expecting = "expected a model reference such as \"magika@1\", or {\"file\": \"models/x.onnx\"}")]
enum Written {
    Ref(ModelRef),
    File(FileTable),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileTable {
    file: PathBuf,
}

impl Serialize for ModelSource {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.clone() {
            Self::Ref(reference) => Written::Ref(reference),
            Self::File(file) => Written::File(FileTable { file }),
        }
        .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for ModelSource {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(match Written::deserialize(deserializer)? {
            Written::Ref(reference) => Self::Ref(reference),
            Written::File(table) => Self::File(table.file),
        })
    }
}
