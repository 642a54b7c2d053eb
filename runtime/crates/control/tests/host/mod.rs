//! A control plane without ONNX Runtime, on a data directory of its own, and its admin API without a socket.

#![allow(
    dead_code,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::panic,
    reason = "each test file uses a part of it; a panic is how a test fails"
)]

pub(crate) mod tokens;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use axum::Router;
use axum::body::Body;
use http::{Request, StatusCode, header};
use http_body_util::BodyExt;
use modelet_catalog::Catalog;
use modelet_control::wire::Problem;
use modelet_control::{
    ADMIN_KEY_FILE, ChildConfig, ChildLimits, CompileConfig, Control, ControlConfig, Inference, NoJwks, Parts,
    TrialConfig,
};
use modelet_engine::{Engine, EngineConfig};
use modelet_spec::{ByteSize, ServerLimits, TenantName};
use modelet_store::{Actor, FileEntry, FileRole, LostKey, NewFunctionVersion, NewModelVersion, Store};
use prometheus_client::registry::Registry;
use tower::ServiceExt;

pub(crate) struct Host {
    pub(crate) control: Arc<Control>,
    pub(crate) store: Arc<Store>,
    pub(crate) router: Router,
    /// The operator's.
    pub(crate) key: String,
    data_dir: PathBuf,
    /// Goes with the host, unless another begins there.
    dir: Option<tempfile::TempDir>,
}

/// A data directory that nobody works in.
pub(crate) struct Stopped {
    data_dir: PathBuf,
    dir: Option<tempfile::TempDir>,
}

impl Stopped {
    /// Where it lies.
    pub(crate) fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    /// Starts a server in it.
    pub(crate) fn start(self) -> Host {
        Host { dir: self.dir, ..Host::at(&self.data_dir, true) }
    }
}

/// What a tenant was given by [`Host::things_of`].
pub(crate) struct Things {
    pub(crate) function: String,
    pub(crate) model: String,
    pub(crate) key: String,
}

impl Host {
    pub(crate) fn start() -> Self {
        Self::reached_from(true)
    }

    /// One whose admin API is reached from this machine alone, or from others, too.
    pub(crate) fn reached_from(admin_is_loopback: bool) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let host = Self::at(&dir.path().join("data"), admin_is_loopback);
        Self { dir: Some(dir), ..host }
    }

    /// The same data directory, under a server that has just started.
    pub(crate) async fn restarted(self) -> Self {
        self.stopped().await.start()
    }

    /// The data directory of a server that is no more.
    pub(crate) async fn stopped(self) -> Stopped {
        let Self { control, store, router, dir, data_dir, .. } = self;
        let gone = Arc::downgrade(&store);
        drop((control, store, router));
        // What it does in the background lets go of it soon.
        for _ in 0..1000 {
            if gone.strong_count() == 0 {
                return Stopped { data_dir, dir };
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        panic!("somebody holds the store");
    }

    /// Where its store lies.
    pub(crate) fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    /// One with this data directory.
    pub(crate) fn at(data_dir: &Path, admin_is_loopback: bool) -> Self {
        let data_dir = data_dir.to_owned();
        // Little address space: tests run side by side.
        let limits = ServerLimits {
            instances_total: 2,
            model_bytes: ByteSize(1000),
            component_bytes: ByteSize(500),
            ..ServerLimits::default()
        };
        let config = ControlConfig {
            data_dir: data_dir.clone(),
            jwt: vec![tokens::issuer(data_dir.parent().unwrap())],
            secret_key_file: data_dir.join("secret.key"),
            data_url: "http://127.0.0.1:1".to_owned(),
            data_is_loopback: true,
            admin_is_loopback,
            limits: limits.clone(),
            model_idle: std::time::Duration::from_secs(300),
            history: std::time::Duration::ZERO,
            drain: std::time::Duration::from_secs(30),
            version: "0.0.0",
        };
        let none = ChildLimits { memory_bytes: 0, cpu_s: 0, file_bytes: 0 };
        let child = ChildConfig { exe: "/nonexistent".into(), limits: none, time: std::time::Duration::ZERO };
        let store = Arc::new(Store::open(&data_dir).unwrap());
        let parts = Parts {
            trial: TrialConfig { child: child.clone(), arena_max_bytes: 0 },
            compile: CompileConfig { child, init_memory_bytes: 0, init_table_elements: 0, component_bytes: 0 },
            store: Arc::clone(&store),
            engine: Engine::new(EngineConfig { limits, ..EngineConfig::default() }).unwrap(),
            inference: Inference::Missing("no ONNX Runtime in this test".to_owned()),
            jwks: Arc::new(NoJwks),
            catalog: Arc::new(ArcSwap::from_pointee(Catalog::empty())),
            usage: Arc::default(),
            hasher: modelet_control::open_hasher(&store, &data_dir, LostKey::Refuse).unwrap(),
        };
        let mut registry = Registry::default();
        let control = Control::open(config, parts, &mut registry).unwrap();
        let router = Arc::clone(&control).router(Arc::new(registry));
        let key = std::fs::read_to_string(data_dir.join(ADMIN_KEY_FILE)).unwrap();
        Self { control, store, router, key: key.trim().to_owned(), data_dir, dir: None }
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> (StatusCode, String) {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let status = response.status();
        let is_problem = response.headers().get(header::CONTENT_TYPE).is_some_and(|v| v == "application/problem+json");
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        assert_eq!(is_problem, text.starts_with(r#"{"type":"#), "{status} {text}");
        (status, text)
    }

    /// Asks with a key, or without.
    pub(crate) async fn send_with(
        &self,
        key: Option<&str>,
        method: &str,
        uri: &str,
        body: impl Into<Body>,
    ) -> (StatusCode, String) {
        let request = Request::builder().method(method).uri(uri).header(header::CONTENT_TYPE, "application/json");
        let request = key.iter().fold(request, |r, key| r.header(header::AUTHORIZATION, format!("Bearer {key}")));
        self.send(request.body(body.into()).unwrap()).await
    }

    /// Asks as the operator.
    pub(crate) async fn ask(&self, method: &str, path: &str, body: impl Into<Body>) -> (StatusCode, String) {
        self.send_with(Some(&self.key), method, path, body).await
    }

    pub(crate) async fn refused(&self, method: &str, path: &str, body: impl Into<Body>) -> (u16, String, String) {
        let (status, text) = self.ask(method, path, body).await;
        let problem: Problem = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{status} {text}: {e}"));
        assert_eq!(problem.status, status.as_u16());
        (problem.status, problem.code, problem.detail)
    }

    /// Waits until nothing in the background asks the store any more: accesses are counted after that.
    pub(crate) async fn settled(&self) {
        let mut quiet = 0;
        while quiet < 5 {
            let before = self.store.accesses();
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            quiet = if self.store.accesses() == before { quiet + 1 } else { 0 };
        }
    }

    /// Makes a key of a tenant; its secret.
    pub(crate) async fn make_key(&self, tenant: &str, scopes: &[&str]) -> String {
        self.make_bound_key(tenant, scopes, &[], &[]).await
    }

    /// The same of a key that is bound to functions and models, if any are named.
    pub(crate) async fn make_bound_key(
        &self,
        tenant: &str,
        scopes: &[&str],
        functions: &[&str],
        models: &[&str],
    ) -> String {
        let body = serde_json::json!({ "tenant": tenant, "scopes": scopes, "functions": functions, "models": models });
        let body = body.to_string();
        let (status, text) = self.ask("POST", "/v1/keys", body).await;
        assert_eq!(status, StatusCode::CREATED, "{text}");
        let made: serde_json::Value = serde_json::from_str(&text).unwrap();
        made["secret"].as_str().unwrap().to_owned()
    }

    /// Has the store keep a function whose code is none: it never serves.
    pub(crate) fn stores_function(&self, owner: &TenantName, name: &str, manifest: &str) {
        let component = self.store.put_blob(owner, b"component", u64::MAX).unwrap();
        let function = NewFunctionVersion {
            tenant: owner.clone(),
            name: name.parse().unwrap(),
            component,
            compiled: self.store.write_compiled(&component, "engine", b"code").unwrap(),
            manifest_json: manifest.to_owned(),
            models: Vec::new(),
            not_reused: None,
        };
        self.store.by(&Actor::Server).put_function(&function).unwrap();
    }

    /// Has the store keep a version of a model: it is in no memory.
    pub(crate) fn stores_model(&self, owner: &TenantName, name: &str, content: &[u8]) {
        let digest = self.store.put_blob(owner, content, u64::MAX).unwrap();
        let path = "model.onnx".parse().unwrap();
        let model = NewModelVersion {
            tenant: owner.clone(),
            name: name.parse().unwrap(),
            digest,
            files: vec![FileEntry { path, role: FileRole::Model, digest, bytes: content.len() as u64 }],
            card_json: "{}".to_owned(),
            description_json: r#"{"inputs":[],"outputs":[]}"#.to_owned(),
            label: None,
        };
        self.store.by(&Actor::Server).put_model(&model).unwrap();
    }

    /// Gives a tenant a function, a model and a key, past the API: here are neither a compiler nor ONNX Runtime.
    pub(crate) async fn things_of(&self, tenant: &str) -> Things {
        let owner: TenantName = tenant.parse().unwrap();
        self.stores_model(&owner, "their-model", b"bytes");
        self.stores_function(&owner, "their-function", r#"{"name":"their-function"}"#);
        self.make_key(tenant, &["read"]).await;
        let (_, keys) = self.ask("GET", &format!("/v1/keys?tenant={tenant}"), "").await;
        let keys: serde_json::Value = serde_json::from_str(&keys).unwrap();
        let key = keys["keys"][0]["id"].as_str().unwrap().to_owned();
        Things { function: "their-function".to_owned(), model: "their-model".to_owned(), key }
    }
}
