//! What came of it: a line for each promise, and whether all were kept.

use std::process::{ExitCode, ExitStatus};
use std::time::Duration;

use modelet_store::Verified;

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
        let ms = |time: Duration| time.as_millis();
        let lines = [
            (
                "changes",
                format!(
                    "{} acknowledged in {cycles} lives; {} not there by value",
                    self.acknowledged,
                    self.differences.len()
                ),
                Some(self.acknowledged > 0 && self.differences.is_empty()),
            ),
            (
                "in between",
                format!(
                    "{} changes were under way at a kill: {} are there whole, {} not at all",
                    self.made + self.not_made,
                    self.made,
                    self.not_made
                ),
                Some(self.differences.is_empty()),
            ),
            (
                "store",
                format!("{} contents compared with their digests, {} faults", self.contents, self.damages.len()),
                Some(self.damages.is_empty()),
            ),
            (
                "ready",
                format!(
                    "{} ms after a start in the middle, {} ms at most (at most {})",
                    ms(median),
                    ms(longest),
                    ms(READY_MAX)
                ),
                (cycles >= CYCLES_MIN).then_some(longest <= READY_MAX),
            ),
            (
                "end",
                format!(
                    "the last server left with {}",
                    self.status.map(|status| status.to_string()).unwrap_or_default()
                ),
                Some(self.status.is_some_and(|status| status.success())),
            ),
        ];
        for (name, told, kept) in &lines {
            let word = match kept {
                Some(true) => "holds",
                Some(false) => "FAILS",
                None => "not judged",
            };
            println!("{name:<12} {told}  {word}");
        }
        let faults = self.differences.iter().chain(&self.damages).take(TOLD_MAX);
        faults.for_each(|fault| println!("             {fault}"));
        let passed = lines.iter().all(|(_, _, kept)| *kept != Some(false));
        println!("chaos: {} (seed {})", if passed { "passed" } else { "failed" }, self.seed);
        if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}
