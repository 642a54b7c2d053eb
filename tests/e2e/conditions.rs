//! Two who change the same thing, and connections that break in the middle: nothing is overwritten unseen, and nothing is done twice.

use modelet_tests::cli::{Ran, modelet, ran};
use modelet_tests::{Answer, Function, TestHost, client};
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// What happens at the first change that a command asks for.
type Trick = dyn Fn(&TestHost) + Send + Sync;

/// A server between a command and an admin API. At the first request that changes something it plays its trick; where it cuts, it hangs up when
/// the request is done, and the answer is lost.
fn through(host: &Arc<TestHost>, cuts: bool, trick: Arc<Trick>, arguments: &[&str]) -> Ran {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (host, is_first) = (Arc::clone(host), AtomicBool::new(true));
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // A command that has ended is no failure of ours.
            let _ = pass(&stream, &host, |method| {
                let is_meant = method != "GET" && is_first.swap(false, Ordering::SeqCst);
                if is_meant {
                    trick(&host);
                }
                is_meant && cuts
            });
        }
    });
    ran(modelet().args(arguments).env("MODELET_URL", &url).env("MODELET_KEY", "the one between has its own"))
}

/// Answers one request and hangs up.
fn pass(stream: &TcpStream, host: &TestHost, is_cut: impl FnOnce(&str) -> bool) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let (method, path) = line.split_once(' ').unwrap_or_default();
    let path = path.split(' ').next().unwrap_or_default().to_owned();
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim().split_once(": ") else { break };
        headers.push((name.to_lowercase(), value.to_owned()));
    }
    let length = headers.iter().find(|(name, _)| name == "content-length").and_then(|(_, value)| value.parse().ok());
    if headers.iter().any(|(name, _)| name == "expect") {
        write!(&*stream, "HTTP/1.1 100 Continue\r\n\r\n")?;
    }
    let mut body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut body)?;
    headers.retain(|(name, _)| {
        !["authorization", "host", "connection", "content-length", "expect"].contains(&name.as_str())
    });
    headers.push(("authorization".to_owned(), format!("Bearer {}", host.key())));
    let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let is_cut = is_cut(method);
    let answer = client::send(method, &format!("{}{path}", host.admin_url), &headers, &body).unwrap();
    if is_cut {
        return Ok(());
    }
    let tag = answer.header("etag").map(|etag| format!("etag: {etag}\r\n")).unwrap_or_default();
    let (status, length) = (answer.status, answer.body.len());
    write!(&*stream, "HTTP/1.1 {status} X\r\n{tag}content-length: {length}\r\nconnection: close\r\n\r\n")?;
    (&*stream).write_all(&answer.body)
}

fn nothing() -> Arc<Trick> {
    Arc::new(|_| {})
}

/// How many changes of a kind there were.
fn count(host: &TestHost, kind: &str) -> usize {
    let audit = host.admin("GET", &format!("/v1/audit?kind={kind}"), b"").ok().json();
    audit["changes"].as_array().unwrap().len()
}

fn ask(host: &TestHost, method: &str, path: &str, body: &str, condition: (&str, &str)) -> Answer {
    let bearer = format!("Bearer {}", host.key());
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json"), condition];
    client::send(method, &format!("{}{path}", host.admin_url), &headers, body.as_bytes()).unwrap()
}

#[test]
fn a_function_that_serves_is_changed_as_it_was_seen_or_not_at_all() {
    let host = TestHost::start();
    let hello = |greeting: &str| {
        let config = format!("[config]\ngreeting = \"{greeting}\"\n");
        host.deploy(&Function::guest("hello").named("hello").with(&config));
    };
    hello("one");
    hello("two");
    let shared = r#"{"parts":[{"version":1,"percent":50},{"version":2,"percent":50}]}"#;
    for (method, path, body) in [
        ("PUT", "/v1/functions/hello/traffic", shared),
        ("DELETE", "/v1/functions/hello/traffic", ""),
        ("PUT", "/v1/functions/hello/scale", r#"{"min":1}"#),
        ("POST", "/v1/functions/hello/rollback", r#"{"to":1}"#),
        ("POST", "/v1/functions/hello/rollback", r#"{"to":2}"#),
        ("DELETE", "/v1/functions/hello?version=1", ""),
    ] {
        let seen = host.admin("GET", "/v1/functions/hello", b"").ok();
        let etag = seen.header("etag").unwrap();
        assert_eq!(seen.json()["etag"], etag);
        let made = ask(&host, method, path, body, ("if-match", etag)).ok();
        let now = host.admin("GET", "/v1/functions/hello", b"").ok();
        assert_eq!(now.header("etag"), made.header("etag"), "{method} {path}");
        assert_ne!(now.header("etag"), Some(etag), "{method} {path}");
        let stale = ask(&host, method, path, body, ("if-match", etag));
        stale.problem(412, "precondition-failed");
        assert_eq!(stale.header("etag"), now.header("etag"), "{method} {path}");
        let after = host.admin("GET", "/v1/functions/hello", b"").ok();
        let of = |answer: &Answer| ["version", "percent", "traffic", "etag"].map(|field| answer.json()[field].clone());
        assert_eq!(of(&after), of(&now), "{method} {path}: nothing has changed");
    }
    let kept = host.admin("GET", "/v1/functions/hello", b"").ok().json()["instances"]["kept"].clone();
    let etag = host.admin("GET", "/v1/functions/hello/traffic", b"").ok().header("etag").unwrap().to_owned();
    ask(&host, "PUT", "/v1/functions/hello/scale", r#"{"min":2}"#, ("if-match", "\"0\""))
        .problem(412, "precondition-failed");
    assert_eq!(
        host.admin("GET", "/v1/functions/hello", b"").ok().json()["instances"]["kept"],
        kept,
        "no instance was made"
    );
    assert_eq!(ask(&host, "GET", "/v1/functions/hello/traffic", "", ("if-none-match", &etag)).status, 304);
    host.stop();
}

#[test]
fn of_two_applies_at_once_the_second_stops_and_overwrites_nothing() {
    let host = Arc::new(TestHost::start());
    let folder = host.scratch().join("desired");
    fs::create_dir_all(&folder).unwrap();
    let files = folder.join("acme.toml");
    let write = |functions: u32| {
        fs::write(
            &files,
            format!("[[tenant]]\nname = \"acme\"\npaths = [\"/acme\"]\nlimits = {{ functions = {functions} }}\n"),
        )
        .unwrap()
    };
    let path = folder.display().to_string();
    let functions = || host.admin("GET", "/v1/tenants/acme", b"").ok().json()["limits"]["functions"].clone();
    // There is none, and somebody makes it meanwhile.
    write(1);
    let make: Arc<Trick> =
        Arc::new(|host: &TestHost| assert_eq!(host.admin("POST", "/v1/tenants", br#"{"name":"acme"}"#).status, 201));
    let line = through(&host, false, make, &["apply", &path]).refused();
    assert!(line.contains("stopped at tenant acme: somebody else has changed it"), "{line}");
    through(&host, false, nothing(), &["apply", &path]).done();
    // It is there, and somebody changes it meanwhile.
    write(2);
    let limit: Arc<Trick> = Arc::new(|host: &TestHost| {
        assert_eq!(host.admin("PATCH", "/v1/tenants/acme/limits", br#"{"functions":9}"#).status, 200);
    });
    let line = through(&host, false, limit, &["apply", &path]).refused();
    assert!(line.contains("stopped at tenant acme: somebody else has changed it"), "{line}");
    assert!(line.ends_with("Apply again: it is compared anew"), "{line}");
    assert_eq!(functions(), 9, "what somebody else has said stands");
    through(&host, false, nothing(), &["apply", &path]).done();
    assert_eq!(functions(), 2);
}

#[test]
fn a_change_whose_answer_is_lost_is_asked_for_again_and_done_once() {
    let host = Arc::new(TestHost::start());
    through(&host, true, nothing(), &["tenant", "create", "acme", "--path", "/acme"]).done();
    through(&host, true, nothing(), &["tenant", "limits", "acme", "functions=3"]).done();
    assert_eq!((count(&host, "tenant.create"), count(&host, "tenant.limits")), (1, 1));
    let model = modelet_tests::places::model("digits").display().to_string();
    through(&host, true, nothing(), &["model", "push", &model, "--name", "digits", "--label", "stable"]).done();
    assert_eq!((count(&host, "model.push"), count(&host, "model.label")), (1, 1));
    // A key's secret is not kept for who has not had it.
    let line = through(&host, true, nothing(), &["key", "create", "--scope", "read"]).refused();
    assert!(line.contains("already-done") && line.contains("modelet key rotate"), "{line}");
    assert_eq!(
        host.admin("GET", "/v1/keys", b"").ok().json()["keys"].as_array().unwrap().len(),
        2,
        "with the operator's"
    );
}
