//! What others may cost a model's callers: a model that comes and goes, and somebody who floods the same model.

use std::time::Duration;

use anyhow::{Result, ensure};

use crate::forms;
use crate::ours::{self, Form, Ours, Question, Told};
use crate::support::mode::Mode;
use crate::support::race::{self, Pace};
use crate::support::rows::{Bar, Rows, why};
use crate::support::sample::Sample;

const TEXT: Sample = Sample::MiniLm { rows: 1, words: 16 };
const PICTURE: Sample = Sample::Digits { rows: 1 };

/// Long enough for a p99: one caller of the encoder has about a hundred answers in a second.
const LOADS: Pace = Pace { rounds: 5, span: Duration::from_millis(5000) };
const FLOOD: Pace = Pace { rounds: 5, span: Duration::from_millis(6000) };

/// The victim calls so often: a tenth to a fifth of what two cores can do.
const EVERY_MS: u64 = 20;
/// The aggressor calls this many times as often.
const TIMES: u32 = 50;
const ROWS_MAX: u32 = 32;

/// All rows.
pub(crate) fn measure(mode: Mode, rows: &mut Rows) {
    let made = forms::make().map_err(why);
    let optimised = made.as_ref().map(|(path, _)| Form::Optimised(path.clone())).map_err(Clone::clone);
    for (name, sample) in [("MiniLM S=16", TEXT), ("digits", PICTURE)] {
        for (from, form) in [("its ONNX file", Ok(Form::Onnx)), ("its optimised form", optimised.clone())] {
            let figures = form.and_then(|form| beside_loads(sample, &form, mode.pace(LOADS)).map_err(why));
            let name = format!("{name} p99, beside a 90 MB model that loads from {from} and unloads / alone");
            rows.add(&name, "us", figures, Bar::RatioTo(1.25));
        }
    }
    let flood = flood(mode.pace(FLOOD)).map_err(why);
    let of = |figure: fn(&Flood) -> [f64; 3]| flood.as_ref().map(figure).map_err(Clone::clone);
    rows.add(
        "victim p99 beside a flood of 50 times / alone and one longest batch",
        "ms",
        of(|flood| flood.p99),
        Bar::RatioTo(1.2),
    );
    rows.add("victim throughput beside a flood of 50 times / alone", "/s", of(|flood| flood.rate), Bar::RatioFrom(0.9));
    rows.add("calls of the flood that are shed / its calls", "/s", of(|flood| flood.shed), Bar::Over(0.0));
}

fn beside_loads(sample: Sample, form: &Form, pace: Pace) -> Result<[f64; 3]> {
    let question = |beside| Question::Calls { callers: 1, rows_max: 1, span_ms: milliseconds(pace), beside };
    let (mut beside, mut alone) = (ours::start(sample)?, ours::start(sample)?);
    let ours = || {
        let told = beside.ask(&question(Some(form.clone())))?;
        ensure!(told.loads > 0, "the other model was never loaded within {:?}", pace.span);
        eprintln!("bench: {} p99 {:.0} us beside {} loads", sample.name(), told.heard.p99_us, told.loads);
        Ok(told)
    };
    let theirs = || {
        let told = alone.ask(&question(None))?;
        eprintln!("bench: {} p99 {:.0} us alone", sample.name(), told.heard.p99_us);
        Ok(told)
    };
    Ok(race::summary(&race::pairs(pace.rounds, ours, theirs)?, |told| told.heard.p99_us))
}

/// Ours, baseline and ratio of each figure.
struct Flood {
    /// In milliseconds; the baseline is the p99 alone and the time of one longest batch.
    p99: [f64; 3],
    /// Answers per second.
    rate: [f64; 3],
    /// Calls per second of the aggressor that were turned away, and all its calls.
    shed: [f64; 3],
}

fn flood(pace: Pace) -> Result<Flood> {
    let (mut flooded, mut quiet) = (ours::start(TEXT)?, ours::start(TEXT)?);
    let longest_us = 1e6 / quiet.ask(&Question::Run { rows: ROWS_MAX })?.heard.rate;
    eprintln!("bench: a run of {ROWS_MAX} rows takes {:.1} ms", longest_us / 1e3);
    let ours = || victim(&mut flooded, pace, TIMES);
    let theirs = || victim(&mut quiet, pace, 0);
    let pairs = race::pairs(pace.rounds, ours, theirs)?;
    let bound = |told: &Told, is_flooded: bool| (told.heard.p99_us + if is_flooded { 0.0 } else { longest_us }) / 1e3;
    let p99: Vec<[f64; 2]> = pairs.iter().map(|[ours, alone]| [bound(ours, true), bound(alone, false)]).collect();
    let asked = f64::from(TIMES) * 1e3 / EVERY_MS as f64;
    let [shed, ..] = race::summary(&pairs, |told| told.shed as f64 / pace.span.as_secs_f64());
    Ok(Flood {
        p99: race::summary(&p99, |ms| *ms),
        rate: race::summary(&pairs, |told| told.heard.rate),
        shed: [shed, asked, shed / asked],
    })
}

fn victim(child: &mut Ours, pace: Pace, times: u32) -> Result<Told> {
    let question = Question::Victim { every_ms: EVERY_MS, rows_max: ROWS_MAX, span_ms: milliseconds(pace), times };
    let told = child.ask(&question)?;
    let Told { heard, shed, .. } = told;
    eprintln!("bench: victim beside {times} times: {:.1}/s, p99 {:.1} ms, {shed} shed", heard.rate, heard.p99_us / 1e3);
    Ok(told)
}

fn milliseconds(pace: Pace) -> u64 {
    u64::try_from(pace.span.as_millis()).unwrap_or(u64::MAX)
}
