//! What came of a soak: a line for each promise, and whether all were kept.

use std::process::{ExitCode, ExitStatus};

use crate::caller::Tally;
use crate::mix::{self, Deploys};
use crate::support::metrics::Metrics;
use crate::support::promises::{Kept, Promises};
use crate::watch::{self, Watched};

/// How fast memory may grow, in MiB a minute.
const GROWTH_MAX: f64 = 1.0;

/// In less time a server still warms up, and a slope says nothing.
const MINUTES_MIN: f64 = 5.0;

/// The lines.
pub(crate) struct Verdict {
    promises: Promises,
    /// What went wrong, in words.
    failures: Vec<String>,
}

impl Verdict {
    /// Judges.
    pub(crate) fn of(
        minutes: f64,
        watched: Watched,
        tallies: &[Tally],
        deploys: &Deploys,
        metrics: &Metrics,
        status: ExitStatus,
    ) -> Self {
        let failures = tallies.iter().flat_map(|tally| &tally.failures).chain(&deploys.failures);
        let failures = failures.cloned().collect();
        let mut verdict = Self { promises: Promises::default(), failures };
        verdict.memory(minutes, &watched);
        let [before, after] = watched.asleep.map(|asleep| asleep.descriptors);
        let told = format!("{before} open in the warm-up, {after} at the end, with everything asleep");
        verdict.line("descriptors", told, Some(after <= before));
        verdict.answers(minutes, tallies);
        verdict.counted(tallies, metrics);
        let (done, failed) = (deploys.done, deploys.failures.len());
        let told = format!("{done} of one function, while the others worked; {failed} failed");
        verdict.line("deploys", told, Some(failed == 0));
        verdict.line("end", format!("the server left with {status} after SIGTERM"), Some(status.success()));
        verdict
    }

    /// Prints it. The status says whether everything holds.
    pub(crate) fn tell(self) -> ExitCode {
        self.promises.tell("soak", &self.failures, "")
    }

    fn line(&mut self, name: &'static str, told: String, kept: Kept) {
        self.promises.line(name, told, kept);
    }

    fn memory(&mut self, minutes: f64, watched: &Watched) {
        let [asleep, at_last] = watched.asleep.map(|asleep| asleep.memory);
        let Some([slope, first, last]) = watch::line(&watched.memory) else {
            return self.line("memory", "there are no two readings".to_owned(), Some(false));
        };
        let told = format!(
            "{slope:+.2} MiB/min (at most {GROWTH_MAX:.2}): {first:.1} MiB after the warm-up, {last:.1} at the end; \
             asleep {asleep:.1}, {at_last:.1}"
        );
        self.line("memory", told, (minutes >= MINUTES_MIN).then_some(slope <= GROWTH_MAX));
    }

    fn answers(&mut self, minutes: f64, tallies: &[Tally]) {
        let sum = |of: fn(&Tally) -> u64| tallies.iter().map(of).sum::<u64>();
        let (asked, failed) = (sum(|tally| tally.asked), sum(|tally| tally.failed));
        let longest = tallies.iter().max_by_key(|tally| tally.longest);
        let longest = longest.map(|tally| format!("{:.0} ms ({})", tally.longest.as_secs_f64() * 1e3, tally.function));
        let told = format!(
            "{asked} requests of {} kinds in {minutes} min; {failed} not answered once and as they should be; longest {}",
            tallies.len(),
            longest.unwrap_or_default()
        );
        self.line("answers", told, Some(asked > 0 && failed == 0));
    }

    /// The server has seen each request once, too.
    fn counted(&mut self, tallies: &[Tally], metrics: &Metrics) {
        let of = |function: &str| metrics.sum("modelet_requests_total", &[("function", function)]);
        let asked = mix::by_function(tallies);
        let counted: f64 = asked.keys().map(|function| of(function)).sum();
        let others = asked.iter().filter(|(function, asked)| (of(function) - **asked as f64).abs() > 0.5);
        let others: Vec<String> =
            others.map(|(function, asked)| format!("{function}: {asked} asked, {} counted", of(function))).collect();
        let holds = others.is_empty();
        self.failures.extend(others);
        self.line("counted", format!("{counted} requests by the server itself"), Some(holds));
    }
}
