//! The public keys of an issuer (RFC 7517), and whether one of them has signed something (RFC 7518, 8037).
//!
//! Asymmetric algorithms only, and each with the keys that it is made for: a token can name neither `none` nor a secret, nor have an
//! RSA key taken for anything else.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{self, RsaParameters, RsaPublicKeyComponents, UnparsedPublicKey, VerificationAlgorithm};
use serde::Deserialize;

/// More keys than any issuer has at a time.
const KEYS_MAX: usize = 100;

/// How a token is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Algorithm {
    Rs256,
    Rs384,
    Rs512,
    Ps256,
    Ps384,
    Ps512,
    Es256,
    Es384,
    EdDsa,
}

impl Algorithm {
    /// By its name in a header or a key; `None`: none that is taken.
    pub(super) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "RS256" => Self::Rs256,
            "RS384" => Self::Rs384,
            "RS512" => Self::Rs512,
            "PS256" => Self::Ps256,
            "PS384" => Self::Ps384,
            "PS512" => Self::Ps512,
            "ES256" => Self::Es256,
            "ES384" => Self::Es384,
            "EdDSA" | "Ed25519" => Self::EdDsa,
            _ => return None,
        })
    }

    fn rsa(self) -> Option<&'static RsaParameters> {
        match self {
            Self::Rs256 => Some(&signature::RSA_PKCS1_2048_8192_SHA256),
            Self::Rs384 => Some(&signature::RSA_PKCS1_2048_8192_SHA384),
            Self::Rs512 => Some(&signature::RSA_PKCS1_2048_8192_SHA512),
            Self::Ps256 => Some(&signature::RSA_PSS_2048_8192_SHA256),
            Self::Ps384 => Some(&signature::RSA_PSS_2048_8192_SHA384),
            Self::Ps512 => Some(&signature::RSA_PSS_2048_8192_SHA512),
            Self::Es256 | Self::Es384 | Self::EdDsa => None,
        }
    }

    fn curve(self) -> Option<&'static dyn VerificationAlgorithm> {
        match self {
            Self::Es256 => Some(&signature::ECDSA_P256_SHA256_FIXED),
            Self::Es384 => Some(&signature::ECDSA_P384_SHA384_FIXED),
            Self::EdDsa => Some(&signature::ED25519),
            Self::Rs256 | Self::Rs384 | Self::Rs512 | Self::Ps256 | Self::Ps384 | Self::Ps512 => None,
        }
    }
}

/// The keys of an issuer that can be used; never none.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Jwks(Vec<Key>);

#[derive(Debug, PartialEq, Eq)]
struct Key {
    id: Option<String>,
    /// What alone it is for; `None`: all that its kind allows.
    algorithm: Option<Algorithm>,
    public: Public,
}

#[derive(Debug, PartialEq, Eq)]
enum Public {
    Rsa {
        n: Vec<u8>,
        e: Vec<u8>,
    },
    /// A point, as the one algorithm for it has it.
    Curve(Algorithm, Vec<u8>),
}

/// Why no key is there for a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unsigned {
    /// The issuer has no such key, or several and none is named.
    NoKey,
    /// The key has not signed it.
    Signature,
}

#[derive(Deserialize)]
struct Written {
    keys: Vec<serde_json::Value>,
}

#[derive(Deserialize)]
struct WrittenKey {
    kty: String,
    kid: Option<String>,
    alg: Option<String>,
    #[serde(rename = "use")]
    usage: Option<String>,
    key_ops: Option<Vec<String>>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

impl Jwks {
    /// Reads a set of keys. Those that are for something else, or of a kind that is not taken, are passed over.
    pub(super) fn parse(json: &[u8]) -> Result<Self, String> {
        let written: Written =
            serde_json::from_slice(json).map_err(|error| format!("is no set of keys (JWKS): {error}"))?;
        if written.keys.len() > KEYS_MAX {
            return Err(format!("has {} keys, and {KEYS_MAX} are taken", written.keys.len()));
        }
        let keys: Vec<Key> = written.keys.into_iter().filter_map(key).collect();
        let twice = |(index, key): (usize, &Key)| keys.iter().take(index).any(|other| other.id == key.id);
        if keys.len() > 1 && keys.iter().any(|key| key.id.is_none()) {
            return Err("has several keys, and one without `kid`: it could not be told which one signs".to_owned());
        }
        if keys.iter().enumerate().any(twice) {
            return Err("has two keys with one `kid`".to_owned());
        }
        match keys.is_empty() {
            true => Err("has no key for signatures by RSA (RS256 …, PS256 …), P-256, P-384 or Ed25519".to_owned()),
            false => Ok(Self(keys)),
        }
    }

    /// Whether the key that a token names has signed it. Where there is one key only, it need not be named.
    pub(super) fn verify(
        &self,
        key_id: Option<&str>,
        algorithm: Algorithm,
        (message, signature): (&[u8], &[u8]),
    ) -> Result<(), Unsigned> {
        let key = match (key_id, self.0.as_slice()) {
            (None, [only]) => Some(only),
            (Some(_), [only]) if only.id.is_none() => Some(only),
            (Some(id), keys) => keys.iter().find(|key| key.id.as_deref() == Some(id)),
            (None, _) => None,
        };
        let key = key.filter(|key| key.algorithm.is_none_or(|only| only == algorithm)).ok_or(Unsigned::NoKey)?;
        let verified = match &key.public {
            Public::Rsa { n, e } => {
                let parameters = algorithm.rsa().ok_or(Unsigned::NoKey)?;
                RsaPublicKeyComponents { n, e }.verify(parameters, message, signature)
            }
            Public::Curve(own, point) => {
                let curve = algorithm.curve().filter(|_| *own == algorithm).ok_or(Unsigned::NoKey)?;
                UnparsedPublicKey::new(curve, point).verify(message, signature)
            }
        };
        verified.map_err(|_| Unsigned::Signature)
    }
}

/// `None`: it is not for us.
fn key(json: serde_json::Value) -> Option<Key> {
    let written: WrittenKey = serde_json::from_value(json).ok()?;
    let signs = written.usage.as_deref().is_none_or(|usage| usage == "sig")
        && written.key_ops.as_ref().is_none_or(|operations| operations.iter().any(|operation| operation == "verify"));
    let algorithm = match written.alg.as_deref() {
        Some(name) => Some(Algorithm::named(name)?),
        None => None,
    };
    let public = match (written.kty.as_str(), written.crv.as_deref()) {
        ("RSA", _) => Public::Rsa { n: bytes(written.n)?, e: bytes(written.e)? },
        ("EC", Some("P-256")) => Public::Curve(Algorithm::Es256, point(written.x, written.y, 32)?),
        ("EC", Some("P-384")) => Public::Curve(Algorithm::Es384, point(written.x, written.y, 48)?),
        ("OKP", Some("Ed25519")) => Public::Curve(Algorithm::EdDsa, bytes(written.x).filter(|x| x.len() == 32)?),
        _ => return None,
    };
    signs.then_some(Key { id: written.kid, algorithm, public })
}

fn bytes(text: Option<String>) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text?).ok()
}

/// Uncompressed, as SEC 1 has it.
fn point(x: Option<String>, y: Option<String>, bytes_each: usize) -> Option<Vec<u8>> {
    let (x, y) = (bytes(x)?, bytes(y)?);
    let is_whole = x.len() == bytes_each && y.len() == bytes_each;
    is_whole.then(|| [&[4][..], &x, &y].concat())
}
