//! `cargo xtask bench inference`: one copy of a model, every caller batched, nobody hurt; against the same work without us.
//!
//! - `alone`: one invocation that calls a model many times, against bare `ort`.
//! - `copies`: how often a tensor is copied, by the server's own counters.
//! - `joined`: many callers inside one process, against the same without joining, and against upstream's `wasi:nn`.
//! - `functions`: sixteen functions over HTTP, calls joined against calls alone.
//! - `beside`: a model's calls while another model comes and goes, and while somebody floods it.
//! - `forms`: the optimised form of a model, used where it lies, against its ONNX file.
//! - `tenants`: what a model takes that many own.
//!
//! With `--short` each row is only tried: its figures mean nothing.

mod alone;
#[path = "../baseline/mod.rs"]
#[expect(dead_code, reason = "the other benches use the rest")]
mod baseline;
mod beside;
mod copies;
mod forms;
mod functions;
mod joined;
mod ours;
#[path = "../support/mod.rs"]
#[expect(dead_code, reason = "the other benches use the rest")]
mod support;
mod tenants;

use anyhow::Result;

use support::child;
use support::mode::Mode;
use support::rows::Rows;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let Some(done) = baseline::run(&arguments).or_else(|| ours::run(&arguments)) {
        return done;
    }
    let mode = Mode::of(&arguments);
    child::pin_self();
    let mut rows = Rows::default();
    alone::measure(mode, &mut rows);
    copies::measure(mode, &mut rows);
    joined::measure(mode, &mut rows);
    functions::measure(mode, &mut rows);
    beside::measure(mode, &mut rows);
    tenants::measure(mode, &mut rows);
    forms::measure(mode, &mut rows);
    rows.finish();
    Ok(())
}
