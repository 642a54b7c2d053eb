//! What the control plane of a server with ten thousand functions and a hundred thousand rows of audit costs; the baseline has one function.

use anyhow::{Result, ensure};
use serde_json::Value;

use super::host::Host;
use super::switches::{self, Switched};
use crate::support::mode::Mode;
use crate::support::race;
use crate::support::rows::{Bar, Rows, median, milliseconds, quantile, why};

const FUNCTIONS: u32 = 10_000;
/// Of each function: with its deploy each is a row of the audit.
const VERSIONS: u32 = 10;
const ROUNDS: usize = 5;
/// Pages of a listing that are read in a round; the slowest but a hundredth counts.
const PAGES: u32 = 100;
/// Deploys in a round.
const DEPLOYS: u32 = 10;
/// Switches from one version to the other, under load.
const SWITCHES: u32 = 500;

const PAGE: Bar = Bar::To(20.0, "ms");
const DEPLOY: Bar = Bar::To(50.0, "ms");
const READY: Bar = Bar::To(1000.0, "ms");

/// Of one side in one round, in milliseconds.
struct Lap {
    ready: f64,
    functions: f64,
    audit: f64,
    deploy: f64,
}

/// Seven rows.
pub(crate) fn measure(mode: Mode, rows: &mut Rows) {
    let measured = measured(mode).map_err(why);
    let of =
        |figure: fn(&Lap) -> f64| measured.as_ref().map(|(laps, _)| race::summary(laps, figure)).map_err(Clone::clone);
    let switched =
        |figure: fn(&Switched) -> f64| measured.as_ref().map(|(_, switched)| figure(switched)).map_err(Clone::clone);
    rows.add("p99 of a page of 100 of 10,000 functions / of one", "ms", of(|lap| lap.functions), PAGE);
    rows.add("p99 of a page of 100 of 100,000 rows of audit / of a few", "ms", of(|lap| lap.audit), PAGE);
    rows.add("deploy by the API, code known, beside 10,000 functions / beside one", "ms", of(|lap| lap.deploy), DEPLOY);
    rows.add("restart to ready, 10,000 functions and 100,000 rows / one", "ms", of(|lap| lap.ready), READY);
    rows.count("requests that fail during 500 live switches", switched(|seen| seen.failed), Bar::Exactly(0.0));
    let wrong = "answers of the wrong version after an acknowledged switch, 500 switches";
    rows.count(wrong, switched(|seen| seen.wrong), Bar::Exactly(0.0));
    rows.count("a live switch under load beside 10,000 functions, p50 in ms", switched(|seen| seen.p50_ms), Bar::None);
}

fn measured(mode: Mode) -> Result<(Vec<[Lap; 2]>, Switched)> {
    let mut many = Host::start(mode.count(FUNCTIONS, 300), mode.count(VERSIONS, 3))?;
    let mut one = Host::start(0, 0)?;
    let rounds = if mode.is_short { 1 } else { ROUNDS };
    let laps = race::pairs(rounds, || lap(&mut many, mode), || lap(&mut one, mode))?;
    let switched = switches::switched(&mut many, mode.count(SWITCHES, 20))?;
    Ok((laps, switched))
}

fn lap(host: &mut Host, mode: Mode) -> Result<Lap> {
    let lap = host.next_lap();
    let ready = milliseconds(host.restart()?);
    let pages = mode.count(PAGES, 3);
    let functions = pages_of(host, "/v1/functions", "functions", pages)?;
    let audit = pages_of(host, "/v1/audit", "changes", pages)?;
    let component = host.component("hello")?;
    let deploys = (0..mode.count(DEPLOYS, 2)).map(|at| host.deploy(&format!("more-{lap}-{at}"), &component));
    let deploy = median(&deploys.map(|took| Ok(milliseconds(took?))).collect::<Result<Vec<_>>>()?);
    eprintln!("bench: ready {ready:.0} ms; a page {functions:.1}, of audit {audit:.1} ms; a deploy {deploy:.1} ms");
    Ok(Lap { ready, functions, audit, deploy })
}

/// Walks through a listing from its beginning, and again where it ends.
fn pages_of(host: &mut Host, path: &str, list: &str, pages: u32) -> Result<f64> {
    let (mut took, mut after) = (Vec::new(), String::new());
    for _ in 0..pages {
        let (page, time) = host.get(&format!("{path}?limit=100{after}"))?;
        let length = page.get(list).and_then(Value::as_array).map_or(0, Vec::len);
        ensure!((1..=100).contains(&length), "a page of {path} has {length} entries");
        took.push(milliseconds(time));
        let next = page.get("next").and_then(Value::as_str);
        after = next.map(|next| format!("&after={next}")).unwrap_or_default();
    }
    quantile(&took, 0.99)
}
