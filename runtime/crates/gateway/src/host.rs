//! Which host a request is for.

use http::{HeaderMap, HeaderValue, Request, Version, header};

use crate::error::BadRequest;
use crate::headers;

/// The authority of a request as the client wrote it; `None` when an old client named none. The catalog makes a host of it.
///
/// An absolute target or HTTP/2's `:authority` comes before the `Host` header (RFC 9112, 3.2.2).
///
/// # Errors
/// HTTP/1.1 without `Host`, several of them, or one that is no host.
pub(crate) fn authority_of<B>(request: &Request<B>) -> Result<Option<&str>, BadRequest> {
    if let Some(authority) = request.uri().authority() {
        return check(authority.as_str());
    }
    let mut hosts = request.headers().get_all(header::HOST).iter();
    let host = match (hosts.next(), hosts.next()) {
        (Some(host), None) => host.to_str().map_err(|_| BadRequest::Host)?,
        (None, _) if request.version() == Version::HTTP_11 => return Err(BadRequest::NoHost),
        (None, _) => return Ok(None),
        (Some(_), Some(_)) => return Err(BadRequest::ManyHosts),
    };
    check(host)
}

/// Gives a request without any authority one, because a guest is always told one.
pub(crate) fn complete(uri_has_authority: bool, headers: &mut HeaderMap) {
    if !uri_has_authority && !headers::has(headers, &header::HOST) {
        headers.insert(header::HOST, HeaderValue::from_static("localhost"));
    }
}

fn check(authority: &str) -> Result<Option<&str>, BadRequest> {
    if authority.is_empty() {
        return Ok(None);
    }
    let host = without_port(authority).ok_or(BadRequest::Host)?;
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b'[' | b']' | b':');
    if host.is_empty() || !host.bytes().all(fits) {
        return Err(BadRequest::Host);
    }
    Ok(Some(authority))
}

/// `None` when what follows the colon is no port.
fn without_port(authority: &str) -> Option<&str> {
    // The colons of an IPv6 address are inside its brackets.
    let (host, port) = match authority.rfind(']') {
        Some(end) => {
            let (host, rest) = authority.split_at_checked(end + 1)?;
            if !host.starts_with('[') {
                return None;
            }
            (host, if rest.is_empty() { None } else { Some(rest.strip_prefix(':')?) })
        }
        None => match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        },
    };
    let is_port = |port: &str| port.is_empty() || port.parse::<u16>().is_ok();
    port.is_none_or(is_port).then_some(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(target: &str, version: Version, hosts: &[&str]) -> Result<Option<String>, BadRequest> {
        let mut request = Request::builder().uri(target).version(version);
        for host in hosts {
            request = request.header("host", *host);
        }
        authority_of(&request.body(()).unwrap()).map(|host| host.map(str::to_owned))
    }

    fn named(text: &str) -> Result<Option<String>, BadRequest> {
        Ok(Some(text.to_owned()))
    }

    #[test]
    fn a_host_may_have_a_port_and_any_case() {
        for header in ["example.com", "Example.COM:8080", "example.com:", "example.com.", "[::1]:80", "[::1]"] {
            assert_eq!(host("/", Version::HTTP_11, &[header]), named(header), "{header}");
        }
    }

    #[test]
    fn an_absolute_target_comes_before_the_header() {
        assert_eq!(host("http://a.example:1/x", Version::HTTP_11, &["b.example"]), named("a.example:1"));
        assert_eq!(host("http://a.example/x", Version::HTTP_2, &[]), named("a.example"));
    }

    #[test]
    fn only_http_1_1_must_name_a_host() {
        assert_eq!(host("/", Version::HTTP_11, &[]), Err(BadRequest::NoHost));
        assert_eq!(host("/", Version::HTTP_10, &[]), Ok(None));
        assert_eq!(host("/", Version::HTTP_11, &[""]), Ok(None));
    }

    #[test]
    fn a_host_that_is_none_is_refused() {
        assert_eq!(host("/", Version::HTTP_11, &["a", "b"]), Err(BadRequest::ManyHosts));
        for header in ["user@a", "a b", "a/b", "a:http", "a:99999", "::1", "a]:1", "[::1]x", ":80"] {
            assert_eq!(host("/", Version::HTTP_11, &[header]), Err(BadRequest::Host), "{header}");
        }
    }

    #[test]
    fn a_guest_is_always_told_an_authority() {
        let mut headers = HeaderMap::new();
        complete(true, &mut headers);
        assert!(headers.is_empty());
        complete(false, &mut headers);
        assert_eq!(headers["host"], "localhost");
        headers.insert("host", HeaderValue::from_static("a"));
        complete(false, &mut headers);
        assert_eq!(headers["host"], "a");
    }
}
