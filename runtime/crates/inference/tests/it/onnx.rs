//! Small ONNX models, written as protobuf here because each is about one behaviour of joined runs.

use std::sync::Arc;

use modelet_inference::{Model, ModelOptions};

const F32: u64 = 1;
const I64: u64 = 7;
const BOOL: u64 = 9;

/// f32 [N, 1] → the same, after as many turns (about a microsecond each) as the largest of its numbers says.
pub(crate) fn turns() -> Vec<u8> {
    turns_of("1")
}

/// The same of f32 [N, W].
pub(crate) fn turns_of_words() -> Vec<u8> {
    turns_of("W")
}

fn turns_of(width: &str) -> Vec<u8> {
    let body = graph(
        &[node("Identity", &["go"], "go_on", &[]), node("Add", &["sum", "one"], "next", &[])],
        &[],
        &[value("i", I64, Some(&[])), value("go", BOOL, Some(&[])), value("sum", F32, None)],
        &[value("go_on", BOOL, Some(&[])), value("next", F32, None)],
    );
    model(graph(
        &[
            node("ReduceMax", &["x"], "most", &[number("keepdims", 0)]),
            node("Cast", &["most"], "n", &[number("to", I64)]),
            node("Mul", &["x", "zero"], "start", &[]),
            node("Loop", &["n", "yes", "start"], "end", &[subgraph("body", &body)]),
            node("Mul", &["end", "zero"], "nothing", &[]),
            node("Add", &["x", "nothing"], "y", &[]),
        ],
        &[scalar("zero", F32, &[0; 4]), scalar("one", F32, &1f32.to_le_bytes()), scalar("yes", BOOL, &[1])],
        &[value("x", F32, Some(&["N", width]))],
        &[value("y", F32, Some(&["N", width]))],
    ))
}

/// i64 [N] → the f32 at each index of a table of two; fails on an index that is not in it.
pub(crate) fn lookup() -> Vec<u8> {
    let table = [1.5f32.to_le_bytes(), 2.5f32.to_le_bytes()].concat();
    model(graph(
        &[node("Gather", &["table", "x"], "y", &[])],
        &[[text(8, "table"), varint(1, 2), varint(2, F32), bytes(9, &table)].concat()],
        &[value("x", I64, Some(&["N"]))],
        &[value("y", F32, Some(&["N"]))],
    ))
}

/// f32 [N, 1] less the mean over all rows: each row's answer depends on the others.
pub(crate) fn centred() -> Vec<u8> {
    let mean = node("ReduceMean", &["x"], "mean", &[number("keepdims", 0)]);
    one_input(&[mean, node("Sub", &["x", "mean"], "y", &[])], &["N", "1"])
}

/// f32 [N, 1] → the rows twice, under a first dimension that says nothing.
pub(crate) fn twice() -> Vec<u8> {
    one_input(&[node("Concat", &["x", "x"], "y", &[number("axis", 0)])], &["?", "1"])
}

/// f32 [N, W] → twice each.
pub(crate) fn doubled() -> Vec<u8> {
    words(&[node("Add", &["x", "x"], "y", &[])], &["N", "W"])
}

/// f32 [N, W] → the largest of each row.
pub(crate) fn largest() -> Vec<u8> {
    words(&[node("ReduceMax", &["x"], "y", &[numbers("axes", &[1]), number("keepdims", 0)])], &["N"])
}

/// f32 [N, W] → the words twice, under the name of a dimension that is half as long.
pub(crate) fn longer() -> Vec<u8> {
    words(&[node("Concat", &["x", "x"], "y", &[number("axis", 1)])], &["N", "W"])
}

pub(crate) fn load(bytes: Vec<u8>, change: impl FnOnce(&mut ModelOptions)) -> Arc<Model> {
    let mut options = ModelOptions::named("made");
    // Admission takes a loop, or what it cannot follow, for mixing; the tests know better.
    options.mixes_rows = Some(false);
    change(&mut options);
    crate::runtime().load(bytes, options).unwrap()
}

fn words(nodes: &[Vec<u8>], output: &[&str]) -> Vec<u8> {
    model(graph(nodes, &[], &[value("x", F32, Some(&["N", "W"]))], &[value("y", F32, Some(output))]))
}

fn one_input(nodes: &[Vec<u8>], output: &[&str]) -> Vec<u8> {
    model(graph(nodes, &[], &[value("x", F32, Some(&["N", "1"]))], &[value("y", F32, Some(output))]))
}

fn model(graph: Vec<u8>) -> Vec<u8> {
    [varint(1, 8), bytes(7, &graph), bytes(8, &varint(2, 17))].concat()
}

fn graph(nodes: &[Vec<u8>], constants: &[Vec<u8>], inputs: &[Vec<u8>], outputs: &[Vec<u8>]) -> Vec<u8> {
    let each = |number, parts: &[Vec<u8>]| parts.iter().flat_map(|part| bytes(number, part)).collect::<Vec<u8>>();
    [each(1, nodes), text(2, "g"), each(5, constants), each(11, inputs), each(12, outputs)].concat()
}

fn node(op: &str, inputs: &[&str], output: &str, attributes: &[Vec<u8>]) -> Vec<u8> {
    let mut node: Vec<u8> = inputs.iter().flat_map(|input| text(1, input)).collect();
    node.extend(text(2, output));
    node.extend(text(4, op));
    node.extend(attributes.iter().flat_map(|attribute| bytes(5, attribute)));
    node
}

fn number(name: &str, value: u64) -> Vec<u8> {
    [text(1, name), varint(3, value), varint(20, 2)].concat()
}

fn numbers(name: &str, values: &[u64]) -> Vec<u8> {
    let values: Vec<u8> = values.iter().flat_map(|value| varint(8, *value)).collect();
    [text(1, name), values, varint(20, 7)].concat()
}

fn subgraph(name: &str, graph: &[u8]) -> Vec<u8> {
    [text(1, name), bytes(6, graph), varint(20, 5)].concat()
}

fn scalar(name: &str, element: u64, raw: &[u8]) -> Vec<u8> {
    [varint(2, element), text(8, name), bytes(9, raw)].concat()
}

/// Dimensions: a number, `?` for any, a name; `None`: unknown rank.
fn value(name: &str, element: u64, dims: Option<&[&str]>) -> Vec<u8> {
    let dim = |dim: &&str| match dim.parse() {
        Ok(size) => varint(1, size),
        Err(_) if *dim == "?" => Vec::new(),
        Err(_) => text(2, dim),
    };
    let shape = |dims: &[&str]| bytes(2, &dims.iter().flat_map(|d| bytes(1, &dim(d))).collect::<Vec<u8>>());
    let tensor = [varint(1, element), dims.map(shape).unwrap_or_default()].concat();
    [text(1, name), bytes(2, &bytes(1, &tensor))].concat()
}

fn text(number: u64, text: &str) -> Vec<u8> {
    bytes(number, text.as_bytes())
}

fn bytes(number: u64, body: &[u8]) -> Vec<u8> {
    [raw(number << 3 | 2), raw(body.len() as u64), body.to_vec()].concat()
}

fn varint(number: u64, value: u64) -> Vec<u8> {
    [raw(number << 3), raw(value)].concat()
}

fn raw(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value > 127 {
        bytes.push(value as u8 | 128);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}
