//! How long it takes to make an instance of a component that is in memory, by what the server tells of each request: the stage
//! `instantiate` of `server-timing`.

use std::fs;

use anyhow::{Context, Result};

use crate::baseline::bare::{self, Question};
use crate::support::load::Caller;
use crate::support::mode::Mode;
use crate::support::race;
use crate::support::rows::{Bar, Rows, quantile, why};
use crate::support::site::Site;
use crate::support::{Request, places};

const ROUNDS: usize = 7;
const INSTANCES: u32 = 3000;

const P50: Bar = Bar::MicrosecondsTo(15.0);
const P99: Bar = Bar::MicrosecondsTo(100.0);

/// Each instance answers one request, and none is made before it is wanted.
const ONE_REQUEST: &str = "[instances]\nreuse = \"instance\"\nmax_requests = 1\n";

/// Of one round, in microseconds.
struct Lap {
    p50: f64,
    p99: f64,
}

/// Two rows.
pub(crate) fn measure(mode: Mode, rows: &mut Rows) {
    let laps = laps(mode).map_err(why);
    let of = |figure: fn(&Lap) -> f64| match &laps {
        Ok(laps) => Ok(race::summary(laps, figure)),
        Err(why) => Err(why.clone()),
    };
    rows.add("instantiate p50 / a bare store and instance", "us", of(|lap| lap.p50), P50);
    rows.add("instantiate p99 / a bare store and instance", "us", of(|lap| lap.p99), P99);
}

fn laps(mode: Mode) -> Result<Vec<[Lap; 2]>> {
    let site = Site::start_in(&[("MODELET_SERVER_SERVER_TIMING", "true")])?;
    let guest = places::guest("hello")?;
    site.deploy(&fs::read(&guest)?, "hello", ONE_REQUEST)?;
    let mut bare = bare::start(&places::text(&guest)?)?;
    let count = mode.count(INSTANCES, 100);
    let ours = || tell("modelet", ours(&site, count)?);
    let theirs = || {
        let told = bare.ask(&Question::Make { count })?;
        tell("bare", Lap { p50: told.p50_us, p99: told.p99_us })
    };
    race::pairs(if mode.is_short { 1 } else { ROUNDS }, ours, theirs)
}

fn ours(site: &Site, count: u32) -> Result<Lap> {
    let (mut caller, request) = (Caller::open(site.server.address)?, Request::get("/hello"));
    let mut took = Vec::new();
    // The first may bring the component into memory.
    for at in 0..=count {
        let (answer, _) = caller.ask(&request)?;
        let stage = answer.stage("instantiate");
        let stage = stage.with_context(|| format!("`server-timing` has no `instantiate`: {:?}", answer.timing))?;
        if at > 0 {
            took.push(stage.as_secs_f64() * 1e6);
        }
    }
    Ok(Lap { p50: quantile(&took, 0.5)?, p99: quantile(&took, 0.99)? })
}

fn tell(name: &str, lap: Lap) -> Result<Lap> {
    eprintln!("bench: instantiate, {name}: p50 {:.1} us, p99 {:.1} us", lap.p50, lap.p99);
    Ok(lap)
}
