//! What came of it: a line for each promise, and whether all were kept.

use std::process::{ExitCode, ExitStatus};
use std::time::Duration;

use modelet_store::Verified;

use crate::support::promises::Promises;
use crate::writer::Compared;

/// A server is ready within this after its start.
const READY_MAX: Duration = Duration::from_secs(1);

/// In fewer cycles the machine's other work tells more than the server's.
const CYCLES_MIN: usize = 50;

/// Faults that are told in words; the others are counted.
const TOLD_MAX: usize = 5;

/// The account of all cycles.
pub(crate) struct Verdict {
    seed: u64,
    acknowledged: u64,
    ready: Vec<Duration>,
    contents: u64,
    /// Rows of the audit.
    noted: usize,
    /// What a check of the store found.
    damages: Vec<String>,
    made: u64,
    not_made: u64,
    differences: Vec<String>,
    status: Option<ExitStatus>,
}

impl Verdict {
    /// Before the first cycle.
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            seed,
            acknowledged: 0,
            ready: Vec::new(),
            contents: 0,
            noted: 0,
            damages: Vec::new(),
            made: 0,
            not_made: 0,
            differences: Vec::new(),
            status: None,
        }
    }

    /// What each writer had acknowledged in a cycle.
    pub(crate) fn worked(&mut self, acknowledged: &[u64]) {
        self.acknowledged += acknowledged.iter().sum::<u64>();
    }

    /// All until now.
    pub(crate) fn acknowledged(&self) -> u64 {
        self.acknowledged
    }

    /// What is on the disk of a server that was killed.
    pub(crate) fn verified(&mut self, verified: &Verified) {
        self.contents += verified.contents;
        self.damages.extend(verified.faults.iter().cloned());
    }

    /// How many rows of the audit say what keys have changed in a life.
    pub(crate) fn noted(&mut self, rows: usize) {
        self.noted += rows;
    }

    /// How long a start took.
    pub(crate) fn ready(&mut self, took: Duration) {
        self.ready.push(took);
    }

    /// What a writer saw.
    pub(crate) fn compared(&mut self, compared: Compared) {
        match compared {
            Compared::Nothing => {}
            Compared::Made => self.made += 1,
            Compared::NotMade => self.not_made += 1,
            Compared::Differs(told) => self.differences.push(told),
        }
    }

    /// How the last server ended.
    pub(crate) fn end(&mut self, status: ExitStatus) {
        self.status = Some(status);
    }

    /// Prints it. The status says whether everything holds.
    pub(crate) fn tell(mut self) -> ExitCode {
        self.ready.sort();
        let (cycles, longest) = (self.ready.len(), self.ready.last().copied().unwrap_or_default());
        let median = self.ready.get(cycles / 2).copied().unwrap_or_default();
        let mut promises = Promises::default();
        let (acknowledged, lost) = (self.acknowledged, self.differences.len());
        let told = format!("{acknowledged} acknowledged in {cycles} lives; {lost} not there by value");
        promises.line("changes", told, Some(acknowledged > 0 && lost == 0));
        let (made, not_made) = (self.made, self.not_made);
        let told = format!(
            "{} changes were under way at a kill: {made} are there whole, {not_made} not at all",
            made + not_made
        );
        promises.line("in between", told, Some(lost == 0));
        let told = format!("{} rows of changes by keys, the chain checked in each life", self.noted);
        promises.line("audit", told, Some(self.noted > 0 && lost == 0));
        let damaged = self.damages.len();
        let told = format!("{} contents compared with their digests, {damaged} faults", self.contents);
        promises.line("store", told, Some(damaged == 0));
        let told = format!(
            "{} ms after a start in the middle, {} ms at most (at most {})",
            median.as_millis(),
            longest.as_millis(),
            READY_MAX.as_millis()
        );
        promises.line("ready", told, (cycles >= CYCLES_MIN).then_some(longest <= READY_MAX));
        let status = self.status.map(|status| status.to_string()).unwrap_or_default();
        let left_well = self.status.is_some_and(|status| status.success());
        promises.line("end", format!("the last server left with {status}"), Some(left_well));
        let faults = self.differences.iter().chain(&self.damages).take(TOLD_MAX);
        promises.tell("chaos", faults, &format!(" (seed {})", self.seed))
    }
}
