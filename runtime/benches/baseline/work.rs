//! A guest that computes, in a process of its own, on the engine's very settings: with the epoch's checks in its code, or without.
//! Each question asks for that many calls of one instance and gets their mean in microseconds.

use std::time::Instant;

use anyhow::Result;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tokio::runtime::Builder;

use super::guest;
use crate::support::asked::{self, Asked};
use crate::support::child::Cores;
use crate::support::places;

/// What is computed. One call takes some milliseconds.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) enum Work {
    /// Text becomes pieces of a vocabulary.
    Tokens,
    /// A PNG becomes pixels.
    Picture,
    /// A loop of a few instructions.
    Loop,
}

/// Whether the code has the epoch's checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Epochs {
    /// It has: before each function and each turn of a loop.
    On,
    /// It can only be stopped by ending the process.
    Off,
}

/// Some sentences; a call has them a hundred times.
const TEXT: &str = "The server asked each function for an answer, and every answer came back before the next question was out. \
    Nobody thought much of it at first: these things are supposed to work. But when the load went up, some of the guests \
    began to take longer than they should have, and the people who ran the machines looked for what had changed (nothing had), \
    what was different from the year before, and why 3 of the 20 instances held on to their memory long after the last call.\n";

impl Work {
    /// The guest that does it.
    fn guest(self) -> &'static str {
        match self {
            Self::Tokens => "tokenize",
            Self::Picture => "png",
            Self::Loop => "tight_loop",
        }
    }

    fn target(self) -> &'static str {
        match self {
            Self::Tokens => "/?n=1",
            Self::Picture => "/?n=5",
            Self::Loop => "/?turns=3000000",
        }
    }

    fn body(self) -> Result<Bytes> {
        Ok(match self {
            Self::Tokens => TEXT.repeat(100).into(),
            Self::Picture => std::fs::read(places::picture()?)?.into(),
            Self::Loop => Bytes::new(),
        })
    }
}

/// Asks a child of [`serve`] for so many calls; it tells their mean in microseconds.
pub(crate) type Worker = Asked<u32, f64>;

/// Starts the child on the servers' core.
///
/// # Errors
/// When it does not start.
pub(crate) fn start(work: Work, epochs: Epochs) -> Result<Worker> {
    Asked::start(&["serve", "work", &serde_json::to_string(&work)?, &serde_json::to_string(&epochs)?], Cores::One)
}

/// Runs until stdin ends.
///
/// # Errors
/// When the guest cannot be loaded or fails.
pub(crate) fn serve(work: Work, epochs: Epochs) -> Result<()> {
    let pre = guest::load_with(&places::guest(work.guest())?, |config| {
        config.epoch_interruption(epochs == Epochs::On);
    })?;
    let executor = Builder::new_current_thread().enable_all().build()?;
    let mut store = guest::store(&pre);
    let proxy = executor.block_on(pre.instantiate_async(&mut store))?;
    let (target, body) = (work.target(), work.body()?);
    asked::answer(|calls: u32| {
        let begun = Instant::now();
        for _ in 0..calls {
            executor.block_on(guest::ask(&mut store, &proxy, target, body.clone()))?;
        }
        Ok(begun.elapsed().as_secs_f64() * 1e6 / f64::from(calls))
    })
}
