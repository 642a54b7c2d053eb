//! Requests with an `Idempotency-Key`: done once, however often they are sent, also across a restart in the middle.

#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on says so by a panic"
)]

mod host;

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use axum::body::Body;
use host::Host;
use http::{Request, header};
use http_body_util::BodyExt;
use tower::ServiceExt;

#[derive(Debug, Clone, PartialEq, Eq)]
struct Answer {
    status: u16,
    etag: Option<String>,
    kind: Option<String>,
    text: String,
    is_replayed: bool,
}

impl Answer {
    fn code(&self) -> String {
        let problem: serde_json::Value = serde_json::from_str(&self.text).unwrap();
        problem["code"].as_str().unwrap_or_default().to_owned()
    }
}

async fn host() -> Host {
    let host = Host::start();
    host.control.load().await.unwrap();
    host.stores_model(&"default".parse().unwrap(), "m", b"bytes");
    assert_eq!(host.ask("POST", "/v1/tenants", r#"{"name":"acme"}"#).await.0.as_u16(), 201);
    host
}

/// Sends a request under a name.
async fn send(host: &Host, key: &str, (method, uri, body): (&str, &str, &str), name: &str) -> Answer {
    let request = Request::builder().method(method).uri(uri).header(header::CONTENT_TYPE, "application/json");
    let request = request.header(header::AUTHORIZATION, format!("Bearer {key}")).header("idempotency-key", name);
    let response = host.router.clone().oneshot(request.body(Body::from(body.to_owned())).unwrap()).await.unwrap();
    let text = |name: &str| response.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
    let (status, etag, kind) = (response.status().as_u16(), text("etag"), text("content-type"));
    let is_replayed = text("idempotency-replayed").as_deref() == Some("true");
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    Answer { status, etag, kind, text: String::from_utf8(bytes.to_vec()).unwrap(), is_replayed }
}

fn changes(host: &Host) -> usize {
    host.store.events(0, 10_000).unwrap().len()
}

const LIMIT: (&str, &str, &str) = ("PATCH", "/v1/tenants/acme/limits", r#"{"functions":1}"#);

#[tokio::test]
async fn a_request_that_is_sent_again_is_answered_again_and_not_done_again() {
    let host = host().await;
    for (number, request) in [
        LIMIT,
        ("POST", "/v1/tenants", r#"{"name":"new"}"#),
        ("PUT", "/v1/secrets/s", "value"),
        ("PUT", "/v1/models/m/labels/l", r#"{"version":"1"}"#),
        ("DELETE", "/v1/models/m/labels/l", ""),
        ("POST", "/v1/blobs", "bytes that are streamed"),
        ("DELETE", "/v1/secrets/s", ""),
        ("POST", "/v1/secret-key/rotate", ""),
        ("DELETE", "/v1/tenants/new", ""),
    ]
    .into_iter()
    .enumerate()
    {
        let name = format!("\"request-{number}\"");
        let first = send(&host, &host.key, request, &name).await;
        assert!(first.status < 300 && !first.is_replayed, "{request:?}: {first:?}");
        host.settled().await;
        let count = changes(&host);
        for name in [name.clone(), name.replace('"', "")] {
            let again = send(&host, &host.key, request, &name).await;
            assert_eq!(again, Answer { is_replayed: true, ..first.clone() }, "{request:?}");
        }
        assert_eq!(changes(&host), count, "{request:?} was done again");
        // Under no name, it is done again, or refused because it was done.
        let (method, uri, body) = request;
        assert!(!host.ask(method, uri, body).await.1.is_empty());
    }
}

#[tokio::test]
async fn the_name_of_one_request_is_not_for_another_nor_for_another_caller() {
    let host = host().await;
    assert_eq!(send(&host, &host.key, LIMIT, "a").await.status, 200);
    let count = changes(&host);
    for other in [
        ("PATCH", "/v1/tenants/acme/limits", r#"{"functions":2}"#),
        ("PATCH", "/v1/tenants/acme/limits?", r#"{"functions":1}"#),
        ("PATCH", "/v1/tenants/default/limits", r#"{"functions":1}"#),
        ("DELETE", "/v1/tenants/acme", ""),
        ("POST", "/v1/blobs", "streamed"),
    ] {
        let answer = send(&host, &host.key, other, "a").await;
        assert_eq!((answer.status, answer.code().as_str()), (422, "idempotency-key-reused"), "{other:?}");
    }
    assert_eq!(changes(&host), count);
    let key = host.make_key("default", &["admin"]).await;
    let theirs = send(&host, &key, ("PATCH", "/v1/tenants/acme/limits", r#"{"functions":3}"#), "a").await;
    assert_eq!((theirs.status, theirs.is_replayed), (200, false), "{theirs:?}");
    for wrong in ["", "a b", "\"\""] {
        assert_eq!(send(&host, &host.key, LIMIT, wrong).await.code(), "bad-request", "{wrong:?}");
    }
}

#[tokio::test]
async fn what_was_refused_may_be_asked_again() {
    let host = host().await;
    let label = ("PUT", "/v1/models/later/labels/l", r#"{"version":"1"}"#);
    assert_eq!(send(&host, &host.key, label, "a").await.code(), "no-model");
    host.stores_model(&"default".parse().unwrap(), "later", b"bytes");
    let done = send(&host, &host.key, label, "a").await;
    assert_eq!((done.status, done.is_replayed), (200, false), "{done:?}");
    assert!(send(&host, &host.key, label, "a").await.is_replayed);
}

#[tokio::test]
async fn of_many_at_once_one_is_done() {
    let host = host().await;
    let count = changes(&host);
    let all = futures_util::future::join_all((0..8).map(|_| send(&host, &host.key, LIMIT, "a"))).await;
    assert_eq!(changes(&host), count + 1);
    assert_eq!(all.iter().filter(|answer| answer.status == 200 && !answer.is_replayed).count(), 1);
    for other in all.iter().filter(|answer| answer.status != 200) {
        assert_eq!((other.status, other.code().as_str()), (409, "request-under-way"));
    }
    assert!(send(&host, &host.key, LIMIT, "a").await.is_replayed);
}

#[tokio::test]
async fn a_sender_that_goes_away_finds_the_answer_when_it_comes_again() {
    let host = host().await;
    let count = changes(&host);
    for name in ["a", "b", "c"] {
        // Polled once, and dropped: whatever has begun goes on.
        let gone = tokio::time::timeout(std::time::Duration::ZERO, send(&host, &host.key, LIMIT, name)).await;
        assert!(gone.is_err(), "{gone:?}");
        let answer = loop {
            let answer = send(&host, &host.key, LIMIT, name).await;
            if answer.status != 409 {
                break answer;
            }
            tokio::task::yield_now().await;
        };
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    assert_eq!(changes(&host), count + 3);
}

#[tokio::test]
async fn the_secret_of_a_key_is_given_once_and_kept_nowhere() {
    let host = host().await;
    let create = ("POST", "/v1/keys", r#"{"scopes":["read"]}"#);
    let made = send(&host, &host.key, create, "a").await;
    let key: serde_json::Value = serde_json::from_str(&made.text).unwrap();
    let (id, secret) = (key["key"]["id"].as_str().unwrap(), key["secret"].as_str().unwrap());
    let again = send(&host, &host.key, create, "a").await;
    assert_eq!((again.status, again.code().as_str(), again.is_replayed), (409, "already-done", true));
    assert!(again.text.contains(id) && again.text.contains("modelet key rotate"), "{}", again.text);
    let rotate = ("POST", format!("/v1/keys/{id}/rotate"));
    let rotate = (rotate.0, rotate.1.as_str(), "{}");
    let rotated = send(&host, &host.key, rotate, "b").await;
    assert_eq!(rotated.status, 200);
    assert_eq!(send(&host, &host.key, rotate, "b").await.code(), "already-done");
    assert_eq!(host.store.keys(None).unwrap().len(), 2, "with the operator's");
    let other: serde_json::Value = serde_json::from_str(&rotated.text).unwrap();
    let files: Vec<_> = std::fs::read_dir(host.data_dir()).unwrap().map(|entry| entry.unwrap().path()).collect();
    for file in files.iter().filter(|file| file.is_file()) {
        let bytes = std::fs::read(file).unwrap();
        for secret in [secret, other["secret"].as_str().unwrap()] {
            let has = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
            assert!(!has, "{} has the secret", file.display());
        }
    }
}

#[tokio::test]
async fn a_server_that_dies_between_a_change_and_its_answer_does_it_once() {
    let host = host().await;
    let database = host.data_dir().join("modelet.db");
    let run = |sql: &str| rusqlite::Connection::open(&database).unwrap().execute_batch(sql).unwrap();
    // What is on the disk is what a server leaves that is killed right after its change.
    run("CREATE TRIGGER killed BEFORE UPDATE ON request BEGIN SELECT RAISE(ABORT, 'killed here'); END");
    assert_eq!(send(&host, &host.key, LIMIT, "a").await.status, 200);
    run("DROP TRIGGER killed");
    let host = host.restarted().await;
    host.control.load().await.unwrap();
    let count = changes(&host);
    let again = send(&host, &host.key, LIMIT, "a").await;
    assert_eq!((again.status, again.code().as_str(), again.is_replayed), (409, "already-done", true), "{again:?}");
    assert!(again.text.contains("the tenant `acme`"), "{}", again.text);
    let another = ("PATCH", "/v1/tenants/acme/limits", r#"{"functions":2}"#);
    assert_eq!(send(&host, &host.key, another, "a").await.code(), "idempotency-key-reused");
    assert_eq!(changes(&host), count);
    // And an answer that was kept is there after a restart.
    let done = send(&host, &host.key, another, "b").await;
    let host = host.restarted().await;
    assert_eq!(send(&host, &host.key, another, "b").await, Answer { is_replayed: true, ..done });
}

/// Where the child works; set by its parent only.
const DIR: &str = "MODELET_CONTROL_TEST_DIR";

#[tokio::test]
#[ignore = "the child of the test below: it works until it is killed"]
async fn child() {
    let Some(dir) = std::env::var_os(DIR) else { return };
    let host = Host::at(dir.as_ref(), true);
    host.control.load().await.unwrap();
    for number in changes(&host) + 1.. {
        // Through the lock of standard output: it is there before the request is.
        writeln!(std::io::stdout(), "sent {number}").unwrap();
        assert_eq!(limited(&host, number).await.status, 200);
    }
}

/// Limits acme to a number that no other request does.
async fn limited(host: &Host, number: usize) -> Answer {
    let body = format!(r#"{{"functions":{number}}}"#);
    send(host, &host.key, ("PATCH", "/v1/tenants/acme/limits", &body), &number.to_string()).await
}

#[tokio::test]
async fn a_server_that_is_killed_at_any_moment_does_a_request_once() {
    let host = host().await;
    let mut host = Some(host);
    for round in 1..=8_usize {
        let stopped = host.take().unwrap().stopped().await;
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "child", "--ignored", "--nocapture"]).env(DIR, stopped.data_dir());
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let mut sent = lines.filter_map(|line| line.rsplit_once("sent ")?.1.parse::<usize>().ok());
        let mut last = sent.nth(3 * round).unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        last = sent.last().unwrap_or(last);

        let again = stopped.start();
        again.control.load().await.unwrap();
        let answer = limited(&again, last).await;
        assert!(answer.status == 200 || answer.code() == "already-done", "{answer:?}");
        let told = format!(r#""functions":{last}}}"#);
        let events = again.store.events(0, 10_000).unwrap();
        let done = events.iter().filter(|event| event.kind == "tenant.limits" && event.detail.ends_with(&told)).count();
        assert_eq!(done, 1, "round {round}: {answer:?}");
        host = Some(again);
    }
}

#[tokio::test]
async fn the_document_says_of_every_change_that_it_can_be_sent_again() {
    let host = Host::start();
    let (_, text) = host.send_with(None, "GET", "/openapi.json", String::new()).await;
    let document: serde_json::Value = serde_json::from_str(&text).unwrap();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap().iter().filter(|(method, _)| *method != "get") {
            let parameters = operation["parameters"].as_array().into_iter().flatten();
            let has = parameters.into_iter().any(|parameter| parameter["name"] == "Idempotency-Key");
            let answers = |status: &str| operation["responses"].get(status).is_some();
            assert!(has && answers("409") && answers("422"), "{method} {path}");
        }
    }
}
