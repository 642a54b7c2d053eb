//! A hundred owners of the same model: what they take together, against what one takes.

use anyhow::Result;

use crate::ours::{self, Question, Told};
use crate::support::race;
use crate::support::rows::{Bar, Rows, why};
use crate::support::sample::Sample;

const OWNERS: u32 = 100;

/// Memory is counted, not timed: a few pairs show that it does not swing.
const PAIRS: usize = 5;

/// Owners, their calls and what an allocator holds back may take this much more.
const MEMORY: Bar = Bar::RatioTo(1.1);

/// Memory, and loads.
pub(crate) fn measure(rows: &mut Rows) {
    let told = race::pairs(PAIRS, || told(OWNERS), || told(1)).map_err(why);
    let megabytes = |pairs: &Vec<[Told; 2]>| race::summary(pairs, |told| told.bytes as f64 / 1e6);
    let memory = told.as_ref().map(megabytes).map_err(Clone::clone);
    rows.add("memory of a 90 MB model that 100 owners use / that one uses", "MB", memory, MEMORY);
    let loads = |pairs: &Vec<[Told; 2]>| race::summary(pairs, |told| told.loads as f64)[0];
    let loads = told.as_ref().map(loads).map_err(Clone::clone);
    rows.count("loads of a model that 100 owners use, one after the other", loads, Bar::Exactly(1.0));
}

/// In a process of its own: memory that was used once is not given back.
fn told(owners: u32) -> Result<Told> {
    let told = ours::start(Sample::Digits { rows: 1 })?.ask(&Question::Owners { owners })?;
    eprintln!("bench: {owners} owners: {} loads, {:.1} MB", told.loads, told.bytes as f64 / 1e6);
    Ok(told)
}
