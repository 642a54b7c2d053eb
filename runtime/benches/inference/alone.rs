//! One invocation that calls a model many times, through `modelet serve`, a guest and `wasi:nn`, against a bare `ort` call.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use crate::baseline;
use crate::support::Request;
use crate::support::mode::Mode;
use crate::support::places;
use crate::support::race::{self, Pace};
use crate::support::rows::{Bar, Rows, why};
use crate::support::sample::Sample;
use crate::support::site::Site;

/// Of each side, one after the other; `span` is about what a round takes. Short ones and many: bare calls of one second each have
/// differed by half on the machine that this is measured on.
const PACE: Pace = Pace { rounds: 21, span: Duration::from_millis(350) };

const ENCODER: Sample = Sample::MiniLm { rows: 1, words: 32 };
const PICTURES: Sample = Sample::Digits { rows: 32 };

/// A run takes about this long; only the number of calls depends on it.
const ENCODER_US: u32 = 13_000;
const PICTURES_US: u32 = 40;

/// What the guest `nn_loop` measured within itself, in microseconds.
#[derive(Deserialize)]
struct Told {
    /// `compute` alone.
    compute_us: f64,
    /// With the inputs made, and the outputs read and dropped.
    whole_us: f64,
}

/// A round of either side.
struct Lap {
    compute_us: f64,
    whole_us: f64,
}

/// Rows for both models.
pub(crate) fn measure(mode: Mode, rows: &mut Rows) {
    let speed = laps(mode, ENCODER, ENCODER_US).map_err(why);
    // Calls per second, as the other ratios of speeds: more is better.
    let per_second = |laps: &Vec<[Lap; 2]>| race::summary(laps, |lap| 1e6 / lap.whole_us);
    rows.add(
        "MiniLM S=32, many computes in one invocation / bare ort",
        "/s",
        speed.as_ref().map(per_second).map_err(Clone::clone),
        Bar::RatioFrom(0.97),
    );
    let pictures = laps(mode, PICTURES, PICTURES_US).map_err(why);
    let added = |figure: fn(&Lap) -> f64| match &pictures {
        Ok(laps) => Ok(added(laps, figure)),
        Err(why) => Err(why.clone()),
    };
    rows.add("digits batch 32, compute adds to bare ort", "us", added(|lap| lap.compute_us), Bar::MicrosecondsTo(10.0));
    rows.add(
        "digits batch 32, tensor, compute, data add to bare ort",
        "us",
        added(|lap| lap.whole_us),
        Bar::MicrosecondsTo(10.0),
    );
}

/// What ours adds, the bare call, and their ratio.
fn added(laps: &[[Lap; 2]], figure: fn(&Lap) -> f64) -> [f64; 3] {
    let [_, bare, ratio] = race::summary(laps, figure);
    let added: Vec<f64> = laps.iter().map(|[ours, bare]| figure(ours) - figure(bare)).collect();
    [crate::support::rows::median(&added), bare, ratio]
}

fn laps(mode: Mode, sample: Sample, about_us: u32) -> Result<Vec<[Lap; 2]>> {
    let pace = mode.pace(PACE);
    let calls = (u32::try_from(pace.span.as_micros())? / about_us).max(2);
    let site = Site::start()?;
    let (name, file) = (sample.name(), places::text(&sample.file()?.canonicalize()?)?);
    let models = format!("[models]\n{name} = {{ file = {file:?} }}\n");
    site.deploy_guest("nn_loop", "loop", &models)?;
    let request = Request::post_bytes(&format!("/loop?n={calls}"), "application/octet-stream", &sample.frame()?);
    let mut bare = baseline::ort::start(sample)?;
    let ours = || {
        let answer = request.ask(site.server.address)?;
        let text = String::from_utf8_lossy(&answer.body);
        ensure!(answer.status == 200, "the guest says {} {text}", answer.status);
        let told: Told = serde_json::from_str(&text).with_context(|| format!("the guest says {text}"))?;
        eprintln!("bench: {name}: compute {:.1} us, tensor to data {:.1} us", told.compute_us, told.whole_us);
        Ok(Lap { compute_us: told.compute_us, whole_us: told.whole_us })
    };
    let theirs = || {
        let mean = bare.ask(&calls)?;
        eprintln!("bench: {name}: bare ort {mean:.1} us");
        Ok(Lap { compute_us: mean, whole_us: mean })
    };
    race::pairs(pace.rounds, ours, theirs)
}
