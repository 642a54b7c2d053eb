//! Code that nobody wrote: random, but valid, so that it runs. The fuzzer's target has more kinds of it: see `tests/fuzz/README.md`.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "what fails here is a failed test")]

#[path = "../../../../../tests/fuzz/bodies/components.rs"]
mod components;

use proptest::prelude::*;

const OPERATORS: [&str; 12] =
    ["add", "sub", "mul", "div_s", "div_u", "rem_s", "rem_u", "shl", "rotl", "lt_u", "eq", "xor"];

/// Text of something that gives an `i32`. Local 0 and 1 are parameters, 2 is free; function 0 is `handle`, 1 gives an `i32`.
fn expression() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        any::<i32>().prop_map(|n| format!("(i32.const {n})")),
        (0..3_u8).prop_map(|local| format!("(local.get {local})")),
        Just("(memory.size)".to_owned()),
        Just("(table.size)".to_owned()),
    ];
    leaf.prop_recursive(4, 24, 2, |inner| {
        let two = (inner.clone(), inner.clone());
        prop_oneof![
            4 => (proptest::sample::select(&OPERATORS[..]), two.clone()).prop_map(|(name, (a, b))| format!("(i32.{name} {a} {b})")),
            1 => inner.clone().prop_map(|at| format!("(i32.load {at})")),
            1 => inner.clone().prop_map(|pages| format!("(memory.grow {pages})")),
            1 => inner.clone().prop_map(|more| format!("(table.grow (ref.null func) {more})")),
            1 => inner.clone().prop_map(|which| format!("(call_indirect (result i32) {which})")),
            1 => Just("(call 1)".to_owned()),
            1 => inner.prop_map(|value| format!("(local.tee 2 {value})")),
        ]
    })
}

/// Text of something that gives nothing.
fn statement() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        expression().prop_map(|value| format!("(drop {value})")),
        (expression(), expression()).prop_map(|(at, value)| format!("(i32.store {at} {value})")),
        (expression(), expression(), expression())
            .prop_map(|(to, with, len)| format!("(memory.fill {to} {with} {len})")),
        Just("unreachable".to_owned()),
        Just("(call 0 (i32.const 1) (i32.const 2))".to_owned()),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        let several = proptest::collection::vec(inner.clone(), 0..4).prop_map(|all| all.join(" "));
        prop_oneof![
            (several.clone(), expression()).prop_map(|(all, again)| format!("(loop {all} (br_if 0 {again}))")),
            several.clone().prop_map(|all| format!("(loop {all} (br 0))")),
            (several.clone(), expression()).prop_map(|(all, leave)| format!("(block (br_if 0 {leave}) {all})")),
            (expression(), several.clone(), several)
                .prop_map(|(when, a, b)| format!("(if {when} (then {a}) (else {b}))")),
        ]
    })
}

fn module() -> impl Strategy<Value = String> {
    let several = || proptest::collection::vec(statement(), 0..6).prop_map(|all| all.join(" "));
    (several(), several(), expression(), any::<bool>()).prop_map(|(handle, other, result, starts)| {
        let start = if starts { "(func $start (drop (call 1))) (start $start)" } else { "" };
        format!(
            r#"(module (memory 1) (table 4 funcref) (elem (i32.const 0) func 1 0)
                (func (export "handle") (param i32 i32) (local i32) {handle})
                (func (result i32) (local i32 i32 i32) {other} {result})
                {start})"#
        )
    })
}

proptest! {
    // Each is compiled and may use all of its processor time, twice.
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_code_runs_and_is_contained(text in module()) {
        let module = wat::parse_str(&text).map_err(|error| TestCaseError::fail(format!("{error}")))?;
        components::check(&module);
    }
}

#[test]
fn a_module_that_does_nothing_becomes_a_component_that_runs() {
    let module = wat::parse_str(r#"(module (func (export "handle") (param i32 i32)))"#).expect("a module");
    components::check(&module);
    components::check(b"no module");
}
