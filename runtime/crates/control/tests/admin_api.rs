//! The admin API through its router: who may ask, and what wrong requests get. Deploys and models that work are tested
//! through the whole server, where there are real components.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on says so by a panic")]

use std::sync::Arc;

use arc_swap::ArcSwap;
use axum::Router;
use axum::body::Body;
use http::{Request, StatusCode, header};
use http_body_util::BodyExt;
use modelet_catalog::Catalog;
use modelet_control::wire::{Blob, Problem, Readiness};
use modelet_control::{
    ADMIN_KEY_FILE, ChildConfig, ChildLimits, CompileConfig, Control, ControlConfig, Inference, Parts, TrialConfig,
};
use modelet_engine::{Engine, EngineConfig};
use modelet_spec::{ByteSize, Digest, ServerLimits};
use modelet_store::Store;
use prometheus_client::registry::Registry;
use tower::ServiceExt;

/// A control plane without ONNX Runtime, on a data directory of its own.
struct Host {
    control: Arc<Control>,
    router: Router,
    key: String,
    _dir: tempfile::TempDir,
}

impl Host {
    fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let data_dir = dir.path().join("data");
        // Little address space: tests run side by side.
        let limits = ServerLimits {
            instances_total: 2,
            model_bytes: ByteSize(1000),
            component_bytes: ByteSize(500),
            ..ServerLimits::default()
        };
        let config = ControlConfig {
            data_dir: data_dir.clone(),
            data_url: "http://127.0.0.1:1".to_owned(),
            data_is_loopback: true,
            limits: limits.clone(),
            model_idle: std::time::Duration::from_secs(300),
            drain: std::time::Duration::from_secs(30),
            version: "0.0.0",
        };
        let none = ChildLimits { memory_bytes: 0, cpu_s: 0, file_bytes: 0 };
        let child = ChildConfig { exe: "/nonexistent".into(), limits: none, time: std::time::Duration::ZERO };
        let parts = Parts {
            trial: TrialConfig { child: child.clone(), arena_max_bytes: 0 },
            compile: CompileConfig { child, init_memory_bytes: 0, init_table_elements: 0, component_bytes: 0 },
            store: Arc::new(Store::open(&data_dir).unwrap()),
            engine: Engine::new(EngineConfig { limits, ..EngineConfig::default() }).unwrap(),
            inference: Inference::Missing("no ONNX Runtime in this test".to_owned()),
            catalog: Arc::new(ArcSwap::from_pointee(Catalog::empty())),
        };
        let mut registry = Registry::default();
        let control = Control::open(config, parts, &mut registry).unwrap();
        let router = Arc::clone(&control).router(Arc::new(registry));
        let key = std::fs::read_to_string(data_dir.join(ADMIN_KEY_FILE)).unwrap();
        Self { control, router, key: key.trim().to_owned(), _dir: dir }
    }

    async fn send(&self, request: Request<Body>) -> (StatusCode, String) {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let status = response.status();
        let is_problem = response.headers().get(header::CONTENT_TYPE).is_some_and(|v| v == "application/problem+json");
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        assert_eq!(is_problem, text.starts_with(r#"{"type":"#), "{status} {text}");
        (status, text)
    }

    async fn ask(&self, method: &str, path: &str, body: impl Into<Body>) -> (StatusCode, String) {
        let request = Request::builder().method(method).uri(path);
        let request = request.header(header::AUTHORIZATION, format!("Bearer {}", self.key));
        self.send(request.header(header::CONTENT_TYPE, "application/json").body(body.into()).unwrap()).await
    }

    async fn refused(&self, method: &str, path: &str, body: impl Into<Body>) -> (u16, String, String) {
        let (status, text) = self.ask(method, path, body).await;
        let problem: Problem = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{status} {text}: {e}"));
        assert_eq!(problem.status, status.as_u16());
        (problem.status, problem.code, problem.detail)
    }
}

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
