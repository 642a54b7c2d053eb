//! What `wasi:nn` adds to a bare `ort` call: the digits model on one picture, many times within one request.

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use crate::baseline;
use crate::support::Request;
use crate::support::race::Pace;
use crate::support::rows::{Bar, Figures, Rows, median, why};
use crate::support::sample::Sample;
use crate::support::site::Site;

const CALLS: u32 = 3000;

/// The call of `compute` alone.
const COMPUTE: Bar = Bar::MicrosecondsTo(15.0);

/// With what a guest does around it: the input made, and both outputs read and dropped. Five more calls into the host.
const WHOLE: Bar = Bar::MicrosecondsTo(30.0);

/// What the guest `nn_loop` measured within itself, in microseconds.
#[derive(Deserialize)]
struct Told {
    compute_us: f64,
    whole_us: f64,
}

/// Two rows: ours is what is added, the baseline the bare call, the ratio the guest's time by the bare call's.
pub(crate) fn measure(site: &Figures<Site>, rows: &mut Rows) {
    let figures = site.as_ref().map_err(Clone::clone).and_then(|site| rounds(site).map_err(why));
    let row = |pick: fn(&Told) -> f64| match &figures {
        Ok(rounds) => Ok(summary(rounds, pick)),
        Err(why) => Err(why.clone()),
    };
    rows.add("wasi:nn compute adds to a bare ort call", "us", row(|told| told.compute_us), COMPUTE);
    rows.add("wasi:nn tensor, compute, data adds to a bare ort call", "us", row(|told| told.whole_us), WHOLE);
}

fn rounds(site: &Site) -> Result<Vec<(Told, f64)>> {
    let request = Request::get(&format!("/nn-loop?n={CALLS}"));
    let mut bare = baseline::ort::start(Sample::Digits { rows: 1 })?;
    let mut rounds = Vec::new();
    for round in 0..=Pace::USUAL.rounds {
        let bare = bare.ask(&CALLS)?;
        let answer = request.ask(site.server.address)?;
        let text = String::from_utf8_lossy(&answer.body);
        ensure!(answer.status == 200, "the guest says {} {text}", answer.status);
        let told: Told = serde_json::from_str(&text).with_context(|| format!("the guest says {text}"))?;
        let (compute, whole) = (told.compute_us, told.whole_us);
        eprintln!("bench: bare ort {bare:.1} us, compute {compute:.1} us, tensor to data {whole:.1} us");
        if round > 0 {
            rounds.push((told, bare));
        }
    }
    Ok(rounds)
}

fn summary(rounds: &[(Told, f64)], pick: fn(&Told) -> f64) -> [f64; 3] {
    let median_of = |figure: &dyn Fn(&(Told, f64)) -> f64| median(&rounds.iter().map(figure).collect::<Vec<_>>());
    let added = median_of(&|(told, bare)| pick(told) - bare);
    [added, median_of(&|(_, bare)| *bare), median_of(&|(told, bare)| pick(told) / bare)]
}
