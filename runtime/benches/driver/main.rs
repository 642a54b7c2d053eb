//! `cargo xtask bench driver`: which way of driving a guest of `wasi:http` 0.2 is faster, on which tokio runtime.
//!
//! {`call_handle` itself, `wasmtime_wasi_http::handler`} × {multi-thread, one current-thread runtime per core}, with the
//! same guest, engine settings and warm instances. The decision that came of it is `docs/decisions/0002-driver.md`.

#[path = "../baseline/mod.rs"]
mod baseline;
#[path = "../support/mod.rs"]
mod support;

use std::time::Duration;

use anyhow::{Context, Result, ensure};

use support::child::{self, Server};
use support::load::{self, Request};
use support::places;
use support::rows::{Bar, Rows, median};

/// Alternations of all four.
const ROUNDS: usize = 7;
/// Of one measurement.
const SPAN: Duration = Duration::from_millis(1500);
/// At once.
const CONNECTIONS: [usize; 3] = [1, 16, 64];
/// The first one is what the others are held against.
const DRIVERS: [[&str; 2]; 4] =
    [["direct", "multi"], ["direct", "current"], ["handler", "multi"], ["handler", "current"]];

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let Some(done) = baseline::run(&arguments) {
        return done;
    }
    child::pin_self();
    let mut rows = Rows::default();
    let servers = start()?;
    for connections in CONNECTIONS {
        compare(&servers, connections, &mut rows)?;
    }
    rows.finish();
    Ok(())
}

fn start() -> Result<Vec<Server>> {
    let program = baseline::itself()?;
    let guest = places::guest("hello")?;
    let guest = guest.to_str().context("a path that is no text")?;
    DRIVERS.iter().map(|[driver, runtime]| Server::start(&program, &["serve", driver, runtime, guest])).collect()
}

/// One figure of each driver per round, and the driver's CPU time per answer beside it: that is the steadier of the two.
fn compare(servers: &[Server], connections: usize, rows: &mut Rows) -> Result<()> {
    let request = Request::get("/hello");
    let mut rates = vec![Vec::new(); servers.len()];
    let mut costs = vec![Vec::new(); servers.len()];
    for round in 0..=ROUNDS {
        for (server, (rates, costs)) in servers.iter().zip(rates.iter_mut().zip(&mut costs)) {
            let before = server.cpu()?;
            let seen = load::run(server.address, &request, connections, SPAN)?;
            ensure!(seen.failures == 0, "{} answers were not 200", seen.failures);
            // The first round warms up.
            if round > 0 {
                rates.push(seen.rate);
                costs.push((server.cpu()? - before).as_secs_f64() * 1e6 / seen.answers as f64);
            }
        }
    }
    let base = rates.first().context("no driver")?.clone();
    for ((driver, rates), costs) in DRIVERS.iter().zip(&rates).zip(&costs) {
        let ratios: Vec<f64> = rates.iter().zip(&base).map(|(ours, base)| ours / base).collect();
        let name = format!("{} c={connections}", driver.join("-"));
        eprintln!("bench: {name}: {:.1} us of CPU per answer, rates {rates:.0?}", median(costs));
        rows.measured(&name, "/s", [median(rates), median(&base), median(&ratios)], Bar::RatioFrom(0.0));
    }
    Ok(())
}
