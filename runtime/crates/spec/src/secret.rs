//! The value of a secret: neither printed nor logged, and wiped from memory when it is let go.

use std::fmt;
use thiserror::Error;
use zeroize::Zeroizing;

/// The value of a secret. It has no `Display` and is not serialised: whoever wants the text says so by [`Self::reveal`].
#[derive(Clone, PartialEq, Eq)]
pub struct SecretValue(Zeroizing<String>);

/// Why bytes are no secret. Says nothing of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum SecretError {
    /// There are none.
    #[error("a secret is not empty: send its value")]
    Empty,
    /// `wasi:config` has text.
    #[error("a secret is text in UTF-8: encode other bytes, for instance as base64")]
    NotText,
}

impl SecretValue {
    /// Takes the bytes, and wipes them where they are no secret.
    ///
    /// # Errors
    /// When they are none, or no text.
    pub fn new(bytes: Vec<u8>) -> Result<Self, SecretError> {
        if bytes.is_empty() {
            return Err(SecretError::Empty);
        }
        match String::from_utf8(bytes) {
            Ok(text) => Ok(Self(Zeroizing::new(text))),
            Err(error) => {
                drop(Zeroizing::new(error.into_bytes()));
                Err(SecretError::NotText)
            }
        }
    }

    /// The text. For `wasi:config` and for whoever seals it, and nobody else.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// How many bytes it has.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.0.len() as u64
    }
}

impl fmt::Debug for SecretValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretValue(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_text_and_does_not_show_itself() {
        let value = SecretValue::new(b"s3cr3t".to_vec()).unwrap();
        assert_eq!((value.reveal(), value.bytes()), ("s3cr3t", 6));
        assert_eq!(format!("{value:?} {:#?}", Some(&value)), "SecretValue(…) Some(\n    SecretValue(…),\n)");
        assert_eq!(SecretValue::new(Vec::new()).unwrap_err(), SecretError::Empty);
        let refused = SecretValue::new(b"s3cr3t\xff".to_vec()).unwrap_err();
        assert!(refused == SecretError::NotText && !refused.to_string().contains("s3cr3t"));
    }
}
