//! Finding a route among ten thousand, as each request does.

use std::hint::black_box;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use fastrand::Rng;
use matchit::Router;
use modelet_catalog::{Catalog, CatalogBuilder, Entry, Lookup, Route};
use modelet_spec::{Auth, Digest, EffectiveLimits, FunctionLimits, ServerLimits, TenantLimits, TenantName, Version};

use crate::support::mode::Mode;
use crate::support::race;
use crate::support::rows::{Bar, Rows, why};

const ROUTES: usize = 10_000;
const ROUNDS: usize = 7;
const SPAN: Duration = Duration::from_millis(300);

/// Of the requests, one of so many is for a path that nobody serves.
const MISSES: usize = 10;

const SEED: u64 = 17;

/// A pattern, and a path that it matches.
struct Asked {
    pattern: String,
    path: String,
}

/// Two rows.
pub(crate) fn measure(mode: Mode, rows: &mut Rows) {
    for (name, host) in [
        ("a route found among 10,000 / by matchit", None),
        ("a route found among 10,000 of one host / by matchit", Some("Models.Example:8080")),
    ] {
        let figures = found(mode, host).map_err(why);
        rows.add(name, "us", figures, Bar::MicrosecondsTo(1.0));
    }
}

fn found(mode: Mode, host: Option<&str>) -> Result<[f64; 3]> {
    let patterns = patterns(mode.count(ROUTES as u32, 500) as usize);
    let catalog = catalog(&patterns, host.map(|_| "models.example"))?;
    let mut router = Router::new();
    for (at, asked) in patterns.iter().enumerate() {
        router.insert(asked.pattern.clone(), at)?;
    }
    let paths = paths(&patterns);
    let (hits, theirs) = (
        paths.iter().filter(|path| is_found(&catalog, host, path)).count(),
        paths.iter().filter(|path| router.at(path).is_ok()).count(),
    );
    ensure!(hits == theirs && hits > paths.len() / 2, "{hits} of {} are found, {theirs} by matchit", paths.len());
    let span = if mode.is_short { SPAN / 30 } else { SPAN };
    let each = |find: &dyn Fn(&str) -> bool| {
        let (begun, mut count) = (Instant::now(), 0_u32);
        while begun.elapsed() < span {
            paths.iter().for_each(|path| _ = black_box(find(black_box(path))));
            count += 1;
        }
        Ok(begun.elapsed().as_secs_f64() * 1e6 / f64::from(count) / paths.len() as f64)
    };
    let laps = race::pairs(
        if mode.is_short { 1 } else { ROUNDS },
        || each(&|path| is_found(&catalog, host, path)),
        || each(&|path| router.at(path).is_ok()),
    )?;
    Ok(race::summary(&laps, |us| *us))
}

fn is_found(catalog: &Catalog<usize>, host: Option<&str>, path: &str) -> bool {
    matches!(catalog.find(host, path, "POST"), Lookup::Found { .. })
}

/// What a server with many teams has: most routes are texts, some take a segment, some all that follows.
fn patterns(count: usize) -> Vec<Asked> {
    let asked = |at: usize| {
        let (team, base) = (at % 100, format!("/team-{}/function-{at}", at % 100));
        let [pattern, path] = match at % 10 {
            0..6 => [base.clone(), base],
            6..9 => [format!("{base}/{{id}}/answers"), format!("{base}/{team}-abc/answers")],
            _ => [format!("{base}/{{*rest}}"), format!("{base}/some/file.txt")],
        };
        Asked { pattern, path }
    };
    (0..count).map(asked).collect()
}

/// Paths in no order, more than the nearest cache holds.
fn paths(patterns: &[Asked]) -> Vec<String> {
    let mut random = Rng::with_seed(SEED);
    let mut paths: Vec<String> = patterns.iter().map(|asked| asked.path.clone()).collect();
    paths.iter_mut().step_by(MISSES).for_each(|path| path.push_str("-is-not-there/at/all"));
    random.shuffle(&mut paths);
    paths
}

fn catalog(patterns: &[Asked], host: Option<&str>) -> Result<Catalog<usize>> {
    let mut builder = CatalogBuilder::new();
    for (at, asked) in patterns.iter().enumerate() {
        let route = Route {
            host: host.map(str::to_owned),
            path: asked.pattern.parse()?,
            methods: vec!["POST".to_owned()],
            auth: Auth::Key,
        };
        builder.add(Entry {
            tenant: TenantName::default_tenant(),
            function: format!("f{at}").parse()?,
            version: Version::FIRST,
            digest: Digest::of(b""),
            limits: EffectiveLimits::of(&ServerLimits::default(), &TenantLimits::default(), &FunctionLimits::default()),
            routes: vec![route],
            handle: at,
            arms: None,
        })?;
    }
    Ok(builder.build())
}
