//! A token in its compact form (RFC 7515, 7519): what it says, before anybody has looked at its signature, and whether that holds now.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::keys::Algorithm;

/// A longer one is none of ours: the largest of usual issuers have some 4 KiB.
const TOKEN_BYTES_MAX: usize = 16 << 10;
/// How far clocks may be apart, in seconds.
pub(super) const LEEWAY_S: u64 = 30;

/// A token that was read and not verified.
pub(super) struct Token<'t> {
    /// What is signed.
    pub(super) message: &'t str,
    pub(super) signature: Vec<u8>,
    pub(super) header: Header,
    pub(super) claims: Map<String, Value>,
}

/// What is said of the signature.
#[derive(Debug, Deserialize)]
pub(super) struct Header {
    alg: String,
    pub(super) kid: Option<String>,
    typ: Option<String>,
    /// Extensions that must be understood: none is.
    crit: Option<Value>,
}

/// Why a token is worth nothing. The names are those of the metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    /// Its header, or a claim, is not as it must be.
    Malformed,
    /// An algorithm that is not taken: `none`, one with a shared secret, or an unknown one.
    Algorithm,
    /// The issuer has no such key.
    Key,
    /// It is not signed by that key.
    Signature,
    /// It is for somebody else.
    Audience,
    /// It has ended.
    Expired,
    /// It is not valid yet.
    NotYet,
    /// It names no tenant of this server.
    Tenant,
}

impl Refused {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::Algorithm => "algorithm",
            Self::Key => "key",
            Self::Signature => "signature",
            Self::Audience => "audience",
            Self::Expired => "expired",
            Self::NotYet => "not-yet",
            Self::Tenant => "tenant",
        }
    }
}

impl<'t> Token<'t> {
    /// `None`: it is no such token at all.
    pub(super) fn read(token: &'t str) -> Option<Self> {
        if token.len() > TOKEN_BYTES_MAX {
            return None;
        }
        let (message, signature) = token.rsplit_once('.')?;
        let (header, claims) = message.split_once('.')?;
        Some(Self {
            message,
            signature: URL_SAFE_NO_PAD.decode(signature).ok()?,
            header: serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).ok()?).ok()?,
            claims: claims_of(claims)?,
        })
    }

    /// Who is said to have issued a token.
    pub(super) fn issuer(token: &str) -> Option<String> {
        let claims = token.split('.').nth(1).filter(|_| token.len() <= TOKEN_BYTES_MAX)?;
        match claims_of(claims)?.remove("iss")? {
            Value::String(issuer) => Some(issuer),
            _ => None,
        }
    }

    /// How it is signed, if that is a way that is taken.
    pub(super) fn algorithm(&self) -> Result<Algorithm, Refused> {
        if self.header.crit.is_some() {
            return Err(Refused::Malformed);
        }
        // Tokens for other purposes, such as proofs and logouts, have types of their own.
        let typ = self.header.typ.as_deref().unwrap_or("jwt").to_ascii_lowercase();
        if !["jwt", "at+jwt"].contains(&typ.strip_prefix("application/").unwrap_or(&typ)) {
            return Err(Refused::Malformed);
        }
        Algorithm::named(&self.header.alg).ok_or(Refused::Algorithm)
    }

    /// Whether it is for this audience and holds now. Returns when it ends, in seconds since 1970.
    pub(super) fn hold(&self, audience: &str, now_s: u64) -> Result<u64, Refused> {
        let is_ours = match self.claims.get("aud") {
            Some(Value::String(one)) => one == audience,
            Some(Value::Array(several)) => several.iter().any(|one| one.as_str() == Some(audience)),
            _ => false,
        };
        if !is_ours {
            return Err(Refused::Audience);
        }
        // Without an end it would hold for ever, whatever becomes of who has it.
        let end = self.claims.get("exp").and_then(seconds).ok_or(Refused::Malformed)?;
        if now_s >= end.saturating_add(LEEWAY_S) {
            return Err(Refused::Expired);
        }
        if let Some(begin) = self.claims.get("nbf") {
            let begin = seconds(begin).ok_or(Refused::Malformed)?;
            if now_s.saturating_add(LEEWAY_S) < begin {
                return Err(Refused::NotYet);
            }
        }
        Ok(end)
    }

    /// A claim that is text.
    pub(super) fn text(&self, claim: &str) -> Option<&str> {
        self.claims.get(claim)?.as_str()
    }
}

fn claims_of(part: &str) -> Option<Map<String, Value>> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
}

/// A time as RFC 7519 has it: a number, perhaps with a fraction.
fn seconds(value: &Value) -> Option<u64> {
    let whole = value.as_u64();
    // The cast saturates: what is beyond all times is beyond all times.
    whole.or_else(|| value.as_f64().filter(|number| number.is_finite() && *number >= 0.0).map(|number| number as u64))
}
