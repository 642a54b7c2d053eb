//! Keys: what a bearer shows, and what it may do.

use modelet_spec::{Digest, TenantName};
use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;
use subtle::ConstantTimeEq;

/// What a key may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// Everything on the admin API.
    Admin,
    /// Push models and deploy functions.
    Deploy,
    /// Call functions and models.
    Invoke,
    /// Look at listings.
    Read,
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Admin => "admin",
            Self::Deploy => "deploy",
            Self::Invoke => "invoke",
            Self::Read => "read",
        })
    }
}

impl FromStr for Scope {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "admin" => Ok(Self::Admin),
            "deploy" => Ok(Self::Deploy),
            "invoke" => Ok(Self::Invoke),
            "read" => Ok(Self::Read),
            other => Err(format!("{other:?} is not a scope; write admin, deploy, invoke or read")),
        }
    }
}

/// A key as the server knows it: never the secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRecord {
    /// What the key is called in logs and in `modelet-caller`.
    pub id: String,
    /// Whose key it is.
    pub tenant: TenantName,
    /// What it may do.
    pub scopes: Vec<Scope>,
    /// SHA-256 of the secret. The secret has 256 random bits, so a slow hash would add cost and no safety.
    pub hash: [u8; 32],
}

impl KeyRecord {
    /// Whether the key may do what `scope` names; `admin` may do everything.
    #[must_use]
    pub fn allows(&self, scope: Scope) -> bool {
        self.scopes.contains(&scope) || self.scopes.contains(&Scope::Admin)
    }
}

/// The keys of a catalog, found by a part of their hash.
#[derive(Debug, Default)]
pub(crate) struct Keys {
    /// By the first eight bytes of the hash. An attacker cannot steer the hash of a guess, so the time of this lookup tells
    /// nothing of use; the whole hash is compared in constant time.
    by_prefix: HashMap<u64, Vec<KeyRecord>>,
}

impl Keys {
    pub(crate) fn insert(&mut self, key: KeyRecord) {
        self.by_prefix.entry(prefix(&key.hash)).or_default().push(key);
    }

    pub(crate) fn find(&self, secret: &str) -> Option<&KeyRecord> {
        let hash = Digest::of(secret.as_bytes());
        let candidates = self.by_prefix.get(&prefix(hash.as_bytes()))?;
        candidates.iter().find(|key| bool::from(key.hash.as_slice().ct_eq(hash.as_bytes().as_slice())))
    }
}

fn prefix(hash: &[u8; 32]) -> u64 {
    hash.first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(id: &str, secret: &str, scopes: &[Scope]) -> KeyRecord {
        let hash = *Digest::of(secret.as_bytes()).as_bytes();
        KeyRecord { id: id.to_owned(), tenant: TenantName::default_tenant(), scopes: scopes.to_vec(), hash }
    }

    #[test]
    fn only_the_secret_itself_opens() {
        let mut keys = Keys::default();
        keys.insert(key("a", "secret-a", &[Scope::Invoke]));
        keys.insert(key("b", "secret-b", &[Scope::Admin]));
        assert_eq!(keys.find("secret-a").map(|key| key.id.as_str()), Some("a"));
        assert_eq!(keys.find("secret-b").map(|key| key.id.as_str()), Some("b"));
        for wrong in ["", "secret", "secret-c", "a"] {
            assert!(keys.find(wrong).is_none());
        }
    }

    #[test]
    fn a_key_with_half_of_the_right_hash_does_not_open() {
        let mut keys = Keys::default();
        let mut twin = key("twin", "secret-a", &[]);
        twin.hash[31] ^= 1;
        keys.insert(twin);
        assert!(keys.find("secret-a").is_none());
    }

    #[test]
    fn admin_may_do_everything_and_others_what_they_name() {
        let all = [Scope::Admin, Scope::Deploy, Scope::Invoke, Scope::Read];
        assert!(all.iter().all(|scope| key("a", "x", &[Scope::Admin]).allows(*scope)));
        assert!(key("a", "x", &[Scope::Read]).allows(Scope::Read));
        assert!(!key("a", "x", &[Scope::Read]).allows(Scope::Invoke));
        assert!(all.iter().all(|scope| scope.to_string().parse() == Ok(*scope)));
    }
}
