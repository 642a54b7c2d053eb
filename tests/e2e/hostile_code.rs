//! Code that no compiler writes: what a component does before it is called, growth of tables, operations that no interruption stops,
//! traps by the book. Each program is WebAssembly text, and contained like those of `contained.rs`.

use modelet_tests::{Function, TestHost, until};
use std::fs;

/// A core module as the whole of a component that answers HTTP: `handle` gets the handles of a request and of an answer.
fn component(module: &str) -> Vec<u8> {
    let text = format!(
        r#"(component
            (import "wasi:http/types@0.2.0" (instance $types
                (export "incoming-request" (type (sub resource)))
                (export "response-outparam" (type (sub resource)))))
            (alias export $types "incoming-request" (type $request))
            (alias export $types "response-outparam" (type $outparam))
            (core module $module {module})
            (core instance $inside (instantiate $module))
            (type $handle (func (param "request" (own $request)) (param "response-out" (own $outparam))))
            (func $handle (type $handle) (canon lift (core func $inside "handle")))
            (instance $handler (export "handle" (func $handle)))
            (export "wasi:http/incoming-handler@0.2.0" (instance $handler)))"#
    );
    wat::parse_str(text).unwrap()
}

fn handle(body: &str) -> String {
    format!(r#"(func (export "handle") (param i32 i32) {body})"#)
}

fn function(host: &TestHost, name: &str, module: &str) -> Function {
    let file = host.scratch().join(format!("{name}.wasm"));
    fs::write(&file, component(module)).unwrap();
    let limits = "[limits]\nmemory = \"16MiB\"\ntime = \"2s\"\ncpu = \"200ms\"\n";
    Function::component(name, file).with(limits)
}

/// Name, module, code of the problem, kind in the metrics.
fn programs() -> Vec<(&'static str, String, &'static str, &'static str)> {
    const OVER: &str = "function-over-limit";
    const TRAPPED: &str = "function-trapped";
    let nothing = handle("");
    vec![
        ("returns-at-once", nothing.clone(), "function-no-answer", "no-answer"),
        ("loops", handle("(loop (br 0))"), OVER, "cpu"),
        (
            "grows-its-table",
            format!(
                "(table $t 1 funcref) {}",
                handle(
                    "(loop (br_if 0 (i32.ne (table.grow $t (ref.null func) (i32.const 100)) (i32.const -1)))) unreachable"
                )
            ),
            OVER,
            "table",
        ),
        (
            "grows-its-table-for-ever",
            format!(
                "(table $t 1 funcref) {}",
                handle("(loop (drop (table.grow $t (ref.null func) (i32.const 9999))) (br 0))")
            ),
            OVER,
            "cpu",
        ),
        (
            "grows-its-memory",
            format!(
                "(memory 1) {}",
                handle("(loop (br_if 0 (i32.ne (memory.grow (i32.const 1)) (i32.const -1)))) unreachable")
            ),
            OVER,
            "memory",
        ),
        (
            "fills-its-memory-again-and-again",
            format!(
                "(memory 128) {}",
                handle("(loop (memory.fill (i32.const 0) (i32.const 165) (i32.const 8388608)) (br 0))")
            ),
            OVER,
            "cpu",
        ),
        (
            "copies-its-memory-again-and-again",
            format!(
                "(memory 128) {}",
                handle("(loop (memory.copy (i32.const 1) (i32.const 0) (i32.const 8388607)) (br 0))")
            ),
            OVER,
            "cpu",
        ),
        ("calls-itself", format!("(func $f (call $f)) {}", handle("(call $f)")), TRAPPED, "stack-overflow"),
        (
            "calls-itself-with-much-to-remember",
            format!(
                "(func $f (param i64) (result i64) (local {}) (i64.add (call $f (i64.add (local.get 0) (i64.const 1))) (local.get 0))) {}",
                "i64 ".repeat(4000),
                handle("(drop (call $f (i64.const 0)))")
            ),
            TRAPPED,
            "stack-overflow",
        ),
        (
            "reads-beyond-its-memory",
            format!("(memory 1) {}", handle("(drop (i32.load (i32.const -4)))")),
            TRAPPED,
            "out-of-bounds",
        ),
        ("divides-by-nothing", handle("(drop (i32.div_s (local.get 0) (i32.const 0)))"), TRAPPED, "trap"),
        (
            "calls-nobody",
            format!("(type $none (func)) (table 1 funcref) {}", handle("(call_indirect (type $none) (i32.const 0))")),
            TRAPPED,
            "trap",
        ),
        ("loops-before-it-is-called", format!("(func $f (loop (br 0))) (start $f) {nothing}"), OVER, "cpu"),
        ("traps-before-it-is-called", format!("(func $f unreachable) (start $f) {nothing}"), TRAPPED, "unreachable"),
    ]
}

#[test]
fn code_that_no_compiler_writes_is_contained_like_any() {
    let host = TestHost::start();
    let hello = host.guest("hello");
    for (name, module, code, kind) in programs() {
        let route = host.once(&function(&host, name, &module));
        for n in 1..=2 {
            let answer = host.get(&route);
            answer.problem(502, code);
            assert_eq!(host.get(&hello).ok().text(), "hello\n");
            until(&format!("{name} is counted as {kind}"), || {
                let labels = [("function", name), ("kind", kind)];
                (host.metrics().sum("modelet_guest_traps_total", &labels) >= f64::from(n)).then_some(())
            });
        }
    }
    until("no instance is busy", || {
        (host.metrics().sum("modelet_instances", &[("state", "busy")]) == 0.0).then_some(())
    });
    host.stop();
}

#[test]
fn what_wants_more_than_its_limits_before_it_runs_is_refused_at_deploy() {
    let host = TestHost::start();
    for (name, module) in [
        ("a-memory-of-4-gib", format!("(memory 65536) {}", handle(""))),
        ("a-memory-of-32-mib", format!("(memory 512) {}", handle(""))),
        ("a-table-of-a-million", format!("(table 1000000 funcref) {}", handle(""))),
    ] {
        let refused = host.try_deploy(&function(&host, name, &module)).refused();
        assert!(refused.contains("limit"), "{name}: {refused}");
    }
    host.stop();
}
