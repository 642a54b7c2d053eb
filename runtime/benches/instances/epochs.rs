//! What it costs that a guest can be interrupted wherever it is: the same work on the same engine, with the epoch's checks in its
//! code and without.

use std::time::Duration;

use anyhow::Result;

use crate::baseline::work::{self, Epochs, Work, Worker};
use crate::support::mode::Mode;
use crate::support::race::{self, Pace};
use crate::support::rows::{Bar, Rows, why};

const PACE: Pace = Pace { rounds: 7, span: Duration::from_millis(500) };

/// The checks may take this much more time.
const COST: Bar = Bar::RatioTo(1.15);

/// The last has next to nothing but checks in it.
const WORKS: [(&str, Work, Bar); 3] = [
    ("a tokenizer", Work::Tokens, COST),
    ("an image decoder", Work::Picture, COST),
    ("a tight loop", Work::Loop, Bar::None),
];

/// A row for each work.
pub(crate) fn measure(mode: Mode, rows: &mut Rows) {
    for (name, work, bar) in WORKS {
        let figures = laps(name, work, mode.pace(PACE)).map(|laps| race::summary(&laps, |us| *us)).map_err(why);
        rows.add(&format!("{name} with epochs / without"), "us", figures, bar);
    }
}

fn laps(name: &str, work: Work, pace: Pace) -> Result<Vec<[f64; 2]>> {
    let (mut with, mut without) = (work::start(work, Epochs::On)?, work::start(work, Epochs::Off)?);
    let about_us = without.ask(&1)?;
    let calls = ((pace.span.as_secs_f64() * 1e6 / about_us) as u32).max(1);
    let lap = |worker: &mut Worker, epochs: &str| {
        let mean = worker.ask(&calls)?;
        eprintln!("bench: {name}, {epochs} epochs: {mean:.0} us");
        Ok(mean)
    };
    race::pairs(pace.rounds, || lap(&mut with, "with"), || lap(&mut without, "without"))
}
