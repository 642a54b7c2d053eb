//! One table of a TOML file.

use super::{Faults, Value};
use std::fmt::Display;
use std::str::FromStr;
use toml::de::DeTable;

/// One table of the file. It remembers what it was asked for; [`Section::finish`] reports the rest as unknown.
#[derive(Debug)]
pub struct Section<'a, 'i> {
    table: &'a DeTable<'i>,
    path: String,
    at: usize,
    faults: &'a Faults,
    asked: Vec<&'static str>,
}

impl<'a, 'i> Section<'a, 'i> {
    pub(super) fn new(table: &'a DeTable<'i>, path: String, at: usize, faults: &'a Faults) -> Self {
        Self { table, path, at, faults, asked: Vec::new() }
    }

    /// Where it lies in the file, such as `function[0].manifest`; empty for the top.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The byte offset at which it begins.
    #[must_use]
    pub fn at(&self) -> usize {
        self.at
    }

    /// Where faults go.
    #[must_use]
    pub fn faults(&self) -> &'a Faults {
        self.faults
    }

    /// The value of `key`, if the file has it.
    pub fn value(&mut self, key: &'static str) -> Option<Value<'a, 'i>> {
        self.asked.push(key);
        let value = self.table.get(key)?;
        Some(Value::new(value, self.path_of(key), self.faults))
    }

    /// The value of `key`, or a fault that says `example`.
    pub fn required(&mut self, key: &'static str, example: &str) -> Option<Value<'a, 'i>> {
        let value = self.value(key);
        if value.is_none() {
            self.faults.add_missing(self.at, &format!("{} is missing; write {example}", self.path_of(key)));
        }
        value
    }

    /// A string that `T` reads.
    pub fn text<T: FromStr<Err: Display>>(&mut self, key: &'static str) -> Option<T> {
        self.value(key)?.text()
    }

    /// The table at `key`.
    pub fn section(&mut self, key: &'static str) -> Option<Section<'a, 'i>> {
        self.value(key)?.section()
    }

    /// The tables of the array `[[key]]`; what is no table is a fault.
    pub fn sections(&mut self, key: &'static str) -> Vec<Section<'a, 'i>> {
        let values = self.value(key).map(|value| value.list()).unwrap_or_default();
        values.into_iter().filter_map(|value| value.section()).collect()
    }

    /// All keys that were not asked for, with their values: for tables whose keys the author chooses. Nothing is unknown then.
    #[must_use]
    pub fn entries(self) -> Vec<(&'a str, Value<'a, 'i>)> {
        let free = self.table.iter().filter(|(key, _)| !self.asked.contains(&key.get_ref().as_ref()));
        free.map(|(key, value)| {
            let name: &'a str = key.get_ref().as_ref();
            (name, Value::new(value, self.path_of(name), self.faults))
        })
        .collect()
    }

    /// Ends the reading: every key that was not asked for is a fault, with the nearest known key.
    pub fn finish(self) {
        for key in self.table.keys().filter(|key| !self.asked.contains(&key.get_ref().as_ref())) {
            let name = key.get_ref().as_ref();
            let place = if self.path.is_empty() { String::new() } else { format!(" in {}", self.path) };
            let fix = match nearest(name, &self.asked) {
                Some(known) => format!("did you mean \"{known}\"?"),
                None => format!("known here: {}", self.asked.join(", ")),
            };
            self.faults.add(key.span().start, format!("unknown key {name:?}{place}; {fix}"));
        }
    }

    fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }
}

/// The known key that `name` is most likely meant to be: at most a third of its letters differ (two for short ones).
fn nearest(name: &str, known: &[&'static str]) -> Option<&'static str> {
    let distance_max = (name.chars().count() / 3).max(2);
    let by_distance = known.iter().map(|key| (strsim::osa_distance(&name.to_lowercase(), key), *key));
    by_distance.filter(|(distance, _)| *distance <= distance_max).min().map(|(_, key)| key)
}
