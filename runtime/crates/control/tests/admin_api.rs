//! The admin API through its router: who may ask, and what wrong requests get. Deploys and models that work are tested
//! through the whole server, where there are real components.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on says so by a panic")]

mod host;

use axum::body::Body;
use host::Host;
use http::{Request, StatusCode, header};
use modelet_control::wire::{Blob, ModelVersions, Readiness};
use modelet_spec::Digest;

#[tokio::test]
async fn only_health_figures_and_the_document_need_no_key() {
    let host = Host::start();
    for (path, open) in [
        ("/healthz", true),
        ("/readyz", true),
        ("/metrics", true),
        ("/openapi.json", true),
        ("/v1/server", false),
        ("/v1/functions", false),
        ("/v1/models", false),
        ("/nothing", false),
    ] {
        let request = |header: Option<&str>| {
            let request = Request::get(path);
            let request = header.into_iter().fold(request, |r, value| r.header(header::AUTHORIZATION, value));
            request.body(Body::empty()).unwrap()
        };
        for wrong in [None, Some("Bearer wrong"), Some("Basic abc"), Some("Bearer")] {
            let (status, _) = host.send(request(wrong)).await;
            assert_eq!(status != StatusCode::UNAUTHORIZED, open, "{path} {wrong:?}");
        }
    }
    assert_eq!(host.ask("GET", "/v1/server", "").await.0, StatusCode::OK);
}

#[tokio::test]
async fn readiness_says_what_is_missing() {
    let host = Host::start();
    let readiness = || async {
        let (status, text) = host.ask("GET", "/readyz", "").await;
        (status, serde_json::from_str::<Readiness>(&text).unwrap())
    };
    let (status, before) = readiness().await;
    assert_eq!((status, before.ready, before.missing.len()), (StatusCode::SERVICE_UNAVAILABLE, false, 2));
    host.control.load().await.unwrap();
    let (_, after) = readiness().await;
    assert_eq!(after.missing, ["no ONNX Runtime in this test"]);
}

#[tokio::test]
async fn wrong_requests_get_a_problem_with_its_own_code() {
    let host = Host::start();
    host.control.load().await.unwrap();
    let digest = Digest::of(b"nothing");
    let deploy = |manifest: &str| format!(r#"{{"manifest":{manifest},"component":"{digest}"}}"#);
    for (method, path, body, status, code) in [
        ("GET", "/nothing", String::new(), 404, "unknown-path"),
        ("DELETE", "/v1/models", String::new(), 405, "method-not-allowed"),
        ("GET", "/v1/functions?tenant=acme", String::new(), 404, "no-tenant"),
        ("GET", "/v1/functions?tenan=acme", String::new(), 400, "bad-request"),
        ("GET", "/v1/functions/UPPER", String::new(), 400, "bad-request"),
        ("GET", "/v1/functions/none", String::new(), 404, "no-function"),
        ("GET", "/v1/models/none", String::new(), 404, "no-model"),
        ("POST", "/v1/functions", "{".to_owned(), 400, "bad-request"),
        ("POST", "/v1/functions", deploy(r#"{"name":"f","banana":1}"#), 400, "bad-request"),
        ("POST", "/v1/functions", deploy(r#"{"name":"f"}"#), 422, "no-blob"),
        ("PUT", "/v1/models/m", "not a model".to_owned(), 503, "unavailable"),
    ] {
        let (found, found_code, detail) = host.refused(method, path, body).await;
        assert_eq!((found, found_code.as_str()), (status, code), "{method} {path}: {detail}");
        assert!(!detail.is_empty());
    }
}

#[tokio::test]
async fn a_blob_is_stored_by_its_digest_and_held_to_its_limit() {
    let host = Host::start();
    let (status, text) = host.ask("POST", "/v1/blobs", "hello").await;
    let blob: Blob = serde_json::from_str(&text).unwrap();
    assert_eq!((status, blob.digest, blob.bytes), (StatusCode::CREATED, Digest::of(b"hello"), 5));
    let (_, code, _) = host.refused("POST", "/v1/blobs", vec![0; 1001]).await;
    assert_eq!(code, "too-large");
    // A body without a length is counted as it comes.
    let pieces = ["a".repeat(600), "b".repeat(600)].map(Ok::<_, std::io::Error>);
    let pieces = Body::from_stream(futures_util::stream::iter(pieces));
    let (_, code, _) = host.refused("POST", "/v1/blobs", pieces).await;
    assert_eq!(code, "too-large");
}

#[tokio::test]
async fn a_component_that_is_none_is_refused_and_leaves_no_function() {
    let host = Host::start();
    host.control.load().await.unwrap();
    for (bytes, code) in
        [(&b"hello"[..], "bad-component"), (b"\0asm\x01\0\0\0", "bad-component"), (&[0; 501], "too-large")]
    {
        let (_, text) = host.ask("POST", "/v1/blobs", bytes.to_vec()).await;
        let blob: Blob = serde_json::from_str(&text).unwrap();
        let deploy = format!(r#"{{"manifest":{{"name":"f"}},"component":"{}"}}"#, blob.digest);
        let (_, found, detail) = host.refused("POST", "/v1/functions", deploy).await;
        assert_eq!(found, code, "{detail}");
        assert!(!detail.contains('\n'), "{detail}");
    }
    let (_, text) = host.ask("GET", "/v1/functions", "").await;
    assert_eq!(text, r#"{"functions":[]}"#);
}

#[tokio::test]
async fn the_versions_of_a_model_come_in_pages_the_newest_first() {
    let host = Host::start();
    let owner = "default".parse().unwrap();
    for content in [b"1", b"2", b"3", b"4", b"5"] {
        host.stores_model(&owner, "m", content);
    }
    let (mut pages, mut after) = (Vec::new(), String::new());
    loop {
        let (_, text) = host.ask("GET", &format!("/v1/models/m?limit=2{after}"), "").await;
        let page: ModelVersions = serde_json::from_str(&text).unwrap();
        pages.push(page.versions.iter().map(|version| version.version.get()).collect::<Vec<_>>());
        let Some(next) = page.next else { break };
        after = format!("&after={next}");
    }
    assert_eq!(pages, [vec![5, 4], vec![3, 2], vec![1]]);
    let (_, whole) = host.ask("GET", "/v1/models/m?limit=5", "").await;
    assert_eq!(serde_json::from_str::<ModelVersions>(&whole).unwrap().next, None, "a page that is just full");
    for wrong in ["limit=0", "limit=1001", "after=zz"] {
        assert_eq!(host.refused("GET", &format!("/v1/models/m?{wrong}"), "").await.1, "bad-request");
    }
}
