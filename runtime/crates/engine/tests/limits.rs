//! Processor time: what a guest computes is measured and has an end, and one that computes for long keeps nobody else waiting.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by these")]

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use http_body_util::BodyExt;
use modelet_engine::{
    Ended, Engine, EngineConfig, FaultKind, Function, FunctionSpec, Invocation, Outcome, ResponseBody, no_body,
};
use modelet_spec::{EffectiveLimits, FunctionLimits, InvocationId, ServerLimits, TenantLimits};

/// Long enough for a loaded machine.
const BOUND: Duration = Duration::from_secs(120);

fn engine() -> Engine {
    let limits = ServerLimits { instances_total: 16, ..ServerLimits::default() };
    Engine::new(EngineConfig { limits, ..EngineConfig::default() }).unwrap()
}

/// A guest of `tests/guests`, which `cargo xtask test` builds before any test runs.
fn guest(name: &str) -> Vec<u8> {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    let file = target.join(format!("wasm32-wasip2/guest/examples/{name}.wasm"));
    std::fs::read(&file).unwrap_or_else(|error| panic!("{}: {error}: run `cargo xtask test`", file.display()))
}

fn function(engine: &Engine, name: &str, time: Duration, cpu: Duration) -> Arc<Function> {
    let compiled = engine.compile(&guest(name)).unwrap();
    let servers = ServerLimits { time: BOUND, cpu: BOUND, ..ServerLimits::default() };
    let wish = FunctionLimits { time: Some(time), cpu: Some(cpu), ..FunctionLimits::default() };
    let spec = FunctionSpec::new(
        name.replace('_', "-").parse().unwrap(),
        EffectiveLimits::of(&servers, &TenantLimits::default(), &wish),
    );
    engine.load(&compiled.code, spec).unwrap()
}

/// How a guest ended, and what it has computed.
#[derive(Clone, Default)]
struct Heard(Arc<Mutex<Option<(Ended, Duration)>>>);

impl Heard {
    async fn wait(&self) -> (Ended, Duration) {
        let end = Instant::now() + BOUND;
        loop {
            if let Some(heard) = self.0.lock().unwrap().take() {
                return heard;
            }
            assert!(Instant::now() < end, "nobody told how the guest ended");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}

async fn invoke(function: &Arc<Function>, query: &str) -> (Outcome, Heard) {
    let heard = Heard::default();
    let told = heard.clone();
    let invocation = Invocation {
        id: InvocationId::new(7),
        deadline: Instant::now() + function.spec().limits.time,
        request: Box::new(http::Request::get(format!("http://modelet.test/{query}")).body(no_body()).unwrap()),
        https: false,
        ended: Some(Box::new(move |ended, cpu| *told.0.lock().unwrap() = Some((ended, cpu)))),
        spans: None,
    };
    (function.invoke(invocation).await, heard)
}

fn body(outcome: Outcome) -> Box<ResponseBody> {
    match outcome {
        Outcome::Answered(answer) => answer.into_body(),
        other => panic!("no answer: {other:?}"),
    }
}

async fn text(outcome: Outcome) -> String {
    String::from_utf8(body(outcome).collect().await.unwrap().to_bytes().to_vec()).unwrap()
}

async fn until(what: &str, mut look: impl FnMut() -> bool) {
    let end = Instant::now() + BOUND;
    while !look() {
        assert!(Instant::now() < end, "waited in vain until {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// Processor time of this process's threads that are called so, in clock ticks of the kernel.
#[cfg(target_os = "linux")]
fn ticks_of(thread: &str) -> u64 {
    let stat = |task: std::fs::DirEntry| std::fs::read_to_string(task.path().join("stat")).ok();
    let tasks = std::fs::read_dir("/proc/self/task").unwrap().filter_map(Result::ok).filter_map(stat);
    let of = |stat: String| {
        let (head, rest) = stat.rsplit_once(')')?;
        let fields: Vec<&str> = rest.split_whitespace().collect();
        let is_meant = head.ends_with(&format!("({thread}"));
        is_meant
            .then(|| fields.get(11).unwrap().parse::<u64>().unwrap() + fields.get(12).unwrap().parse::<u64>().unwrap())
    };
    tasks.filter_map(of).sum()
}

#[tokio::test]
async fn a_guest_that_computes_for_as_long_as_it_may_is_over_its_limit_and_leaves_a_backtrace() {
    let engine = engine();
    let (own, cpu) = (Duration::from_millis(60), "60ms");
    let function = function(&engine, "infinite_loop", BOUND, own);
    let (outcome, heard) = invoke(&function, "").await;
    let Outcome::OverLimit(fault) = outcome else { panic!("{outcome:?}") };
    assert_eq!(fault.kind, FaultKind::Cpu);
    assert!(fault.public.contains("processor time") && fault.public.contains(cpu), "{}", fault.public);
    assert!(fault.detail.contains("wasm backtrace"), "{}", fault.detail);
    let (ended, used) = heard.wait().await;
    assert!(matches!(ended, Ended::OverLimit(_)), "{ended:?}");
    assert!(used >= own, "{used:?}");
    assert_eq!(function.instances(), (0, 0), "it is not used again");
}

#[tokio::test]
async fn a_guest_that_computes_in_many_host_calls_is_over_its_limit_too() {
    let engine = engine();
    let function = function(&engine, "storm", BOUND, Duration::from_millis(60));
    for of in ["clock", "yield", "fields"] {
        let (outcome, _) = invoke(&function, &format!("?of={of}")).await;
        assert!(matches!(&outcome, Outcome::OverLimit(fault) if fault.kind == FaultKind::Cpu), "{of}: {outcome:?}");
    }
}

#[tokio::test]
async fn a_guest_that_waits_computes_nothing() {
    let engine = engine();
    let function = function(&engine, "early_answer", BOUND, BOUND);
    let (outcome, heard) = invoke(&function, "?pause_ms=300").await;
    assert_eq!(text(outcome).await, "answered\n");
    let (ended, used) = heard.wait().await;
    assert!(matches!(ended, Ended::Finished), "{ended:?}");
    assert!(used > Duration::ZERO && used < Duration::from_millis(250), "{used:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn as_many_guests_that_loop_as_there_are_workers_keep_nobody_waiting() {
    let engine = engine();
    let (looping, hello) = (function(&engine, "infinite_loop", BOUND, BOUND), function(&engine, "hello", BOUND, BOUND));
    let loops: Vec<_> = (0..4)
        .map(|_| {
            let looping = looping.clone();
            tokio::spawn(async move { invoke(&looping, "").await })
        })
        .collect();
    #[cfg(target_os = "linux")]
    {
        // Half a second of the lane's threads: by then all four have left the workers.
        until("they compute on threads of their own", || ticks_of("modelet-long") >= 50).await;
        let (workers, lane) = (ticks_of("tokio-rt-worker"), ticks_of("modelet-long"));
        for _ in 0..50 {
            assert_eq!(text(invoke(&hello, "").await.0).await, "hello\n");
        }
        until("they have computed for another second", || ticks_of("modelet-long") >= lane + 100).await;
        let workers = ticks_of("tokio-rt-worker") - workers;
        assert!(workers < 50, "the workers computed, too: {workers} ticks of 10 ms");
    }
    assert_eq!(text(invoke(&hello, "").await.0).await, "hello\n");
    assert_eq!(looping.instances().0, 4, "they still loop");
    loops.iter().for_each(tokio::task::JoinHandle::abort);
    until("all are gone", || looping.instances() == (0, 0)).await;
}

#[tokio::test]
async fn a_guest_that_has_computed_for_long_waits_answers_and_is_used_again_as_ever() {
    let engine = engine();
    let function = function(&engine, "heavy", BOUND, BOUND);
    for pieces in [1, 3] {
        let (outcome, heard) = invoke(&function, &format!("?ms=80&pause_ms=20&pieces={pieces}")).await;
        assert_eq!(text(outcome).await, "computed\n".repeat(pieces));
        let (ended, used) = heard.wait().await;
        assert!(matches!(ended, Ended::Finished), "{ended:?}");
        assert!(used > Duration::from_millis(5), "{used:?}");
        until("it is kept", || function.instances() == (0, 1)).await;
    }
    assert_eq!(engine.stats().instances_made, 1);
}

#[tokio::test]
async fn at_its_deadline_a_guest_is_stopped_wherever_it_computes_or_waits() {
    let engine = engine();
    let time = Duration::from_millis(400);
    for (name, query) in [("infinite_loop", ""), ("heavy", "?ms=50&then=sleep"), ("sleep", "")] {
        let function = function(&engine, name, time, time);
        // Its processor time is its time, so which comes first is open for one that computes.
        let (outcome, heard) = invoke(&function, query).await;
        let in_time = matches!(&outcome, Outcome::TimedOut);
        let over = matches!(&outcome, Outcome::OverLimit(fault) if fault.kind == FaultKind::Cpu);
        assert!(in_time || (over && name == "infinite_loop"), "{name}: {outcome:?}");
        drop(heard.wait().await);
        until("it is gone", || function.instances() == (0, 0)).await;
    }
}

#[tokio::test]
async fn whoever_leaves_takes_a_guest_along_that_computes_and_its_time_is_told() {
    let engine = engine();
    let function = function(&engine, "infinite_loop", BOUND, BOUND);
    let heard = Heard::default();
    let told = heard.clone();
    let invocation = Invocation {
        id: InvocationId::new(7),
        deadline: Instant::now() + BOUND,
        request: Box::new(http::Request::get("http://modelet.test/").body(no_body()).unwrap()),
        https: false,
        ended: Some(Box::new(move |ended, cpu| *told.0.lock().unwrap() = Some((ended, cpu)))),
        spans: None,
    };
    let left = tokio::time::timeout(Duration::from_millis(300), function.invoke(invocation)).await;
    assert!(left.is_err(), "it answered: {left:?}");
    let (ended, used) = heard.wait().await;
    assert!(matches!(ended, Ended::Cancelled), "{ended:?}");
    assert!(used > Duration::ZERO, "{used:?}");
    assert_eq!(function.instances(), (0, 0), "it was told when it was gone");
}
