//! A panic inside a host call is ours, not the guest's: it ends that invocation alone, and is named as what it is.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by these")]

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use modelet_engine::ports::{Models, ModelsError};
use modelet_engine::{
    Engine, EngineConfig, FaultKind, Function, FunctionSpec, Invocation, Outcome, RequestBodyError, request_body,
};
use modelet_inference::ModelHandle;
use modelet_spec::{EffectiveLimits, FunctionLimits, InvocationId, TenantLimits};

/// A port that fails as badly as Rust code can.
struct Panicking;

impl Models for Panicking {
    fn load(&self, name: &str) -> Result<ModelHandle, ModelsError> {
        panic!("a bug of the host, met when asked for `{name}`")
    }
}

/// A guest of `tests/guests`, which `cargo xtask test` builds before any test runs.
fn guest(name: &str) -> Vec<u8> {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    let file = target.join(format!("wasm32-wasip2/guest/examples/{name}.wasm"));
    std::fs::read(&file).unwrap_or_else(|error| panic!("{}: {error}: run `cargo xtask test`", file.display()))
}

fn function(engine: &Engine, name: &str) -> Arc<Function> {
    let compiled = engine.compile(&guest(name)).unwrap();
    let limits = EffectiveLimits::of(
        &EngineConfig::default().limits,
        &TenantLimits::default(),
        &FunctionLimits { time: Some(Duration::from_secs(20)), ..FunctionLimits::default() },
    );
    let spec = FunctionSpec {
        models: Arc::new(Panicking),
        ..FunctionSpec::new(name.replace('_', "-").parse().unwrap(), limits)
    };
    engine.load(&compiled.code, spec).unwrap()
}

async fn invoke(function: &Arc<Function>) -> Outcome {
    let body = Empty::<Bytes>::new().map_err(|never| -> RequestBodyError { match never {} });
    let request = http::Request::get("http://modelet.test/").body(request_body(body)).unwrap();
    let deadline = Instant::now() + Duration::from_secs(20);
    let id = InvocationId::new(7);
    function
        .invoke(Invocation { id, deadline, request: Box::new(request), https: false, ended: None, spans: None })
        .await
}

#[tokio::test]
async fn a_panic_in_a_host_call_ends_its_invocation_alone() {
    let engine = Engine::new(EngineConfig { wasi_http_03: true, ..EngineConfig::default() }).unwrap();
    // Of both worlds.
    for (asks, neighbour, text) in
        [("nn_unknown_model", "hello", "hello\n"), ("async_host", "async_hello", "hello 1\nhello 2\n")]
    {
        let (asks, neighbour) = (function(&engine, asks), function(&engine, neighbour));
        let mut texts = String::new();
        for _ in 0..2 {
            let Outcome::HostFault(fault) = invoke(&asks).await else { panic!("no host fault") };
            assert_eq!(fault.kind, FaultKind::Host);
            assert!(fault.detail.contains("a bug of the host"), "the operator reads what it was: {}", fault.detail);
            assert!(!fault.public.contains("bug"), "the client does not: {}", fault.public);
            assert_eq!(asks.instances(), (0, 0), "its instance is not used again");
            let Outcome::Answered(answer) = invoke(&neighbour).await else { panic!("the neighbour does not answer") };
            texts.push_str(&String::from_utf8_lossy(&answer.into_body().collect().await.unwrap().to_bytes()));
        }
        assert!(texts.starts_with(text), "{texts}");
    }
}
