//! What the server holds while it works, and when everything sleeps.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use crate::gate::Gate;
use crate::support::metrics::Metrics;
use crate::support::site::Site;

const EVERY: Duration = Duration::from_secs(1);

/// How often a line on stderr says how it goes.
const TELL: Duration = Duration::from_secs(30);

/// Descriptors are counted when there were as many for so long.
const STEADY: Duration = Duration::from_secs(2);
const PATIENCE: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(100);

/// All of it.
#[derive(Debug)]
pub(crate) struct Watched {
    /// Minutes since the warm-up, and MiB.
    pub(crate) memory: Vec<[f64; 2]>,
    /// Within the warm-up, and at the end; with everything asleep.
    pub(crate) asleep: [Asleep; 2],
}

/// What it holds when nobody asks and nothing is in memory.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asleep {
    /// Open descriptors.
    pub(crate) descriptors: usize,
    /// Memory in MiB.
    pub(crate) memory: f64,
}

/// Works for `half`, lets everything sleep, works for `half`, and is then watched for `time`. There are so many callers.
pub(crate) fn all(site: &Site, gate: &Gate, callers: usize, [half, time]: [Duration; 2]) -> Result<Watched> {
    thread::sleep(half);
    let before = asleep(site, gate, callers)?;
    gate.go();
    thread::sleep(half);
    let memory = memory(site, time)?;
    let after = asleep(site, gate, callers)?;
    Ok(Watched { memory, asleep: [before, after] })
}

fn memory(site: &Site, time: Duration) -> Result<Vec<[f64; 2]>> {
    let (begun, mut samples) = (Instant::now(), Vec::new());
    let (mut due, mut told) = (begun, begun);
    while begun.elapsed() < time {
        let sample = [begun.elapsed().as_secs_f64() / 60.0, mib(site)?];
        samples.push(sample);
        if told.elapsed() >= TELL || samples.len() == 1 {
            told = Instant::now();
            let [minutes, mib] = sample;
            eprintln!(
                "soak: minute {minutes:.1} after the warm-up: {mib:.1} MiB, {} descriptors",
                site.server.descriptors()?
            );
        }
        due += EVERY;
        thread::sleep(due.saturating_duration_since(Instant::now()));
    }
    Ok(samples)
}

/// Nobody asks until all functions and models have left memory.
fn asleep(site: &Site, gate: &Gate, callers: usize) -> Result<Asleep> {
    gate.pause(callers)?;
    let is_asleep = |metrics: &Metrics| {
        let of = |name, labels| metrics.sum(name, labels);
        of("modelet_instances", &[]) + of("modelet_components", &[]) + of("modelet_device_sessions", &[]) < 0.5
    };
    site.wait("everything sleeps", is_asleep)?;
    let begun = Instant::now();
    let (mut descriptors, mut since) = (site.server.descriptors()?, begun);
    while since.elapsed() < STEADY {
        ensure!(begun.elapsed() < PATIENCE, "the number of descriptors does not stand still though nobody asks");
        thread::sleep(POLL);
        let now = site.server.descriptors()?;
        if now != descriptors {
            (descriptors, since) = (now, Instant::now());
        }
    }
    let asleep = Asleep { descriptors, memory: mib(site)? };
    eprintln!("soak: everything sleeps: {descriptors} descriptors, {:.1} MiB", asleep.memory);
    Ok(asleep)
}

fn mib(site: &Site) -> Result<f64> {
    Ok(site.server.memory()? as f64 / f64::from(1 << 20))
}

/// A straight line through points, by least squares: its slope, and what it says at the first and the last point.
pub(crate) fn line(points: &[[f64; 2]]) -> Option<[f64; 3]> {
    let n = points.len() as f64;
    let mean = |at: fn(&[f64; 2]) -> f64| points.iter().map(at).sum::<f64>() / n;
    let (x, y) = (mean(|[x, _]| *x), mean(|[_, y]| *y));
    let spread: f64 = points.iter().map(|[at, _]| (at - x).powi(2)).sum();
    let slope = points.iter().map(|[at, value]| (at - x) * (value - y)).sum::<f64>() / spread;
    let on_line = |[at, _]: &[f64; 2]| y + slope * (at - x);
    slope.is_finite().then_some([slope, on_line(points.first()?), on_line(points.last()?)])
}
