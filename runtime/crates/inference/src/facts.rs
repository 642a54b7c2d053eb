//! What a trial found out about a model: all that a server needs to know of it beside its file.

use serde::{Deserialize, Serialize};

use crate::description::Description;
use crate::sample::Inputs;

/// What a trial found out. Written as JSON beside the optimised form; what an other version wrote may not be readable,
/// and then the trial is made again.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Facts {
    /// What the model takes and gives, and what admission found.
    pub description: Description,
    /// Whether joined calls get the answers of single ones.
    pub batch: BatchVerdict,
    /// Why inputs are not filled up to the same length, although the card has rules for it; `None`: they are, or it has none.
    pub no_padding: Option<String>,
    /// What it takes in memory, as measured.
    pub memory: MemoryUse,
    /// How long loading took in the trial: of the optimised form if there is one, else of the ONNX file.
    pub load_ms: u64,
    /// With which size of its open dimensions made-up inputs run; `None`: with none that was tried, or samples were given.
    pub made_up_open: Option<u64>,
    /// Why it is loaded from its ONNX file; `None`: there is an optimised form.
    pub no_optimised_form: Option<String>,
}

impl Facts {
    /// A call that the model is known to answer.
    #[must_use]
    pub fn warm_up(&self) -> Option<Inputs> {
        self.description.made_up(1, self.made_up_open?, 0).ok()
    }
}

/// What the comparison of joined and single calls found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BatchVerdict {
    /// The answers were the same.
    Equal,
    /// They were not, or a joined call failed; the text says which output.
    Different(String),
    /// There was nothing to compare; the text says why.
    NotTried(String),
}

/// What a model takes in memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemoryUse {
    /// Bytes of one session beside what all share: the greater of what the arena and what the process grew by.
    pub session_bytes: u64,
    /// Bytes that all sessions share: the mapped file. 0 where each has its own copy.
    pub shared_bytes: u64,
}

/// `Arc<str>` as text.
pub(crate) mod text {
    use std::sync::Arc;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(text: &Arc<str>, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(text)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Arc<str>, D::Error> {
        Ok(String::deserialize(deserializer)?.into())
    }
}

/// `Arc<T>` as `T`.
pub(crate) mod shared {
    use std::sync::Arc;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(crate) fn serialize<S: Serializer, T: Serialize>(shared: &Arc<T>, serializer: S) -> Result<S::Ok, S::Error> {
        shared.as_ref().serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
        deserializer: D,
    ) -> Result<Arc<T>, D::Error> {
        Ok(Arc::new(T::deserialize(deserializer)?))
    }
}
