//! What became of a component's `init`: kept with each version, told with each listing.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::ControlError;

/// What became of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Image {
    /// Instances begin with what it left in memory.
    Made {
        /// What that was worth when it was made; `None`: the guest answered no request that was made up for it.
        first: Option<FirstRequests>,
    },
    /// Instances begin without, and it is never run.
    None {
        /// Why.
        why: String,
    },
}

/// How long a request to a new instance took, the making of the instance included: medians.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FirstRequests {
    /// Without the image.
    pub(crate) before: Duration,
    /// With it.
    pub(crate) after: Duration,
}

impl Image {
    /// As the store keeps it.
    pub(crate) fn json(&self) -> Result<String, ControlError> {
        serde_json::to_string(self).map_err(|e| ControlError::Internal(format!("what became of an `init`: {e}")))
    }

    /// What the store has kept.
    pub(crate) fn read(json: &str) -> Result<Self, ControlError> {
        serde_json::from_str(json).map_err(|e| ControlError::Internal(format!("what became of an `init`: {e}")))
    }

    /// What its owner should know of it.
    pub(crate) fn note(&self) -> Option<String> {
        match self {
            Self::Made { .. } => None,
            Self::None { why } => Some(format!("it has no warm-start image: {why}. It works without")),
        }
    }
}
