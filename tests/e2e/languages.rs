//! Components that bring the interpreter of their language: many MiB, and many seconds of a compiler's time. `cargo xtask conformance
//! languages` makes them and runs this.

use modelet_tests::wait::SetAtEnd;
use modelet_tests::{Function, TestHost, until};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// The component of `tests/languages/python`.
fn python() -> PathBuf {
    let named = std::env::var_os("MODELET_PYTHON_COMPONENT");
    PathBuf::from(named.expect("run `cargo xtask conformance languages`, which makes the component"))
}

#[test]
#[ignore = "its component is made by `cargo xtask conformance languages`"]
fn a_function_in_python_is_compiled_within_the_default_limits_while_others_are_served() {
    let host = TestHost::start();
    let hello = host.guest("hello");
    let (deployed, served) = (AtomicBool::new(false), AtomicU64::new(0));
    let said = std::thread::scope(|scope| {
        let _deployed = SetAtEnd(&deployed);
        scope.spawn(|| {
            while !deployed.load(Ordering::Relaxed) {
                assert_eq!(host.get(&hello).ok().text(), "hello\n");
                served.fetch_add(1, Ordering::Relaxed);
            }
        });
        host.try_deploy(&Function::component("python", python())).done()
    });
    eprintln!("{said}\n{} answers of a neighbour meanwhile", served.load(Ordering::Relaxed));
    assert!(served.load(Ordering::Relaxed) > 100, "the neighbour was hardly served: {served:?}");
    let metrics = host.metrics();
    assert_eq!(metrics.sum("modelet_compiles_total", &[("outcome", "compiled")]), 2.0);
    eprintln!("{}", metrics.lines("modelet_compile_"));
    assert!(metrics.sum("modelet_compile_cpu_seconds_total", &[]) > 1.0);

    assert_eq!(host.get("/python").ok().text(), "hello from python\n");
    let numbers: Vec<u32> = (1..=20_000).collect();
    let answer = host.post("/python", serde_json::to_string(&numbers).unwrap().as_bytes()).ok();
    assert_eq!(answer.json(), serde_json::json!({"sum": 200_010_000, "count": 20_000}));
    // An exception that nobody catches ends the guest, and not the next request.
    let failed = host.post("/python", b"no json");
    assert_eq!(failed.status, 502, "{}", failed.text());
    let _ = host.logged(&[failed.invocation(), "JSONDecodeError"]);
    assert_eq!(host.get("/python").ok().text(), "hello from python\n");
    until("an instance waits for the next request", || {
        let shown = host.modelet(["function", "show", "python", "--json"]).json();
        (shown["instances"]["idle"].as_u64()? >= 1).then_some(())
    });
    host.stop();
}
