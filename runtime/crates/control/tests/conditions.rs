//! ETags and conditional requests: every endpoint that changes something × a stale ETag, the current one, and none.
//!
//! One table. A test fails when the OpenAPI document has an endpoint that is not in it, or says not that it takes conditions.

#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on says so by a panic"
)]

mod host;

use std::collections::BTreeSet;

use axum::body::Body;
use host::Host;
use http::{Request, header};
use http_body_util::BodyExt;
use modelet_spec::Digest;
use tower::ServiceExt;

/// A change: what it asks, which thing it is of, and what is answered where the condition holds.
struct Row {
    method: &'static str,
    /// As the document has it.
    path: &'static str,
    uri: &'static str,
    body: &'static str,
    /// Where the thing is read; `None`: it has no ETag, or is made by this.
    thing: Option<&'static str>,
    status: u16,
}

const fn row(
    (method, path): (&'static str, &'static str),
    uri: &'static str,
    body: &'static str,
    thing: Option<&'static str>,
    status: u16,
) -> Row {
    Row { method, path, uri, body, thing, status }
}

const FUNCTION: Option<&str> = Some("/v1/functions/f");
const MODEL: Option<&str> = Some("/v1/models/m");
const KEY: Option<&str> = Some("/v1/keys/KEY");
const SECRET: Option<&str> = Some("/v1/secrets/s");
const TENANT: Option<&str> = Some("/v1/tenants/acme");
const DEPLOY: &str = r#"{"manifest":{"name":"f"},"component":"DIGEST"}"#;
const SHARED: &str = r#"{"parts":[{"version":9,"percent":100}]}"#;
const PAST: &str = r#"{"at":"1s","dry_run":true}"#;

/// In this order: what is removed is removed last. Where there is neither a compiler nor ONNX Runtime, some are refused for that, but none
/// before its condition was looked at.
const TABLE: &[Row] = &[
    row(("POST", "/v1/blobs"), "/v1/blobs", "bytes", None, 201),
    row(("POST", "/v1/functions"), "/v1/functions", DEPLOY, FUNCTION, 422),
    row(("PUT", "/v1/functions/{name}/scale"), "/v1/functions/f/scale", r#"{"min":0}"#, FUNCTION, 404),
    row(("POST", "/v1/functions/{name}/rollback"), "/v1/functions/f/rollback", "{}", FUNCTION, 409),
    row(("PUT", "/v1/functions/{name}/traffic"), "/v1/functions/f/traffic", SHARED, FUNCTION, 404),
    row(("DELETE", "/v1/functions/{name}/traffic"), "/v1/functions/f/traffic", "", FUNCTION, 422),
    row(("POST", "/v1/restore"), "/v1/restore", PAST, None, 422),
    row(("POST", "/v1/import"), "/v1/import", "", None, 422),
    row(("PUT", "/v1/models/{name}"), "/v1/models/m", "{}", MODEL, 503),
    row(("PUT", "/v1/models/{name}/labels/{label}"), "/v1/models/m/labels/l", r#"{"version":"1"}"#, MODEL, 200),
    row(("DELETE", "/v1/models/{name}/labels/{label}"), "/v1/models/m/labels/l", "", MODEL, 200),
    row(("PUT", "/v1/models/{name}/pin"), "/v1/models/m/pin", "", MODEL, 503),
    row(("DELETE", "/v1/models/{name}/pin"), "/v1/models/m/pin", "", MODEL, 503),
    row(("POST", "/v1/models/{name}/unload"), "/v1/models/m/unload", "", MODEL, 503),
    row(("POST", "/v1/models/{name}/optimize"), "/v1/models/m/optimize", r#"{"precision":"int8"}"#, MODEL, 503),
    row(("PUT", "/v1/models/{name}/grants/{to}"), "/v1/models/m/grants/acme", "{}", MODEL, 200),
    row(("DELETE", "/v1/models/{name}/grants/{to}"), "/v1/models/m/grants/acme", "", MODEL, 200),
    row(("POST", "/v1/keys"), "/v1/keys", r#"{"scopes":["read"]}"#, None, 201),
    row(("POST", "/v1/keys/{id}/rotate"), "/v1/keys/KEY/rotate", "{}", KEY, 200),
    row(("PUT", "/v1/secrets/{name}"), "/v1/secrets/s", "another value", SECRET, 200),
    row(("POST", "/v1/secret-key/rotate"), "/v1/secret-key/rotate", "", None, 200),
    row(("POST", "/v1/tenants"), "/v1/tenants", r#"{"name":"new"}"#, None, 201),
    row(("PATCH", "/v1/tenants/{name}/limits"), "/v1/tenants/acme/limits", r#"{"functions":1}"#, TENANT, 200),
    row(("PATCH", "/v1/tenants/{name}/claims"), "/v1/tenants/acme/claims", r#"{"add_paths":["/a"]}"#, TENANT, 200),
    row(("DELETE", "/v1/secrets/{name}"), "/v1/secrets/s", "", SECRET, 200),
    row(("DELETE", "/v1/keys/{id}"), "/v1/keys/KEY", "", KEY, 200),
    row(("DELETE", "/v1/models/{name}"), "/v1/models/m", "", MODEL, 200),
    row(("DELETE", "/v1/functions/{name}"), "/v1/functions/f", "", FUNCTION, 200),
    row(("DELETE", "/v1/tenants/{name}"), "/v1/tenants/acme", "", TENANT, 200),
];

struct Answer {
    status: u16,
    etag: Option<String>,
    text: String,
}

/// A host with a function, a model, a key, a secret and a tenant; the key's id.
async fn host() -> (Host, String) {
    let host = Host::start();
    host.control.load().await.unwrap();
    let owner = "default".parse().unwrap();
    host.stores_function(&owner, "f", r#"{"name":"f"}"#);
    host.stores_model(&owner, "m", b"bytes");
    assert_eq!(host.ask("PUT", "/v1/secrets/s", "value").await.0.as_u16(), 201);
    assert_eq!(host.ask("POST", "/v1/tenants", r#"{"name":"acme"}"#).await.0.as_u16(), 201);
    let (_, made) = host.ask("POST", "/v1/keys", r#"{"scopes":["read"]}"#).await;
    let made: serde_json::Value = serde_json::from_str(&made).unwrap();
    (host, made["key"]["id"].as_str().unwrap().to_owned())
}

async fn ask(host: &Host, (method, uri, body): (&str, &str, String), conditions: &[(&str, &str)]) -> Answer {
    let request = Request::builder().method(method).uri(uri).header(header::CONTENT_TYPE, "application/json");
    let request = request.header(header::AUTHORIZATION, format!("Bearer {}", host.key));
    let request = conditions.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    let response = host.router.clone().oneshot(request.body(Body::from(body)).unwrap()).await.unwrap();
    let status = response.status().as_u16();
    let etag = response.headers().get(header::ETAG).map(|etag| etag.to_str().unwrap().to_owned());
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    Answer { status, etag, text: String::from_utf8(bytes.to_vec()).unwrap() }
}

async fn read(host: &Host, uri: &str, conditions: &[(&str, &str)]) -> Answer {
    ask(host, ("GET", uri, String::new()), conditions).await
}

/// How many changes there were.
fn changes(host: &Host) -> usize {
    host.store.events(0, 10_000).unwrap().len()
}

#[tokio::test]
async fn every_change_is_made_to_what_its_maker_has_seen_or_not_at_all() {
    let (host, key) = host().await;
    for row in TABLE {
        let what = format!("{} {}", row.method, row.path);
        let fill = |text: &str| text.replace("KEY", &key).replace("DIGEST", &Digest::of(b"absent").to_string());
        let (uri, body) = (fill(row.uri), fill(row.body));
        let send = async |conditions: &[(&str, &str)]| ask(&host, (row.method, &uri, body.clone()), conditions).await;
        let thing = row.thing.map(fill);
        let before = match &thing {
            Some(thing) => read(&host, thing, &[]).await.etag,
            None => None,
        };
        assert_eq!(before.is_some(), row.thing.is_some(), "{what}");
        let count = changes(&host);
        let mut refused = vec![("if-match", r#""0-00000000", "9-ffffffff""#), ("if-match", r#"W/"0""#)];
        match &before {
            Some(now) => refused.extend([("if-none-match", "*"), ("if-none-match", now.as_str())]),
            None => refused.push(("if-match", "*")),
        }
        for condition in refused {
            let answer = send(&[condition]).await;
            let problem: serde_json::Value = serde_json::from_str(&answer.text).unwrap();
            assert_eq!(
                (answer.status, problem["code"].as_str()),
                (412, Some("precondition-failed")),
                "{what} {condition:?}"
            );
            assert_eq!(answer.etag, before, "{what}: what it is now");
            let told = problem["detail"].as_str().unwrap();
            assert!(told.starts_with("nothing has changed") && before.iter().all(|now| told.contains(now)), "{told}");
        }
        assert_eq!(changes(&host), count, "{what}: refused, and done all the same");
        let wrong = send(&[("if-match", "no etag")]).await;
        assert_eq!(wrong.status, 400, "{what}");
        let fresh = before.as_ref().map(|now| ("if-match", now.as_str()));
        let done = send(fresh.as_slice()).await;
        assert_eq!(done.status, row.status, "{what}: {}", done.text);
        if done.status < 300
            && let Some(thing) = &thing
        {
            let after = read(&host, thing, &[]).await;
            assert_eq!(done.etag, after.etag, "{what}: the answer has the new ETag");
            assert_ne!(after.etag, before, "{what}");
            assert_eq!(after.status == 404, row.method == "DELETE" && uri == *thing, "{what}: {}", after.text);
        }
    }
}

#[tokio::test]
async fn what_is_to_be_made_is_made_only_where_it_is_not_there() {
    let (host, _) = host().await;
    let set = |name: &str| ("PUT", format!("/v1/secrets/{name}"), "value".to_owned());
    let new = set("new");
    let absent = ask(&host, (new.0, &new.1, new.2.clone()), &[("if-match", "*")]).await;
    assert_eq!((absent.status, absent.etag), (412, None), "{}", absent.text);
    let made = ask(&host, (new.0, &new.1, new.2.clone()), &[("if-none-match", "*")]).await;
    assert_eq!(made.status, 201, "{}", made.text);
    assert_eq!(read(&host, "/v1/secrets/new", &[]).await.etag, made.etag);
    let again = ask(&host, (new.0, &new.1, new.2.clone()), &[("if-none-match", "*")]).await;
    assert_eq!((again.status, again.etag), (412, made.etag.clone()));
    // What is there no more and comes again has no ETag that it had.
    assert_eq!(ask(&host, ("DELETE", &new.1, String::new()), &[]).await.status, 200);
    let anew = ask(&host, (new.0, &new.1, new.2.clone()), &[("if-none-match", "*")]).await;
    assert_eq!(anew.status, 201);
    assert_ne!(anew.etag, made.etag);
    // What is not there is told so, whatever is expected of it.
    for condition in [("if-match", r#""1-00000000""#), ("if-match", "*"), ("if-none-match", "*")] {
        let nothing = ask(&host, ("DELETE", "/v1/secrets/nothing", String::new()), &[condition]).await;
        assert_eq!(nothing.status, 404, "{condition:?}");
    }
}

#[tokio::test]
async fn who_has_a_thing_already_is_told_so_without_it() {
    let (host, key) = host().await;
    let key = KEY.unwrap().replace("KEY", &key);
    let grants = "/v1/models/m/grants";
    for uri in
        [FUNCTION.unwrap(), MODEL.unwrap(), &key, SECRET.unwrap(), TENANT.unwrap(), grants, "/v1/functions/f/versions"]
    {
        let shown = read(&host, uri, &[]).await;
        let etag = shown.etag.unwrap();
        for known in [etag.clone(), format!("W/{etag}"), format!(r#""other", {etag}"#), "*".to_owned()] {
            let answer = read(&host, uri, &[("if-none-match", &known)]).await;
            assert_eq!(
                (answer.status, answer.text.as_str(), answer.etag.as_ref()),
                (304, "", Some(&etag)),
                "{uri} {known}"
            );
        }
        let other = read(&host, uri, &[("if-none-match", r#""other""#)]).await;
        assert_eq!((other.status, other.text == shown.text), (200, true), "{uri}");
        assert_eq!(read(&host, uri, &[("if-match", &etag)]).await.status, 200, "{uri}");
        assert_eq!(read(&host, uri, &[("if-match", r#""other""#)]).await.status, 412, "{uri}");
        let head = ask(&host, ("HEAD", uri, String::new()), &[("if-none-match", &etag)]).await;
        assert_eq!((head.status, head.etag), (304, Some(etag)), "{uri}");
    }
    // A listing has those of its entries, and none of its own.
    for (uri, entries) in [
        ("/v1/functions", "functions"),
        ("/v1/models", "models"),
        ("/v1/keys", "keys"),
        ("/v1/secrets", "secrets"),
        ("/v1/tenants", "tenants"),
    ] {
        let listed = read(&host, uri, &[("if-none-match", "*")]).await;
        assert_eq!((listed.status, listed.etag), (200, None), "{uri}");
        let listed: serde_json::Value = serde_json::from_str(&listed.text).unwrap();
        for entry in listed[entries].as_array().unwrap() {
            let name = entry.get("name").or(entry.get("id")).unwrap().as_str().unwrap();
            assert_eq!(
                read(&host, &format!("{uri}/{name}"), &[]).await.etag.as_deref(),
                entry["etag"].as_str(),
                "{uri}"
            );
        }
    }
}

#[tokio::test]
async fn of_two_who_have_seen_the_same_one_changes_it() {
    let (host, _) = host().await;
    let etag = read(&host, TENANT.unwrap(), &[]).await.etag.unwrap();
    let limit = |functions: u32| {
        let body = format!(r#"{{"functions":{functions}}}"#);
        let (host, etag) = (&host, &etag);
        async move { ask(host, ("PATCH", "/v1/tenants/acme/limits", body), &[("if-match", etag)]).await }
    };
    let both = futures_util::future::join_all((1..=8).map(limit)).await;
    let mut statuses: Vec<u16> = both.iter().map(|answer| answer.status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 412, 412, 412, 412, 412, 412, 412]);
    let won = both.iter().find(|answer| answer.status == 200).unwrap();
    let now = read(&host, TENANT.unwrap(), &[]).await;
    assert_eq!(now.etag, won.etag);
    let limits = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap()["limits"].clone();
    assert_eq!(limits(&now.text), limits(&won.text));
}

#[tokio::test]
async fn the_table_has_every_change_of_the_document_and_the_document_every_condition() {
    let host = Host::start();
    let (_, text) = host.send_with(None, "GET", "/openapi.json", String::new()).await;
    let document: serde_json::Value = serde_json::from_str(&text).unwrap();
    let mut documented = BTreeSet::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let takes: BTreeSet<&str> = operation["parameters"]
                .as_array()
                .into_iter()
                .flatten()
                .filter(|parameter| parameter["in"] == "header")
                .map(|parameter| parameter["name"].as_str().unwrap())
                .collect();
            let answers = |status: &str| operation["responses"].get(status).is_some();
            let is_read = method == "get";
            if is_read && (!path.contains('{') || path.ends_with("/logs")) {
                assert!(!takes.contains("If-Match"), "{path}: a listing has no ETag");
                continue;
            }
            let what = format!("{method} {path}");
            assert!(takes.contains("If-Match") && takes.contains("If-None-Match") && answers("412"), "{what}");
            assert_eq!(answers("304"), is_read, "{what}");
            if !is_read {
                documented.insert((method.to_uppercase(), path.clone()));
            }
        }
    }
    let tabled: BTreeSet<_> = TABLE.iter().map(|row| (row.method.to_owned(), row.path.to_owned())).collect();
    assert_eq!(documented, tabled);
    assert_eq!(tabled.len(), TABLE.len(), "an endpoint stands twice");
}
