//! A hundred owners of the same model: what they take together, against what one takes.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use anyhow::Result;

use crate::support::mode::Mode;

use crate::ours::{self, Question, Told};
use crate::support::places;
use crate::support::race;
use crate::support::rows::{Bar, Rows, why};
use crate::support::sample::Sample;
use crate::support::site::Site;

const OWNERS: u32 = 100;

/// Memory is counted, not timed: a few pairs show that it does not swing.
const PAIRS: usize = 5;

/// Owners, their calls and what an allocator holds back may take this much more.
const MEMORY: Bar = Bar::RatioTo(1.1);

/// So may the tenants' rows in the metadata.
const DISK: Bar = Bar::RatioTo(1.05);

/// The encoder's file.
const MODEL: Sample = ours::OTHER;

/// Disk, memory, and loads.
pub(crate) fn measure(mode: Mode, rows: &mut Rows) {
    let tenants = if mode.is_short { 3 } else { OWNERS };
    let disk = disk(tenants).and_then(|all| Ok([all, disk(1)?])).map_err(why);
    let disk = disk.map(|[all, one]| [all / 1e6, one / 1e6, all / one]);
    rows.add("disk of a 90 MB model that 100 tenants have pushed / that one has", "MB", disk, DISK);
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

/// Bytes of a server's data directory after each of so many tenants has pushed the model: files, forms and metadata.
fn disk(tenants: u32) -> Result<f64> {
    let names: Vec<String> = (0..tenants).map(|tenant| format!("t{tenant}")).collect();
    let (site, model) = (Site::with_tenants(&names)?, places::text(&MODEL.file()?)?);
    for name in &names {
        site.modelet(&["model", "push", &model, "--name", "m", "--tenant", name])?;
    }
    let mut seen = BTreeSet::new();
    let bytes = bytes_in(&site.data(), &mut seen)?;
    eprintln!("bench: {tenants} tenants: {:.1} MB in {} files", bytes as f64 / 1e6, seen.len());
    Ok(bytes as f64)
}

/// Bytes of all files below `folder`; one of several names counts once.
fn bytes_in(folder: &Path, seen: &mut BTreeSet<u64>) -> Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(folder)? {
        let (path, about) = entry.and_then(|entry| Ok((entry.path(), entry.metadata()?)))?;
        if about.is_dir() {
            bytes += bytes_in(&path, seen)?;
        } else if seen.insert(about.ino()) {
            bytes += about.len();
        }
    }
    Ok(bytes)
}
