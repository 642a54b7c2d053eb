//! The same work with our layers removed. The bench starts itself again with `serve NAME …` and measures the child, so
//! that a baseline is its own process on its own core, as `modelet serve` is.

mod direct;
mod guest;
mod handler;
mod hyper;
mod listen;
pub(crate) mod ort;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use listen::Runtime;

/// Runs as a baseline when the arguments say so: `serve direct|handler|hyper multi|current [GUEST.wasm]`, or
/// `serve ort LIBRARY MODEL`.
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
        ["ort", library, model] => ort::serve(Path::new(library), Path::new(model)),
        ["hyper", runtime] => listen::run(runtime.parse()?, hyper::Hello),
        ["direct", runtime, guest] => listen::run(runtime.parse()?, direct::Direct::new(Path::new(guest))?),
        ["handler", runtime, guest] => {
            let runtime: Runtime = runtime.parse()?;
            listen::run(runtime, handler::Handler::new(Path::new(guest))?)
        }
        _ => bail!("no such baseline: {}", arguments.join(" ")),
    }
}

/// The arguments that make this program a baseline, for [`crate::support::child::Server::start`].
pub(crate) fn itself() -> Result<PathBuf> {
    std::env::current_exe().context("the path of this bench")
}
