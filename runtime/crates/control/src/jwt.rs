//! Tokens of other issuers (JWT, RFC 7519; OpenID Connect) in the place of keys: on the admin API, and on routes that want a key.
//!
//! A token is worth a key of the tenant and with the scopes that its claims say, until it ends. It is verified once: what it is worth
//! is found by its hash afterwards ([`moka`]'s reads take no lock), as long as the issuer's keys are those that verified it, and the
//! tenant is there. Where these come from is [`source`].

mod grant;
mod keys;
mod source;
#[cfg(test)]
mod tests;
mod token;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use modelet_catalog::{KeyHasher, KeyRecord, Tokens};
use moka::sync::Cache;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

pub use grant::{ScopeRule, TenantRule};
pub use source::{FetchJwks, Fetching, JWKS_BYTES_MAX, JwksFrom, NoJwks};

use crate::error::ControlError;
use crate::tenants::Book;
use keys::{Jwks, Unsigned};
use source::{Issuer, Pauses, read};
use token::{Refused, Token};

/// Tokens whose worth is remembered. Beyond it those that came longest ago are verified again.
const REMEMBERED_MAX: u64 = 10_000;
/// Tokens that are remembered as signed by nobody: another memory, so that they put out none that is worth something.
const FALSE_MAX: u64 = 10_000;
/// So long at most, however long a token holds.
const REMEMBERED_FOR: Duration = Duration::from_secs(3600);

/// An issuer whose tokens are taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JwtIssuer {
    /// What it is called in `modelet-caller`, where there are several: subjects of two issuers are not the same.
    pub name: Option<String>,
    /// `iss`, to the letter.
    pub issuer: String,
    /// What `aud` must name.
    pub audience: String,
    /// Where its public keys come from.
    pub jwks: JwksFrom,
    /// Whose its tokens are.
    pub tenant: TenantRule,
    /// What they may do.
    pub scopes: ScopeRule,
}

/// All issuers, with their keys of this moment.
pub(crate) struct Issuers {
    issuers: Vec<Issuer>,
    fetch: Arc<dyn FetchJwks>,
    tenants: Arc<ArcSwap<Book>>,
    hasher: KeyHasher,
    /// What tokens are worth, each with the round of keys that verified it.
    worth: Cache<[u8; 32], (u64, Arc<KeyRecord>)>,
    /// Tokens whose signature is none of the issuer's, with the round of keys that said so.
    unsigned: Cache<[u8; 32], u64>,
    round: AtomicU64,
    pauses: Pauses,
    outcomes: Family<[(&'static str, &'static str); 1], Counter>,
}

impl std::fmt::Debug for Issuers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Issuers({})", self.issuers.len())
    }
}

/// Whether a file has keys that tokens can be verified with; says why not.
///
/// # Errors
/// It cannot be read, or has none.
pub fn check_jwks(file: &Path) -> Result<(), String> {
    read(file).map(drop)
}

impl Issuers {
    /// Reads the keys that are in files. `None`: there are no issuers.
    pub(crate) fn open(
        issuers: &[JwtIssuer],
        tenants: &Arc<ArcSwap<Book>>,
        hasher: &KeyHasher,
        fetch: Arc<dyn FetchJwks>,
        registry: &mut Registry,
    ) -> Result<Option<Arc<Self>>, ControlError> {
        if issuers.is_empty() {
            return Ok(None);
        }
        let issuers = issuers.iter().cloned().map(Issuer::open).collect::<Result<_, _>>();
        let outcomes = Family::default();
        let help = "Tokens of other issuers that were looked at, by what they were worth; one that is remembered is not counted again";
        registry.register("modelet_jwt", help, outcomes.clone());
        Ok(Some(Arc::new(Self {
            issuers: issuers.map_err(ControlError::BadRequest)?,
            tenants: Arc::clone(tenants),
            hasher: hasher.clone(),
            fetch,
            worth: Cache::builder().max_capacity(REMEMBERED_MAX).time_to_live(REMEMBERED_FOR).build(),
            unsigned: Cache::builder().max_capacity(FALSE_MAX).time_to_live(REMEMBERED_FOR).build(),
            round: AtomicU64::new(0),
            pauses: Pauses::default(),
            outcomes,
        })))
    }

    /// Reads all files again, and has the other keys fetched soon.
    pub(crate) fn reload(&self) {
        let changed = self.issuers.iter().filter(|issuer| issuer.reload()).count();
        if changed > 0 {
            self.keys_changed();
        }
    }

    /// Tokens are verified anew. What is just being verified may have been so by the keys before: it is remembered for the round
    /// before this.
    fn keys_changed(&self) {
        self.round.fetch_add(1, Ordering::SeqCst);
        self.worth.invalidate_all();
        self.unsigned.invalidate_all();
    }

    fn look(&self, token: &str, now_ms: u64) -> Option<Result<KeyRecord, Refused>> {
        let read = Token::read(token)?;
        let issuer = self.of(read.text("iss")?)?;
        let verified = match issuer.keys.load().as_deref() {
            Some(keys) => verify(&read, &issuer.config, keys, now_ms / 1000),
            None => Err(Refused::Key),
        };
        if verified.as_ref().err() == Some(&Refused::Key) {
            // There may be a new one by now.
            issuer.wanted.notify_one();
        }
        Some(verified)
    }

    fn of(&self, issuer: &str) -> Option<&Issuer> {
        self.issuers.iter().find(|known| known.config.issuer == issuer)
    }

    fn count(&self, outcome: &'static str) {
        self.outcomes.get_or_create(&[("outcome", outcome)]).inc();
    }
}

fn verify(token: &Token<'_>, issuer: &JwtIssuer, keys: &Jwks, now_s: u64) -> Result<KeyRecord, Refused> {
    let signed = (token.message.as_bytes(), token.signature.as_slice());
    keys.verify(token.header.kid.as_deref(), token.algorithm()?, signed).map_err(|why| match why {
        Unsigned::NoKey => Refused::Key,
        Unsigned::Signature => Refused::Signature,
    })?;
    let end_s = token.hold(&issuer.audience, now_s)?;
    grant::grant(token, issuer.name.as_deref(), (&issuer.tenant, &issuer.scopes), end_s)
}

impl Tokens for Issuers {
    fn find(&self, token: &str, now_ms: u64) -> Option<Arc<KeyRecord>> {
        let hash = self.hasher.hash(token);
        let round = self.round.load(Ordering::SeqCst);
        let holds = |key: &KeyRecord| {
            let is_there = self.tenants.load().get(&key.tenant).is_some();
            is_there && key.expires_ms.is_none_or(|end| now_ms < end)
        };
        if let Some((verified, key)) = self.worth.get(&hash)
            && verified == round
            && holds(&key)
        {
            return Some(key);
        }
        if self.unsigned.get(&hash) == Some(round) {
            return None;
        }
        match self.look(token, now_ms)? {
            Ok(key) if holds(&key) => {
                self.count("verified");
                let key = Arc::new(key);
                self.worth.insert(hash, (round, Arc::clone(&key)));
                Some(key)
            }
            looked => {
                let refused = looked.err().unwrap_or(Refused::Tenant);
                if refused == Refused::Signature {
                    // Nothing but other keys changes that, and to find it out is what costs.
                    self.unsigned.insert(hash, round);
                }
                self.count(refused.name());
                tracing::debug!(reason = refused.name(), "a token of a known issuer is worth nothing");
                None
            }
        }
    }

    fn is_ours(&self, token: &str) -> bool {
        Token::issuer(token).is_some_and(|issuer| self.of(&issuer).is_some())
    }
}
