//! The first call of a function that is on the disk only, while its model is in memory: from the request to the answer, less what
//! the model's run takes by itself.

use std::time::Duration;

use anyhow::{Result, ensure};

use crate::baseline::ort;
use crate::components::numbered;
use crate::support::load::Caller;
use crate::support::metrics::Metrics;
use crate::support::mode::Mode;
use crate::support::race;
use crate::support::rows::{Bar, Rows, quantile, why};
use crate::support::sample::Sample;
use crate::support::site::Site;
use crate::support::{Request, places};

const ROUNDS: usize = 5;

/// Each of a component of its own, so that none brings another's into memory.
const FUNCTIONS: u32 = 20;

const PICTURE: Sample = Sample::Digits { rows: 1 };

/// What the bare call is timed by.
const CALLS: u32 = 2000;

const P50: Bar = Bar::To(1500.0, "us");

/// One row; the baseline is the same function once it is warm.
pub(crate) fn measure(mode: Mode, rows: &mut Rows) {
    let figures = laps(mode).map(|laps| race::summary(&laps, |us| *us)).map_err(why);
    rows.add("from the disk to the answer beyond inference, p50 / the same function warm", "us", figures, P50);
}

fn laps(mode: Mode) -> Result<Vec<[f64; 2]>> {
    let mut asleep = Asleep::start(mode.count(FUNCTIONS, 3))?;
    let inference_us = ort::start(PICTURE)?.ask(&CALLS)?;
    eprintln!("bench: a bare run of digits takes {inference_us:.1} us");
    let mut laps = Vec::new();
    for round in 0..=if mode.is_short { 1 } else { ROUNDS } {
        let [first, warm] = asleep.round()?;
        eprintln!("bench: digits from the disk p50 {first:.0} us, warm {warm:.0} us");
        if round > 0 {
            laps.push([first - inference_us, warm - inference_us]);
        }
    }
    Ok(laps)
}

/// A server whose functions all sleep after a restart, while their model is pinned.
struct Asleep {
    site: Site,
    requests: Vec<Request>,
}

impl Asleep {
    fn start(functions: u32) -> Result<Self> {
        let site = Site::start()?;
        let (name, model) = (PICTURE.name(), places::text(&PICTURE.file()?.canonicalize()?)?);
        site.modelet(&["model", "push", &model, "--name", name])?;
        site.modelet(&["model", "pin", name])?;
        let mut requests = Vec::new();
        for at in 0..functions {
            let function = format!("asleep-{at}");
            site.deploy(&numbered("nn", at)?, &function, &format!("[models]\n{name} = \"{name}\"\n"))?;
            let frame = PICTURE.frame()?;
            requests.push(Request::post_bytes(&format!("/{function}"), "application/octet-stream", &frame));
        }
        Ok(Self { site, requests })
    }

    /// Half of the first calls took no longer than this, in microseconds; and half of the second ones.
    fn round(&mut self) -> Result<[f64; 2]> {
        self.site.restart()?;
        let is_there = |metrics: &Metrics| metrics.sum("modelet_sessions", &[]) > 0.0;
        self.site.wait("the pinned model is in memory", is_there)?;
        let mut caller = Caller::open(self.site.server.address)?;
        let mut ask_all = || {
            let took = self.requests.iter().map(|request| {
                let (answer, took) = caller.ask(request)?;
                let said = || String::from_utf8_lossy(&answer.body).into_owned();
                ensure!(answer.status == 200, "it says {} {}", answer.status, said());
                Ok(microseconds(took))
            });
            quantile(&took.collect::<Result<Vec<_>>>()?, 0.5)
        };
        Ok([ask_all()?, ask_all()?])
    }
}

fn microseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}
