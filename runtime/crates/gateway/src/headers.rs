//! Which headers pass, in each direction.
//!
//! `modelet-*` belongs to the host both ways; hop-by-hop headers belong to one connection (RFC 9110, 7.6.1).

use http::header::{self, HeaderMap, HeaderName, HeaderValue};

/// The id of the invocation, on every answer.
pub(crate) const INVOCATION: HeaderName = HeaderName::from_static("modelet-invocation");
/// The id of the key that opened the route, for the guest.
pub(crate) const CALLER: HeaderName = HeaderName::from_static("modelet-caller");
/// The version that is to answer, from whoever may deploy the function.
pub(crate) const VERSION: HeaderName = HeaderName::from_static("modelet-version");
/// Where the time went, for a browser's network panel.
pub(crate) const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");

const OURS: &str = "modelet-";
const HTTP2_SETTINGS: &str = "http2-settings";
const KEEP_ALIVE: &str = "keep-alive";
const PROXY_CONNECTION: &str = "proxy-connection";

/// Whether there is such a header. A message has about a dozen: to look at all their names costs less than a hash of one.
pub(crate) fn has(headers: &HeaderMap, name: &HeaderName) -> bool {
    headers.keys().any(|known| known == name)
}

/// Leaves of a request's headers what a guest may see.
pub(crate) fn clean_request(headers: &mut HeaderMap) {
    let named = named_by_connection(headers);
    // Without its authority a request cannot be given to a guest at all.
    remove(headers, |name| is_ours(name) || is_hop_by_hop(name) || (named.contains(name) && *name != header::HOST));
}

/// Leaves of an answer's headers what a client may get from a guest.
///
/// `whole`: the length of the body when it is known. hyper then writes `content-length` itself, and a guest's own, which
/// may lie, is dropped; so is one that is no number, or is there twice, on a streamed body.
pub(crate) fn clean_answer(headers: &mut HeaderMap, whole: bool) {
    let named = named_by_connection(headers);
    remove(headers, |name| is_ours(name) || is_hop_by_hop(name) || *name == SERVER_TIMING || named.contains(name));
    if has(headers, &header::CONTENT_LENGTH) && (whole || !is_one_length(headers)) {
        headers.remove(header::CONTENT_LENGTH);
    }
}

/// Leaves of trailers, of either direction, what may pass.
pub(crate) fn clean_trailers(trailers: &mut HeaderMap) {
    remove(trailers, |name| is_ours(name) || is_hop_by_hop(name) || *name == SERVER_TIMING);
}

/// Takes out every bearer token that `is_key` knows, and hands out what it made of the first. One that only looks like a key of
/// ours goes, too: it may be one that has ended, or another server's.
///
/// Other `authorization` headers stay: they are between the client and the guest.
pub(crate) fn take_keys<K>(
    headers: &mut HeaderMap,
    is_key: impl Fn(&str) -> Option<K>,
    is_ours: impl Fn(&str) -> bool,
) -> Option<K> {
    if !has(headers, &header::AUTHORIZATION) {
        return None;
    }
    let (mut key, mut took_one) = (None, false);
    let mut others = Vec::new();
    for value in headers.get_all(header::AUTHORIZATION) {
        let token = bearer(value);
        let found = token.and_then(&is_key);
        if found.is_some() || token.is_some_and(&is_ours) {
            (key, took_one) = (key.or(found), true);
        } else {
            others.push(value.clone());
        }
    }
    if took_one {
        headers.remove(header::AUTHORIZATION);
        for value in others {
            headers.append(header::AUTHORIZATION, value);
        }
    }
    key
}

/// The length that a request's headers announce, in bytes.
pub(crate) fn announced_length(headers: &HeaderMap) -> Option<u64> {
    if !has(headers, &header::CONTENT_LENGTH) {
        return None;
    }
    length(headers.get(header::CONTENT_LENGTH)?)
}

fn bearer(value: &HeaderValue) -> Option<&str> {
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn is_ours(name: &HeaderName) -> bool {
    name.as_str().starts_with(OURS)
}

fn is_hop_by_hop(name: &HeaderName) -> bool {
    matches!(
        *name,
        header::CONNECTION
            | header::PROXY_AUTHENTICATE
            | header::PROXY_AUTHORIZATION
            | header::TE
            | header::TRAILER
            | header::TRANSFER_ENCODING
            | header::UPGRADE
    ) || matches!(name.as_str(), KEEP_ALIVE | PROXY_CONNECTION | HTTP2_SETTINGS)
}

/// The headers that `connection` declares to be hop-by-hop. No allocation for the usual `keep-alive` and `close`.
fn named_by_connection(headers: &HeaderMap) -> Vec<HeaderName> {
    if !has(headers, &header::CONNECTION) {
        return Vec::new();
    }
    headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .filter(|name| !name.eq_ignore_ascii_case(KEEP_ALIVE) && !name.eq_ignore_ascii_case("close"))
        .filter_map(|name| name.parse().ok())
        .collect()
}

fn remove(headers: &mut HeaderMap, doomed: impl Fn(&HeaderName) -> bool) {
    let names: Vec<HeaderName> = headers.keys().filter(|name| doomed(name)).cloned().collect();
    for name in names {
        headers.remove(name);
    }
}

fn is_one_length(headers: &HeaderMap) -> bool {
    let mut values = headers.get_all(header::CONTENT_LENGTH).iter();
    let first = values.next().and_then(length);
    first.is_some() && values.next().is_none()
}

/// Digits only: `+5` is a number to Rust and none to HTTP.
fn length(value: &HeaderValue) -> Option<u64> {
    let text = value.to_str().ok()?;
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pairs: &[(&str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
        }
        headers
    }

    fn ours_by_looks(token: &str) -> bool {
        token.starts_with(modelet_catalog::SECRET_PREFIX)
    }

    fn names(headers: &HeaderMap) -> Vec<&str> {
        let mut names: Vec<_> = headers.iter().map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        names
    }

    const HOP_BY_HOP: [(&str, &str); 9] = [
        ("keep-alive", "timeout=5"),
        ("proxy-authenticate", "Basic"),
        ("proxy-authorization", "Basic eA=="),
        ("proxy-connection", "close"),
        ("te", "trailers"),
        ("trailer", "x"),
        ("transfer-encoding", "chunked"),
        ("upgrade", "websocket"),
        ("http2-settings", "AAMAAABkAAQAAP__"),
    ];

    #[test]
    fn incoming_modelet_headers_are_dropped() {
        let mut headers = map(&[("modelet-caller", "root"), ("Modelet-Invocation", "1"), ("modelet-", ""), ("x", "1")]);
        clean_request(&mut headers);
        assert_eq!(names(&headers), ["x"]);
    }

    #[test]
    fn hop_by_hop_request_headers_are_not_forwarded() {
        let mut headers = map(&HOP_BY_HOP);
        headers.extend(map(&[("connection", "keep-alive, X-Private"), ("x-private", "1"), ("accept", "*/*")]));
        clean_request(&mut headers);
        assert_eq!(names(&headers), ["accept"]);
    }

    #[test]
    fn connection_cannot_take_the_host_away() {
        let mut headers = map(&[("host", "a"), ("connection", "host, close")]);
        clean_request(&mut headers);
        assert_eq!(names(&headers), ["host"]);
    }

    #[test]
    fn a_guest_cannot_set_modelet_server_timing_or_hop_by_hop_headers() {
        let mut headers = map(&HOP_BY_HOP);
        headers.extend(map(&[
            ("modelet-invocation", "forged"),
            ("modelet-anything", "forged"),
            ("server-timing", "guest;dur=0"),
            ("connection", "close, x-hop"),
            ("x-hop", "1"),
            ("set-cookie", "a=1"),
            ("set-cookie", "b=2"),
        ]));
        clean_answer(&mut headers, false);
        assert_eq!(names(&headers), ["set-cookie", "set-cookie"]);
    }

    #[test]
    fn a_guests_content_length_stays_only_where_it_can_be_true() {
        for (values, whole, stays) in [
            (&["5"][..], false, true),
            (&["5"], true, false),
            (&["5", "5"], false, false),
            (&["five"], false, false),
            (&["+5"], false, false),
            (&[""], false, false),
        ] {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(header::CONTENT_LENGTH, value.parse().unwrap());
            }
            clean_answer(&mut headers, whole);
            assert_eq!(headers.contains_key(header::CONTENT_LENGTH), stays, "{values:?} {whole}");
        }
    }

    #[test]
    fn trailers_follow_the_same_rules() {
        let mut trailers =
            map(&[("modelet-invocation", "1"), ("server-timing", "x"), ("te", "x"), ("grpc-status", "0")]);
        clean_trailers(&mut trailers);
        assert_eq!(names(&trailers), ["grpc-status"]);
    }

    #[test]
    fn a_key_of_ours_is_taken_out_and_other_credentials_stay() {
        let known = |token: &str| (token == "secret").then_some("key-1");
        for ours in ["Bearer secret", "bearer secret", "BEARER   secret "] {
            let mut headers = map(&[("authorization", ours), ("authorization", "Basic eA==")]);
            assert_eq!(take_keys(&mut headers, known, ours_by_looks), Some("key-1"), "{ours}");
            assert_eq!(headers.get_all("authorization").iter().collect::<Vec<_>>(), ["Basic eA=="]);
        }
        for theirs in ["Bearer other", "Basic secret", "secret", "Bearersecret", ""] {
            let mut headers = map(&[("authorization", theirs)]);
            assert_eq!(take_keys(&mut headers, known, ours_by_looks), None, "{theirs}");
            assert_eq!(headers["authorization"], theirs);
        }
    }

    #[test]
    fn what_looks_like_a_key_of_ours_goes_whether_or_not_it_is_one() {
        let mut headers = map(&[("authorization", "Bearer modelet_0123"), ("authorization", "Bearer theirs")]);
        assert_eq!(take_keys(&mut headers, |_| None::<()>, ours_by_looks), None);
        assert_eq!(headers.get_all("authorization").iter().collect::<Vec<_>>(), ["Bearer theirs"]);
    }

    #[test]
    fn only_a_plain_number_announces_a_length() {
        for (value, length) in [("0", Some(0)), ("12", Some(12)), ("-1", None), ("1e3", None), ("", None)] {
            assert_eq!(announced_length(&map(&[("content-length", value)])), length, "{value}");
        }
        assert_eq!(announced_length(&HeaderMap::new()), None);
    }
}
