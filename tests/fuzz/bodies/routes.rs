//! Any routes and requests: the catalog's tree finds what a matcher finds that is too simple to be wrong.
//!
//! The text is lines of `[HOST ]PATTERN`, an empty line, and lines of `[HOST ]PATH`.

use modelet_catalog::{Catalog, CatalogBuilder, Entry, Lookup, Route, is_reserved, normalise_host};
use modelet_spec::{
    Auth, Digest, EffectiveLimits, FunctionLimits, PathPattern, Segment, ServerLimits, TenantLimits, TenantName,
    Version,
};

/// Lines of each kind: more of them find nothing more.
const LINES_MAX: usize = 64;

pub(crate) fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (patterns, requests) = text.split_once("\n\n").unwrap_or((text, ""));
    let mut builder = CatalogBuilder::new();
    let mut routes = Vec::new();
    for line in patterns.lines().take(LINES_MAX) {
        let (host, pattern) = host_and_path(line);
        let Ok(path) = pattern.parse::<PathPattern>() else { continue };
        assert_eq!(path.to_string().parse::<PathPattern>().ok().as_ref(), Some(&path), "{pattern}");
        let route = Route { host: host.map(str::to_owned), path, methods: Vec::new(), auth: Auth::Key };
        // Where two have the same shape, the first holds the place.
        if builder.add(entry(routes.len(), route.clone())).is_ok() {
            routes.push(route);
        }
    }
    let catalog = builder.build();
    for line in requests.lines().take(LINES_MAX) {
        let (host, path) = host_and_path(line);
        let known = host.map(normalise_host);
        let expected = naive_find(&routes, known.as_deref(), path).filter(|_| !is_reserved(path));
        assert_eq!(found(&catalog, host, path), expected, "{line:?}");
    }
}

fn host_and_path(line: &str) -> (Option<&str>, &str) {
    match line.rsplit_once(' ') {
        Some(("", path)) => (None, path),
        Some((host, path)) => (Some(host), path),
        None => (None, line),
    }
}

fn found(catalog: &Catalog<usize>, host: Option<&str>, path: &str) -> Option<usize> {
    match catalog.find(host, path, "GET") {
        Lookup::Found { entry, .. } => Some(entry.handle),
        Lookup::MethodNotAllowed { .. } | Lookup::NotFound => None,
    }
}

/// A function of one route, whose number is its handle.
fn entry(number: usize, route: Route) -> Entry<usize> {
    Entry {
        tenant: TenantName::default_tenant(),
        function: format!("f{number}").parse().expect("a name"),
        version: Version::FIRST,
        digest: Digest::of(b""),
        limits: EffectiveLimits::of(&ServerLimits::default(), &TenantLimits::default(), &FunctionLimits::default()),
        routes: vec![route],
        handle: number,
        arms: None,
    }
}

/// Whether a pattern matches, and how specific it is at each segment: smaller goes first.
fn naive_rank(pattern: &PathPattern, path: &str) -> Option<Vec<u8>> {
    let mut left: Vec<&str> = path.strip_prefix('/')?.split('/').collect();
    let mut rank = Vec::new();
    for segment in pattern.segments() {
        match segment {
            Segment::Rest(_) => return (!left.is_empty()).then(|| [rank, vec![2]].concat()),
            _ if left.is_empty() => return None,
            Segment::Exact(text) if *text == left.remove(0) => rank.push(0),
            Segment::Exact(_) => return None,
            Segment::Param(_) => rank.push(1),
        }
        if rank.last() == Some(&1) && left.remove(0).is_empty() {
            return None;
        }
    }
    left.is_empty().then_some(rank)
}

/// The most specific of all that match; those with the request's host go before those for any.
pub(crate) fn naive_find(routes: &[Route], host: Option<&str>, path: &str) -> Option<usize> {
    let best = |with_host: bool| {
        let fitting = routes.iter().enumerate().filter(|(_, route)| match &route.host {
            Some(known) => with_host && Some(known.as_str()) == host,
            None => !with_host,
        });
        let ranked = fitting.filter_map(|(number, route)| Some((naive_rank(&route.path, path)?, number)));
        ranked.min().map(|(_, number)| number)
    };
    best(true).or_else(|| best(false))
}
