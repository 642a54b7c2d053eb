//! One rule: `scheme://host[:port]`, where the host is a name, `*.name`, an address or a network.

use super::{AddressKind, plain};
use crate::error::{OutboundRuleError, cut};
use crate::text_serde::text_serde;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// How an origin is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OutboundScheme {
    /// Without encryption; port 80.
    Http,
    /// TLS; port 443.
    Https,
}

/// An origin, or a family of them, that a function may call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboundRule {
    scheme: OutboundScheme,
    host: Host,
    port: u16,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Host {
    /// `api.example.com`
    Name(String),
    /// `*.example.com`, as `.example.com`.
    Below(String),
    /// `10.0.0.0/8`; an address alone is a network of one.
    Network { first: IpAddr, prefix: u8 },
}

impl OutboundScheme {
    /// As it stands before `://`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    /// The port of an origin that names none.
    #[must_use]
    pub fn port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

impl OutboundRule {
    pub(super) fn is_for(&self, scheme: OutboundScheme, port: u16) -> bool {
        (self.scheme, self.port) == (scheme, port)
    }

    /// Whether it names this host, which is [`plain`].
    pub(super) fn names_host(&self, host: &str) -> bool {
        match (&self.host, host.parse::<IpAddr>()) {
            (Host::Network { first, prefix }, Ok(address)) => holds(*first, *prefix, address),
            (Host::Network { .. }, Err(_)) | (_, Ok(_)) => false,
            (Host::Name(name), Err(_)) => name == host,
            (Host::Below(suffix), Err(_)) => host.strip_suffix(suffix.as_str()).is_some_and(|rest| !rest.is_empty()),
        }
    }

    /// Whether it names this address, and not only a network so wide that it holds it. A metadata service must be named by
    /// itself; another address by a network that lies within one range of its kind.
    pub(super) fn names_address(&self, address: IpAddr) -> bool {
        let Host::Network { first, prefix } = self.host else { return false };
        let kind = AddressKind::of(address);
        let is_one = prefix == bits(first);
        holds(first, prefix, address)
            && (is_one || (kind != AddressKind::Metadata && ends(first, prefix).map(AddressKind::of) == [kind; 2]))
    }
}

impl fmt::Display for OutboundRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://", self.scheme.name())?;
        match &self.host {
            Host::Name(name) => f.write_str(name)?,
            Host::Below(suffix) => write!(f, "*{suffix}")?,
            Host::Network { first, prefix } => {
                match first {
                    IpAddr::V4(first) => write!(f, "{first}")?,
                    IpAddr::V6(first) => write!(f, "[{first}]")?,
                }
                if *prefix != bits(*first) {
                    write!(f, "/{prefix}")?;
                }
            }
        }
        if self.port == self.scheme.port() { Ok(()) } else { write!(f, ":{}", self.port) }
    }
}

impl FromStr for OutboundRule {
    type Err = OutboundRuleError;

    fn from_str(text: &str) -> Result<Self, OutboundRuleError> {
        let wrong = |reason: &str| OutboundRuleError { text: cut(text, 200), reason: reason.to_owned() };
        let (scheme, rest) = match text.split_once("://") {
            Some(("http", rest)) => (OutboundScheme::Http, rest),
            Some(("https", rest)) => (OutboundScheme::Https, rest),
            _ => return Err(wrong("it begins with http:// or https://")),
        };
        if rest.contains(['?', '#', '@']) || rest.ends_with('/') {
            return Err(wrong("it has no path, no query and no user"));
        }
        let (host, port) = split_port(rest).map_err(wrong)?;
        let host = host_of(host).map_err(wrong)?;
        Ok(Self { scheme, host, port: port.unwrap_or(scheme.port()) })
    }
}

text_serde!(OutboundRule);

/// The host with its prefix length, and the port: the colons of IPv6 are within brackets.
fn split_port(text: &str) -> Result<(&str, Option<u16>), &'static str> {
    let colon = match text.rfind(']') {
        Some(end) => text.get(end..).and_then(|rest| rest.find(':')).map(|at| at.saturating_add(end)),
        None => text.find(':'),
    };
    let Some((host, port)) = colon.and_then(|at| text.split_at_checked(at)) else { return Ok((text, None)) };
    let digits = port.strip_prefix(':').filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()));
    match digits.unwrap_or_default().parse::<u16>() {
        Ok(number) if number != 0 => Ok((host, Some(number))),
        _ => Err("its port is a number from 1 to 65535"),
    }
}

fn host_of(text: &str) -> Result<Host, &'static str> {
    if let Some(name) = text.strip_prefix("*.") {
        return match is_name(name) && name.contains('.') {
            true => Ok(Host::Below(format!(".{name}"))),
            false => Err("behind \"*.\" stands a name of at least two parts, such as \"*.example.com\""),
        };
    }
    let (address, prefix) = match text.split_once('/') {
        Some((address, prefix)) => (address, Some(prefix)),
        None => (text, None),
    };
    match (plain(address).parse::<IpAddr>(), prefix) {
        (Ok(IpAddr::V6(_)), _) if !address.starts_with('[') => Err("an IPv6 address stands in brackets"),
        (Ok(address), prefix) => network(address, prefix),
        (Err(_), Some(_)) => Err("a network is an address and a length, such as \"10.0.0.0/8\"; a path is not allowed"),
        (Err(_), None) if is_name(text) => Ok(Host::Name(text.to_owned())),
        (Err(_), None) => Err("its host is a lower-case name, \"*.example.com\", an address or a network"),
    }
}

fn network(address: IpAddr, prefix: Option<&str>) -> Result<Host, &'static str> {
    // Held in the form that it has without IPv6 around it, as addresses are when they are compared.
    let first = address.to_canonical();
    let Some(prefix) = prefix else { return Ok(Host::Network { first, prefix: bits(first) }) };
    let prefix = prefix.parse::<u8>().ok().filter(|prefix| *prefix <= bits(address) && first == address);
    let prefix = prefix.ok_or("the length of its network is at most 32, or 128 for IPv6")?;
    match ends(first, prefix) {
        [begin, _] if begin == first => Ok(Host::Network { first, prefix }),
        _ => Err("its network has bits set behind its length"),
    }
}

/// Lower-case labels of letters, digits, `-` and `_`; the last one is no number, or it would be an address in another
/// notation.
fn is_name(text: &str) -> bool {
    let is_label = |label: &str| {
        let inner = label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_');
        inner && (1..=63).contains(&label.len()) && !label.starts_with('-') && !label.ends_with('-')
    };
    let is_number = |label: &str| label.bytes().all(|b| b.is_ascii_digit()) || label.starts_with("0x");
    text.len() <= 253 && text.split('.').all(is_label) && !text.rsplit('.').next().is_some_and(is_number)
}

fn bits(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

/// The first and the last address of a network.
fn ends(address: IpAddr, prefix: u8) -> [IpAddr; 2] {
    match address {
        IpAddr::V4(address) => {
            let (bits, host) = (address.to_bits(), u32::MAX.checked_shr(prefix.into()).unwrap_or(0));
            [bits & !host, bits | host].map(|bits| Ipv4Addr::from_bits(bits).into())
        }
        IpAddr::V6(address) => {
            let (bits, host) = (address.to_bits(), u128::MAX.checked_shr(prefix.into()).unwrap_or(0));
            [bits & !host, bits | host].map(|bits| Ipv6Addr::from_bits(bits).into())
        }
    }
}

fn holds(first: IpAddr, prefix: u8, address: IpAddr) -> bool {
    let address = address.to_canonical();
    let [begin, end] = ends(first, prefix);
    address.is_ipv4() == begin.is_ipv4() && begin <= address && address <= end
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_is_written_as_it_was_read() {
        for text in [
            "https://api.example.com",
            "http://localhost:8080",
            "https://*.example.com:8443",
            "http://127.0.0.1",
            "http://10.0.0.0/8:8080",
            "http://[fd00::]/8",
            "http://[::1]:81",
        ] {
            assert_eq!(text.parse::<OutboundRule>().unwrap().to_string(), text);
        }
        assert_eq!("https://a.b:443".parse::<OutboundRule>().unwrap().to_string(), "https://a.b");
    }

    #[test]
    fn what_is_no_rule_is_told_why() {
        for (text, why) in [
            ("api.example.com", "begins with"),
            ("ftp://a.b", "begins with"),
            ("https://a.b/", "no path"),
            ("https://a.b/v1", "a path is not allowed"),
            ("https://a.b?x", "no path"),
            ("https://user@a.b", "no user"),
            ("https://*", "its host is"),
            ("https://*.com", "at least two parts"),
            ("https://a.*.com", "its host is"),
            ("https://API.example.com", "lower-case"),
            ("https://a.b:0", "its port"),
            ("https://a.b:x", "its port"),
            ("https://a.b:", "its port"),
            ("http://10.0.0.1/8", "bits set"),
            ("http://10.0.0.0/33", "at most 32"),
            ("http://::1", "its port"),
            ("http://127.1", "its host is"),
            ("http://0x7f.0x1", "its host is"),
            ("http://", "its host is"),
        ] {
            let error = text.parse::<OutboundRule>().expect_err(text).to_string();
            assert!(error.contains(why), "{text}: {error}");
        }
    }
}
