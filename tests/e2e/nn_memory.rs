//! Memory of models: no 131 bytes of a model and no tensor of a guest make the server swell.

use modelet_tests::frame::Kind;
use modelet_tests::nn::{compute, f32s, i64s, part, to_f32s};
use modelet_tests::{Function, TestHost, process, shared};

const MIB: u64 = 1 << 20;
/// What all models together may take on the servers of this file.
const CAP: u64 = 256 * MIB;
/// Instances, code and threads of a server that loads models, beside their memory.
const SLACK: u64 = 64 * MIB;

fn capped() -> TestHost {
    TestHost::configured("[limits]\ninference_memory = \"256MiB\"\n")
}

#[test]
fn two_bombs_cannot_raise_the_memory_over_the_cap() {
    let host = capped();
    let bombs = Function::guest("nn").model("shape_bomb").model("identity_f32").with("[limits]\ntime = \"30s\"\n");
    let nn = host.once(&bombs);
    let one = || vec![part("x", Kind::Fp32, &[1], f32s(&[1.0]))];
    assert_eq!(to_f32s(&compute(&host, &nn, "identity-f32", one()).unwrap()[0].data), [1.0]);
    let before = process::resident_bytes(host.pid);

    // The first is a constant of 2 GiB that folding at load would make; where it loads, its run wants as much.
    let folding =
        Function::guest("nn").named("folding").model("constant_folding_bomb").with("[limits]\ntime = \"30s\"\n");
    let deployed = host.try_deploy(&folding);
    if deployed.status == Some(0) {
        for _ in 0..3 {
            let refusal =
                compute(&host, "/folding", "constant-folding-bomb", one()).expect_err("2 GiB are over the cap");
            assert_eq!(refusal.code, "too-large", "{refusal:?}");
        }
    }
    // The second makes whatever its caller asks for.
    for elements in [300 * MIB, 1 << 31, 1 << 40, i64::MAX as u64] {
        let shape = vec![part("shape", Kind::I64, &[1], i64s(&[elements as i64]))];
        let refusal = compute(&host, &nn, "shape-bomb", shape).expect_err("more than the cap");
        assert!(matches!(refusal.code.as_str(), "too-large" | "invalid-argument"), "{elements}: {refusal:?}");
    }
    let negative = compute(&host, &nn, "shape-bomb", vec![part("shape", Kind::I64, &[1], i64s(&[-1]))]).unwrap_err();
    assert!(matches!(negative.code.as_str(), "invalid-argument" | "runtime-error"), "{negative:?}");

    let peak = process::resident_bytes_peak(host.pid);
    println!("cap {} MiB: before the bombs {} MiB, at most {} MiB", CAP / MIB, before / MIB, peak / MIB);
    assert!(peak < before + CAP + SLACK, "the memory went from {} to {} MiB", before / MIB, peak / MIB);
    let small = compute(&host, &nn, "shape-bomb", vec![part("shape", Kind::I64, &[1], i64s(&[1000]))]).unwrap();
    assert_eq!(small[0].data.len(), 4000, "a modest shape still runs");
    assert_eq!(
        to_f32s(&compute(&host, &nn, "identity-f32", one()).unwrap()[0].data),
        [1.0],
        "and so does everybody else"
    );
    host.stop();
}

#[test]
fn a_tensor_over_the_cap_ends_its_guest() {
    let host = shared();
    let function = Function::guest("nn_huge_tensor").with("[limits]\ntensors = \"16MiB\"\nmemory = \"128MiB\"\n");
    let route = host.once(&function);
    assert_eq!(host.get(&format!("{route}?mib=8")).ok().json(), serde_json::json!([8 * MIB]));
    let answer = host.get(&format!("{route}?mib=32"));
    answer.problem(502, "function-over-limit");
    let _ = host.logged(&[answer.invocation(), "tensor"]);
    assert_eq!(host.get(&format!("{route}?mib=8")).status, 200);
}

#[test]
fn tensors_that_a_guest_keeps_count_together() {
    let host = shared();
    let function = Function::guest("nn_hold").model("identity_f32").with("[limits]\ntensors = \"8MiB\"\n");
    let route = host.once(&function);
    let call = "model=identity-f32&input=x&dims=262144";
    assert_eq!(host.get(&format!("{route}?{call}&n=5")).ok().json()["held"], 5);
    // 1 MiB each: the ninth is over.
    host.get(&format!("{route}?{call}&n=20&inputs=1")).problem(502, "function-over-limit");
    let outputs = host.get(&format!("{route}?{call}&n=20"));
    let refused = outputs.status == 422 && outputs.json()["code"] == "too-large";
    assert!(refused || outputs.status == 502, "{}: {}", outputs.status, outputs.text());
    // What a request held is given back with it.
    for _ in 0..5 {
        assert_eq!(host.get(&format!("{route}?{call}&n=5")).ok().json()["held"], 5);
    }
}

#[test]
fn a_thousand_computes_leave_no_memory_behind() {
    let host = TestHost::start();
    let route = host.once(&Function::guest("nn_loop").model("digits").with("[limits]\ntime = \"60s\"\n"));
    assert_eq!(host.get(&format!("{route}?n=500")).status, 200);
    let before = process::resident_bytes(host.pid);
    for _ in 0..4 {
        assert_eq!(host.get(&format!("{route}?n=2000")).status, 200);
    }
    let after = process::resident_bytes(host.pid);
    assert!(after < before + 32 * MIB, "16,000 runs took the memory from {} to {} MiB", before / MIB, after / MIB);
    host.stop();
}
