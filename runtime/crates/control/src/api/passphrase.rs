//! A passphrase that comes with a request: in a header, which nothing logs, and which goes no further than here.

use axum::extract::FromRequestParts;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::request::Parts;
use modelet_spec::SecretValue;
use zeroize::Zeroizing;

use crate::error::ControlError;

/// Its value is base64: any text fits a header then.
const HEADER: &str = "modelet-passphrase";
/// More than anybody types.
const BYTES_MAX: usize = 1024;

/// The passphrase, if there is one.
pub(super) struct Passphrase(pub(super) Option<SecretValue>);

impl<S: Send + Sync> FromRequestParts<S> for Passphrase {
    type Rejection = ControlError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ControlError> {
        let Some(header) = parts.headers.remove(HEADER) else { return Ok(Self(None)) };
        // What it has instead is not told: it may be all but right.
        let wrong = |why: &str| ControlError::BadRequest(format!("`{HEADER}` {why}"));
        let bytes = STANDARD.decode(header.as_bytes()).map(Zeroizing::new).map_err(|_| wrong("is no base64"))?;
        if bytes.len() > BYTES_MAX {
            return Err(wrong(&format!("has more than {BYTES_MAX} bytes")));
        }
        let passphrase = SecretValue::new(bytes.to_vec()).map_err(|_| wrong("is empty, or no text in UTF-8"))?;
        Ok(Self(Some(passphrase)))
    }
}
