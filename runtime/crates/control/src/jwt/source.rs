//! Where the keys of issuers come from: a file, or by HTTPS from the issuer itself, now and then and when a token names a key that is
//! not there. Whatever goes wrong, the last good keys stay.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use modelet_spec::outbound::OutboundRule;
use tokio::sync::Notify;

use super::keys::Jwks;
use super::{Issuers, JwtIssuer};

/// More than any set of keys has.
pub const JWKS_BYTES_MAX: u64 = 1 << 20;
/// When keys are fetched.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pauses {
    /// Again, when there are some.
    pub(super) every: Duration,
    /// As long as there are none at all.
    pub(super) again: Duration,
    /// Between two fetches, whoever wants one: a token that names a key nobody has is anybody's to send.
    pub(super) least: Duration,
}

impl Default for Pauses {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self { every: seconds(300), again: seconds(15), least: seconds(10) }
    }
}

/// Where the public keys of an issuer (JWKS) come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JwksFrom {
    /// A file, read at the start and at SIGHUP.
    File(PathBuf),
    /// By HTTPS.
    Url {
        /// Where.
        url: String,
        /// Addresses that are not public, and may be connected to for it.
        allow: Vec<OutboundRule>,
    },
}

/// What is being fetched; dropped when nobody wants it any more.
pub type Fetching = Pin<Box<dyn Future<Output = Result<Vec<u8>, String>> + Send>>;

/// Fetches a document of [`JWKS_BYTES_MAX`] at most, within a bounded time, following no redirect; says why not.
pub trait FetchJwks: Send + Sync {
    /// Fetches it.
    fn fetch(&self, url: &str, allow: &[OutboundRule]) -> Fetching;
}

/// Fetches nothing.
#[derive(Debug, Clone, Copy)]
pub struct NoJwks;

impl FetchJwks for NoJwks {
    fn fetch(&self, _: &str, _: &[OutboundRule]) -> Fetching {
        Box::pin(async { Err("this server fetches nothing".to_owned()) })
    }
}

/// An issuer with its keys of this moment; none, as long as none could be fetched.
pub(super) struct Issuer {
    pub(super) config: JwtIssuer,
    pub(super) keys: ArcSwapOption<Jwks>,
    pub(super) wanted: Notify,
}

impl Issuer {
    /// With the keys of its file, if it has one.
    pub(super) fn open(config: JwtIssuer) -> Result<Self, String> {
        let keys = match &config.jwks {
            JwksFrom::File(file) => Some(Arc::new(read(file)?)),
            JwksFrom::Url { .. } => None,
        };
        Ok(Self { config, keys: ArcSwapOption::new(keys), wanted: Notify::new() })
    }

    /// Reads its file again, or has its keys fetched soon. Whether it has others now.
    pub(super) fn reload(&self) -> bool {
        match &self.config.jwks {
            JwksFrom::File(file) => self.take(read(file)),
            JwksFrom::Url { .. } => {
                self.wanted.notify_one();
                false
            }
        }
    }

    /// Takes other keys, if they are some. Whether they are others than before.
    fn take(&self, read: Result<Jwks, String>) -> bool {
        match read {
            Ok(read) => {
                let is_other = self.keys.load().as_deref() != Some(&read);
                self.keys.store(Some(Arc::new(read)));
                is_other
            }
            Err(why) => {
                let stay =
                    if self.keys.load().is_some() { "those that were read before stay" } else { "there are none" };
                tracing::error!(issuer = self.config.issuer, "keys of tokens: {why}; {stay}");
                false
            }
        }
    }
}

impl Issuers {
    /// Fetches the keys of those issuers that have no file, as long as the control plane lives.
    pub(crate) fn start(self: &Arc<Self>) {
        for (index, issuer) in self.issuers.iter().enumerate() {
            if matches!(issuer.config.jwks, JwksFrom::Url { .. }) {
                let weak = Arc::downgrade(self);
                tokio::spawn(async move {
                    while let Some(issuers) = weak.upgrade() {
                        let wait = issuers.refresh(index).await;
                        tokio::time::sleep(issuers.pauses.least.min(wait)).await;
                        let Some(issuer) = issuers.issuers.get(index) else { return };
                        let more = wait.saturating_sub(issuers.pauses.least);
                        // Late or asked for: both are a reason to fetch.
                        let _ = tokio::time::timeout(more, issuer.wanted.notified()).await;
                    }
                });
            }
        }
    }

    /// Fetches the keys of one issuer; how long it can wait for the next time.
    async fn refresh(&self, index: usize) -> Duration {
        let Some(issuer) = self.issuers.get(index) else { return self.pauses.every };
        let JwksFrom::Url { url, allow } = &issuer.config.jwks else { return self.pauses.every };
        let fetched = self.fetch.fetch(url, allow).await.map_err(|why| format!("{url} could not be fetched: {why}"));
        let read = fetched.and_then(|json| Jwks::parse(&json).map_err(|why| format!("{url} {why}")));
        if issuer.take(read) {
            tracing::info!(issuer = issuer.config.issuer, "fetched keys of tokens");
            self.keys_changed();
        }
        if issuer.keys.load().is_some() { self.pauses.every } else { self.pauses.again }
    }
}

/// Reads the keys of a file.
pub(super) fn read(file: &Path) -> Result<Jwks, String> {
    let bytes = || {
        let mut bytes = Vec::new();
        std::fs::File::open(file)?.take(JWKS_BYTES_MAX + 1).read_to_end(&mut bytes)?;
        std::io::Result::Ok(bytes)
    };
    let bytes = bytes().map_err(|error| format!("{} cannot be read: {error}", file.display()))?;
    if bytes.len() as u64 > JWKS_BYTES_MAX {
        return Err(format!("{} is over {JWKS_BYTES_MAX} bytes", file.display()));
    }
    Jwks::parse(&bytes).map_err(|why| format!("{} {why}", file.display()))
}
