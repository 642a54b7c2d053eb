//! `cargo xtask bench driver`: which way of driving a guest of `wasi:http` 0.2 is faster, on which tokio runtime.
//!
//! {`call_handle` itself, `wasmtime_wasi_http::handler`} × {multi-thread, one current-thread runtime per core}, with the
//! same guest, engine settings and warm instances. The decision that came of it is `docs/decisions/0002-driver.md`. There
//! is no bar to reach: the first is what the others are held against.

#[path = "../baseline/mod.rs"]
#[expect(dead_code, reason = "the other benches use the rest")]
mod baseline;
#[path = "../support/mod.rs"]
#[expect(dead_code, reason = "the other benches use the rest")]
mod support;

use anyhow::{Context, Result};

use support::Request;
use support::child::{self, Server};
use support::places;
use support::race::{self, Pace, Runner};
use support::rows::{Bar, Rows, median};

/// At once.
const CONNECTIONS: [usize; 3] = [1, 16, 64];

/// The first is what the others are held against.
const DRIVERS: [(&str, [&str; 2]); 4] = [
    ("direct, multi-thread", ["direct", "multi"]),
    ("direct, current-thread", ["direct", "current"]),
    ("handler, multi-thread", ["handler", "multi"]),
    ("handler, current-thread", ["handler", "current"]),
];

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let Some(done) = baseline::run(&arguments) {
        return done;
    }
    child::pin_self();
    let guest = places::text(&places::guest("hello")?)?;
    let start = |(_, [driver, runtime]): &(_, [&str; 2])| baseline::start(&[driver, runtime, &guest]);
    let servers: Vec<Server> = DRIVERS.iter().map(start).collect::<Result<_>>()?;
    let requests = [Request::get("/hello")];
    let runner = |(driver, server): (&(&'static str, _), _)| Runner { name: driver.0, server, requests: &requests };
    let runners: Vec<Runner<'_>> = DRIVERS.iter().zip(&servers).map(runner).collect();
    let mut rows = Rows::default();
    for connections in CONNECTIONS {
        let all = race::run(&runners, connections, Pace::USUAL)?;
        let first = all.first().context("no driver")?;
        for (runner, laps) in runners.iter().zip(&all) {
            let name = format!("{} c={connections}, {:.1} us of CPU", runner.name, median(&laps.costs));
            rows.add(&name, "/s", Ok(laps.against(first)), Bar::RatioFrom(0.0));
        }
    }
    rows.finish();
    Ok(())
}
