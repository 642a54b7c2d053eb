//! The same work with our layers removed. The bench starts itself again with `serve NAME …` and measures the child, so
//! that a baseline is its own process on its own core, as `modelet serve` is.

pub(crate) mod bare;
mod direct;
pub(crate) mod fastapi;
mod guest;
mod handler;
mod hyper;
mod listen;
pub(crate) mod ort;
pub(crate) mod upstream;
pub(crate) mod wasmtime;
pub(crate) mod work;

use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::support::child::Server;

/// Runs as a baseline when the arguments say so: `serve direct|handler|hyper multi|current [GUEST.wasm]`,
/// `serve ort SAMPLE`, `serve upstream SAMPLE THREADS`, `serve bare GUEST.wasm`, or `serve work WORK EPOCHS`.
///
/// # Errors
/// When it cannot start; a server that has started does not return.
pub(crate) fn run(arguments: &[String]) -> Option<Result<()>> {
    let (first, rest) = arguments.split_first()?;
    (first == "serve").then(|| serve(rest))
}

fn serve(arguments: &[String]) -> Result<()> {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["ort", sample] => ort::serve(serde_json::from_str(sample)?),
        ["ort-cuda", sample] => ort::serve_on_cuda(serde_json::from_str(sample)?),
        ["upstream", sample, threads] => upstream::serve(serde_json::from_str(sample)?, serde_json::from_str(threads)?),
        ["bare", guest] => bare::serve(Path::new(guest)),
        ["work", work, epochs] => work::serve(serde_json::from_str(work)?, serde_json::from_str(epochs)?),
        ["hyper", runtime] => listen::run(runtime.parse()?, hyper::Hello),
        ["direct", runtime, guest] => listen::run(runtime.parse()?, direct::Direct::new(Path::new(guest))?),
        ["handler", runtime, guest] => listen::run(runtime.parse()?, handler::Handler::new(Path::new(guest))?),
        _ => bail!("no such baseline: {}", arguments.join(" ")),
    }
}

/// Starts a baseline that is a server; `arguments` are what follows `serve`.
///
/// # Errors
/// When it does not start.
pub(crate) fn start(arguments: &[&str]) -> Result<Server> {
    let itself = std::env::current_exe().context("the path of this bench")?;
    Server::start(&itself, &[&["serve"], arguments].concat(), listen::LISTENING)
}
