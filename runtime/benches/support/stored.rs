//! Functions that are put into a store, where deploying as many would take hours.

use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result};
use modelet_spec::manifest::Manifest;
use modelet_store::{Actor, NewFunctionVersion, Store};

use super::site::manifest;

/// Puts functions into a data directory that no server has, of the components that are there, in turn; a transaction for each round of
/// versions.
///
/// # Errors
/// When no function was deployed, or the store cannot be written.
pub(crate) fn put(data: &Path, functions: u32, versions: u32) -> Result<()> {
    let store = Store::open(data)?;
    let seeds = store.functions(None)?;
    let copy = |at: u32| {
        let seed = seeds.get(at as usize % seeds.len().max(1)).context("no function was deployed")?;
        let manifest = Manifest::parse(&manifest(&name(at), ""), "function.toml")?;
        let manifest_json = serde_json::to_string(&manifest)?;
        Ok(NewFunctionVersion { name: manifest.name, manifest_json, ..NewFunctionVersion::from(seed.clone()) })
    };
    let all: Vec<NewFunctionVersion> = (0..functions).map(copy).collect::<Result<_>>()?;
    let begun = Instant::now();
    for _ in 0..versions {
        store.by(&Actor::Server).put_functions(&all)?;
    }
    eprintln!("bench: {functions} functions with {versions} versions stored in {:.1} s", begun.elapsed().as_secs_f64());
    Ok(())
}

/// The name of such a function; its route is the same.
pub(crate) fn name(at: u32) -> String {
    format!("f{at:05}")
}
