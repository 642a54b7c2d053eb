//! Path patterns of routes: `/exact`, `/x/{name}`, `/x/{*rest}`.
//!
//! A pattern is compared with the **raw, percent-encoded** path of the request, segment by segment, and nothing is decoded,
//! merged or resolved: `/a%2Fb` is one segment, `/a/` is not `/a`, and `..` is an ordinary segment. So there is one reading
//! of a path, here and in the guest, and none can be smuggled past a route by encoding it differently.

use crate::error::{PathError, cut};
use crate::text_serde::text_serde;
use std::fmt;
use std::str::FromStr;

/// The longest pattern in bytes, and the most segments: what a person would still write, and a bound for the matcher.
const BYTES_MAX: usize = 1024;
const SEGMENTS_MAX: usize = 64;

/// A checked path pattern.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PathPattern {
    segments: Vec<Segment>,
}

/// One part of a pattern, between two slashes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Segment {
    /// This text and no other; empty at the end of `/x/`, and alone in `/`.
    Exact(String),
    /// `{name}`: any one segment that is not empty.
    Param(String),
    /// `{*name}`: all that is left, also nothing or several segments; only at the end.
    Rest(String),
}

impl PathPattern {
    /// The segments in order; never empty, and a [`Segment::Rest`] only at the end.
    #[must_use]
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// A pattern that holds a place while a file's faults are collected; different numbers give different ones.
    pub(crate) fn stand_in(number: usize) -> Self {
        Self { segments: vec![Segment::Exact(format!("unnamed-{number}"))] }
    }
}

impl fmt::Display for PathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.segments.iter().try_for_each(|segment| match segment {
            Segment::Exact(text) => write!(f, "/{text}"),
            Segment::Param(name) => write!(f, "/{{{name}}}"),
            Segment::Rest(name) => write!(f, "/{{*{name}}}"),
        })
    }
}

impl FromStr for PathPattern {
    type Err = PathError;

    fn from_str(text: &str) -> Result<Self, PathError> {
        parse(text).map(|segments| Self { segments }).map_err(|reason| PathError { text: cut(text, 200), reason })
    }
}

text_serde!(PathPattern);

fn parse(text: &str) -> Result<Vec<Segment>, String> {
    let inner = text.strip_prefix('/').ok_or("it begins with \"/\"")?;
    if text.len() > BYTES_MAX {
        return Err(format!("it has more than {BYTES_MAX} bytes"));
    }
    let segments = inner.split('/').map(segment).collect::<Result<Vec<_>, _>>()?;
    if segments.len() > SEGMENTS_MAX {
        return Err(format!("it has more than {SEGMENTS_MAX} segments"));
    }
    let before_last = segments.iter().rev().skip(1);
    if before_last.clone().any(|segment| matches!(segment, Segment::Rest(_))) {
        return Err("{*name} takes all that is left, so it stands at the end".to_owned());
    }
    if before_last.clone().any(|segment| matches!(segment, Segment::Exact(text) if text.is_empty())) {
        return Err("it has an empty segment (\"//\")".to_owned());
    }
    let mut names: Vec<&str> = segments.iter().filter_map(name_of).collect();
    names.sort_unstable();
    if let Some(twice) = names.windows(2).find_map(|pair| pair.first().filter(|a| Some(a) == pair.last().as_ref())) {
        return Err(format!("the name {twice:?} stands twice in it"));
    }
    Ok(segments)
}

fn name_of(segment: &Segment) -> Option<&str> {
    match segment {
        Segment::Exact(_) => None,
        Segment::Param(name) | Segment::Rest(name) => Some(name),
    }
}

fn segment(text: &str) -> Result<Segment, String> {
    if let Some(inner) = text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
        let (name, is_rest) = inner.strip_prefix('*').map_or((inner, false), |name| (name, true));
        let first_ok = name.bytes().next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_');
        if !first_ok || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
            return Err(format!("{text:?} has no name of letters, digits and '_'; write {{name}} or {{*rest}}"));
        }
        return Ok(if is_rest { Segment::Rest(name.to_owned()) } else { Segment::Param(name.to_owned()) });
    }
    if text.contains(['{', '}']) {
        return Err(format!("{text:?} mixes text and a name; a {{name}} is a whole segment"));
    }
    if matches!(text, "." | "..") {
        return Err(format!("{text:?} never arrives: clients resolve it before they ask"));
    }
    match wrong_character(text) {
        Some(character) => Err(format!("{character:?} cannot stand in a path; write it percent-encoded")),
        None => Ok(Segment::Exact(text.to_owned())),
    }
}

/// The first character that RFC 3986 does not let stand in a segment; `%` only before two hex digits.
fn wrong_character(text: &str) -> Option<char> {
    text.char_indices().map(|(at, character)| (text.get(at + 1..at + 3), character)).find_map(|(next, character)| {
        let fine = match character {
            '%' => next.is_some_and(|two| two.bytes().all(|b| b.is_ascii_hexdigit())),
            c => c.is_ascii_alphanumeric() || "-._~!$&'()*+,;=:@".contains(c),
        };
        (!fine).then_some(character)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn patterns_are_read_and_written_back() {
        for text in ["/", "/x", "/x/", "/x/{name}", "/x/{*rest}", "/{a}/{b}/c", "/{*all}", "/a%20b", "/v1/m:predict"] {
            assert_eq!(text.parse::<PathPattern>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_no_pattern_is_refused_with_the_reason() {
        let cases = [
            ("", "begins with"),
            ("x", "begins with"),
            ("/a//b", "empty segment"),
            ("/{*r}/x", "at the end"),
            ("/{a}/{a}", "twice"),
            ("/x{a}", "mixes"),
            ("/{}", "no name"),
            ("/{*}", "no name"),
            ("/a b", "percent-encoded"),
            ("/é", "percent-encoded"),
            ("/a%2", "percent-encoded"),
            ("/a?b", "percent-encoded"),
            ("/a/../b", "resolve"),
        ];
        for (text, reason) in cases {
            let message = text.parse::<PathPattern>().unwrap_err().to_string();
            assert!(message.contains(reason), "{text}: {message}");
        }
        assert!(format!("/{}", "a".repeat(BYTES_MAX)).parse::<PathPattern>().is_err());
        assert!("/a".repeat(SEGMENTS_MAX + 1).parse::<PathPattern>().is_err());
    }

    proptest! {
        #[test]
        fn a_pattern_that_parses_is_written_as_it_was_read(text in "(/[a-c%{}*. ]{0,4}){0,5}") {
            if let Ok(pattern) = text.parse::<PathPattern>() {
                prop_assert_eq!(pattern.to_string(), text);
            }
        }
    }
}
