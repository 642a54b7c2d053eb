//! The cases that are known to fail, and why.

use std::collections::BTreeMap;

const LIST: &str = include_str!("../../conformance/expected_fail.txt");

/// The committed list.
#[derive(Debug)]
pub struct Expected {
    cases: BTreeMap<String, Reason>,
}

/// Why a case may fail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// Whether it also passes: now and then, because its outputs are drawn at random, or on some machines.
    pub may_pass: bool,
    /// For people.
    pub text: String,
}

impl Expected {
    /// Reads the committed list.
    ///
    /// # Panics
    /// When a line of it is not as its head says.
    #[must_use]
    pub fn committed() -> Self {
        Self::parse(LIST)
    }

    fn parse(list: &str) -> Self {
        let lines = list.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        let mut cases = BTreeMap::new();
        for line in lines {
            let (name, reason) =
                entry(line).unwrap_or_else(|| panic!("no `fails|random|varies NAME REASON`: {line:?}"));
            assert!(cases.insert(name, reason).is_none(), "listed twice: {line}");
        }
        Self { cases }
    }

    /// Why this case may fail, if it may.
    #[must_use]
    pub fn reason(&self, case: &str) -> Option<&Reason> {
        self.cases.get(case)
    }

    /// All names on the list.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.cases.keys().map(String::as_str)
    }
}

fn entry(line: &str) -> Option<(String, Reason)> {
    let (word, rest) = line.split_once(' ')?;
    let (name, text) = rest.trim().split_once(' ')?;
    let may_pass = match word {
        "fails" => false,
        "random" | "varies" => true,
        _ => return None,
    };
    Some((name.to_owned(), Reason { may_pass, text: text.trim().to_owned() }))
}
