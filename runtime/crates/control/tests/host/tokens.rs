//! An issuer whose tokens a host takes in the place of keys.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use modelet_control::{JwksFrom, JwtIssuer, ScopeRule, TenantRule};
use ring::signature::{Ed25519KeyPair, KeyPair};
use serde_json::{Value, json};

const ISSUER: &str = "https://id.example";
const AUDIENCE: &str = "modelet";

fn signer() -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap()
}

/// The issuer, with its keys in `folder`.
pub(super) fn issuer(folder: &Path) -> JwtIssuer {
    let point = URL_SAFE_NO_PAD.encode(signer().public_key().as_ref());
    let key = json!({ "kty": "OKP", "crv": "Ed25519", "kid": "one", "x": point });
    let file = folder.join("keys.json");
    std::fs::write(&file, json!({ "keys": [key] }).to_string()).unwrap();
    JwtIssuer {
        name: None,
        issuer: ISSUER.to_owned(),
        audience: AUDIENCE.to_owned(),
        jwks: JwksFrom::File(file),
        tenant: TenantRule::Claim { claim: "org".to_owned(), map: Default::default() },
        scopes: ScopeRule { claim: "scope".to_owned(), map: Default::default() },
    }
}

/// A token of the issuer's.
pub(crate) fn token(tenant: &str, scope: &str) -> String {
    let now_s = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let claims =
        json!({ "iss": ISSUER, "aud": AUDIENCE, "sub": "alice", "exp": now_s + 3600, "org": tenant, "scope": scope });
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let message = format!("{}.{}", part(&json!({ "alg": "EdDSA", "typ": "JWT", "kid": "one" })), part(&claims));
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(signer().sign(message.as_bytes())))
}
