//! One value of a TOML file.

use super::{Faults, Section};
use crate::size::ByteSize;
use crate::span;
use std::fmt::Display;
use std::str::FromStr;
use std::time::Duration;
use toml::Spanned;
use toml::de::{DeInteger, DeValue};

/// One value of the file. Each reader takes it as one kind of thing; another kind is a fault and `None`.
#[derive(Debug, Clone)]
pub struct Value<'a, 'i> {
    value: &'a Spanned<DeValue<'i>>,
    path: String,
    faults: &'a Faults,
}

impl<'a, 'i> Value<'a, 'i> {
    pub(super) fn new(value: &'a Spanned<DeValue<'i>>, path: String, faults: &'a Faults) -> Self {
        faults.note_place(&path, value.span().start);
        Self { value, path, faults }
    }

    /// The byte offset at which it begins.
    #[must_use]
    pub fn at(&self) -> usize {
        self.value.span().start
    }

    /// Adds a fault at this value; its key goes before the message.
    pub fn fault(&self, message: impl Display) {
        self.faults.add(self.at(), format!("{}: {message}", self.path));
    }

    /// A string as it stands.
    #[must_use]
    pub fn string(&self) -> Option<&'a str> {
        let text = self.value.get_ref().as_str();
        if text.is_none() {
            self.wrong("a string in quotes");
        }
        text
    }

    /// The string, where it is one; anything else is no fault.
    #[must_use]
    pub fn as_str(&self) -> Option<&'a str> {
        self.value.get_ref().as_str()
    }

    /// A string that `T` reads.
    #[must_use]
    pub fn text<T: FromStr<Err: Display>>(&self) -> Option<T> {
        self.checked(self.string()?.parse())
    }

    /// A duration: a string such as `"2s"`.
    #[must_use]
    pub fn span(&self) -> Option<Duration> {
        match self.value.get_ref() {
            DeValue::Integer(number) => {
                self.fault(format_args!("a duration has a unit; write \"{number}s\" or \"{number}ms\""));
                None
            }
            _ => self.checked(span::parse(self.string()?)),
        }
    }

    /// A size: a string such as `"64MiB"`, or a number of bytes.
    #[must_use]
    pub fn size(&self) -> Option<ByteSize> {
        match self.value.get_ref() {
            DeValue::Integer(_) => self.number(0).map(ByteSize),
            _ => self.text(),
        }
    }

    /// A whole number that fits `T` and is at least `min`.
    #[must_use]
    pub fn number<T: TryFrom<u64> + PartialOrd + Display + Copy>(&self, min: T) -> Option<T> {
        let DeValue::Integer(number) = self.value.get_ref() else {
            self.wrong("a whole number");
            return None;
        };
        let number = to_u64(number).and_then(|number| T::try_from(number).ok()).filter(|number| *number >= min);
        if number.is_none() {
            self.fault(format_args!("write a whole number that is at least {min}, and not beyond what can be counted"));
        }
        number
    }

    /// `true` or `false`.
    #[must_use]
    pub fn flag(&self) -> Option<bool> {
        let flag = self.value.get_ref().as_bool();
        if flag.is_none() {
            self.wrong("true or false");
        }
        flag
    }

    /// A number, with or without a fraction; not `inf`, not `nan`.
    #[must_use]
    pub fn float(&self) -> Option<f64> {
        let number = match self.value.get_ref() {
            DeValue::Float(number) => number.as_str().parse().ok(),
            DeValue::Integer(number) => number.as_str().parse().ok().filter(|_| number.radix() == 10),
            _ => None,
        };
        let number = number.filter(|number: &f64| number.is_finite());
        if number.is_none() {
            self.wrong("a number");
        }
        number
    }

    /// The elements of an array.
    #[must_use]
    pub fn list(&self) -> Vec<Value<'a, 'i>> {
        let Some(array) = self.value.get_ref().as_array() else {
            self.wrong("an array");
            return Vec::new();
        };
        let element = |(index, value)| Value::new(value, format!("{}[{index}]", self.path), self.faults);
        array.iter().enumerate().map(element).collect()
    }

    /// The strings of an array, each read by `T`.
    #[must_use]
    pub fn texts<T: FromStr<Err: Display>>(&self) -> Vec<T> {
        self.list().iter().filter_map(Value::text).collect()
    }

    /// One of the known words; the pair's second part is what it means.
    #[must_use]
    pub fn one_of<T: Copy>(&self, words: &[(&str, T)]) -> Option<T> {
        let text = self.string()?;
        let meant = words.iter().find(|(word, _)| *word == text).map(|(_, meaning)| *meaning);
        if meant.is_none() {
            let known: Vec<String> = words.iter().map(|(word, _)| format!("\"{word}\"")).collect();
            self.fault(format_args!("{text:?} is unknown here; write {}", known.join(" or ")));
        }
        meant
    }

    /// A table.
    #[must_use]
    pub fn section(&self) -> Option<Section<'a, 'i>> {
        self.section_or("a table")
    }

    /// A table; `expected` is what else could stand here, for the fault.
    #[must_use]
    pub fn section_or(&self, expected: &str) -> Option<Section<'a, 'i>> {
        let table = self.value.get_ref().as_table();
        if table.is_none() {
            self.wrong(expected);
        }
        table.map(|table| Section::new(table, self.path.clone(), self.at(), self.faults))
    }

    /// Any value, as JSON has it. A date becomes its text; a number beyond JSON's is a fault.
    #[must_use]
    pub fn json(&self) -> Option<serde_json::Value> {
        match self.value.get_ref() {
            DeValue::String(text) => Some(serde_json::Value::from(text.as_ref())),
            DeValue::Boolean(flag) => Some(serde_json::Value::from(*flag)),
            DeValue::Datetime(date) => Some(serde_json::Value::from(date.to_string())),
            DeValue::Float(_) => self.float().map(serde_json::Value::from),
            DeValue::Integer(number) => {
                let integer = to_i64(number).map(serde_json::Value::from);
                let integer = integer.or_else(|| to_u64(number).map(serde_json::Value::from));
                if integer.is_none() {
                    self.wrong("a number of 64 bits");
                }
                integer
            }
            DeValue::Array(_) => Some(self.list().iter().filter_map(Value::json).collect()),
            DeValue::Table(_) => {
                let entries = self.section().map(Section::entries).unwrap_or_default();
                let members = entries.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value.json()?)));
                Some(serde_json::Value::Object(members.collect()))
            }
        }
    }

    fn checked<T, E: Display>(&self, read: Result<T, E>) -> Option<T> {
        read.map_err(|error| self.fault(error)).ok()
    }

    fn wrong(&self, expected: &str) {
        self.fault(format_args!("expected {expected}, found {}", article(self.value.get_ref().type_str())));
    }
}

fn article(kind: &str) -> String {
    let an = if kind.starts_with(['a', 'i']) { "an" } else { "a" };
    format!("{an} {kind}")
}

fn to_u64(number: &DeInteger<'_>) -> Option<u64> {
    u64::from_str_radix(number.as_str(), number.radix()).ok()
}

fn to_i64(number: &DeInteger<'_>) -> Option<i64> {
    i64::from_str_radix(number.as_str(), number.radix()).ok()
}
