//! A function whose neighbour does its worst as fast as it can: it traps, it loops, it eats memory.

use std::time::Duration;

use anyhow::{Result, ensure};

use crate::support::load::run_beside;
use crate::support::mode::Mode;
use crate::support::race::{self, Pace};
use crate::support::rows::{Bar, Rows, why};
use crate::support::site::Site;
use crate::support::{Request, places};

/// Long enough for a p99 where each answer waits for a tick.
const PACE: Pace = Pace { rounds: 5, span: Duration::from_millis(3000) };

/// How often a guest that computes is interrupted, in milliseconds: the engine's tick.
const TICK_MS: f64 = 10.0;

/// The neighbour's.
const CONNECTIONS: usize = 4;

/// What each of the neighbour's calls may take.
const LIMITS: &str = "[limits]\ntime = \"200ms\"\nmemory = \"64MiB\"\n";

/// What it does, and the guest that does it.
const NEIGHBOURS: [(&str, &str); 3] = [("traps", "trap"), ("loops", "infinite_loop"), ("eats memory", "eat_memory")];

/// Ours is the p99 beside the neighbour, the baseline is what it may be: 1.5 times the p99 alone, and two ticks.
const BOUND: Bar = Bar::RatioTo(1.0);

/// A row for each neighbour.
pub(crate) fn measure(mode: Mode, rows: &mut Rows) {
    for (what, guest) in NEIGHBOURS {
        let figures = laps(what, guest, mode.pace(PACE)).map(|laps| race::summary(&laps, |ms| *ms)).map_err(why);
        let name = format!("p99 beside a neighbour that {what} / 1.5 x alone and two ticks of {TICK_MS} ms");
        rows.add(&name, "ms", figures, BOUND);
    }
}

fn laps(what: &str, guest: &str, pace: Pace) -> Result<Vec<[f64; 2]>> {
    let site = Site::start()?;
    site.deploy_guest("hello", "hello", "")?;
    site.deploy(&std::fs::read(places::guest(guest)?)?, "neighbour", LIMITS)?;
    let beside = || {
        let (p99, answers) = p99(&site, CONNECTIONS, pace.span)?;
        eprintln!("bench: hello p99 {p99:.2} ms beside {answers} answers of a neighbour that {what}");
        ensure!(answers > 0, "the neighbour that {what} was never answered within {:?}", pace.span);
        Ok(p99)
    };
    let alone = || {
        let (p99, _) = p99(&site, 0, pace.span)?;
        eprintln!("bench: hello p99 {p99:.2} ms alone");
        Ok(1.5 * p99 + 2.0 * TICK_MS)
    };
    race::pairs(pace.rounds, beside, alone)
}

/// In milliseconds; and how often the neighbour was answered.
fn p99(site: &Site, neighbours: usize, span: Duration) -> Result<(f64, u64)> {
    // What the round before has left may run on until its time is over.
    site.wait("no guest runs", |metrics| metrics.sum("modelet_instances", &[("state", "busy")]) < 0.5)?;
    let (hello, other) = (Request::get("/hello"), Request::get("/neighbour"));
    let (seen, answers) = run_beside(site.server.address, &hello, (&other, neighbours), span)?;
    ensure!(seen.failures == 0, "{} answers of hello were not 200", seen.failures);
    Ok((seen.p99.as_secs_f64() * 1e3, answers))
}
