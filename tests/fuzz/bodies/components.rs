//! Any code, as the module of a component that answers HTTP: it is refused, or it runs and is contained: its end has a name, it is none
//! of the host's faults, and nothing of it stays.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use modelet_engine::{Engine, EngineConfig, Function, FunctionSpec, Invocation, Outcome, no_body};
use modelet_spec::{ByteSize, EffectiveLimits, FunctionLimits, InvocationId, ServerLimits, TenantLimits};

/// What stands where the module goes. It has no name, so that its bytes are in the component as they are here.
const PLACE: &str = r#"(func (export "handle") (param i32 i32))"#;

/// Runs a core module that exports `handle`, of two `i32`, and imports nothing.
pub(crate) fn check(module: &[u8]) {
    let Ok(compiled) = engine().compile(&component(module)) else { return };
    let Ok(function) = engine().load(&compiled.code, spec()) else { return };
    for _ in 0..2 {
        let outcome = runtime().block_on(invoke(&function));
        assert!(!matches!(outcome, Outcome::HostFault(_)), "{outcome:?}");
        assert!(!matches!(outcome, Outcome::Exhausted), "what ran before is still there");
    }
    let end = Instant::now() + Duration::from_secs(60);
    while function.instances().0 > 0 {
        assert!(Instant::now() < end, "an instance is busy for ever");
        std::thread::sleep(Duration::from_millis(1));
    }
}

async fn invoke(function: &Arc<Function>) -> Outcome {
    let request = http::Request::get("http://modelet.test/").body(no_body()).expect("a request");
    let deadline = Instant::now() + function.spec().limits.time;
    let id = InvocationId::new(7);
    function
        .invoke(Invocation { id, deadline, request: Box::new(request), https: false, ended: None, spans: None })
        .await
}

fn spec() -> FunctionSpec {
    let wish = FunctionLimits {
        memory: Some(ByteSize::mib(4)),
        time: Some(Duration::from_secs(10)),
        cpu: Some(Duration::from_millis(30)),
        ..FunctionLimits::default()
    };
    FunctionSpec::new(
        "any".parse().expect("a name"),
        EffectiveLimits::of(&ServerLimits::default(), &TenantLimits::default(), &wish),
    )
}

fn engine() -> &'static Engine {
    static ENGINE: OnceLock<Engine> = OnceLock::new();
    ENGINE.get_or_init(|| {
        let limits = ServerLimits { memory: ByteSize::mib(4), instances_total: 4, ..ServerLimits::default() };
        Engine::new(EngineConfig { limits, ..EngineConfig::default() }).expect("an engine")
    })
}

fn runtime() -> &'static tokio::runtime::Runtime {
    static RUNTIME: OnceLock<tokio::runtime::Runtime> = OnceLock::new();
    let make = || tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_time().build();
    RUNTIME.get_or_init(|| make().expect("a runtime"))
}

/// The module as a component.
fn component(module: &[u8]) -> Vec<u8> {
    static FRAME: OnceLock<(Vec<u8>, Vec<u8>)> = OnceLock::new();
    let (head, tail) = FRAME.get_or_init(frame);
    let mut bytes = head.clone();
    // The section of a core module, with its length.
    bytes.push(1);
    let mut length = module.len();
    while length >= 0x80 {
        bytes.push(0x80 | (length & 0x7f) as u8);
        length >>= 7;
    }
    bytes.push(length as u8);
    bytes.extend_from_slice(module);
    bytes.extend_from_slice(tail);
    bytes
}

/// What is before the module's section, and what is behind it.
fn frame() -> (Vec<u8>, Vec<u8>) {
    let whole = wat::parse_str(format!(
        r#"(component
            (import "wasi:http/types@0.2.0" (instance
                (export "incoming-request" (type (sub resource)))
                (export "response-outparam" (type (sub resource)))))
            (alias export 0 "incoming-request" (type))
            (alias export 0 "response-outparam" (type))
            (core module {PLACE})
            (core instance (instantiate 0))
            (alias core export 0 "handle" (core func))
            (type (func (param "request" (own 0)) (param "response-out" (own 1))))
            (func (type 2) (canon lift (core func 0)))
            (instance (export "handle" (func 0)))
            (export "wasi:http/incoming-handler@0.2.0" (instance 1)))"#
    ));
    let (whole, place) = (whole.expect("the frame"), wat::parse_str(format!("(module {PLACE})")).expect("the place"));
    let at = whole.windows(place.len()).position(|window| window == place).expect("the place is in the frame");
    // Its length is one byte.
    (whole[..at - 2].to_vec(), whole[at + place.len()..].to_vec())
}
