//! `cargo xtask bench control`: what it costs to host many: finding a route, looking at a listing, deploying, switching versions.
//!
//! - `routes`: a request's host, path and method among ten thousand routes, against `matchit`, which knows neither hosts nor methods.
//! - `hosted`: listings, deploys, restarts and live switches under load, with ten thousand functions and a hundred thousand rows of audit.
//!
//! With `--short` each row is only tried: its figures mean nothing. Names of the list above as arguments: only those are measured.

mod host;
mod hosted;
mod routes;
#[path = "../support/mod.rs"]
#[expect(dead_code, reason = "the other benches use the rest")]
mod support;
mod switches;

use anyhow::Result;

use support::parts::{self, Part};

/// What is measured, in this order.
const PARTS: [Part; 2] = [("routes", routes::measure), ("hosted", hosted::measure)];

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    parts::measure(&PARTS, &arguments)
}
