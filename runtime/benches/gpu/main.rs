//! `cargo xtask bench gpu`: models on `cuda:0`, against bare `ort` with the CUDA provider and against our own CPU.
//!
//! It wants a card, its driver, CUDA 13, cuDNN 9 and the library of `cargo xtask setup --gpu`. Without a card that works
//! every row is `below` and says why.

#[path = "../baseline/mod.rs"]
#[expect(dead_code, reason = "the other benches use the rest")]
mod baseline;
mod ours;
#[path = "../support/mod.rs"]
#[expect(dead_code, reason = "the other benches use the rest")]
mod support;

use std::time::Duration;

use anyhow::{Result, bail};
use modelet_inference::{LibrarySource, Runtime, RuntimeConfig};
use modelet_spec::Device;

use support::child;
use support::places;
use support::race::{self, Pace};
use support::rows::{Bar, Rows, why};
use support::sample::Sample;

/// The card that is measured.
const CARD: Device = Device::Cuda(0);

/// Of each side, one after the other; `span` is about what a round takes.
const PACE: Pace = Pace { rounds: 7, span: Duration::from_millis(1000) };

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let Some(done) = baseline::run(&arguments).or_else(|| ours::run(&arguments)) {
        return done;
    }
    child::pin_self();
    let card = card().map_err(why);
    let mut rows = Rows::default();
    // What a run takes, in microseconds, is a guess for a card of this decade: only the number of calls depends on it.
    for (name, sample, about_us, bar) in [
        ("digits batch 32", Sample::Digits { rows: 32 }, 100, 0.90),
        ("MiniLM S=32", Sample::MiniLm { rows: 1, words: 32 }, 1500, 0.97),
        ("MiniLM 32 x S=128", Sample::MiniLm { rows: 32, words: 128 }, 5000, 0.97),
    ] {
        let figures = card.clone().and_then(|()| against_bare(sample, about_us).map_err(why));
        rows.add(&format!("{name} on {CARD} / bare ort with CUDA"), "/s", figures, Bar::RatioFrom(bar));
    }
    let many = Sample::MiniLm { rows: 32, words: 128 };
    let figures = card.and_then(|()| against_cpu(many, 5000).map_err(why));
    rows.add(&format!("MiniLM 32 x S=128 on {CARD} / ours on cpu"), "/s", figures, Bar::RatioFrom(2.0));
    rows.finish();
    Ok(())
}

/// Whether a model can run on the card.
fn card() -> Result<()> {
    let library = LibrarySource { configured: Some(places::onnxruntime_gpu()?), ..LibrarySource::default() };
    let runtime = Runtime::open(&RuntimeConfig { library, ..RuntimeConfig::default() })?;
    match runtime.try_device(CARD) {
        Ok(()) => Ok(()),
        Err(why) => bail!("no CUDA device: {why}"),
    }
}

fn against_bare(sample: Sample, about_us: u32) -> Result<[f64; 3]> {
    let (mut ours, mut bare) = (ours::start(sample, CARD)?, baseline::ort::start_on_cuda(sample)?);
    compare(about_us, |calls| ours.ask(&calls), |calls| bare.ask(&calls))
}

fn against_cpu(sample: Sample, about_us: u32) -> Result<[f64; 3]> {
    let (mut card, mut cpu) = (ours::start(sample, CARD)?, ours::start(sample, Device::Cpu)?);
    compare(about_us, |calls| card.ask(&calls), |calls| cpu.ask(&(calls / 8).max(1)))
}

/// Calls per second of either side.
fn compare(
    about_us: u32,
    mut ours: impl FnMut(u32) -> Result<f64>,
    mut theirs: impl FnMut(u32) -> Result<f64>,
) -> Result<[f64; 3]> {
    let calls = (u32::try_from(PACE.span.as_micros())? / about_us).max(2);
    let per_second = |mean_us: f64| 1e6 / mean_us;
    let laps = race::pairs(PACE.rounds, || ours(calls).map(per_second), || theirs(calls).map(per_second))?;
    Ok(race::summary(&laps, |rate| *rate))
}
