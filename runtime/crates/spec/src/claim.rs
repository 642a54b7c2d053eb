//! Where a tenant's functions may answer: the hosts and path prefixes that the operator gave it.
//!
//! Only the operator says who may have what, so a claim is checked and compared here and granted elsewhere.

use crate::error::{ClaimError, cut};
use crate::path::{PathPattern, Segment};
use crate::text_serde::text_serde;
use serde::{Deserialize, Serialize};
use std::borrow::Borrow;
use std::collections::BTreeSet;
use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

/// The longest DNS name, and the longest of its labels, in bytes.
const HOST_BYTES_MAX: usize = 253;
const LABEL_BYTES_MAX: usize = 63;

/// A host that requests can be for: a lower-case DNS name or an IP address, without a port.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostName(String);

/// The beginning of paths, in whole segments: `/acme` is the prefix of `/acme` and `/acme/x`, not of `/acmes`.
///
/// As with patterns, it is compared with the raw, percent-encoded path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PathPrefix(String);

/// What a tenant may claim.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Claims {
    /// Hosts, with all paths there.
    pub hosts: BTreeSet<HostName>,
    /// Path prefixes, at every host that nobody has claimed.
    pub paths: BTreeSet<PathPrefix>,
}

impl HostName {
    /// The host as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl PathPrefix {
    /// The prefix as text, with the slash at its beginning.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether all paths that `pattern` matches lie below this prefix.
    #[must_use]
    pub fn covers(&self, pattern: &PathPattern) -> bool {
        let mut segments = pattern.segments().iter();
        self.segments().all(|wanted| matches!(segments.next(), Some(Segment::Exact(text)) if text == wanted))
    }

    /// Whether some path lies below both.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        self.segments().zip(other.segments()).all(|(ours, theirs)| ours == theirs)
    }

    fn segments(&self) -> impl Iterator<Item = &str> {
        self.0.split('/').skip(1)
    }
}

impl Claims {
    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.hosts.is_empty() && self.paths.is_empty()
    }

    /// Whether a host is among them.
    #[must_use]
    pub fn has_host(&self, host: &str) -> bool {
        self.hosts.contains(host)
    }

    /// Whether a path prefix among them covers a pattern.
    #[must_use]
    pub fn covers(&self, pattern: &PathPattern) -> bool {
        self.paths.iter().any(|prefix| prefix.covers(pattern))
    }

    /// The first of these that another tenant could have something of, too.
    #[must_use]
    pub fn overlap(&self, other: &Self) -> Option<String> {
        let host = self.hosts.iter().find(|host| other.hosts.contains(*host));
        let path = || self.paths.iter().find(|ours| other.paths.iter().any(|theirs| ours.overlaps(theirs)));
        host.map(ToString::to_string).or_else(|| path().map(ToString::to_string))
    }
}

impl fmt::Display for Claims {
    /// What a tenant is told that it may claim.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let join = |texts: Vec<&str>| texts.join(", ");
        let hosts = join(self.hosts.iter().map(HostName::as_str).collect());
        let paths = join(self.paths.iter().map(PathPrefix::as_str).collect());
        match (hosts.is_empty(), paths.is_empty()) {
            (true, true) => f.write_str("nothing yet"),
            (false, true) => write!(f, "the hosts {hosts}"),
            (true, false) => write!(f, "{paths} and the paths below, without a host"),
            (false, false) => write!(f, "the hosts {hosts}; without a host, {paths} and the paths below"),
        }
    }
}

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Display for PathPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl Borrow<str> for HostName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for PathPrefix {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl FromStr for HostName {
    type Err = ClaimError;

    fn from_str(text: &str) -> Result<Self, ClaimError> {
        match is_host(text) {
            true => Ok(Self(text.to_owned())),
            false => Err(ClaimError::Host(cut(text, 200))),
        }
    }
}

impl FromStr for PathPrefix {
    type Err = ClaimError;

    fn from_str(text: &str) -> Result<Self, ClaimError> {
        let wrong = |reason: String| ClaimError::Path { text: cut(text, 200), reason };
        let pattern: PathPattern = text.parse().map_err(|error: crate::error::PathError| wrong(error.reason))?;
        let is_plain = |segment: &Segment| matches!(segment, Segment::Exact(text) if !text.is_empty());
        match pattern.segments().iter().all(is_plain) {
            true => Ok(Self(text.to_owned())),
            false => Err(wrong("it is made of plain segments, without {…} and without a slash at its end".to_owned())),
        }
    }
}

text_serde!(HostName);
text_serde!(PathPrefix);

/// Whether a text is a lower-case DNS name or an IP address, without a port.
pub(crate) fn is_host(host: &str) -> bool {
    let label = |label: &str| {
        !label.is_empty()
            && label.len() <= LABEL_BYTES_MAX
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_')
    };
    let bracketed = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    match bracketed {
        Some(address) => address.parse::<Ipv6Addr>().is_ok(),
        None => host.len() <= HOST_BYTES_MAX && host.split('.').all(label),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn prefix(text: &str) -> PathPrefix {
        text.parse().unwrap()
    }

    fn claims(hosts: &[&str], paths: &[&str]) -> Claims {
        let hosts = hosts.iter().map(|host| host.parse().unwrap()).collect();
        Claims { hosts, paths: paths.iter().map(|path| prefix(path)).collect() }
    }

    #[test]
    fn a_prefix_is_made_of_whole_plain_segments() {
        for text in ["/acme", "/a/b", "/a%20b", "/v1/m:predict"] {
            assert_eq!(text.parse::<PathPrefix>().unwrap().to_string(), text);
        }
        for (text, reason) in [
            ("", "begins with"),
            ("acme", "begins with"),
            ("/", "plain segments"),
            ("/acme/", "plain segments"),
            ("/{x}", "plain segments"),
            ("/a/{*rest}", "plain segments"),
            ("/a//b", "empty segment"),
            ("/..", "resolve"),
        ] {
            let message = text.parse::<PathPrefix>().unwrap_err().to_string();
            assert!(message.contains(reason), "{text}: {message}");
        }
    }

    #[test]
    fn a_prefix_covers_what_lies_below_it_whatever_the_parameters() {
        let covers = |pattern: &str| prefix("/acme").covers(&pattern.parse().unwrap());
        for inside in ["/acme", "/acme/", "/acme/x", "/acme/{id}", "/acme/{*rest}"] {
            assert!(covers(inside), "{inside}");
        }
        for outside in ["/", "/acmes", "/{x}", "/{*rest}", "/x/acme", "/ACME"] {
            assert!(!covers(outside), "{outside}");
        }
    }

    #[test]
    fn hosts_are_names_or_addresses_without_a_port() {
        for host in ["acme.example", "localhost", "127.0.0.1", "[::1]", "a_b.c"] {
            assert!(host.parse::<HostName>().is_ok(), "{host}");
        }
        for host in ["", "Acme.example", "acme.example:80", "a..b", "-a", "http://a", "*.a", "::1"] {
            assert!(host.parse::<HostName>().is_err(), "{host}");
        }
    }

    #[test]
    fn what_a_tenant_may_claim_is_told_in_one_line() {
        let told = |hosts: &[&str], paths: &[&str]| claims(hosts, paths).to_string();
        assert_eq!(told(&[], &[]), "nothing yet");
        assert_eq!(told(&["b.example", "a.example"], &[]), "the hosts a.example, b.example");
        assert_eq!(told(&[], &["/a"]), "/a and the paths below, without a host");
        assert_eq!(told(&["a.example"], &["/a"]), "the hosts a.example; without a host, /a and the paths below");
    }

    #[test]
    fn claims_overlap_by_an_equal_host_or_a_prefix_of_the_other() {
        let overlap = |ours: (&[&str], &[&str]), theirs: (&[&str], &[&str])| {
            claims(ours.0, ours.1).overlap(&claims(theirs.0, theirs.1))
        };
        assert_eq!(overlap((&["a.example"], &["/a"]), (&["b.example"], &["/ab", "/b/a"])), None);
        assert_eq!(overlap((&["a.example"], &[]), (&["a.example"], &[])).as_deref(), Some("a.example"));
        assert_eq!(overlap((&[], &["/a"]), (&[], &["/a/b"])).as_deref(), Some("/a"));
        assert_eq!(overlap((&[], &["/a/b"]), (&[], &["/a"])).as_deref(), Some("/a/b"));
    }

    proptest! {
        #[test]
        fn two_prefixes_overlap_exactly_when_one_lies_below_the_other(a in "(/[ab]{1,2}){1,3}", b in "(/[ab]{1,2}){1,3}") {
            let below = |inner: &str, outer: &str| inner == outer || inner.starts_with(&format!("{outer}/"));
            prop_assert_eq!(prefix(&a).overlaps(&prefix(&b)), below(&a, &b) || below(&b, &a));
            prop_assert_eq!(prefix(&a).overlaps(&prefix(&b)), prefix(&b).overlaps(&prefix(&a)));
            prop_assert_eq!(prefix(&a).covers(&b.parse().unwrap()), below(&b, &a));
        }
    }
}
