//! `wasmtime serve`: the official binary, on the servers' core, with the flags that made it fastest.
//!
//! Of each kind, pooling against the allocator on demand, with and without memory kept resident, with and without
//! `component-model-async` were compared when this was written (16 connections, three rounds): pooling gave reused instances a third,
//! resident memory gave fresh ones a half, and to leave out the async machinery gave neither anything.

use std::path::Path;

use anyhow::Result;

use crate::support::child::Server;
use crate::support::places;

/// What it says before its address.
const LISTENING: &str = "Serving HTTP on http://";

/// The address is asked of the system; guests of `wasi:http` import `wasi:cli`, too.
const USUAL: [&str; 7] = [
    "serve",
    "--addr",
    "127.0.0.1:0",
    "-S",
    "cli",
    "-O",
    "pooling-allocator=y,pooling-memory-keep-resident=131072,pooling-table-keep-resident=4096,pooling-pagemap-scan=auto",
];

/// Its default is a fresh instance for each request.
const REUSED: [&str; 4] = ["--max-instance-reuse-count", "1000000", "--idle-instance-timeout", "60s"];

/// Starts it with fresh instances.
///
/// # Errors
/// When it is not laid or does not start.
pub(crate) fn fresh(guest: &Path) -> Result<Server> {
    start(guest, &[])
}

/// Starts it with instances that are used again.
///
/// # Errors
/// When it is not laid or does not start.
pub(crate) fn reused(guest: &Path) -> Result<Server> {
    start(guest, &REUSED)
}

fn start(guest: &Path, flags: &[&str]) -> Result<Server> {
    let guest = places::text(guest)?;
    Server::start(&places::wasmtime()?, &[&USUAL, flags, &[&guest]].concat(), LISTENING)
}
