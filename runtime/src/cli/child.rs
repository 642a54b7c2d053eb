//! The processes that the server starts for itself: each limits itself, before it reads a byte of what somebody sent.
//!
//! Not for people, so `--help` does not list them.

use std::io::{Read, Write};

use anyhow::Context;
use modelet_control::ChildLimits;
use rustix::process::{Resource, Rlimit, Signal, nice, set_parent_process_death_signal, setrlimit};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::descriptors;

/// More than any job has: a model's samples are limited.
const JOB_BYTES_MAX: u64 = 256 << 20;
/// A tenth of what a busy neighbour gets: a push or a deploy waits, a request does not.
const NICE: i32 = 10;
/// The model, its files with weights, the library and its own modules.
const FILES_MAX: u64 = 256;

/// Reads from stdin what this process, started by `command`, is to do; sets its limits; and does it. The answer goes to stdout.
pub(super) fn run<Job: DeserializeOwned, Answer: Serialize>(
    command: &str,
    limits: impl FnOnce(&Job) -> ChildLimits,
    work: impl FnOnce(&Job) -> Answer,
) -> anyhow::Result<()> {
    descriptors::close_inherited();
    let mut json = Vec::new();
    std::io::stdin().take(JOB_BYTES_MAX).read_to_end(&mut json)?;
    let job = serde_json::from_slice(&json).with_context(|| format!("`modelet {command}` is started by the server"))?;
    drop(json);
    limit(&limits(&job))?;
    let answer = serde_json::to_vec(&work(&job))?;
    std::io::stdout().write_all(&answer)?;
    Ok(())
}

fn limit(limits: &ChildLimits) -> anyhow::Result<()> {
    // The server's end is this one's, too.
    set_parent_process_death_signal(Some(Signal::KILL))?;
    nice(NICE)?;
    // A second more than the soft limit, whose signal tells why: this one nothing can catch.
    set(Resource::Cpu, limits.cpu_s, limits.cpu_s + 1)?;
    set(Resource::As, limits.memory_bytes, limits.memory_bytes)?;
    set(Resource::Fsize, limits.file_bytes, limits.file_bytes)?;
    set(Resource::Nofile, FILES_MAX, FILES_MAX)?;
    // A crash is expected, and its memory is no one's to read.
    set(Resource::Core, 0, 0)
}

/// Sets a limit; one that is lower already stays.
fn set(resource: Resource, soft: u64, hard: u64) -> anyhow::Result<()> {
    let now = rustix::process::getrlimit(resource);
    let hard = now.maximum.map_or(hard, |maximum| maximum.min(hard));
    let limits = Rlimit { current: Some(soft.min(hard)), maximum: Some(hard) };
    setrlimit(resource, limits).with_context(|| format!("the limit {resource:?} cannot be set"))
}
