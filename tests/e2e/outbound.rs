//! What functions send: to whom they may, how that is refused, what it may take. The servers are on loopback, which every
//! manifest here therefore names.

use modelet_tests::raw::Wire;
use modelet_tests::{Function, Origin, TestHost, shared};
use serde_json::Value;

/// The guest `fetch` that may call these origins.
fn fetch(name: &str, allow: &[&str]) -> Function {
    Function::guest("fetch").named(name).with(&format!("[outbound]\nallow = {allow:?}\n"))
}

/// What the guest says of its first request.
#[track_caller]
fn fetched(host: &TestHost, route: &str, query: &str) -> Value {
    host.get(&format!("{route}?url={query}")).ok().json()[0].clone()
}

/// With which code the guest's request was refused, and the line that the log has of it.
#[track_caller]
fn refused(host: &TestHost, route: &str, query: &str) -> (String, String) {
    let answer = host.get(&format!("{route}?url={query}")).ok();
    let code = answer.json()[0]["refused"].as_str().unwrap_or_else(|| panic!("{query}: {}", answer.text())).to_owned();
    let log = host.logged(&[answer.invocation(), "[outbound]"]);
    let line = log.lines().find(|line| line.contains(answer.invocation()) && line.contains("[outbound]"));
    (code, line.unwrap_or_default().to_owned())
}

#[test]
fn a_function_calls_whom_its_manifest_names_and_nobody_else() {
    let (host, origin, other) = (shared(), Origin::start(), Origin::start());
    let route = host.once(&fetch("names-one", &[&origin.url()]));
    let answer = fetched(host, &route, &format!("{}/hello", origin.url()));
    assert_eq!((&answer["status"], &answer["text"], &answer["end"]), (&200.into(), &"hello".into(), &"closed".into()));
    let (code, line) = refused(host, &route, &format!("{}/hello", other.url()));
    assert_eq!(code, "ErrorCode::HttpRequestDenied");
    assert!(line.contains(&format!("add \\\"{}\\\" to [outbound] allow", other.url())), "{line}");
    assert_eq!(other.connections(), 0);
    for elsewhere in ["https://127.0.0.1:1/", "http://example.com/", "http://localhost:1/", "http://[::1]:1/"] {
        assert_eq!(refused(host, &route, elsewhere).0, "ErrorCode::HttpRequestDenied", "{elsewhere}");
    }
}

#[test]
fn a_name_that_leads_to_this_machine_is_refused_until_the_address_is_named_too() {
    let (host, origin) = (shared(), Origin::start());
    let by_name = format!("http://localhost:{}", origin.address.port());
    let route = host.once(&fetch("by-name", &[&by_name]));
    let (code, line) = refused(host, &route, &format!("{by_name}/hello"));
    assert_eq!(code, "ErrorCode::DestinationIpProhibited");
    assert!(line.contains("an address of this machine") && line.contains("[outbound] allow"), "{line}");
    assert_eq!(origin.connections(), 0);
    let route = host.once(&fetch("by-both", &[&by_name, &origin.url()]));
    assert_eq!(fetched(host, &route, &format!("{by_name}/hello"))["text"], "hello");
}

#[test]
fn metadata_services_are_refused_though_a_network_around_them_is_named() {
    let host = shared();
    let route = host.once(&fetch("metadata", &["http://169.254.0.0/16", "http://0.0.0.0/0", "http://[::]/0"]));
    for address in ["169.254.169.254", "[::ffff:169.254.169.254]", "100.100.100.200", "[fd00:ec2::254]"] {
        let (code, line) = refused(host, &route, &format!("http://{address}/latest/meta-data/"));
        assert_eq!(code, "ErrorCode::DestinationIpProhibited", "{address}");
        assert!(line.contains("a metadata service") && !line.contains("meta-data"), "no path in a log: {line}");
    }
}

#[test]
fn a_redirect_is_a_request_like_any_other() {
    let (host, origin, other) = (shared(), Origin::start(), Origin::start());
    let route = host.once(&fetch("redirected", &[&origin.url()]));
    let here = fetched(host, &route, &format!("{0}/to/{0}/hello&follow=1", origin.url()));
    assert_eq!(here["text"], "hello", "{here}");
    let unfollowed = fetched(host, &route, &format!("{0}/to/{1}/hello", origin.url(), other.url()));
    assert_eq!((&unfollowed["status"], &unfollowed["bytes"]), (&302.into(), &0.into()), "the host follows none itself");
    let (code, _) = refused(host, &route, &format!("{}/to/{}/hello&follow=1", origin.url(), other.url()));
    assert_eq!((code.as_str(), other.connections()), ("ErrorCode::HttpRequestDenied", 0));
}

#[test]
fn what_is_sent_is_what_the_guest_said_and_nothing_of_the_servers() {
    let (host, origin) = (shared(), Origin::start());
    let route = host.once(&fetch("head", &[&origin.url()]));
    let query = format!("{}/head/a&method=PUT&bytes=5&header=x-own&value=1", origin.url());
    let head = fetched(host, &route, &query)["text"].as_str().unwrap().to_lowercase();
    assert!(head.starts_with("put /head/a http/1.1\r\n"), "{head}");
    assert!(head.contains(&format!("host: {}\r\n", origin.address)) && head.contains("x-own: 1\r\n"), "{head}");
    assert!(!head.contains("modelet") && !head.contains("authorization") && !head.contains("user-agent"), "{head}");
    for forbidden in ["modelet-caller", "host", "connection", "proxy-authorization"] {
        let answer = fetched(host, &route, &format!("{}/head&header={forbidden}&value=x", origin.url()));
        assert_eq!(answer["refused"], "ErrorCode::HttpRequestDenied", "{forbidden}");
    }
    let (code, _) = refused(host, &route, &format!("{}/&method=CONNECT", origin.url()));
    assert_eq!(code, "ErrorCode::HttpRequestUriInvalid");
}

#[test]
fn a_server_that_misbehaves_is_an_error_code_and_not_an_end() {
    let (host, origin) = (shared(), Origin::start());
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let nobody = format!("http://{gone}");
    let route = host.once(&fetch("misbehaves", &[&origin.url(), &nobody]));
    assert_eq!(refused(host, &route, &nobody).0, "ErrorCode::ConnectionRefused");
    let at = |path: &str| format!("{}/{path}", origin.url());
    assert_eq!(refused(host, &route, &at("garbage")).0, "ErrorCode::HttpProtocolError");
    assert_eq!(refused(host, &route, &at("silent&first_ms=50")).0, "ErrorCode::ConnectionReadTimeout");
    let stalled = fetched(host, &route, &at("stall&between_ms=50"));
    assert_eq!((&stalled["text"], &stalled["end"]), (&"half".into(), &"ErrorCode::ConnectionReadTimeout".into()));
    let cut = fetched(host, &route, &at("cut"));
    assert_eq!((&cut["text"], &cut["end"]), (&"half".into(), &"ErrorCode::HttpResponseIncomplete".into()));
    assert_eq!(fetched(host, &route, &at("hello"))["text"], "hello");
}

#[test]
fn an_answer_has_limits_on_its_head_and_its_body() {
    let host = TestHost::configured("[limits]\noutbound_response = \"10KB\"\nheader_bytes = \"16KiB\"\n");
    let origin = Origin::start();
    let route = host.once(&fetch("limits", &[&origin.url()]));
    let at = |path: &str| format!("{}/{path}", origin.url());
    assert_eq!(fetched(&host, &route, &at("bytes/10000"))["bytes"], 10_000);
    let (code, line) = refused(&host, &route, &at("bytes/10001"));
    assert!(code.contains("HttpResponseBodySize") && code.contains("10000"), "{code}");
    assert!(line.contains("outbound_response"), "{line}");
    let streamed = fetched(&host, &route, &at("chunks/11000"));
    assert!(streamed["end"].as_str().unwrap().contains("HttpResponseBodySize"), "{streamed}");
    assert!(streamed["bytes"].as_u64().unwrap() <= 10_000, "{streamed}");
    assert_eq!(fetched(&host, &route, &at("heads/2000"))["text"], "short");
    assert_eq!(refused(&host, &route, &at("heads/40000")).0, "ErrorCode::HttpProtocolError");
    host.stop();
}

#[test]
fn connections_have_a_limit_and_are_given_back() {
    let host = TestHost::configured("[limits]\noutbound_function = 3\n");
    let origin = Origin::start();
    let route = host.once(&fetch("many", &[&origin.url()]));
    for _ in 0..5 {
        let answer = host.get(&format!("{route}?url={}/silent&first_ms=300&copies=5", origin.url())).ok().json();
        let codes: Vec<&str> = answer.as_array().unwrap().iter().map(|one| one["refused"].as_str().unwrap()).collect();
        let over = codes.iter().filter(|code| **code == "ErrorCode::ConnectionLimitReached").count();
        let waited = codes.iter().filter(|code| **code == "ErrorCode::ConnectionReadTimeout").count();
        assert_eq!((over, waited), (2, 3), "{codes:?}");
    }
    assert_eq!(fetched(&host, &route, &format!("{}/hello", origin.url()))["text"], "hello");
    let metrics = host.metrics();
    let count =
        |outcome| metrics.sum("modelet_outbound_requests_total", &[("tenant", "default"), ("outcome", outcome)]);
    assert_eq!((count("too-many"), count("first-byte-timeout"), count("answered")), (10.0, 15.0, 1.0));
    host.stop();
}

#[test]
fn the_time_of_an_invocation_bounds_what_it_waits_for_and_ends_the_connection() {
    let (host, origin) = (shared(), Origin::start());
    let patient = fetch("patient", &[&origin.url()]).with("[limits]\ntime = \"300ms\"\n");
    let route = host.once(&patient);
    host.get(&format!("{route}?url={}/silent", origin.url())).problem(504, "function-timed-out");
    let open = || host.metrics().sum("modelet_outbound_connections", &[]) == 0.0;
    modelet_tests::until("its connection is closed", || open().then_some(()));
}

#[test]
fn https_is_trusted_by_the_operators_authority_and_for_the_right_name_only() {
    let scratch = tempfile::tempdir().unwrap();
    let ca_file = scratch.path().join("ca.pem");
    let origin = Origin::with_tls("localhost", &ca_file);
    let port = origin.address.port();
    let rules = [format!("https://localhost:{port}"), format!("https://127.0.0.1:{port}")];
    let function = fetch("secure", &[&rules[0], &rules[1]]);
    let host = TestHost::configured(&format!("[outbound]\nca_file = {:?}\n", ca_file.display().to_string()));
    let route = host.once(&function);
    assert_eq!(fetched(&host, &route, &format!("https://localhost:{port}/hello"))["text"], "hello");
    let (code, line) = refused(&host, &route, &format!("https://127.0.0.1:{port}/hello"));
    assert_eq!(code, "ErrorCode::TlsCertificateError");
    assert!(line.contains("its certificate is not trusted"), "the certificate is for another name: {line}");
    host.stop();
    let stranger = shared();
    let route = stranger.once(&function);
    let (code, line) = refused(stranger, &route, &format!("https://localhost:{port}/hello"));
    assert!(code == "ErrorCode::TlsCertificateError" && line.contains("ca_file"), "{code}: {line}");
    let plain = Origin::start();
    let origins = [format!("https://{}", plain.address), "https://localhost".to_owned()];
    let route = stranger.once(&fetch("no-tls", &[&origins[0], &origins[1]]));
    assert_eq!(refused(stranger, &route, &format!("{}/hello", origins[0])).0, "ErrorCode::TlsProtocolError");
}

#[test]
fn an_operator_can_keep_every_function_off_what_is_not_public() {
    let host = TestHost::configured("[outbound]\nprivate = \"never\"\n");
    let origin = Origin::start();
    let route = host.once(&fetch("kept-off", &[&origin.url()]));
    let (code, line) = refused(&host, &route, &format!("{}/hello", origin.url()));
    assert!(code == "ErrorCode::DestinationIpProhibited" && line.contains("private"), "{code}: {line}");
    assert_eq!(origin.connections(), 0);
    host.stop();
}

#[test]
fn bodies_stream_both_ways_while_the_other_is_still_open() {
    let (host, origin) = (shared(), Origin::start());
    let relay = Function::guest("relay").with(&format!("[outbound]\nallow = [{:?}]\n", origin.url()));
    let route = host.once(&relay);
    let mut wire = Wire::connect(&host.data_url);
    let head = format!("POST {route}?to={} HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n", origin.address);
    wire.send(head.as_bytes());
    for piece in ["first", "second", "third"] {
        wire.send(format!("{:x}\r\n{piece}\r\n", piece.len()).as_bytes());
        // It is back before the next one is sent: nothing on the way waits for the end.
        let _ = wire.read_until(piece.as_bytes());
    }
    wire.send(b"0\r\n\r\n");
    let _ = wire.read_until(b"0\r\n\r\n");
}

#[test]
fn a_deploy_calls_nobody_though_a_case_of_the_manifest_would() {
    let (host, origin) = (shared(), Origin::start());
    let case = format!("[[case]]\nrequest = {{ path = \"/?url={}/hello\" }}\n", origin.url());
    let route = host.once(&fetch("has-a-case", &[&origin.url()]).with(&case));
    assert_eq!(origin.connections(), 0);
    assert_eq!(fetched(host, &route, &format!("{}/hello", origin.url()))["text"], "hello");
}

#[test]
fn what_is_no_origin_is_refused_at_deploy_with_its_line() {
    let host = shared();
    for (text, why) in [("api.example.com", "begins with http"), ("https://a.example/v1", "a path is not allowed")] {
        let ran = host.try_deploy(&fetch("no-origin", &[text]));
        assert_eq!(ran.status, Some(1), "{ran:?}");
        assert!(ran.stderr.contains("function.toml:") && ran.stderr.contains(why), "{ran:?}");
    }
}
