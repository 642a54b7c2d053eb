//! Where a request goes, read from its URI once.

use http::uri::PathAndQuery;
use http::{Method, Uri};
use modelet_engine::ports::{OutboundError, OutboundFault};
use modelet_spec::outbound::{OutboundRules, OutboundScheme};

/// An origin, and what is asked of it.
#[derive(Debug, Clone)]
pub(super) struct Target {
    pub(super) scheme: OutboundScheme,
    /// As the guest wrote it; IPv6 without its brackets.
    pub(super) host: String,
    pub(super) port: u16,
    /// Path and query, as an origin wants them.
    pub(super) path: Uri,
}

impl Target {
    pub(super) fn of<B>(request: &http::Request<B>) -> Result<Self, OutboundError> {
        let wrong = |why: &str| OutboundError::new(OutboundFault::Malformed, format!("not sent: {why}"));
        if *request.method() == Method::CONNECT {
            return Err(wrong("CONNECT opens tunnels, and a function has none"));
        }
        let uri = request.uri();
        let scheme = match uri.scheme_str() {
            Some("http") => OutboundScheme::Http,
            Some("https") => OutboundScheme::Https,
            _ => return Err(wrong("its scheme is neither http nor https")),
        };
        let authority = uri.authority().ok_or_else(|| wrong("it names no host"))?;
        if authority.as_str().contains('@') {
            return Err(wrong("a user and a password stand before its host; send an `authorization` header"));
        }
        let host = authority.host();
        let host = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
        // `host:` and a port past 65535 are a port that cannot be read, and not the usual one.
        let port = match authority.as_str().rsplit_once(':') {
            Some((_, after)) if !after.ends_with(']') => {
                authority.port_u16().ok_or_else(|| wrong("its port is no port"))?
            }
            _ => scheme.port(),
        };
        if host.is_empty() || port == 0 {
            return Err(wrong("it names no host, or the port 0"));
        }
        let path = uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
        Ok(Self { scheme, host: host.to_owned(), port, path: path.into() })
    }

    /// Whether the function's rules name it.
    pub(super) fn allowed_by(&self, rules: &OutboundRules) -> Result<(), OutboundError> {
        if rules.allow_host(self.scheme, &self.host, self.port) {
            return Ok(());
        }
        let why =
            format!("refused: function.toml does not allow it; add {:?} to [outbound] allow", self.origin(&self.host));
        Err(OutboundError::new(OutboundFault::Denied, why))
    }

    /// This origin with `host` for its host, as a rule has it.
    pub(super) fn origin(&self, host: &str) -> String {
        let scheme = self.scheme.name();
        let port = if self.port == self.scheme.port() { String::new() } else { format!(":{}", self.port) };
        if host.contains(':') { format!("{scheme}://[{host}]{port}") } else { format!("{scheme}://{host}{port}") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(uri: &str) -> Result<Target, OutboundError> {
        Target::of(&http::Request::get(uri).body(()).unwrap())
    }

    #[test]
    fn an_origin_is_read_from_a_uri() {
        let read = |uri: &str| {
            let target = target(uri).unwrap();
            (target.origin(&target.host), target.path.to_string())
        };
        assert_eq!(read("http://a.example/x?y"), ("http://a.example".to_owned(), "/x?y".to_owned()));
        assert_eq!(read("https://a.example:443"), ("https://a.example".to_owned(), "/".to_owned()));
        assert_eq!(read("https://a.example:80/"), ("https://a.example:80".to_owned(), "/".to_owned()));
        assert_eq!(read("http://[::1]:81/"), ("http://[::1]:81".to_owned(), "/".to_owned()));
        assert_eq!(read("http://[::1]"), ("http://[::1]".to_owned(), "/".to_owned()));
    }

    #[test]
    fn what_cannot_be_sent_is_refused_before_anything_else() {
        for uri in ["http://u:p@a.example/", "ftp://a.example/", "/path", "http://a.example:0/"] {
            assert_eq!(target(uri).unwrap_err().fault, OutboundFault::Malformed, "{uri}");
        }
        let connect = http::Request::builder().method("CONNECT").uri("http://a.example:1").body(()).unwrap();
        assert_eq!(Target::of(&connect).unwrap_err().fault, OutboundFault::Malformed);
    }
}
