//! What a function reads by `wasi:config`.

use crate::name::SecretName;
use serde::{Deserialize, Serialize};

/// What a function reads under one key by `wasi:config`.
// Untagged, so that what is wrong with a value is said without it: somebody may have written a secret there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    untagged,
    deny_unknown_fields,
    expecting = "expected a text, or {\"secret\": \"NAME\"} with the name of a secret"
)]
pub enum ConfigValue {
    /// `"0.5"`: this text.
    Text(String),
    /// `{ secret = "NAME" }`: the value of this secret of the function's tenant.
    Secret {
        /// Its name.
        secret: SecretName,
    },
}

impl From<String> for ConfigValue {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_a_text_or_names_a_secret_and_what_is_neither_is_not_repeated() {
        for (json, value) in [
            (r#""0.5""#, ConfigValue::Text("0.5".to_owned())),
            (r#"{"secret":"token"}"#, ConfigValue::Secret { secret: "token".parse().unwrap() }),
        ] {
            assert_eq!(serde_json::from_str::<ConfigValue>(json).unwrap(), value);
            assert_eq!(serde_json::to_string(&value).unwrap(), json);
        }
        for json in [r#"{"secret":"token","hunter2":1}"#, r#"{"secret":"Hunter2"}"#, r#"{"hunter2":"x"}"#, "2", "[]"] {
            let told = serde_json::from_str::<ConfigValue>(json).unwrap_err().to_string();
            assert!(told.contains("name of a secret") && !told.to_lowercase().contains("hunter2"), "{json}: {told}");
        }
    }
}
