//! Whether rows of a batch can touch each other, operator by operator and on whole models.

use modelet_inference::admission::{AdmissionLimits, RowMixing, admit};

use crate::build::{Attr, F32, Graph, I64, Message, function, ints, raw, zeros};
use crate::support::model_bytes;

/// `x` f32 [n, 4, 6] → `y`.
fn batch() -> Graph {
    Graph::default().input("x", F32, &[-1, 4, 6]).output("y")
}

fn one(op: &str, attributes: Vec<(&str, Attr)>) -> Graph {
    batch().node(op, &["x"], &["y"], attributes)
}

fn mixing(model: impl AsRef<[u8]>) -> RowMixing {
    admit(model.as_ref(), &AdmissionLimits::default()).unwrap_or_else(|refused| panic!("{refused}")).row_mixing
}

#[track_caller]
fn apart(graph: Graph) {
    assert_eq!(mixing(graph.model()), RowMixing::No);
}

#[track_caller]
fn mix(graph: Graph, op: &str, words: &str) {
    let RowMixing::Yes { op: got, why, .. } = mixing(graph.model()) else { panic!("rows are said to stay apart") };
    assert!(why.contains(words), "{why}");
    assert_eq!(got, op, "{why}");
}

fn axis(axis: i64) -> Vec<(&'static str, Attr)> {
    vec![("axis", Attr::Int(axis))]
}

#[test]
fn real_models_keep_rows_apart() {
    for name in ["digits.onnx", "dynamic_batch.onnx", "identity_f32.onnx", "tiny_encoder.onnx"] {
        assert_eq!(mixing(model_bytes(name)), RowMixing::No, "{name}");
    }
}

#[test]
fn a_model_without_a_batch_mixes() {
    let fixed = Graph::default().input("x", F32, &[1, 4]).output("y").node("Relu", &["x"], &["y"], vec![]);
    mix(fixed, "", "its dimension 0 is not open");
    let lost = batch().node("Transpose", &["x"], &["y"], vec![("perm", Attr::Ints(vec![1, 0, 2]))]);
    mix(lost, "", "its dimension 0 is not the batch");
    let constant = batch().output("c").constant(zeros("c", &[1])).node("Relu", &["x"], &["y"], vec![]);
    mix(constant, "", "its dimension 0 is not the batch");
    let RowMixing::Yes { node, .. } = mixing(model_bytes("add_scalars.onnx")) else { panic!("scalars have no batch") };
    assert_eq!(node, "input a");
}

#[test]
fn work_along_the_batch_mixes_and_along_the_rest_does_not() {
    for op in ["Softmax", "LogSoftmax", "Hardmax"] {
        apart(one(op, vec![]));
        apart(one(op, axis(1)));
        mix(one(op, axis(0)), op, "works along dimension 0");
        mix(one(op, axis(-3)), op, "works along dimension 0");
    }
    for op in ["ReduceMean", "ReduceMax", "ReduceL2"] {
        apart(one(op, vec![("axes", Attr::Ints(vec![-1, 1]))]));
        mix(one(op, vec![("axes", Attr::Ints(vec![1, 0]))]), op, "works along dimension 0");
        mix(one(op, vec![]), op, "works along dimension 0");
    }
    mix(one("ArgMax", vec![]), "ArgMax", "works along dimension 0");
    apart(one("ArgMax", axis(2)));
    let cumulative =
        |at: i64| batch().constant(raw("a", I64, &[], &at.to_le_bytes())).node("CumSum", &["x", "a"], &["y"], vec![]);
    apart(cumulative(1));
    mix(cumulative(-3), "CumSum", "works along dimension 0");
    let top = |at| batch().constant(ints("k", &[1])).node("TopK", &["x", "k"], &["y", "i"], axis(at));
    apart(top(-1));
    mix(top(0), "TopK", "works along dimension 0");
    let norm = |at| batch().constant(zeros("s", &[6])).node("LayerNormalization", &["x", "s"], &["y"], axis(at));
    apart(norm(-1));
    mix(norm(0), "LayerNormalization", "works along dimension 0");
}

#[test]
fn what_works_over_all_rows_at_once_mixes() {
    mix(batch().node("DynamicQuantizeLinear", &["x"], &["y", "s", "z"], vec![]), "DynamicQuantizeLinear", "its scale");
    mix(one("NonZero", vec![]), "NonZero", "as much as all rows");
    mix(one("Unique", vec![]), "Unique", "as much as all rows");
    mix(one("RandomNormalLike", vec![]), "RandomNormalLike", "is random");
    let norm = |attributes| {
        let scale = (0..4).fold(batch(), |graph, at| graph.constant(zeros(["s", "b", "m", "v"][at], &[4])));
        scale.node("BatchNormalization", &["x", "s", "b", "m", "v"], &["y"], attributes)
    };
    apart(norm(vec![]));
    mix(norm(vec![("training_mode", Attr::Int(1))]), "BatchNormalization", "training mode");
    let bits = |level| {
        let attributes = vec![("N", Attr::Int(3)), ("K", Attr::Int(6)), ("accuracy_level", Attr::Int(level))];
        let graph = batch().constant(zeros("w", &[3, 1, 16])).constant(zeros("s", &[3]));
        graph.node("com.microsoft::MatMulNBits", &["x", "w", "s"], &["y"], attributes)
    };
    apart(bits(1));
    mix(bits(4), "MatMulNBits", "int8");
    mix(bits(0), "MatMulNBits", "int8");
}

#[test]
fn moving_the_batch_mixes_unless_it_comes_back() {
    let order = |perm: [i64; 3]| vec![("perm", Attr::Ints(perm.to_vec()))];
    apart(one("Transpose", order([0, 2, 1])));
    apart(batch().node("Transpose", &["x"], &["t"], order([2, 0, 1])).node(
        "Transpose",
        &["t"],
        &["y"],
        order([1, 2, 0]),
    ));
    let after = batch().node("Transpose", &["x"], &["t"], order([1, 0, 2])).node("Softmax", &["t"], &["y"], axis(1));
    mix(after, "Softmax", "batch is not dimension 0");
    apart(one("Flatten", vec![]));
    mix(one("Flatten", axis(2)), "Flatten", "folds");
    let squeeze = |at| batch().constant(ints("a", &[at])).node("Unsqueeze", &["x", "a"], &["y"], vec![]);
    apart(squeeze(1));
    mix(squeeze(0), "", "its dimension 0 is not the batch");
}

#[test]
fn reshaping_keeps_rows_only_if_the_batch_stays() {
    let to = |shape: &[i64]| batch().constant(ints("s", shape)).node("Reshape", &["x", "s"], &["y"], vec![]);
    for shape in [&[0, 24][..], &[0, -1], &[-1, 24], &[-1, 2, 12], &[0, 0, 3, -1]] {
        apart(to(shape));
    }
    for shape in [&[-1, 6][..], &[-1], &[2, -1], &[-1, 12], &[1, -1, 24], &[24, -1]] {
        mix(to(shape), "Reshape", "folds");
    }
    let zero =
        batch().constant(ints("s", &[0, 24])).node("Reshape", &["x", "s"], &["y"], vec![("allowzero", Attr::Int(1))]);
    mix(zero, "Reshape", "folds");
    // By a shape put together from the input's own, as exporters do.
    let own = |at: i64, rest: &[i64]| {
        let graph = batch().constant(raw("at", I64, &[1], &at.to_le_bytes())).constant(ints("rest", rest));
        let graph = graph.node("Shape", &["x"], &["all"], vec![]).node("Gather", &["all", "at"], &["n"], vec![]);
        graph.node("Concat", &["n", "rest"], &["s"], axis(0)).node("Reshape", &["x", "s"], &["y"], vec![])
    };
    apart(own(0, &[24]));
    apart(own(0, &[3, -1]));
    mix(own(1, &[-1]), "Reshape", "folds");
    let scaled = batch().constant(ints("two", &[2])).node("Shape", &["x"], &["all"], vec![]);
    let scaled = scaled.node("Mul", &["all", "two"], &["s"], vec![]).node("Reshape", &["x", "s"], &["y"], vec![]);
    mix(scaled, "Mul", "computes with the number of rows");
}

#[test]
fn picking_and_joining_along_the_batch_mixes() {
    let pick = |at| batch().constant(ints("i", &[0])).node("Gather", &["x", "i"], &["y"], axis(at));
    apart(pick(1));
    mix(pick(0), "Gather", "picks rows by their number");
    let slice = |start: i64, end: i64, at: i64| {
        let graph = batch().constant(ints("s", &[start])).constant(ints("e", &[end])).constant(ints("a", &[at]));
        graph.node("Slice", &["x", "s", "e", "a"], &["y"], vec![])
    };
    apart(slice(1, 3, 1));
    apart(slice(0, i64::MAX, 0));
    mix(slice(1, i64::MAX, 0), "Slice", "cuts dimension 0");
    mix(slice(0, 1, -3), "Slice", "cuts dimension 0");
    let join = |with: &str, at| batch().constant(zeros("c", &[1, 4, 6])).node("Concat", &["x", with], &["y"], axis(at));
    apart(join("x", 2));
    mix(join("x", 0), "Concat", "joins along dimension 0");
    mix(join("c", 1), "Concat", "joins rows to something");
    apart(one("Split", axis(1)));
    mix(one("Split", axis(0)), "Split", "splits dimension 0");
    // A slice as long as the batch is another slice in a larger batch.
    let counted = batch().constant(ints("z", &[0])).constant(ints("one", &[1])).node("Shape", &["x"], &["all"], vec![]);
    let counted = counted.node("Gather", &["all", "z"], &["n"], vec![]);
    let counted = counted.node("Slice", &["x", "z", "n", "one"], &["y"], vec![]);
    mix(counted, "Slice", "the batch where a constant is expected");
}

#[test]
fn products_mix_only_across_rows() {
    let by = |dims: &[i64]| batch().constant(zeros("w", dims)).node("MatMul", &["x", "w"], &["y"], vec![]);
    apart(by(&[6, 2]));
    apart(by(&[1, 6, 2]));
    mix(by(&[2, 6, 2]), "MatMul", "lines the batch up");
    let flat = || Graph::default().input("x", F32, &[-1, 6]).output("y");
    mix(
        flat().constant(zeros("w", &[3, 6, 2])).node("MatMul", &["x", "w"], &["y"], vec![]),
        "MatMul",
        "moves the batch",
    );
    mix(flat().constant(zeros("w", &[2, 6])).node("MatMul", &["w", "x"], &["y"], vec![]), "MatMul", "along the batch");
    let gemm = |transposed| {
        let graph = flat().constant(zeros("w", &[6, 2])).constant(zeros("b", &[2]));
        graph.node("Gemm", &["x", "w", "b"], &["y"], vec![("transA", Attr::Int(transposed))])
    };
    apart(gemm(0));
    mix(gemm(1), "Gemm", "transposes the batch");
    let lined_up = batch().constant(zeros("w", &[3, 4, 6])).node("Add", &["x", "w"], &["y"], vec![]);
    mix(lined_up, "Add", "lines the batch up");
    let rows = Graph::default().input("x", F32, &[-1, 6]).input("v", F32, &[-1]).output("y");
    mix(rows.node("Add", &["x", "v"], &["y"], vec![]), "Add", "lines the batch up");
}

#[test]
fn what_is_not_looked_into_mixes() {
    let body = Graph::default().node("Relu", &["x"], &["z"], vec![]).output("z");
    mix(one("If", vec![("then_branch", Attr::Graph(body.0))]), "If", "has a subgraph");
    mix(one("Einsum", vec![]), "Einsum", "is not known");
    let call: Message = one("m::f", vec![]).model().bytes(25, function("f", &["Relu"]));
    let RowMixing::Yes { why, .. } = mixing(call) else { panic!("functions are not looked into") };
    assert!(why.contains("a function of the model"));
}
