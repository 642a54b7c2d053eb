//! What a function reads by `wasi:config`.

use crate::name::SecretName;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What a function reads under one key by `wasi:config`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConfigValue {
    /// `"0.5"`: this text.
    Text(String),
    /// `{ secret = "NAME" }`: the value of this secret of the function's tenant.
    Secret(SecretName),
}

impl From<String> for ConfigValue {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

// Untagged, so that what is wrong with a value is said without it: somebody may have written a secret there.
#[derive(Serialize, Deserialize)]
#[serde(untagged, expecting = "expected a text, or {\"secret\": \"NAME\"} with the name of a secret")]
enum Written {
    Text(String),
    Secret(SecretTable),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SecretTable {
    secret: SecretName,
}

impl Serialize for ConfigValue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.clone() {
            Self::Text(text) => Written::Text(text),
            Self::Secret(secret) => Written::Secret(SecretTable { secret }),
        }
        .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for ConfigValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(match Written::deserialize(deserializer)? {
            Written::Text(text) => Self::Text(text),
            Written::Secret(table) => Self::Secret(table.secret),
        })
    }
}
