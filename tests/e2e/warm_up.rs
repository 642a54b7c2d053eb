//! Loads are warmed with what is remembered of a model's calls: their shapes, for the same tenant's same model alone.

use crate::build::{F32, Graph, value};
use modelet_tests::frame::Kind;
use modelet_tests::nn::{compute, f32s, part};
use modelet_tests::{Function, TestHost, tenants, until};
use serde_json::{Value, json};

/// `y = op(x)`, for as many numbers as there are.
fn model(op: &str) -> Vec<u8> {
    let graph = Graph::default().input("x", F32, &[-1]).node(op, &["x"], &["y"], vec![]);
    Graph(graph.0.bytes(12, value("y", F32, &[-1])).bytes(2, "warm")).model().0
}

fn push(host: &TestHost, tenant: &str, name: &str, op: &str) {
    let pushed = host.put_bytes(&format!("/v1/models/{name}?tenant={tenant}"), &model(op));
    assert_eq!(pushed.status, 201, "{}", pushed.text());
}

fn deploy(host: &TestHost, tenant: &str, function: &str, model: &str) {
    let folder = tempfile::tempdir_in(host.scratch()).unwrap();
    Function::guest("nn").named(function).model_ref("m", model).lay(folder.path());
    host.modelet(["deploy", &folder.path().display().to_string(), "--tenant", tenant]).done();
}

fn call(host: &TestHost, function: &str, numbers: &[f32]) {
    let x = vec![part("x", Kind::Fp32, &[u32::try_from(numbers.len()).unwrap()], f32s(numbers))];
    compute(host, &format!("/{function}"), "m", x).unwrap();
}

fn memory(host: &TestHost, name: &str) -> Value {
    host.modelet(["model", "show", name, "--json"]).json()["versions"][0]["memory"].clone()
}

/// Waits until a version was loaded so often, each time warmed with so many calls that were remembered.
fn loaded(host: &TestHost, version: &str, recorded: &[usize]) {
    let recorded_in = |line: &str| line.split_once("recorded=")?.1.split(' ').next()?.parse().ok();
    let of_version =
        |line: &&str| line.contains("forms: loaded a model") && line.contains(&format!("model={version} "));
    let told = || host.log().lines().filter(of_version).filter_map(recorded_in).collect::<Vec<usize>>();
    until(&format!("{version} is loaded with {recorded:?}"), || (told() == recorded).then_some(()));
}

#[test]
fn a_model_that_comes_back_and_its_next_version_are_warmed_with_the_shapes_of_its_calls() {
    let host = TestHost::start();
    push(&host, "default", "kept", "Neg");
    deploy(&host, "default", "one", "kept@1");
    call(&host, "one", &[4321.5, 2.0, 3.0]);
    call(&host, "one", &[4321.5]);
    loaded(&host, "kept@1", &[0]);
    let told = memory(&host, "kept");
    assert_eq!(told["recorded"], json!(["x f32 [3]", "x f32 [1]"]), "shapes, and no value: {told}");
    host.modelet(["model", "unload", "kept"]).done();
    call(&host, "one", &[1.0]);
    loaded(&host, "kept@1", &[0, 2]);

    push(&host, "default", "kept", "Abs");
    deploy(&host, "default", "two", "kept@2");
    call(&host, "two", &[1.0]);
    loaded(&host, "kept@2", &[2]);
    host.stop();
}

#[test]
fn nothing_is_remembered_where_the_card_says_so() {
    let host = TestHost::start();
    let folder = host.scratch().join("silent");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("m.onnx"), model("Neg")).unwrap();
    std::fs::write(folder.join("card.toml"), "record = false\n").unwrap();
    host.modelet(["model", "push", &folder.display().to_string(), "--name", "silent"]).done();
    deploy(&host, "default", "silent", "silent");
    call(&host, "silent", &[1.0, 2.0]);
    let told = memory(&host, "silent");
    assert_eq!((&told["calls"], &told["recorded"]), (&json!(1), &Value::Null), "{told}");
    host.modelet(["model", "unload", "silent"]).done();
    call(&host, "silent", &[1.0, 2.0]);
    loaded(&host, "silent@1", &[0, 0]);
    host.stop();
}

#[test]
fn a_tenants_calls_warm_nothing_of_another_that_has_the_same_bytes() {
    let host = TestHost::start();
    tenants::create(&host, "acme", &["/theirs"]);
    push(&host, "default", "ours", "Neg");
    deploy(&host, "default", "ours", "ours");
    call(&host, "ours", &[1.0, 2.0]);
    host.modelet(["model", "unload", "ours"]).done();
    push(&host, "acme", "theirs", "Neg");
    deploy(&host, "acme", "theirs", "theirs");
    call(&host, "theirs", &[1.0]);
    loaded(&host, "theirs@1", &[0]);
    host.stop();
}
