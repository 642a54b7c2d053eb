//! `cargo xtask bench control`: what it costs to host many: finding a route, looking at a listing, deploying, switching versions.
//!
//! - `routes`: a request's host, path and method among ten thousand routes, against `matchit`, which knows neither hosts nor methods.
//!
//! With `--short` each row is only tried: its figures mean nothing. Names of the list above as arguments: only those are measured.

mod routes;
#[path = "../support/mod.rs"]
#[expect(dead_code, reason = "the other benches use the rest")]
mod support;

use anyhow::{Result, bail};

use support::child;
use support::mode::Mode;
use support::rows::Rows;

/// A name, and what measures and adds the rows.
type Part = (&'static str, fn(Mode, &mut Rows));

/// What is measured, in this order.
const PARTS: [Part; 1] = [("routes", routes::measure)];

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let mode = Mode::of(&arguments);
    let named: Vec<&str> = arguments.iter().map(String::as_str).filter(|argument| !argument.starts_with('-')).collect();
    if let Some(unknown) = named.iter().find(|name| PARTS.iter().all(|(part, _)| part != *name)) {
        bail!("there is no `{unknown}` among {:?}", PARTS.map(|(part, _)| part));
    }
    child::pin_self();
    let mut rows = Rows::default();
    for (part, measure) in PARTS {
        if named.is_empty() || named.contains(&part) {
            measure(mode, &mut rows);
        }
    }
    rows.finish();
    Ok(())
}
