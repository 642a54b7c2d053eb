//! `modelet trial`, which the server starts for itself: limits this process, then tries the model that stdin names.
//!
//! Not for people, so `--help` does not list it.

use std::io::{Read, Write};

use anyhow::Context;
use modelet_control::{TrialJob, TrialLimits, trial_child};
use rustix::process::{Resource, Rlimit, Signal, nice, set_parent_process_death_signal, setrlimit};

use crate::descriptors;

/// More than any job has: its samples are limited.
const JOB_BYTES_MAX: u64 = 256 << 20;
/// A tenth of what a busy neighbour gets: a push waits, a request does not.
const NICE: i32 = 10;
/// The model, its files with weights, the library and its own modules.
const FILES_MAX: u64 = 256;

pub(crate) fn run() -> anyhow::Result<()> {
    descriptors::close_inherited();
    let mut json = Vec::new();
    std::io::stdin().take(JOB_BYTES_MAX).read_to_end(&mut json)?;
    let job: TrialJob = serde_json::from_slice(&json).context("`modelet trial` is started by the server")?;
    drop(json);
    limit(&job.limits)?;
    let answer = serde_json::to_vec(&trial_child(&job))?;
    std::io::stdout().write_all(&answer)?;
    Ok(())
}

/// Limits this process, before it reads a byte of the model.
fn limit(limits: &TrialLimits) -> anyhow::Result<()> {
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
