//! The snapshot itself.

use crate::arms::Arms;
use crate::builder::is_reserved;
use crate::claims::Claimed;
use crate::host::normalise_host;
use crate::key::{KeyRecord, KeyRing};
use crate::matcher::{Methods, Node, Target};
use crate::shared::Shared;
use modelet_spec::{Auth, Digest, EffectiveLimits, FunctionName, PathPattern, TenantName, Version};
use std::fmt;
use std::sync::Arc;

/// All that serves at one moment.
#[derive(Debug)]
pub struct Catalog<F> {
    pub(crate) entries: Entries<F>,
    pub(crate) routes: Routes<F>,
    pub(crate) keys: Arc<KeyRing>,
    pub(crate) claimed: Arc<Claimed>,
}

/// Functions by name, by tenant.
pub(crate) type Entries<F> = Shared<TenantName, Shared<FunctionName, Arc<Entry<F>>>>;

/// A version of a function that serves: the live one, with the others below it.
#[derive(Debug)]
pub struct Entry<F> {
    /// Whose it is.
    pub tenant: TenantName,
    /// What it is called.
    pub function: FunctionName,
    /// Which of its versions.
    pub version: Version,
    /// The digest of its component.
    pub digest: Digest,
    /// What holds for it.
    pub limits: EffectiveLimits,
    /// Where it answers.
    pub routes: Vec<Route>,
    /// What runs it.
    pub handle: F,
    /// The versions that it shares its requests with; `None` for nearly all functions: it has all of them.
    pub arms: Option<Box<Arms<F>>>,
}

/// Where a function answers, and whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// Lower-case host without a port; `None`: any.
    pub host: Option<String>,
    /// Which paths.
    pub path: PathPattern,
    /// Upper-case methods; empty: any.
    pub methods: Vec<String>,
    /// Who may call.
    pub auth: Auth,
}

/// What a request's host, path and method lead to.
#[derive(Debug)]
pub enum Lookup<'a, F> {
    /// A function answers.
    Found {
        /// The function.
        entry: &'a Arc<Entry<F>>,
        /// The route that matched.
        route: &'a Route,
    },
    /// The path is known, the method is not.
    MethodNotAllowed {
        /// The methods that are, sorted.
        allow: Vec<String>,
    },
    /// Nobody answers.
    NotFound,
}

/// The patterns, by host.
#[derive(Debug)]
pub(crate) struct Routes<F> {
    by_host: Shared<Box<str>, Node<F>>,
    any_host: Node<F>,
}

impl<F> Catalog<F> {
    /// Nothing serves.
    #[must_use]
    pub fn empty() -> Self {
        Self { entries: Shared::default(), routes: Routes::default(), keys: Arc::default(), claimed: Arc::default() }
    }

    /// Who answers. `host` is the authority as it came (port and case do not matter), `path` the raw, percent-encoded path
    /// without the query, `method` as it came.
    ///
    /// Routes with this host go before routes for any host. Among those, the pattern decides that is more specific at the
    /// first segment where they differ: exact text before `{param}` before `{*rest}`. Only then is the method looked at, so a
    /// wrong method is `MethodNotAllowed`, never a less specific route. Reserved paths are found by no pattern, and what was
    /// given to one tenant is answered by no other.
    #[must_use]
    pub fn find(&self, host: Option<&str>, path: &str, method: &str) -> Lookup<'_, F> {
        if is_reserved(path) {
            return Lookup::NotFound;
        }
        let Some((methods, is_any_host)) = self.routes.find(host, path) else {
            return Lookup::NotFound;
        };
        if let Some(owner) = self.claimed.owner(host, path, is_any_host)
            && !methods.targets().all(|target| target.entry.tenant == *owner)
        {
            return Lookup::NotFound;
        }
        match methods.find(method) {
            Some(target) => found(target),
            None => Lookup::MethodNotAllowed { allow: methods.allowed() },
        }
    }

    /// All functions, in no order.
    pub fn functions(&self) -> impl Iterator<Item = &Arc<Entry<F>>> {
        self.entries.iter().flat_map(|(_, own)| own.iter()).map(|(_, entry)| entry)
    }

    /// The functions of a tenant, in no order.
    pub fn functions_of(&self, tenant: &TenantName) -> impl Iterator<Item = &Arc<Entry<F>>> {
        self.entries.get(tenant).into_iter().flat_map(Shared::iter).map(|(_, entry)| entry)
    }

    /// A function by its name.
    #[must_use]
    pub fn function(&self, tenant: &TenantName, name: &FunctionName) -> Option<&Arc<Entry<F>>> {
        self.entries.get(tenant)?.get(name)
    }

    /// The key with this secret, if it is worth something at `now_ms`. What it may do is for the caller to ask
    /// ([`KeyRecord::allows`]). The keys are not of the snapshot but of this moment.
    #[must_use]
    pub fn authorise(&self, secret: &str, now_ms: u64) -> Option<Arc<KeyRecord>> {
        self.keys.find(secret, now_ms)
    }

    /// Whether a secret looks like one of this server's, whatever it is worth: no guest sees it.
    #[must_use]
    pub fn is_ours(&self, secret: &str) -> bool {
        self.keys.is_ours(secret)
    }
}

fn found<F>(target: &Target<F>) -> Lookup<'_, F> {
    match target.entry.routes.get(target.route) {
        Some(route) => Lookup::Found { entry: &target.entry, route },
        None => Lookup::NotFound,
    }
}

impl<F> Default for Catalog<F> {
    fn default() -> Self {
        Self::empty()
    }
}

impl<F> Routes<F> {
    /// The place of a route, made where it is missing. There always is one.
    pub(crate) fn place(&mut self, route: &Route) -> Option<&mut Methods<F>> {
        let tree = match route.host.as_deref() {
            Some(host) => self.by_host.entry(host, || host.into())?,
            None => &mut self.any_host,
        };
        tree.place(&route.path)
    }

    /// Takes out what an entry has at a route.
    pub(crate) fn take_out(&mut self, route: &Route, entry: &Arc<Entry<F>>) {
        let Some(host) = route.host.as_deref() else {
            return self.any_host.take_out(route.path.segments(), entry);
        };
        if self.by_host.get(host).is_none() {
            return;
        }
        let Some(tree) = self.by_host.entry(host, || host.into()) else { return };
        tree.take_out(route.path.segments(), entry);
        if tree.is_empty() {
            self.by_host.remove(host);
        }
    }

    /// What was found, and whether it is for any host.
    fn find(&self, host: Option<&str>, path: &str) -> Option<(&Methods<F>, bool)> {
        // Most servers have no route with a host: then nothing is normalised.
        let tree = match host {
            Some(host) if !self.by_host.is_empty() => self.by_host.get(normalise_host(host).as_ref()),
            _ => None,
        };
        let with_host = tree.and_then(|tree| tree.find(path)).map(|methods| (methods, false));
        with_host.or_else(|| Some((self.any_host.find(path)?, true)))
    }
}

impl<F> Clone for Routes<F> {
    fn clone(&self) -> Self {
        Self { by_host: self.by_host.clone(), any_host: self.any_host.clone() }
    }
}

impl<F> Default for Routes<F> {
    fn default() -> Self {
        Self { by_host: Shared::default(), any_host: Node::default() }
    }
}

impl fmt::Display for Route {
    /// `GET,POST example.com/x/{name}`; without methods and host where there are none.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.methods.is_empty() {
            write!(f, "{} ", self.methods.join(","))?;
        }
        write!(f, "{}{}", self.host.as_deref().unwrap_or_default(), self.path)
    }
}
