//! Tokens of other issuers in the place of keys.

use modelet_tests::authority::Authority;
use modelet_tests::tenants::{create, deploy};
use modelet_tests::tokens::TokenKey;
use modelet_tests::{Function, TestHost, client, process, until};
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::{Value, json};
use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::sync::{Arc, Mutex};

const ISSUER: &str = "https://id.example";

fn config(more: &str) -> String {
    format!(
        "[server]\nlog = \"debug\"\n[[auth.jwt]]\nissuer = \"{ISSUER}\"\naudience = \"modelet\"\ntenant_claim = \"org\"\n\
         scope_map = {{ call = \"invoke\", look = \"read\", boss = \"admin\" }}\n{more}\n"
    )
}

/// A server with an issuer whose keys are in a file; the file, too.
fn with_file(keys: &[&TokenKey]) -> (TestHost, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("jwks.json");
    fs::write(&file, TokenKey::set(keys)).unwrap();
    let host = TestHost::configured(&config(&format!("jwks_file = {:?}", file.display().to_string())));
    create(&host, "acme", &["/acme"]);
    let route = "path = \"/acme/locked\"\nauth = \"key\"";
    deploy(&host, "acme", &Function::guest("headers").named("locked").route(route));
    (host, folder)
}

fn claims(changes: &Value) -> Value {
    let mut claims =
        json!({ "iss": ISSUER, "aud": "modelet", "sub": "alice@acme.example", "org": "acme", "scope": "call look" });
    claims.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    claims
}

fn call(host: &TestHost, route: &str, token: &str) -> client::Answer {
    host.send("GET", route, &[("authorization", &format!("Bearer {token}"))], b"")
}

#[test]
fn a_token_opens_what_its_claims_say_and_reaches_no_guest() {
    let key = TokenKey::make("k1");
    let (host, _folder) = with_file(&[&key]);
    let token = key.token(&claims(&json!({})));
    let answer = call(&host, "/acme/locked", &token).ok();
    assert!(answer.text().contains("[\"modelet-caller\",\"jwt:alice@acme.example\"]"), "{}", answer.text());
    assert!(!answer.text().contains("authorization") && !answer.text().contains(&token), "{}", answer.text());

    assert_eq!(host.admin_as(&token, "GET", "/v1/functions", b"").ok().json()["functions"][0]["name"], "locked");
    host.admin_as(&token, "GET", "/v1/functions?tenant=default", b"").problem(404, "no-tenant");
    host.admin_as(&token, "GET", "/v1/keys", b"").problem(403, "forbidden");
    let looks = key.token(&claims(&json!({ "scope": ["look"] })));
    call(&host, "/acme/locked", &looks).problem(403, "forbidden");
    let boss = key.token(&claims(&json!({ "scope": "boss" })));
    assert_eq!(host.admin_as(&boss, "PUT", "/v1/secrets/s", b"v").json()["secret"]["set_by"], "jwt:alice@acme.example");
    host.admin_as(&boss, "GET", "/v1/tenants/default", b"").problem(404, "no-tenant");
    host.admin_as(&boss, "POST", "/v1/tenants", br#"{"name":"beta"}"#).problem(403, "not-the-operator");

    // Another tenant's route is there for it as for another tenant's key.
    host.deploy(&Function::guest("headers").named("own").route("path = \"/own\"\nauth = \"key\""));
    call(&host, "/own", &token).problem(403, "forbidden");
    let open = call(&host, &host.guest("headers"), &token).ok();
    assert!(!open.text().contains("authorization") && !open.text().contains("modelet-caller"), "{}", open.text());

    // Whoever deploys the function goes with the tenant.
    host.modelet(["tenant", "remove", "acme", "--force"]).done();
    host.admin_as(&token, "GET", "/v1/functions", b"").problem(401, "unauthorized");
    let metrics = host.metrics();
    assert_eq!(metrics.sum("modelet_jwt_total", &[("outcome", "verified")]), 3.0, "each was verified once");
    assert!(!host.log().contains(&token) && !host.log().contains(token.rsplit('.').next().unwrap()));
    host.stop();
}

#[test]
fn a_token_that_does_not_hold_is_like_a_key_that_is_none() {
    let (key, stranger) = (TokenKey::make("k1"), TokenKey::make("k1"));
    let (host, _folder) = with_file(&[&key]);
    let no_key = host.get("/acme/locked").problem(401, "unauthorized");
    for (what, token) in [
        ("another issuer", key.token(&claims(&json!({ "iss": "https://else.example" })))),
        ("another audience", key.token(&claims(&json!({ "aud": "other" })))),
        ("ended", key.token(&claims(&json!({ "exp": 1_000_000_000 })))),
        ("not yet", key.token(&claims(&json!({ "nbf": 4_000_000_000_u64 })))),
        ("no such tenant", key.token(&claims(&json!({ "org": "ghost" })))),
        ("a key of nobody", TokenKey::make("k9").token(&claims(&json!({})))),
        ("another's key", stranger.token(&claims(&json!({})))),
        ("no token", "a.b.c".to_owned()),
    ] {
        assert_eq!(call(&host, "/acme/locked", &token).problem(401, "unauthorized"), no_key, "{what}");
        let refused = host.admin_as(&token, "GET", "/v1/functions", b"");
        assert!(!refused.problem(401, "unauthorized").contains(&token), "{what}");
    }
    // One that was meant for this server reaches no guest; one that was not is between the client and the guest.
    let open = host.guest("headers");
    let ended = call(&host, &open, &key.token(&claims(&json!({ "exp": 1 })))).ok();
    assert!(!ended.text().contains("authorization"), "{}", ended.text());
    let foreign = call(&host, &open, &key.token(&claims(&json!({ "iss": "https://else.example" })))).ok();
    assert!(foreign.text().contains("authorization"), "{}", foreign.text());
    host.stop();
}

#[test]
fn keys_of_a_file_roll_over_at_sighup() {
    let (first, second) = (TokenKey::make("k1"), TokenKey::make("k2"));
    let (host, folder) = with_file(&[&first]);
    let (old, new) = (first.token(&claims(&json!({}))), second.token(&claims(&json!({}))));
    let opens = |token: &str| call(&host, "/acme/locked", token).status == 200;
    assert!(opens(&old) && !opens(&new));
    let file = folder.path().join("jwks.json");
    let lay = |text: &str| {
        fs::write(&file, text).unwrap();
        process::signal(host.pid, "HUP");
    };
    lay("{");
    until("the log says so", || host.log().contains("the running one stays").then_some(()));
    assert!(opens(&old), "the last good ones stay");
    lay(&TokenKey::set(&[&first, &second]));
    until("the new key is there", || opens(&new).then_some(()));
    assert!(opens(&old));
    lay(&TokenKey::set(&[&second]));
    until("the old key has gone", || (!opens(&old)).then_some(()));
    assert!(opens(&new));
    host.stop();
}

/// Answers every request with what it is told to, by TLS; its port.
fn serve_keys(folder: &Path, answer: Arc<Mutex<String>>) -> u16 {
    let authority = Authority::make();
    authority.lay(&folder.join("ca.pem"));
    let (certificate, key) = authority.certify(&["localhost"]);
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_no_client_auth().with_single_cert(vec![certificate.der().clone()], key).unwrap();
    let (config, listener) = (Arc::new(config), TcpListener::bind("127.0.0.1:0").unwrap());
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut wire = StreamOwned::new(ServerConnection::new(Arc::clone(&config)).unwrap(), stream);
            let mut head = Vec::new();
            let mut byte = [0];
            while !head.ends_with(b"\r\n\r\n") && wire.read(&mut byte).is_ok_and(|read| read > 0) {
                head.push(byte[0]);
            }
            let text = answer.lock().unwrap().clone();
            let _ = wire.write_all(text.as_bytes()).and_then(|()| wire.flush());
        }
    });
    port
}

#[test]
fn keys_are_fetched_from_the_issuer_within_limits() {
    let folder = tempfile::tempdir().unwrap();
    let key = TokenKey::make("k1");
    let found =
        |body: &str| format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len());
    let answer = Arc::new(Mutex::new("HTTP/1.1 302 Found\r\nlocation: /keys\r\ncontent-length: 0\r\n\r\n".to_owned()));
    let port = serve_keys(folder.path(), Arc::clone(&answer));
    let url = format!("jwks_url = \"https://localhost:{port}/keys\"\n");
    let trusted = format!("[outbound]\nca_file = {:?}\n", folder.path().join("ca.pem").display().to_string());
    // An address of this machine is not connected to unless it is named.
    let host = TestHost::configured(&config(&format!("{url}{trusted}")));
    until("the log says so", || host.log().contains("`jwks_allow`").then_some(()));
    host.stop();

    let named = format!("{url}jwks_allow = [\"https://127.0.0.1:{port}\"]\n{trusted}");
    let mut host = TestHost::configured(&config(&named));
    until("a redirect is not followed", || host.log().contains("no redirect is followed").then_some(()));
    create(&host, "acme", &["/acme"]);
    let token = key.token(&claims(&json!({})));
    host.admin_as(&token, "GET", "/v1/functions", b"").problem(401, "unauthorized");
    for (bad, why) in [(found(&" ".repeat(2 << 20)), "length limit exceeded"), (found("<html>"), "is no set of keys")] {
        *answer.lock().unwrap() = bad;
        host.restart();
        until(why, || host.log().contains(why).then_some(()));
    }
    *answer.lock().unwrap() = found(&TokenKey::set(&[&key]));
    host.restart();
    until("the keys are there", || (host.admin_as(&token, "GET", "/v1/functions", b"").status == 200).then_some(()));
    // They stay when the issuer answers no more.
    *answer.lock().unwrap() = String::new();
    process::signal(host.pid, "HUP");
    until("a fetch failed", || host.log().contains("those that were read before stay").then_some(()));
    assert_eq!(host.admin_as(&token, "GET", "/v1/functions", b"").status, 200);
    host.stop();
}
