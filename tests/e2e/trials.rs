//! Models that end the process which tries them, or that load for too long: each end has its name, and nobody else notices.

use crate::build::Message;
use crate::made::{crashes, endless, large, slow_to_load};
use modelet_tests::frame::{Kind, Part};
use modelet_tests::nn::{Refusal, compute, f32s, part};
use modelet_tests::{Function, TestHost, process, until};
use std::fs;
use std::path::PathBuf;

/// What a push may take of the server's own memory.
const GROWTH_MAX: u64 = 256 << 20;

fn lay(host: &TestHost, model: &Message) -> PathBuf {
    let file = host.scratch().join("model.onnx");
    fs::write(&file, model).unwrap();
    file
}

fn push(host: &TestHost, model: &Message) -> modelet_tests::Ran {
    host.modelet(["model", "push", &lay(host, model).display().to_string(), "--name", "m"])
}

/// Pushes to a server with these limits a model that does not stand its trial; returns what is said of it. The
/// server goes on, and nothing of the trial stays.
fn refused(limits: &str, model: &Message) -> String {
    let host = TestHost::configured(&format!("[limits]\n{limits}\n"));
    let hello = host.guest("hello");
    let before = process::resident_bytes(host.pid);
    let line = push(&host, model).refused();
    assert!(line.contains("the model was refused"), "{line}");
    assert_eq!(host.get(&hello).ok().text(), "hello\n");
    let grown = process::resident_bytes_peak(host.pid).saturating_sub(before);
    assert!(grown < GROWTH_MAX, "the server itself grew by {} MiB", grown >> 20);
    let left = |folder: &str| fs::read_dir(host.data_dir().join(folder)).unwrap().count();
    assert_eq!((left("optimised"), left("tmp")), (0, 0), "what a trial wrote goes with it");
    host.stop();
    line
}

#[test]
fn a_model_that_crashes_onnx_runtime_is_refused_with_the_signal() {
    let line = refused("", &crashes());
    let told = "loading it ended the process that tried it: an arithmetic fault (signal 8), within 8192 MiB of memory";
    assert!(line.contains(told), "{line}");
}

#[test]
fn a_trial_has_no_more_memory_than_it_may_have() {
    let model = large(96);
    // Enough for the binary, its threads and the file; not for ONNX Runtime's copies of the weights. Which allocation
    // fails first is chance: some are answered, some end the process.
    let line = refused("trial_memory = \"384MiB\"", &model);
    let told = ["(signal 6), within 384 MiB of memory", "model too large", "out of memory"];
    assert!(told.iter().any(|words| line.contains(words)), "{line}");
    // With more, the same model stands its trial.
    let host = TestHost::configured("[limits]\ntrial_memory = \"2GiB\"\n");
    push(&host, &model).done();
    host.stop();
}

#[test]
fn a_trial_has_no_more_processor_time_than_it_may_have() {
    let line = refused("trial_cpu = \"1s\"", &slow_to_load(512));
    assert!(line.contains("its trial took more than 1 s of processor time"), "{line}");
}

#[test]
fn a_loop_that_its_own_body_never_ends_is_ended_with_the_trial() {
    // Admission cannot see it: the body may end the loop at any turn.
    let line = refused("trial_cpu = \"1s\"", &endless());
    assert!(line.contains("its trial took more than 1 s of processor time"), "{line}");
}

#[test]
fn a_trial_has_no_more_time_than_it_may_have() {
    let line = refused("trial_time = \"1s\"", &slow_to_load(512));
    assert!(line.contains("its trial took longer than 1 s"), "{line}");
}

fn x() -> Vec<Part<'static>> {
    vec![part("x", Kind::Fp32, &[1], f32s(&[1.0]))]
}

#[test]
fn a_load_that_takes_too_long_is_refused_and_its_thread_loads_others() {
    let host = TestHost::configured("[limits]\nload_time = \"250ms\"\n");
    let slow = lay(&host, &slow_to_load(96));
    let function = Function::guest("nn").model_file("slow", &slow).model("identity_f32").model("identity_f64");
    let route = host.once(&function.with("[limits]\ntime = \"60s\"\n"));
    let is_late = |refusal: &Refusal| {
        refusal.code == "runtime-error" && refusal.data.contains("loading took longer than the limit of 0.25 s")
    };
    // A neighbour's load goes on beside it.
    std::thread::scope(|scope| {
        let slow = scope.spawn(|| compute(&host, &route, "slow", x()).unwrap_err());
        assert_eq!(compute(&host, &route, "identity-f32", x()).unwrap()[0].data, x()[0].data);
        let refusal = slow.join().unwrap();
        assert!(is_late(&refusal), "{refusal:?}");
    });
    let loads = |outcome: &str| host.metrics().sum("modelet_model_loads_total", &[("outcome", outcome)]);
    // More loads end so than there are threads that load; a refusal is told again for a while, and then it is tried again.
    until("it has been tried three times", || {
        let refusal = compute(&host, &route, "slow", x()).unwrap_err();
        assert!(is_late(&refusal), "{refusal:?}");
        (loads("failed") >= 3.0).then_some(())
    });
    let double = vec![part("x", Kind::Fp64, &[1], 1.5_f64.to_le_bytes().to_vec())];
    assert_eq!(compute(&host, &route, "identity-f64", double.clone()).unwrap()[0].data, double[0].data);
    assert_eq!(loads("done"), 2.0);
    assert_eq!(host.metrics().sum("modelet_sessions", &[]), 2.0, "nothing of the slow one stays");
    host.stop();
}
