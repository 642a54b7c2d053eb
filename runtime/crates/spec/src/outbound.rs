//! Whom a function may call: the rules of `[outbound] allow`, and what they say of a host and of an address.
//!
//! Two questions, and both must be answered with yes. [`OutboundRules::allow_host`]: is the origin that the guest asked for
//! named? [`OutboundRules::allow_address`]: may the address be connected to that its name led to? A public address may, and
//! any other only where a rule names the address itself: whoever controls a name controls where it leads.

mod address;
mod rule;

pub use address::AddressKind;
pub use rule::{OutboundRule, OutboundScheme};

use std::net::IpAddr;

/// The rules of one function. Without any, nothing leaves.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OutboundRules(Vec<OutboundRule>);

impl OutboundRules {
    /// Rules as they stand in a manifest.
    #[must_use]
    pub fn new(rules: Vec<OutboundRule>) -> Self {
        Self(rules)
    }

    /// Whether nothing leaves.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a rule names this origin: by its name, or by an address that the host is written as.
    #[must_use]
    pub fn allow_host(&self, scheme: OutboundScheme, host: &str, port: u16) -> bool {
        let host = plain(host);
        self.0.iter().any(|rule| rule.is_for(scheme, port) && rule.names_host(&host))
    }

    /// Whether this address may be connected to, for an origin that is allowed. `Err`: what kind of address it is.
    ///
    /// # Errors
    /// The address is not public, and no rule for this scheme and port names it.
    pub fn allow_address(&self, scheme: OutboundScheme, address: IpAddr, port: u16) -> Result<(), AddressKind> {
        let kind = AddressKind::of(address);
        let is_named = || self.0.iter().any(|rule| rule.is_for(scheme, port) && rule.names_address(address));
        if kind == AddressKind::Public || is_named() { Ok(()) } else { Err(kind) }
    }
}

/// A host as rules have it: lower case, without the dot that ends a full name, without the brackets of IPv6.
fn plain(host: &str) -> String {
    let host = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;
    use OutboundScheme::{Http, Https};

    fn rules(texts: &[&str]) -> OutboundRules {
        OutboundRules::new(texts.iter().map(|text| text.parse().unwrap()).collect())
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn an_origin_is_scheme_host_and_port() {
        let rules = rules(&["https://api.example.com", "http://plain.example:8080"]);
        assert!(rules.allow_host(Https, "api.example.com", 443));
        assert!(rules.allow_host(Https, "API.Example.com.", 443), "names are compared as DNS does");
        assert!(!rules.allow_host(Http, "api.example.com", 443), "another scheme");
        assert!(!rules.allow_host(Https, "api.example.com", 8443), "another port");
        assert!(!rules.allow_host(Https, "api.example.com.evil.test", 443));
        assert!(!rules.allow_host(Https, "evil-api.example.com", 443));
        assert!(rules.allow_host(Http, "plain.example", 8080) && !rules.allow_host(Http, "plain.example", 80));
        assert!(!OutboundRules::default().allow_host(Https, "api.example.com", 443));
    }

    #[test]
    fn a_wildcard_is_for_what_is_below_a_name_and_not_for_the_name() {
        let rules = rules(&["https://*.example.com"]);
        assert!(rules.allow_host(Https, "a.example.com", 443) && rules.allow_host(Https, "a.b.example.com", 443));
        assert!(!rules.allow_host(Https, "example.com", 443) && !rules.allow_host(Https, "aexample.com", 443));
        assert!(!rules.allow_host(Https, ".example.com", 443));
    }

    #[test]
    fn an_address_that_a_guest_writes_needs_a_rule_for_addresses() {
        let named = rules(&["http://192.0.2.0/24", "http://[2001:db8::1]:80", "http://*.example.com"]);
        assert!(named.allow_host(Http, "192.0.2.77", 80) && !named.allow_host(Http, "192.0.3.1", 80));
        assert!(named.allow_host(Http, "[2001:DB8:0::1]", 80) && !named.allow_host(Http, "[2001:db8::2]", 80));
        assert!(named.allow_host(Http, "[::ffff:192.0.2.1]", 80), "the same address in its other form");
        assert!(!named.allow_host(Http, "0xc0000201", 80), "other notations are names, and none of ours");
    }

    #[test]
    fn a_name_leads_to_public_addresses_and_to_others_only_where_they_are_named() {
        let by_name = rules(&["http://inside.example"]);
        assert_eq!(by_name.allow_address(Http, ip("93.184.215.14"), 80), Ok(()));
        assert_eq!(by_name.allow_address(Http, ip("127.0.0.1"), 80), Err(AddressKind::Loopback));
        assert_eq!(by_name.allow_address(Http, ip("::ffff:10.1.2.3"), 80), Err(AddressKind::Private));
        assert_eq!(by_name.allow_address(Http, ip("169.254.169.254"), 80), Err(AddressKind::Metadata));
        let both = rules(&["http://inside.example", "http://10.0.0.0/8"]);
        assert_eq!(both.allow_address(Http, ip("10.1.2.3"), 80), Ok(()));
        assert_eq!(both.allow_address(Http, ip("::ffff:10.1.2.3"), 80), Ok(()));
        assert_eq!(both.allow_address(Https, ip("10.1.2.3"), 443), Err(AddressKind::Private), "another scheme");
        assert_eq!(both.allow_address(Http, ip("172.16.0.1"), 80), Err(AddressKind::Private));
    }

    #[test]
    fn a_network_that_is_wider_than_a_range_does_not_name_it() {
        let wide = rules(&["http://0.0.0.0/0", "http://[::]/0", "http://169.254.0.0/16"]);
        assert!(wide.allow_host(Http, "10.0.0.1", 80));
        for inside in ["10.0.0.1", "127.0.0.1", "::1", "fd00::1", "169.254.169.254"] {
            assert!(wide.allow_address(Http, ip(inside), 80).is_err(), "{inside}");
        }
        assert_eq!(wide.allow_address(Http, ip("169.254.7.7"), 80), Ok(()));
        let exact = rules(&["http://169.254.169.254"]);
        assert_eq!(exact.allow_address(Http, ip("169.254.169.254"), 80), Ok(()), "named by itself");
    }
}
