//! Configuration as typed: settings with where each was read, before any is understood.
//!
//! Three sources, the later wins: the file, `MODELET_…` environment variables, command line flags.

use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue};

use super::fault::{Fault, Origin, nearest};
use super::jwt;
use super::keys::{Key, env_name};

/// A value, as its source has it. Environment variables and flags only have text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value {
    /// Text.
    Text(String),
    /// A whole number.
    Integer(i64),
    /// `true` or `false`.
    Bool(bool),
    /// Anything that no key takes; the kind, for the message.
    Other(&'static str),
}

/// One setting.
#[derive(Debug, Clone)]
pub(crate) struct Setting {
    /// Which key, as an index in the table of keys.
    pub(crate) key: usize,
    /// Its value.
    pub(crate) value: Value,
    /// Where it was read.
    pub(crate) origin: Origin,
}

/// Reads the text of a configuration file. `path` is for the messages.
pub(crate) fn from_file(path: &Path, text: &str, keys: &[Key], faults: &mut Vec<Fault>) -> Vec<Setting> {
    let at = |offset: usize| Origin::File(path.to_owned(), line_of(text, offset));
    let (table, errors) = DeTable::parse_recoverable(text);
    for error in errors {
        let offset = error.span().map_or(0, |span| span.start);
        faults.push(Fault { origin: at(offset), what: format!("not TOML: {}", error.message().trim()) });
    }
    let mut settings = Vec::new();
    for (section, value) in table.get_ref() {
        let origin = at(section.span().start);
        let name: &str = section.get_ref();
        match value.get_ref() {
            // Read by itself: it is a list of tables.
            _ if name == jwt::SECTION => {}
            DeValue::Table(entries) if keys.iter().any(|k| k.section == name) => {
                for (key, value) in entries {
                    let origin = at(key.span().start);
                    match find(keys, name, key.get_ref()) {
                        Ok(key) => settings.push(Setting { key, value: value_of(value.get_ref()), origin }),
                        Err(what) => faults.push(Fault { origin, what }),
                    }
                }
            }
            _ => faults.push(Fault { origin, what: unknown_section(keys, name) }),
        }
    }
    settings
}

/// Reads the environment: of all variables, those that start like a section's.
pub(crate) fn from_env(
    variables: impl Iterator<Item = (String, String)>,
    keys: &[Key],
    faults: &mut Vec<Fault>,
) -> Vec<Setting> {
    let mut settings = Vec::new();
    for (name, value) in variables {
        let ours = keys.iter().any(|k| name.starts_with(&format!("MODELET_{}_", k.section.to_uppercase())));
        if !ours {
            continue;
        }
        let origin = Origin::Env(name.clone());
        match keys.iter().position(|k| env_name(k) == name) {
            Some(key) => settings.push(Setting { key, value: Value::Text(value), origin }),
            None => {
                let names: Vec<String> = keys.iter().map(env_name).collect();
                let hint = suggest(nearest(&name, names.iter().map(String::as_str)));
                faults.push(Fault { origin, what: format!("unknown configuration variable{hint}") });
            }
        }
    }
    settings
}

fn find(keys: &[Key], section: &str, name: &str) -> Result<usize, String> {
    let found = keys.iter().position(|k| k.section == section && k.name == name);
    found.ok_or_else(|| {
        let known = keys.iter().filter(|k| k.section == section).map(|k| k.name.as_str());
        format!("unknown key `{name}` in [{section}]{}", suggest(nearest(name, known)))
    })
}

fn unknown_section(keys: &[Key], name: &str) -> String {
    if keys.iter().any(|k| k.section == name) {
        return format!("`{name}` is a section: write it as [{name}], with its keys below");
    }
    let at_top: Vec<&str> = keys.iter().filter(|k| k.name == name).map(|k| k.section).collect();
    match at_top.as_slice() {
        [section] => format!("`{name}` belongs into [{section}]"),
        _ => format!(
            "unknown section or key `{name}`{}; the sections are [server], [limits], [inference], [models], [outbound] and [[auth.jwt]]",
            suggest(nearest(name, keys.iter().map(|k| k.section)))
        ),
    }
}

fn suggest(nearest: Option<&str>) -> String {
    nearest.map(|n| format!("; did you mean `{n}`?")).unwrap_or_default()
}

fn value_of(value: &DeValue<'_>) -> Value {
    match value {
        DeValue::String(text) => Value::Text(text.to_string()),
        DeValue::Integer(number) => {
            let parsed = i64::from_str_radix(number.as_str(), number.radix());
            parsed.map_or(Value::Other("a number that is too large"), Value::Integer)
        }
        DeValue::Float(_) => Value::Other("a number with a fraction"),
        DeValue::Boolean(flag) => Value::Bool(*flag),
        DeValue::Datetime(_) => Value::Other("a date"),
        DeValue::Array(_) => Value::Other("a list"),
        DeValue::Table(_) => Value::Other("a table"),
    }
}

fn line_of(text: &str, offset: usize) -> usize {
    let before = text.as_bytes().iter().take(offset);
    1 + before.filter(|byte| **byte == b'\n').count()
}

impl Setting {
    /// The value as a path; one from a file is relative to that file's folder.
    pub(crate) fn path(&self) -> Result<PathBuf, String> {
        let path = PathBuf::from(self.text()?);
        match &self.origin {
            Origin::File(file, _) => Ok(file.parent().map_or(path.clone(), |folder| folder.join(&path))),
            _ => Ok(path),
        }
    }

    /// The value as text.
    pub(crate) fn text(&self) -> Result<&str, String> {
        match &self.value {
            Value::Text(text) if !text.is_empty() => Ok(text),
            Value::Text(_) => Err("is empty".to_owned()),
            other => Err(format!("must be text in quotes, not {}", other.kind())),
        }
    }

    /// The value as a flag.
    pub(crate) fn flag(&self) -> Result<bool, String> {
        match &self.value {
            Value::Bool(flag) => Ok(*flag),
            Value::Text(text) if text == "true" => Ok(true),
            Value::Text(text) if text == "false" => Ok(false),
            other => Err(format!("must be true or false, not {}", other.kind())),
        }
    }

    /// The value as a count from 1 to `max`.
    pub(crate) fn count(&self, max: usize) -> Result<usize, String> {
        let number = match &self.value {
            Value::Integer(number) => usize::try_from(*number).ok(),
            Value::Text(text) => text.parse().ok(),
            Value::Bool(_) | Value::Other(_) => None,
        };
        let wanted = || format!("must be a whole number from 1 to {max}");
        number.filter(|n| (1..=max).contains(n)).ok_or_else(wanted)
    }
}

impl Value {
    /// What it is, for a message.
    pub(crate) fn kind(&self) -> String {
        match self {
            Self::Text(text) => format!("`{text}`"),
            Self::Integer(number) => format!("the number {number}"),
            Self::Bool(flag) => format!("{flag}"),
            Self::Other(kind) => (*kind).to_owned(),
        }
    }
}
