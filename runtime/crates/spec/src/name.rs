//! Names: of tenants, functions, models, labels and secrets. One grammar, five types that cannot be confused.

use crate::error::{NameError, cut};
use crate::text_serde::text_serde;
use std::fmt;
use std::str::FromStr;

/// The longest name, in characters (and bytes: names are ASCII). 63 is what a DNS label allows, so that every name may
/// become a host name.
const NAME_CHARS_MAX: usize = 63;

/// Whether `text` follows the grammar `[a-z0-9][a-z0-9._-]{0,62}`.
fn is_name(text: &str) -> bool {
    let first = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let rest = |b: u8| first(b) || matches!(b, b'.' | b'_' | b'-');
    text.len() <= NAME_CHARS_MAX && text.bytes().next().is_some_and(first) && text.bytes().all(rest)
}

macro_rules! names {
    ($($(#[$doc:meta])* $type:ident, $what:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $type(std::sync::Arc<str>);

        impl $type {
            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }

            fn checked(text: &str) -> Result<Self, NameError> {
                if is_name(text) {
                    Ok(Self(text.into()))
                } else {
                    Err(NameError::Grammar { what: $what, text: cut(text, 80) })
                }
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl AsRef<str> for $type {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl std::borrow::Borrow<str> for $type {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        text_serde!($type);
    )*};
}

names! {
    /// The owner of functions, models, keys and quotas.
    TenantName, "tenant name";
    /// The name of a function, unique in its tenant.
    FunctionName, "function name";
    /// The name of a model, unique in its tenant.
    ModelName, "model name";
    /// A movable name for one version of a model. Never a number, and never `latest`.
    Label, "label";
    /// The name of a secret, unique in its tenant.
    SecretName, "secret name";
}

impl TenantName {
    /// The tenant that exists from the first start.
    #[must_use]
    pub fn default_tenant() -> Self {
        Self("default".into())
    }
}

impl FunctionName {
    /// A name that holds a place while a file's faults are collected; `text` is a name by inspection.
    pub(crate) fn stand_in(text: &'static str) -> Self {
        Self(text.into())
    }
}

impl SecretName {
    /// See [`FunctionName::stand_in`].
    pub(crate) fn stand_in(text: &'static str) -> Self {
        Self(text.into())
    }
}

macro_rules! by_grammar_alone {
    ($($type:ident)*) => {$(
        impl FromStr for $type {
            type Err = NameError;

            fn from_str(text: &str) -> Result<Self, NameError> {
                Self::checked(text)
            }
        }
    )*};
}

by_grammar_alone!(TenantName FunctionName ModelName SecretName);

impl FromStr for Label {
    type Err = NameError;

    /// A label stands where a version may stand (`NAME@…`), so it must not look like one.
    fn from_str(text: &str) -> Result<Self, NameError> {
        let label = Self::checked(text)?;
        if text == "latest" || text.bytes().all(|b| b.is_ascii_digit()) {
            return Err(NameError::NotALabel { text: text.to_owned() });
        }
        Ok(label)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_default_tenant_has_a_name_that_parses() {
        assert_eq!("default".parse::<TenantName>().unwrap(), TenantName::default_tenant());
    }

    #[test]
    fn what_is_no_name_is_refused_with_the_grammar() {
        for text in ["", "A", "-a", ".", "..", "a/b", "a b", "é", "_x", &"a".repeat(64)] {
            let message = text.parse::<FunctionName>().unwrap_err().to_string();
            assert!(message.contains("function name") && message.contains("a-z"), "{message}");
        }
    }

    #[test]
    fn a_label_is_never_a_version() {
        for text in ["1", "007", "latest"] {
            assert!(matches!(text.parse::<Label>(), Err(NameError::NotALabel { .. })));
        }
        assert!("1a".parse::<Label>().is_ok());
    }

    proptest! {
        #[test]
        fn every_name_of_the_grammar_survives_text_and_json(text in "[a-z0-9][a-z0-9._-]{0,62}") {
            let name: ModelName = text.parse().unwrap();
            prop_assert_eq!(name.to_string(), text);
            let json = serde_json::to_string(&name).unwrap();
            prop_assert_eq!(serde_json::from_str::<ModelName>(&json).unwrap(), name);
        }

        #[test]
        fn any_text_is_a_name_or_an_error_but_never_a_path(text in "\\PC{0,70}") {
            if let Ok(name) = text.parse::<ModelName>() {
                prop_assert!(!name.as_str().contains('/') && !name.as_str().starts_with('.'));
            }
        }
    }
}
