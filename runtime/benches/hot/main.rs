//! `cargo xtask bench hot`: what a warm invocation costs, against the same work with our layers removed.
//!
//! - `hello`: a guest that answers six bytes, through the whole of `modelet serve`, against the same guest under the same
//!   driver with nothing around it, and against bare hyper.
//! - `compute`: what `wasi:nn` adds to a bare `ort` call of the digits model.
//! - `digits`: the function `digits` against the same model behind FastAPI and onnxruntime.
//!
//! Servers have one core, the load generator has the other. About four minutes on two cores.

#[path = "../baseline/mod.rs"]
#[expect(dead_code, reason = "the bench `inference` uses the rest")]
mod baseline;
mod compute;
mod digits;
mod hello;
mod site;
#[path = "../support/mod.rs"]
#[expect(dead_code, reason = "the bench `inference` uses the rest")]
mod support;

use anyhow::Result;

use support::child;
use support::rows::{Rows, why};

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let Some(done) = baseline::run(&arguments) {
        return done;
    }
    child::pin_self();
    let site = site::start().map_err(why);
    let mut rows = Rows::default();
    hello::measure(&site, &mut rows);
    compute::measure(&site, &mut rows);
    digits::measure(&site, &mut rows);
    rows.finish();
    Ok(())
}
