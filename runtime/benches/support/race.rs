//! Servers measured in turns: one figure of each per round, so that a noisy minute is everybody's.

use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::child::Server;
use super::load::{self, Request};
use super::rows::median;

/// Rounds whose figures count; one more before them warms up.
pub(crate) const ROUNDS: usize = 7;

/// Of one measurement.
const SPAN: Duration = Duration::from_millis(1200);

/// What one server did, a figure per round.
#[derive(Debug, Default, Clone)]
pub(crate) struct Laps {
    /// Answers per second.
    pub(crate) rates: Vec<f64>,
    /// CPU time of the server per answer, in microseconds: steadier than the rate on a busy machine.
    pub(crate) costs: Vec<f64>,
    p50s: Vec<f64>,
    p99s: Vec<f64>,
}

/// A server and what it is asked.
pub(crate) struct Runner<'a> {
    /// Its name on stderr.
    pub(crate) name: &'a str,
    /// Where it runs.
    pub(crate) server: &'a Server,
    /// What it is asked.
    pub(crate) request: &'a Request,
}

/// Lets each run in turn, in every round the other way round.
///
/// # Errors
/// When one of them fails, or answers with another status than 200.
pub(crate) fn run(runners: &[Runner<'_>], connections: usize) -> Result<Vec<Laps>> {
    let mut all = vec![Laps::default(); runners.len()];
    for round in 0..=ROUNDS {
        let mut order: Vec<_> = runners.iter().zip(&mut all).collect();
        if round % 2 == 1 {
            order.reverse();
        }
        for (runner, laps) in order {
            let lap = lap(runner, connections).with_context(|| format!("{} c={connections}", runner.name))?;
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

fn lap(runner: &Runner<'_>, connections: usize) -> Result<(load::Seen, Duration)> {
    let before = runner.server.cpu()?;
    let seen = load::run(runner.server.address, runner.request, connections, SPAN)?;
    ensure!(seen.failures == 0, "{} answers were not 200", seen.failures);
    Ok((seen, runner.server.cpu()?.saturating_sub(before)))
}

impl Laps {
    /// Medians of ours, of the baseline, and of the ratios round by round.
    pub(crate) fn against(&self, baseline: &Self) -> [f64; 3] {
        let ratios: Vec<f64> = self.rates.iter().zip(&baseline.rates).map(|(ours, other)| ours / other).collect();
        [median(&self.rates), median(&baseline.rates), median(&ratios)]
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

fn microseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}
