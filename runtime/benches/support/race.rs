//! Servers measured in turns: one figure of each per round, so that a noisy minute is everybody's.

use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::child::Server;
use super::load::{self, Request};
use super::rows::median;

/// How long a race takes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    /// Whose figures count; one more before them warms up.
    pub(crate) rounds: usize,
    /// Of one measurement.
    pub(crate) span: Duration,
}

impl Pace {
    /// For servers that answer thousands of requests per second.
    pub(crate) const USUAL: Self = Self { rounds: 7, span: Duration::from_millis(1200) };

    /// Just enough to see that a bench works; its figures mean nothing.
    pub(crate) fn short(self) -> Self {
        Self { rounds: 1, span: self.span / 10 }
    }
}

/// What one server did, a figure per round.
#[derive(Debug, Default, Clone)]
pub(crate) struct Laps {
    /// Answers per second.
    pub(crate) rates: Vec<f64>,
    /// CPU time of the server per answer, in microseconds: steadier than the rate on a busy machine.
    pub(crate) costs: Vec<f64>,
    p50s: Vec<f64>,
    /// What all but a hundredth of the answers came within, in microseconds.
    pub(crate) p99s: Vec<f64>,
}

/// A server and what it is asked.
pub(crate) struct Runner<'a> {
    /// Its name on stderr.
    pub(crate) name: &'a str,
    /// Where it runs.
    pub(crate) server: &'a Server,
    /// What it is asked; each connection keeps to one of these.
    pub(crate) requests: &'a [Request],
}

/// Lets each run in turn, in every round the other way round.
///
/// # Errors
/// When one of them fails, or answers with another status than 200.
pub(crate) fn run(runners: &[Runner<'_>], connections: usize, pace: Pace) -> Result<Vec<Laps>> {
    let mut all = vec![Laps::default(); runners.len()];
    for round in 0..=pace.rounds {
        let mut order: Vec<_> = runners.iter().zip(&mut all).collect();
        if round % 2 == 1 {
            order.reverse();
        }
        for (runner, laps) in order {
            let lap =
                lap(runner, connections, pace.span).with_context(|| format!("{} c={connections}", runner.name))?;
            if round > 0 {
                laps.add(lap);
            }
        }
    }
    for (runner, laps) in runners.iter().zip(&all) {
        laps.tell(&format!("{} c={connections}", runner.name));
    }
    Ok(all)
}

/// Measures two in turn, in every round the other way round; the first round warms up and is left out.
///
/// # Errors
/// When one of them fails.
pub(crate) fn pairs<T>(
    rounds: usize,
    mut ours: impl FnMut() -> Result<T>,
    mut baseline: impl FnMut() -> Result<T>,
) -> Result<Vec<[T; 2]>> {
    let mut pairs = Vec::with_capacity(rounds);
    for round in 0..=rounds {
        let pair = if round % 2 == 0 {
            [ours()?, baseline()?]
        } else {
            let theirs = baseline()?;
            [ours()?, theirs]
        };
        if round > 0 {
            pairs.push(pair);
        }
    }
    Ok(pairs)
}

/// Medians of ours, of the baseline's, and of their ratios pair by pair, of one figure of each.
pub(crate) fn summary<T>(pairs: &[[T; 2]], figure: impl Fn(&T) -> f64) -> [f64; 3] {
    let of = |pick: &dyn Fn(&[T; 2]) -> f64| median(&pairs.iter().map(pick).collect::<Vec<_>>());
    [of(&|[ours, _]| figure(ours)), of(&|[_, theirs]| figure(theirs)), of(&|[a, b]| figure(a) / figure(b))]
}

fn lap(runner: &Runner<'_>, connections: usize, span: Duration) -> Result<(load::Seen, Duration)> {
    let before = runner.server.cpu()?;
    let seen = load::run(runner.server.address, runner.requests, connections, span)?;
    ensure!(seen.failures == 0, "{} answers were not 200", seen.failures);
    Ok((seen, runner.server.cpu()?.saturating_sub(before)))
}

impl Laps {
    /// Medians of ours, of the baseline, and of the ratios round by round.
    pub(crate) fn against(&self, baseline: &Self) -> [f64; 3] {
        compare(&self.rates, &baseline.rates)
    }

    /// The same of [`Laps::p99s`], in milliseconds.
    pub(crate) fn p99_against(&self, baseline: &Self) -> [f64; 3] {
        let [ours, theirs, ratio] = compare(&self.p99s, &baseline.p99s);
        [ours / 1e3, theirs / 1e3, ratio]
    }

    fn add(&mut self, (seen, cpu): (load::Seen, Duration)) {
        self.rates.push(seen.rate);
        self.costs.push(microseconds(cpu) / seen.answers as f64);
        self.p50s.push(microseconds(seen.p50));
        self.p99s.push(microseconds(seen.p99));
    }

    fn tell(&self, name: &str) {
        let [p50, p99, cost] = [&self.p50s, &self.p99s, &self.costs].map(|values| median(values));
        let rates: Vec<String> = self.rates.iter().map(|rate| format!("{rate:.0}")).collect();
        let rates = rates.join(" ");
        eprintln!("bench: {name}: p50 {p50:.0} us, p99 {p99:.0} us, {cost:.1} us of CPU per answer; rates {rates}");
    }
}

fn compare(ours: &[f64], theirs: &[f64]) -> [f64; 3] {
    let ratios: Vec<f64> = ours.iter().zip(theirs).map(|(ours, other)| ours / other).collect();
    [median(ours), median(theirs), median(&ratios)]
}

fn microseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}
