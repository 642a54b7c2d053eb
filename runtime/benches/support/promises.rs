//! What a program that measures nothing says in the end: a line for each promise, and whether all were kept.

use std::process::ExitCode;

/// Whether a promise was kept; `None`: that cannot be said.
pub(crate) type Kept = Option<bool>;

/// The lines.
#[derive(Default)]
pub(crate) struct Promises {
    lines: Vec<(&'static str, String, Kept)>,
}

impl Promises {
    /// One more.
    pub(crate) fn line(&mut self, name: &'static str, told: String, kept: Kept) {
        self.lines.push((name, told, kept));
    }

    /// Prints them, and what went wrong in words. The status says whether everything holds; `what` did, or did not.
    pub(crate) fn tell<'a>(
        &self,
        what: &str,
        failures: impl IntoIterator<Item = &'a String>,
        beside: &str,
    ) -> ExitCode {
        for (name, told, kept) in &self.lines {
            let word = match kept {
                Some(true) => "holds",
                Some(false) => "FAILS",
                None => "not judged",
            };
            println!("{name:<12} {told}  {word}");
        }
        failures.into_iter().for_each(|failure| println!("             {failure}"));
        let passed = self.lines.iter().all(|(_, _, kept)| *kept != Some(false));
        println!("{what}: {}{beside}", if passed { "passed" } else { "failed" });
        if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}
