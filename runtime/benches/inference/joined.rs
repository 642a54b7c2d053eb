//! Sixteen callers of a model inside one process on all cores: calls joined against calls alone (our own fastest way for
//! them: on their callers' threads), and against what upstream's `wasi:nn` does.

use std::time::Duration;

use anyhow::Result;

use crate::baseline::ort::Threads;
use crate::baseline::upstream;
use crate::ours::{self, Question};
use crate::support::callers::Heard;
use crate::support::mode::Mode;
use crate::support::race::{self, Pace};
use crate::support::rows::{Bar, Figures, Rows, why};
use crate::support::sample::Sample;

const PACE: Pace = Pace { rounds: 7, span: Duration::from_millis(1000) };
const CALLERS: usize = 16;
const ROWS_MAX: u32 = 32;
const PICTURE: Sample = Sample::Digits { rows: 1 };

/// Rows of the digits model: the only one here whose runs are so short that joining decides.
pub(crate) fn measure(mode: Mode, rows: &mut Rows) {
    let pace = mode.pace(PACE);
    let alone = against(pace, || {
        let mut child = ours::start(PICTURE)?;
        Ok(move || Ok(child.ask(&calls(1, pace))?.heard))
    });
    rows.add("digits, 16 callers at the API, joined / alone", "/s", alone, Bar::RatioFrom(3.0));
    for (name, threads) in [("one thread", Threads::One), ("its own threads", Threads::Default)] {
        let upstream = against(pace, || {
            let mut child = upstream::start(PICTURE, threads)?;
            let question = upstream::Question { callers: CALLERS, span_ms: milliseconds(pace) };
            Ok(move || child.ask(&question))
        });
        let name = format!("digits, 16 callers at the API, joined / upstream's mutex, {name}");
        rows.add(&name, "/s", upstream, Bar::RatioFrom(2.0));
    }
}

fn against<B: FnMut() -> Result<Heard>>(pace: Pace, baseline: impl FnOnce() -> Result<B>) -> Figures<[f64; 3]> {
    let measure = || {
        let (mut child, mut baseline) = (ours::start(PICTURE)?, baseline()?);
        let ours = || tell("joined", child.ask(&calls(ROWS_MAX, pace))?.heard);
        let theirs = || tell("baseline", baseline()?);
        race::pairs(pace.rounds, ours, theirs)
    };
    measure().map(|laps| race::summary(&laps, |heard| heard.rate)).map_err(why)
}

fn tell(name: &str, heard: Heard) -> Result<Heard> {
    eprintln!("bench: digits at the API, {name}: {:.0}/s, p99 {:.0} us", heard.rate, heard.p99_us);
    Ok(heard)
}

fn calls(rows_max: u32, pace: Pace) -> Question {
    Question::Calls { callers: CALLERS, rows_max, span_ms: milliseconds(pace), beside: None }
}

fn milliseconds(pace: Pace) -> u64 {
    u64::try_from(pace.span.as_millis()).unwrap_or(u64::MAX)
}
