//! Why a file is refused.

use std::fmt::{self, Display};

use super::wire::Malformed;
use crate::error::LoadError;

/// A refusal: what is wrong, where, and the limit if it is one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Refused {
    /// Of which kind it is.
    pub kind: RefusedKind,
    /// For the person who pushed the model; names the node, tensor or value.
    pub message: String,
}

/// The kinds of refusals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RefusedKind {
    /// No ONNX model, or one that contradicts itself.
    Malformed,
    /// A sound model, perhaps, that needs what is not offered.
    Unsupported,
    /// Over a limit of size.
    TooLarge,
}

impl Refused {
    pub(super) fn malformed(place: impl Display, why: impl Display) -> Self {
        Self { kind: RefusedKind::Malformed, message: format!("{place}: {why}") }
    }

    pub(super) fn unsupported(place: impl Display, why: impl Display) -> Self {
        Self { kind: RefusedKind::Unsupported, message: format!("{place}: {why}") }
    }

    pub(super) fn too_large(place: impl Display, why: impl Display) -> Self {
        Self { kind: RefusedKind::TooLarge, message: format!("{place}: {why}") }
    }
}

impl From<Malformed> for Refused {
    fn from(_: Malformed) -> Self {
        Self { kind: RefusedKind::Malformed, message: "the bytes are no ONNX protobuf, or not all of it".to_owned() }
    }
}

impl From<Refused> for LoadError {
    fn from(refused: Refused) -> Self {
        match refused.kind {
            RefusedKind::Malformed => Self::Invalid(refused.message),
            RefusedKind::Unsupported => Self::Unsupported(refused.message),
            RefusedKind::TooLarge => Self::TooLarge(refused.message),
        }
    }
}

/// A name out of the file, fit for a message: at most 64 characters, none that moves a cursor.
pub(super) struct Quoted<'a>(pub(super) &'a str);

impl Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let short: String = self.0.chars().take(64).flat_map(char::escape_debug).collect();
        let cut = if self.0.chars().nth(64).is_some() { "…" } else { "" };
        write!(f, "`{short}{cut}`")
    }
}
