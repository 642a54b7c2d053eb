//! `cargo xtask bench instances`: what it costs to be there only when asked: from zero and back, density, limits that hold.
//!
//! - `hello`: a warm hello, and one with a fresh sandbox for each request, against `wasmtime serve`.
//! - `made`: how long an instance takes to be made, against a bare wasmtime store.
//! - `woken`: a function that is on the disk only, its model in memory.
//! - `crowd`: ten thousand deployed functions, against a server with one.
//! - `kept`: what a thousand warm instances take, against as many bare ones.
//! - `epochs`: what it costs that a guest can be interrupted, against the same engine without it.
//! - `neighbour`: a function beside one that traps, loops, or eats memory, against the same function alone.
//!
//! Servers have one core, the load generator has the other. With `--short` each row is only tried: its figures mean nothing. Names of
//! the list above as arguments: only those are measured.

#[path = "../baseline/mod.rs"]
#[expect(dead_code, reason = "the other benches use the rest")]
mod baseline;
mod components;
mod crowd;
mod epochs;
mod hello;
mod kept;
mod made;
mod neighbour;
#[path = "../support/mod.rs"]
#[expect(dead_code, reason = "the other benches use the rest")]
mod support;
mod woken;

use anyhow::Result;

use support::parts::{self, Part};

/// What is measured, in this order.
const PARTS: [Part; 7] = [
    ("hello", hello::measure),
    ("made", made::measure),
    ("woken", woken::measure),
    ("crowd", crowd::measure),
    ("kept", kept::measure),
    ("epochs", epochs::measure),
    ("neighbour", neighbour::measure),
];

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let Some(done) = baseline::run(&arguments) {
        return done;
    }
    parts::measure(&PARTS, &arguments)
}
