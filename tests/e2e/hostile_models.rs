//! The hostile corpus through the front door: each model is refused at its push, with the place and the reason, and the
//! server goes on as before. What admission finds in each is tested in its own crate; here is one of every kind.

use crate::build::{Attr, BOOL, F32, Graph, I64, Message, function, ints, raw, zeros};
use crate::repository::external;
use modelet_tests::frame::Kind;
use modelet_tests::nn::{compute, i64s, part};
use modelet_tests::{Answer, Function, TestHost, places, process};
use std::fs;

/// What pushes of the corpus may take of the server's memory, all together.
const GROWTH_MAX: u64 = 256 << 20;

fn push(host: &TestHost, bytes: &[u8]) -> Answer {
    host.put_bytes("/v1/models/hostile", bytes)
}

fn through() -> Graph {
    Graph::default().input("x", F32, &[-1]).output("y")
}

fn model(name: &str) -> Vec<u8> {
    fs::read(places::model(name)).unwrap()
}

/// A loop of a billion turns that nothing ends.
fn billion() -> Message {
    let body =
        Graph::default().node("Identity", &["go"], &["go_on"], vec![]).input("i", I64, &[]).input("go", BOOL, &[]);
    let turns = raw("m", I64, &[], &1_000_000_000i64.to_le_bytes());
    let body = vec![("body", Attr::Graph(body.output("go_on").0))];
    through().constant(turns).node("Loop", &["m", ""], &[], body).node("Relu", &["x"], &["y"], vec![]).model()
}

/// A loop of 40 thousand turns inside another.
fn nested_turns() -> Message {
    let turns = || raw("m", I64, &[], &40_000_i64.to_le_bytes());
    let body = |graph: Graph, at: &str| {
        let graph = graph.node("Identity", &[&format!("go{at}")], &[&format!("on{at}")], vec![]);
        let graph = graph.input(&format!("i{at}"), I64, &[]).input(&format!("go{at}"), BOOL, &[]);
        vec![("body", Attr::Graph(graph.output(&format!("on{at}")).0))]
    };
    let inner = Graph::default().node("Loop", &["m", ""], &[], body(Graph::default(), "1"));
    let outer = through().constant(turns()).node("Loop", &["m", ""], &[], body(inner, "0"));
    outer.node("Relu", &["x"], &["y"], vec![]).model()
}

/// Branches inside each other.
fn deep(levels: u32) -> Message {
    let nest = (0..levels).fold(Graph::default(), |graph, level| {
        Graph::default().node("If", &["x"], &[&format!("o{level}")], vec![("then_branch", Attr::Graph(graph.0))])
    });
    nest.input("x", BOOL, &[1]).model()
}

/// Each of the corpus by a name, with words of its refusal.
fn corpus() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let relu = || through().node("Relu", &["x"], &["y"], vec![]);
    let huge = raw("w", F32, &[1 << 32, 1 << 32], &[]);
    let cyclic = through().node("Add", &["x", "b"], &["a"], vec![]).node("Relu", &["a"], &["b"], vec![]);
    let unknown = through().node("acme.custom::Magic", &["x"], &["y"], vec![]);
    let expand = through().constant(ints("s", &[1 << 16, 1 << 16])).constant(zeros("one", &[1]));
    let expand = expand.node("Expand", &["one", "s"], &["c"], vec![]).node("Add", &["x", "c"], &["y"], vec![]);
    let calls = through().node("m::f", &["x"], &["y"], vec![]).model().bytes(25, function("f", &["m::f"]));
    let random: Vec<u8> = (0..20_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    vec![
        ("empty", Vec::new(), "no graph"),
        ("random", random, "no ONNX protobuf"),
        ("text", b"#!/bin/sh\nrm -rf /\n".to_vec(), "no ONNX protobuf"),
        ("ort", b"\x18\0\0\0ORTM\0\0\0\0".to_vec(), "ONNX Runtime's own format"),
        (
            "cyclic",
            cyclic.node("Relu", &["b"], &["y"], vec![]).model().0,
            "node giving `b` (Relu): its input depends on its own output",
        ),
        ("huge dims", relu().constant(huge).model().0, "initializer `w`: shape [4294967296, 4294967296]"),
        ("folding bomb", model("constant_folding_bomb"), "(ConstantOfShape): makes at least 2147483648 bytes"),
        ("huge constant", expand.model().0, "node giving `c` (Expand): makes at least 17179869184 bytes"),
        ("escaping weights", external("../../etc/passwd", 0).0, "outside the model's folder"),
        ("absolute weights", external("/etc/passwd", 0).0, "outside the model's folder"),
        ("memory weights", external("*/_ORT_MEM_ADDR_/*", 0).0, "outside the model's folder"),
        ("unknown domain", unknown.model().0, "node giving `y` (acme.custom::Magic): unknown operator domain"),
        ("deep subgraphs", deep(60).0, "more than 31 inside each other"),
        ("a billion turns", billion().0, "(Loop): makes 1000000000 turns"),
        ("a billion turns of two loops", nested_turns().0, "turns"),
        ("deep functions", model("function_chain"), "call each other more than 64 deep"),
        ("doubling functions", model("function_doubling"), "become more than 16384 nodes"),
        ("a function of itself", calls.0, "more than 64 deep"),
        ("spectra of no width", spectra().0, "node giving `y` (STFT): neither its window nor its frame_length"),
        ("future", relu().model().number(1, 99).0, "IR version 99"),
    ]
}

#[test]
fn every_model_of_the_hostile_corpus_is_refused_with_the_place_and_the_server_goes_on() {
    let host = TestHost::start();
    let hello = host.guest("hello");
    assert_eq!(push(&host, &model("identity_f32")).status, 201);
    let before = process::resident_bytes(host.pid);
    for (name, bytes, words) in corpus() {
        let told = push(&host, &bytes).problem(422, "bad-model");
        assert!(told.contains(words), "{name}: `{words}` is not in: {told}");
        assert_eq!(host.get(&hello).status, 200, "after {name}");
    }
    for whole in ["digits", "tiny_decoder", "function_chain"].map(model) {
        for len in (0..whole.len()).step_by(1024) {
            let _ = push(&host, &whole[..len]).problem(422, "bad-model");
        }
    }
    let grown = process::resident_bytes(host.pid).saturating_sub(before);
    assert!(grown < GROWTH_MAX, "{} MiB", grown >> 20);
    let versions = host.modelet(["model", "versions", "hostile", "--json"]).json();
    assert_eq!(versions["versions"].as_array().unwrap().len(), 1, "only the honest one is there: {versions}");
    host.stop();
}

#[test]
fn what_admission_cannot_see_is_bounded_at_the_push() {
    let host = TestHost::configured("[limits]\ninference_memory = \"256MiB\"\n");
    assert_eq!(push(&host, &model("identity_f32")).status, 201);
    let before = process::resident_bytes_peak(host.pid);
    // Its shape is computed at load: 2 GiB, if nothing held it. Refused or taken, the server does not swell.
    let answer = push(&host, &model("hidden_bomb"));
    assert!([201, 422].contains(&answer.status), "{}", answer.text());
    let grown = process::resident_bytes_peak(host.pid).saturating_sub(before);
    assert!(grown < GROWTH_MAX + (64 << 20), "{} MiB", grown >> 20);
    assert_eq!(host.get(&host.guest("hello")).status, 200);
    host.stop();
}

/// `x`, `y` of integers [n] → `q`, `r` [n]: quotients and remainders.
fn division(element: i64) -> Message {
    Graph::default()
        .node("Div", &["x", "y"], &["q"], vec![])
        .node("Mod", &["x", "y"], &["r"], vec![])
        .input("x", element, &[-1])
        .input("y", element, &[-1])
        .output_of("q", element, &[-1])
        .output_of("r", element, &[-1])
        .model()
}

/// The spectra of `x` f32 [1, 8, 1] in windows of as many numbers as the call says.
fn spectra() -> Message {
    let graph = Graph::default().input("x", F32, &[1, 8, 1]).input("width", I64, &[]);
    let graph = graph.constant(raw("step", I64, &[], &2_i64.to_le_bytes()));
    graph.node("STFT", &["x", "step", "", "width"], &["y"], vec![]).output("y").model()
}

#[test]
fn divisions_that_a_processor_cannot_do_end_nobody() {
    const I32: i64 = 6;
    let host = TestHost::start();
    let file = |name: &str, model: &Message| {
        let file = host.scratch().join(name);
        fs::write(&file, model).unwrap();
        file
    };
    let function = Function::guest("nn")
        .model_file("wide", &file("wide.onnx", &division(I64)))
        .model_file("narrow", &file("narrow.onnx", &division(I32)));
    let route = host.once(&function);
    let wide = |x: &[i64], y: &[i64]| {
        let inputs = [("x", x), ("y", y)].map(|(name, n)| part(name, Kind::I64, &[n.len() as u32], i64s(n)));
        compute(&host, &route, "wide", inputs.into())
    };
    // The least number has no opposite. Beside it others are divided as ever.
    let got = wide(&[i64::MIN, 7, i64::MIN, -7], &[-1, 2, 2, -1]).unwrap();
    let expected = [i64s(&[i64::MIN, 3, i64::MIN / 2, 7]), i64s(&[0, 1, 0, 0])];
    assert_eq!([&*got[0].data, &*got[1].data], [expected[0].as_slice(), expected[1].as_slice()]);
    let least = |name| part(name, Kind::I32, &[1], if name == "x" { i32::MIN } else { -1 }.to_le_bytes().to_vec());
    let got = compute(&host, &route, "narrow", vec![least("x"), least("y")]).unwrap();
    assert_eq!([&*got[0].data, &*got[1].data], [i32::MIN.to_le_bytes(), [0; 4]]);
    // For zero ONNX Runtime looks.
    assert_eq!(wide(&[1], &[0]).unwrap_err().code, "runtime-error");
    assert_eq!(wide(&[9], &[4]).unwrap()[0].data, i64s(&[2]));
    host.stop();
}
