//! What is wrong with a configuration, and where it stands.

use std::fmt;
use std::path::PathBuf;

/// Where a setting was read. In the order in which faults are told.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Origin {
    /// A line of a file, counted from 1; 0 is the file as a whole.
    File(PathBuf, usize),
    /// An environment variable.
    Env(String),
    /// A command line flag.
    Flag(&'static str),
    /// Nowhere: a default.
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path, 0) => write!(f, "{}", path.display()),
            Self::File(path, line) => write!(f, "{}:{line}", path.display()),
            Self::Env(name) => write!(f, "{name}"),
            Self::Flag(name) => write!(f, "{name}"),
            Self::Default => write!(f, "default"),
        }
    }
}

/// One fault. Its text says what is wrong and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    /// Where.
    pub(crate) origin: Origin,
    /// What, and the fix.
    pub(crate) what: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.origin, self.what)
    }
}

/// Every fault of a configuration at once. Never empty.
#[derive(Debug)]
pub(crate) struct Faults(pub(crate) Vec<Fault>);

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let faults = if self.0.len() == 1 { "a fault".to_owned() } else { format!("{} faults", self.0.len()) };
        write!(f, "the configuration has {faults}")?;
        self.0.iter().try_for_each(|fault| write!(f, "\n{fault}"))
    }
}

impl std::error::Error for Faults {}

/// The known name that is nearest to `name`, if one is near enough to be meant.
pub(crate) fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let close_enough = name.chars().count().max(3) / 3 + 1;
    known.map(|k| (strsim::osa_distance(name, k), k)).filter(|(d, _)| *d <= close_enough).min().map(|(_, k)| k)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearest_gives_up_on_strangers() {
        assert_eq!(nearest("lisen", ["listen", "threads"].into_iter()), Some("listen"));
        assert_eq!(nearest("banana", ["listen", "threads"].into_iter()), None);
    }
}
