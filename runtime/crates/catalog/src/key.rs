//! Keys: what a bearer shows, and what it may do.

use arc_swap::ArcSwap;
use modelet_spec::{FunctionName, ModelName, TenantName};
use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use subtle::ConstantTimeEq;

/// What secrets begin with, so that one is known for what it is wherever it lies about.
pub const SECRET_PREFIX: &str = "modelet_";

/// A use is written down when the last one is so long ago, in milliseconds: else all requests of a key would write to one place.
const USE_STEP_MS: u64 = 1000;

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

/// Makes of a secret what is kept of it: BLAKE3 with a key that lies apart from the hashes, so that who reads these alone cannot
/// even try secrets. A secret has 256 random bits, so a slow hash would add cost and no safety.
#[derive(Clone)]
pub struct KeyHasher([u8; 32]);

impl KeyHasher {
    /// With this key.
    #[must_use]
    pub fn new(key: [u8; 32]) -> Self {
        Self(key)
    }

    /// The hash of a secret.
    #[must_use]
    pub fn hash(&self, secret: &str) -> [u8; 32] {
        *blake3::keyed_hash(&self.0, secret.as_bytes()).as_bytes()
    }
}

impl fmt::Debug for KeyHasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyHasher")
    }
}

/// A key as the server knows it: never the secret.
#[derive(Debug, Clone)]
pub struct KeyRecord {
    /// What the key is called in logs and in `modelet-caller`.
    pub id: String,
    /// Whose key it is.
    pub tenant: TenantName,
    /// What it may do.
    pub scopes: Vec<Scope>,
    /// With what alone it may do that; `None`: with all that the tenant has.
    pub bound: Option<Bound>,
    /// When it ends, in milliseconds since 1970.
    pub expires_ms: Option<u64>,
    /// When it was last shown.
    pub last_use: LastUse,
}

/// The functions and models of its tenant that a key is bound to. What is not here is not there for it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Bound {
    /// Functions.
    pub functions: BTreeSet<FunctionName>,
    /// Models.
    pub models: BTreeSet<ModelName>,
}

/// When a key was last shown, to the second: in memory, for whoever keeps it to read now and then.
#[derive(Debug, Clone, Default)]
pub struct LastUse(Arc<AtomicU64>);

/// What is kept of one of a key's secrets. It has two while one replaces the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Secret {
    /// As [`KeyHasher::hash`] makes it.
    pub hash: [u8; 32],
    /// From then on it is worth nothing, in milliseconds since 1970.
    pub until_ms: Option<u64>,
}

impl KeyRecord {
    /// Whether the key may do what `scope` names; `admin` may do everything.
    #[must_use]
    pub fn allows(&self, scope: Scope) -> bool {
        self.scopes.contains(&scope) || self.scopes.contains(&Scope::Admin)
    }

    /// Whether the key is not bound, or is to this function of its tenant among others.
    #[must_use]
    pub fn reaches_function(&self, name: &str) -> bool {
        self.bound.as_ref().is_none_or(|bound| bound.functions.contains(name))
    }

    /// Whether the key is not bound, or is to this model of its tenant among others.
    #[must_use]
    pub fn reaches_model(&self, name: &str) -> bool {
        self.bound.as_ref().is_none_or(|bound| bound.models.contains(name))
    }
}

impl LastUse {
    /// What was read of an earlier use, in milliseconds since 1970; 0: there was none.
    #[must_use]
    pub fn at(unix_ms: u64) -> Self {
        Self(Arc::new(AtomicU64::new(unix_ms)))
    }

    /// In milliseconds since 1970.
    #[must_use]
    pub fn get(&self) -> Option<u64> {
        Some(self.0.load(Ordering::Relaxed)).filter(|at| *at > 0)
    }

    fn set(&self, now_ms: u64) {
        if now_ms >= self.0.load(Ordering::Relaxed).saturating_add(USE_STEP_MS) {
            self.0.store(now_ms, Ordering::Relaxed);
        }
    }
}

/// All keys at one moment, found by a part of their hash.
#[derive(Debug)]
pub struct Keys {
    hasher: KeyHasher,
    /// By the first eight bytes of the hash. An attacker cannot steer the hash of a guess, so the time of this lookup tells
    /// nothing of use; the whole hash is compared in constant time.
    by_prefix: HashMap<u64, Vec<(Secret, Arc<KeyRecord>)>>,
    records: Vec<Arc<KeyRecord>>,
}

impl Keys {
    /// None yet.
    #[must_use]
    pub fn new(hasher: KeyHasher) -> Self {
        Self { hasher, by_prefix: HashMap::new(), records: Vec::new() }
    }

    /// Adds a key.
    pub fn insert(&mut self, key: KeyRecord, secrets: &[Secret]) {
        let key = Arc::new(key);
        for secret in secrets {
            self.by_prefix.entry(prefix(&secret.hash)).or_default().push((*secret, Arc::clone(&key)));
        }
        self.records.push(key);
    }

    /// All keys, in the order in which they were added.
    pub fn records(&self) -> impl Iterator<Item = &Arc<KeyRecord>> {
        self.records.iter()
    }

    /// The key with this secret, if both are worth something at `now_ms`. What it may do is for the caller to ask.
    #[must_use]
    pub fn find(&self, secret: &str, now_ms: u64) -> Option<Arc<KeyRecord>> {
        let hash = self.hasher.hash(secret);
        let candidates = self.by_prefix.get(&prefix(&hash))?;
        let same = |known: &Secret| bool::from(known.hash.as_slice().ct_eq(hash.as_slice()));
        let (known, key) = candidates.iter().find(|(known, _)| same(known))?;
        let ends = [known.until_ms, key.expires_ms];
        if ends.into_iter().flatten().any(|end| now_ms >= end) {
            return None;
        }
        key.last_use.set(now_ms);
        Some(Arc::clone(key))
    }
}

/// The keys that hold now. All catalogs have the same ring, so a key that is revoked is refused from that moment on, whatever
/// catalog is just being made.
#[derive(Debug)]
pub struct KeyRing {
    keys: ArcSwap<Keys>,
    tokens: Option<Arc<dyn Tokens>>,
}

/// Tokens that others sign and that are worth a key: each names its tenant and what it may do.
pub trait Tokens: fmt::Debug + Send + Sync {
    /// The key that a token is worth at `now_ms`; `None`: it is worth nothing.
    fn find(&self, token: &str, now_ms: u64) -> Option<Arc<KeyRecord>>;

    /// Whether it is meant for this server, whatever it is worth: then no guest sees it.
    fn is_ours(&self, token: &str) -> bool;
}

impl KeyRing {
    /// With these keys.
    #[must_use]
    pub fn new(keys: Keys) -> Self {
        Self { keys: ArcSwap::from_pointee(keys), tokens: None }
    }

    /// The same, which takes such tokens, too.
    #[must_use]
    pub fn with_tokens(self, tokens: Arc<dyn Tokens>) -> Self {
        Self { tokens: Some(tokens), ..self }
    }

    /// Puts these keys in the place of those before.
    pub fn replace(&self, keys: Keys) {
        self.keys.store(Arc::new(keys));
    }

    /// See [`Keys::find`] and [`Tokens::find`].
    #[must_use]
    pub fn find(&self, secret: &str, now_ms: u64) -> Option<Arc<KeyRecord>> {
        match self.tokens_for(secret) {
            Some(tokens) => tokens.find(secret, now_ms),
            None => self.keys.load().find(secret, now_ms),
        }
    }

    /// Whether a secret looks like one of ours, whatever it is worth: it may be one that has ended.
    #[must_use]
    pub fn is_ours(&self, secret: &str) -> bool {
        secret.starts_with(SECRET_PREFIX) || self.tokens_for(secret).is_some_and(|tokens| tokens.is_ours(secret))
    }

    /// Who knows of a secret that looks like a signed token: those have three parts, and ours have one.
    fn tokens_for(&self, secret: &str) -> Option<&Arc<dyn Tokens>> {
        self.tokens.as_ref().filter(|_| secret.bytes().filter(|byte| *byte == b'.').count() == 2)
    }

    /// The keys of this moment.
    #[must_use]
    pub fn keys(&self) -> Arc<Keys> {
        self.keys.load_full()
    }
}

impl Default for KeyRing {
    /// No keys.
    fn default() -> Self {
        Self::new(Keys::new(KeyHasher::new([0; 32])))
    }
}

fn prefix(hash: &[u8; 32]) -> u64 {
    hash.first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_000_000;

    fn key(id: &str, scopes: &[Scope]) -> KeyRecord {
        KeyRecord {
            id: id.to_owned(),
            tenant: TenantName::default_tenant(),
            scopes: scopes.to_vec(),
            bound: None,
            expires_ms: None,
            last_use: LastUse::default(),
        }
    }

    fn hasher() -> KeyHasher {
        KeyHasher::new([7; 32])
    }

    fn secret(text: &str, until_ms: Option<u64>) -> Secret {
        Secret { hash: hasher().hash(text), until_ms }
    }

    fn found(keys: &Keys, secret: &str, now_ms: u64) -> Option<String> {
        keys.find(secret, now_ms).map(|key| key.id.clone())
    }

    #[test]
    fn only_the_secret_itself_opens() {
        let mut keys = Keys::new(hasher());
        keys.insert(key("a", &[Scope::Invoke]), &[secret("secret-a", None)]);
        keys.insert(key("b", &[Scope::Admin]), &[secret("secret-b", None)]);
        assert_eq!(found(&keys, "secret-a", NOW).as_deref(), Some("a"));
        assert_eq!(found(&keys, "secret-b", NOW).as_deref(), Some("b"));
        for wrong in ["", "secret", "secret-c", "a"] {
            assert!(keys.find(wrong, NOW).is_none());
        }
    }

    #[test]
    fn a_key_with_half_of_the_right_hash_does_not_open() {
        let mut twin = secret("secret-a", None);
        twin.hash[31] ^= 1;
        let mut keys = Keys::new(hasher());
        keys.insert(key("twin", &[]), &[twin]);
        assert!(keys.find("secret-a", NOW).is_none());
    }

    #[test]
    fn hashes_are_worth_nothing_under_another_key() {
        let mut keys = Keys::new(KeyHasher::new([8; 32]));
        keys.insert(key("a", &[]), &[secret("secret-a", None)]);
        assert!(keys.find("secret-a", NOW).is_none());
        assert!(!format!("{:?}", hasher()).contains('7'), "the key is in no debug output");
    }

    #[test]
    fn a_key_ends_at_its_time_and_a_replaced_secret_at_its_own() {
        let mut keys = Keys::new(hasher());
        let expiring = KeyRecord { expires_ms: Some(NOW), ..key("a", &[]) };
        keys.insert(expiring, &[secret("old", Some(NOW - 10)), secret("new", None)]);
        for (text, now, opens) in
            [("old", NOW - 11, true), ("old", NOW - 10, false), ("new", NOW - 1, true), ("new", NOW, false)]
        {
            assert_eq!(found(&keys, text, now).is_some(), opens, "{text} {now}");
        }
    }

    #[test]
    fn a_ring_refuses_a_key_from_the_moment_on_that_it_is_replaced() {
        let mut keys = Keys::new(hasher());
        keys.insert(key("a", &[]), &[secret("secret-a", None)]);
        let ring = KeyRing::new(keys);
        assert!(ring.find("secret-a", NOW).is_some());
        ring.replace(Keys::new(hasher()));
        assert!(ring.find("secret-a", NOW).is_none());
    }

    #[test]
    fn the_last_use_is_known_to_the_second() {
        let mut keys = Keys::new(hasher());
        keys.insert(key("a", &[]), &[secret("secret-a", None)]);
        let last = || keys.records().next().unwrap().last_use.get();
        assert_eq!(last(), None);
        let _ = keys.find("wrong", NOW);
        assert_eq!(last(), None);
        for (now, known) in [(NOW, NOW), (NOW + 999, NOW), (NOW + 1000, NOW + 1000)] {
            let _ = keys.find("secret-a", now);
            assert_eq!(last(), Some(known));
        }
    }

    #[test]
    fn admin_may_do_everything_and_others_what_they_name() {
        let all = [Scope::Admin, Scope::Deploy, Scope::Invoke, Scope::Read];
        assert!(all.iter().all(|scope| key("a", &[Scope::Admin]).allows(*scope)));
        assert!(key("a", &[Scope::Read]).allows(Scope::Read));
        assert!(!key("a", &[Scope::Read]).allows(Scope::Invoke));
        assert!(all.iter().all(|scope| scope.to_string().parse() == Ok(*scope)));
    }

    #[test]
    fn a_bound_key_reaches_what_it_names_and_nothing_else() {
        let free = key("a", &[]);
        assert!(free.reaches_function("f") && free.reaches_model("m"));
        let functions = ["f".parse().unwrap()].into();
        let bound = KeyRecord { bound: Some(Bound { functions, models: BTreeSet::new() }), ..free };
        assert!(bound.reaches_function("f") && !bound.reaches_function("g") && !bound.reaches_model("m"));
    }
}
