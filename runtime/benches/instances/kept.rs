//! What a thousand warm instances take that have answered a request each: what a guest has touched, it keeps.

use std::fs;

use anyhow::{Result, ensure};

use crate::baseline::bare::{self, Question};
use crate::support::load::Caller;
use crate::support::metrics::Metrics;
use crate::support::mode::Mode;
use crate::support::race;
use crate::support::rows::{Bar, Rows, why};
use crate::support::site::Site;
use crate::support::{Request, places};

const ROUNDS: usize = 5;
const INSTANCES: u32 = 1000;

/// 1.5 MiB. Nothing is taken off for the instances' own linear memory: what they have touched of it counts, too.
const EACH: Bar = Bar::To(1536.0, "KiB");

/// The server has room for twice as many.
const ROOM: &[(&str, &str)] = &[("MODELET_LIMITS_INSTANCES_TOTAL", "2000")];

/// It answers at once and stays for a while, so that each request finds another instance; by then all have been asked.
const GUEST: &str = "early_answer";
const STAYS_MS: u32 = 4000;

/// One row.
pub(crate) fn measure(mode: Mode, rows: &mut Rows) {
    let figures = laps(mode).map(|laps| race::summary(&laps, |kib| *kib)).map_err(why);
    rows.add("memory of each of 1,000 warm instances / of as many bare ones", "KiB", figures, EACH);
}

fn laps(mode: Mode) -> Result<Vec<[f64; 2]>> {
    let count = mode.count(INSTANCES, 50);
    race::pairs(if mode.is_short { 1 } else { ROUNDS }, || ours(count), || theirs(count))
}

/// In a server of its own: memory that was used once is not given back.
fn ours(count: u32) -> Result<f64> {
    let site = Site::start_in(ROOM)?;
    let limits = format!("[limits]\ntime = \"60s\"\nconcurrency = {count}\n");
    site.deploy(&fs::read(places::guest(GUEST)?)?, "stays", &limits)?;
    let before = site.server.memory()?;
    site.modelet(&["function", "scale", "stays", "--min", &count.to_string()])?;
    let has = |metrics: &Metrics, state| {
        let instances = metrics.sum("modelet_instances", &[("function", "stays"), ("state", state)]);
        instances >= f64::from(count)
    };
    ensure!(has(&site.metrics()?, "idle"), "`function scale stays --min {count}` has not made them all");
    let (mut caller, request) =
        (Caller::open(site.server.address)?, Request::get(&format!("/stays?pause_ms={STAYS_MS}")));
    for _ in 0..count {
        let (answer, _) = caller.ask(&request)?;
        ensure!(answer.status == 200, "it says {}", answer.status);
    }
    ensure!(has(&site.metrics()?, "busy"), "some requests were answered by an instance that another had had");
    site.wait("all wait again", |metrics| has(metrics, "idle"))?;
    tell("modelet", site.server.memory()?.saturating_sub(before), count)
}

fn theirs(count: u32) -> Result<f64> {
    let mut bare = bare::start(&places::text(&places::guest(GUEST)?)?)?;
    tell("bare", bare.ask(&Question::Keep { count })?.bytes, count)
}

fn tell(name: &str, bytes: u64, count: u32) -> Result<f64> {
    let each = bytes as f64 / 1024.0 / f64::from(count);
    eprintln!("bench: {count} warm instances, {name}: {each:.1} KiB each");
    Ok(each)
}
