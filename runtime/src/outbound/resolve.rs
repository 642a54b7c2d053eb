//! From a name to addresses, behind a port of its own: what a resolver says is the one thing here that others decide.

use std::net::{IpAddr, ToSocketAddrs};
use std::sync::Arc;

use modelet_engine::ports::Pending;
use tokio::sync::Semaphore;

/// Look-ups at a time. Each holds a thread for as long as the machine's resolver takes, also when nobody waits any more.
const LOOKUPS_MAX: usize = 32;

/// Resolves names. Called once for each request that names one.
pub(super) trait Resolve: Send + Sync {
    /// The addresses of a name, in the order in which to try them.
    fn resolve(&self, host: &str) -> Pending<std::io::Result<Vec<IpAddr>>>;
}

/// As this machine resolves names: `/etc/hosts`, then its name servers.
pub(super) struct SystemResolver {
    lookups: Arc<Semaphore>,
}

impl Default for SystemResolver {
    fn default() -> Self {
        Self { lookups: Arc::new(Semaphore::new(LOOKUPS_MAX)) }
    }
}

impl Resolve for SystemResolver {
    fn resolve(&self, host: &str) -> Pending<std::io::Result<Vec<IpAddr>>> {
        let (lookups, host) = (Arc::clone(&self.lookups), host.to_owned());
        Box::pin(async move {
            // Never closed; kept by the thread itself, which no dropped future stops.
            let lookup = lookups.acquire_owned().await.map_err(std::io::Error::other)?;
            let found = tokio::task::spawn_blocking(move || {
                let found = (host.as_str(), 0).to_socket_addrs().map(|found| found.map(|at| at.ip()).collect());
                drop(lookup);
                found
            });
            found.await.map_err(std::io::Error::other)?
        })
    }
}
