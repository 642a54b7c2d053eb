//! One part of the mix, asked at its pace. It never catches up: where an answer takes longer than the pause, it asks less.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::gate::{Gate, Word};
use crate::mix::Part;
use crate::wire::Wire;

/// Failures that are told in words; the others are counted.
const TOLD_MAX: usize = 3;

/// What became of the requests of one part.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// The function that was asked.
    pub(crate) function: &'static str,
    /// Requests that were sent.
    pub(crate) asked: u64,
    /// Those that were not answered once and as they should be.
    pub(crate) failed: u64,
    /// The first of them, in words.
    pub(crate) failures: Vec<String>,
    /// The longest that one took.
    pub(crate) longest: Duration,
}

impl Tally {
    /// One request ended.
    fn count(&mut self, outcome: anyhow::Result<()>, took: Duration) {
        self.asked += 1;
        self.longest = self.longest.max(took);
        if let Err(error) = outcome {
            self.failed += 1;
            if self.failures.len() < TOLD_MAX {
                self.failures.push(format!("{}, request {}: {error:#}", self.function, self.asked));
            }
        }
    }
}

/// Who asks.
pub(crate) struct Caller {
    part: Part,
    wire: Wire,
}

impl Caller {
    /// Nothing is asked yet.
    pub(crate) fn new(part: Part, server: SocketAddr) -> Self {
        Self { part, wire: Wire::new(server) }
    }

    /// Asks until the gate says stop.
    pub(crate) fn run(mut self, gate: &Gate) -> Tally {
        let mut tally = Tally { function: self.part.function, ..Tally::default() };
        let mut due = Instant::now();
        loop {
            match gate.until(due) {
                Word::Go => {}
                Word::Pause => {
                    self.wire.close();
                    gate.rest();
                    continue;
                }
                Word::Stop => return tally,
            }
            let begun = Instant::now();
            let outcome = (self.part.ask)(&mut self.wire, tally.asked);
            tally.count(outcome, begun.elapsed());
            due = (due + self.part.every).max(begun);
        }
    }
}
