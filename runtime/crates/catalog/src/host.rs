//! The host of a request, in the one form that routes are kept in.

use std::borrow::Cow;

/// The host of `authority` (a `Host` header, or the `:authority` of HTTP/2): without the port, without a final dot, in lower
/// case. Allocates only where there are upper-case letters.
#[must_use]
pub fn normalise_host(authority: &str) -> Cow<'_, str> {
    let host = match authority.rsplit_once(':') {
        // A colon inside brackets belongs to an IPv6 address.
        Some((host, port)) if !port.ends_with(']') => host,
        _ => authority,
    };
    let host = host.strip_suffix('.').unwrap_or(host);
    if host.bytes().any(|b| b.is_ascii_uppercase()) {
        Cow::Owned(host.to_ascii_lowercase())
    } else {
        Cow::Borrowed(host)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_loses_port_case_and_final_dot() {
        let cases = [
            ("example.com", "example.com"),
            ("Example.COM:8080", "example.com"),
            ("example.com.", "example.com"),
            ("example.com.:80", "example.com"),
            ("[::1]", "[::1]"),
            ("[::1]:8080", "[::1]"),
            ("", ""),
        ];
        for (authority, host) in cases {
            assert_eq!(normalise_host(authority), host);
        }
    }
}
