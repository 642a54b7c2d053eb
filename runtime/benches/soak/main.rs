//! `cargo xtask soak`: a server that works for an hour. Functions of every kind are asked at a steady pace: those that answer, that
//! call models, keep pairs, call out and write logs; those that trap, loop and eat memory; clients that leave, and deploys in
//! between. Functions that are asked rarely go back to the disk each time and come again.
//!
//! It passes when memory does not grow, no descriptor is left over, and every request was answered once and as it should be.
//!
//! - `mix`: who is asked for what, how often, and what the answer has to be.
//! - `caller`: one of them at its pace; `wire`: its connection.
//! - `gate`: when all may ask, pause, or end.
//! - `watch`: what the server holds meanwhile.
//! - `verdict`: what came of it.
//!
//! `--minutes N` (60): how long. The first tenth warms up; in less than five minutes memory is shown and not judged. The server and
//! the callers share all cores.

mod caller;
#[path = "../instances/components.rs"]
mod components;
mod gate;
mod mix;
mod origin;
#[path = "../support/mod.rs"]
#[expect(dead_code, reason = "the other benches use the rest")]
mod support;
mod verdict;
mod watch;
mod wire;

use std::process::ExitCode;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use caller::{Caller, Tally};
use gate::Gate;
use mix::Part;
use support::site::Site;
use verdict::Verdict;

const MINUTES: f64 = 60.0;

/// So much of the time warms up: half of it before descriptors are counted, half after that.
const WARM_UP: f64 = 0.1;

/// Functions sleep soon, so that those asked rarely sleep each time.
const SLEEPY: &[(&str, &str)] = &[("MODELET_SERVER_COMPONENT_IDLE", "2s"), ("MODELET_INFERENCE_IDLE", "2s")];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match minutes(&arguments).and_then(soak) {
        Ok(verdict) => verdict.tell(),
        Err(error) => {
            println!("soak: failed: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// How long; what Cargo says to every bench (`--bench`) is no news.
fn minutes(arguments: &[String]) -> Result<f64> {
    let mut minutes = MINUTES;
    let mut rest = arguments.iter().filter(|argument| *argument != "--bench");
    while let Some(argument) = rest.next() {
        ensure!(argument == "--minutes", "soak takes only --minutes N, not `{argument}`");
        let given = rest.next().context("--minutes wants a number")?;
        minutes = given.parse().with_context(|| format!("--minutes wants a number, not `{given}`"))?;
    }
    if !(0.2..=10_000.0).contains(&minutes) {
        bail!("--minutes is {minutes}: less than 0.2 shows nothing");
    }
    Ok(minutes)
}

fn soak(minutes: f64) -> Result<Verdict> {
    let time = |share: f64| Duration::from_secs_f64(minutes * 60.0 * share);
    let origin = origin::start()?;
    let mut site = Site::start_on_all_cores(SLEEPY)?;
    let parts = mix::all(origin)?;
    parts.iter().try_for_each(|part| part.deploy(&site))?;
    let gate = Arc::new(Gate::default());
    let turned = mix::Turned::lay(&site)?;
    let address = site.server.address;
    let callers = parts.into_iter().map(|part: Part| {
        let (gate, caller) = (Arc::clone(&gate), Caller::new(part, address));
        thread::spawn(move || caller.run(&gate))
    });
    let callers: Vec<_> = callers.collect();
    let told = thread::scope(|scope| {
        let deploys = scope.spawn(|| turned.run(&site, &gate));
        let watched = watch::all(&site, &gate, callers.len() + 1, [time(WARM_UP / 2.0), time(1.0 - WARM_UP)]);
        // Whatever came of it: the callers end, and then the scope can.
        gate.stop();
        anyhow::Ok((watched?, deploys.join().map_err(|_| anyhow::anyhow!("the deploying thread panicked"))?))
    });
    let tallies: Vec<Tally> = callers.into_iter().filter_map(|caller| caller.join().ok()).collect();
    let (watched, deploys) = told?;
    let metrics = site.metrics()?;
    let status = site.server.terminate()?;
    Ok(Verdict::of(minutes, watched, &tallies, &deploys, &metrics, status))
}
