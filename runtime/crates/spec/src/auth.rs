//! Who may call a route.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Who may call a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Auth {
    /// A bearer of a key of the tenant with the scope `invoke`.
    Key,
    /// Everybody.
    None,
}

impl fmt::Display for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Key => "key",
            Self::None => "none",
        })
    }
}

impl FromStr for Auth {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "key" => Ok(Self::Key),
            "none" => Ok(Self::None),
            other => Err(format!("{other:?} is no authorisation; write \"key\" or \"none\"")),
        }
    }
}
