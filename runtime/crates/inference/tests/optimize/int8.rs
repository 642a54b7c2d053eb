//! 8-bit integers, operator by operator: the answer stays near, the weight is gone, what cannot be rewritten says why.

use modelet_inference::admission::RowMixing;

use crate::build::{Attr, F32, Graph, I64, Message, floats, zeros};
use crate::support::{f32s, i64s};
use crate::{ROWS, TENSOR, answer, cosine, eager, noise, rewrite};

/// `x` f32 [n, 32] → `y` f32 [n, 24] with the weights `w` and the bias `b`.
fn product(op: &str, weights: &[i64], inputs: &[&str], attributes: Vec<(&str, Attr)>) -> Graph {
    Graph::default()
        .input("x", F32, &[-1, 32])
        .constant(floats("w", weights, &noise(1, 32 * 24)))
        .constant(floats("b", &[24], &noise(2, 24)))
        .node(op, inputs, &["y"], attributes)
        .output_of("y", F32, &[-1, 24])
}

async fn stays_near(graph: Graph, rewritten: usize) {
    for opset in [11, 17, 20] {
        let model = graph.clone().model_of(8, opset);
        let inputs = || vec![("x", f32s(&[5, 32], &noise(3, 5 * 32)))];
        let before = answer(&model, inputs()).await;
        for precision in [ROWS, TENSOR] {
            let made = rewrite(&model, &eager(precision)).unwrap();
            assert_eq!(made.rewritten.len(), rewritten, "{:?}", made.kept);
            let after = answer(&made.bytes, inputs()).await;
            let cosine = cosine(&before, &after);
            assert!(cosine > 0.999 && before != after, "{cosine} at {precision:?}, operator set {opset}");
        }
    }
}

#[tokio::test]
async fn a_product_with_weights_is_made_of_integers() {
    stays_near(product("MatMul", &[32, 24], &["x", "w"], vec![]), 1).await;
}

#[tokio::test]
async fn a_general_product_keeps_its_factor_its_bias_and_its_turn() {
    stays_near(product("Gemm", &[32, 24], &["x", "w", "b"], vec![]), 1).await;
    let turned = vec![("transB", Attr::Int(1)), ("alpha", Attr::Float(-0.5))];
    stays_near(product("Gemm", &[24, 32], &["x", "w", "b"], turned), 1).await;
}

#[tokio::test]
async fn a_product_of_three_dimensions_or_one_row_works_too() {
    let graph = |dims: &[i64], out: &[i64]| {
        let weights = Graph::default().input("x", F32, dims).constant(floats("w", &[32, 24], &noise(1, 32 * 24)));
        weights.node("MatMul", &["x", "w"], &["y"], vec![]).output_of("y", F32, out).model()
    };
    for (model, dims) in [(graph(&[-1, -1, 32], &[-1, -1, 24]), &[2, 3, 32][..]), (graph(&[32], &[24]), &[32])] {
        let count = dims.iter().product::<u64>() as usize;
        let inputs = || vec![("x", f32s(dims, &noise(4, count)))];
        let before = answer(&model, inputs()).await;
        for precision in [ROWS, TENSOR] {
            let after = answer(rewrite(&model, &eager(precision)).unwrap().bytes, inputs()).await;
            assert!(cosine(&before, &after) > 0.999);
        }
    }
}

#[tokio::test]
async fn rows_of_zeros_and_of_any_size_have_their_own_scale() {
    let model = product("MatMul", &[32, 24], &["x", "w"], vec![]).model();
    let row = noise(5, 32);
    let rows: Vec<f32> = [0.0, 1e-20, 1.0, 1e20].iter().flat_map(|size| row.iter().map(move |x| x * size)).collect();
    let inputs = || vec![("x", f32s(&[4, 32], &rows))];
    let before = answer(&model, inputs()).await;
    let after = answer(rewrite(&model, &eager(ROWS)).unwrap().bytes, inputs()).await;
    assert_eq!(after[..24], [0.0; 24]);
    for at in 1..4 {
        let row = at * 24..(at + 1) * 24;
        assert!(cosine(&before[row.clone()], &after[row]) > 0.999, "row {at}");
    }
}

#[test]
fn rows_stay_apart_unless_one_scale_is_asked_for() {
    let model = product("MatMul", &[32, 24], &["x", "w"], vec![]).model();
    let made = rewrite(&model, &eager(ROWS)).unwrap();
    assert_eq!((made.before.row_mixing, made.after.row_mixing), (RowMixing::No, RowMixing::No));
    let made = rewrite(&model, &eager(TENSOR)).unwrap();
    assert!(matches!(made.after.row_mixing, RowMixing::Yes { op, .. } if op == "DynamicQuantizeLinear"));
}

#[tokio::test]
async fn a_table_is_made_of_integers_row_by_row() {
    for dims in [&[50, 16][..], &[50, 4, 4]] {
        let graph = Graph::default().input("ids", I64, &[-1, -1]).constant(floats("t", dims, &noise(6, 50 * 16)));
        let graph = graph.node("Gather", &["t", "ids"], &["y"], vec![]);
        let model = graph.output_of("y", F32, &vec![-1; dims.len() + 1]).model();
        let made = rewrite(&model, &eager(ROWS)).unwrap();
        assert_eq!((made.rewritten[0].bytes_before, made.rewritten[0].bytes_after), (50 * 16 * 4, 50 * 16 + 50 * 4));
        let inputs = || vec![("ids", i64s(&[2, 3], &[0, 49, 7, 7, 1, -1]))];
        let (before, after) = (answer(&model, inputs()).await, answer(&made.bytes, inputs()).await);
        let worst = before.iter().zip(&after).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        // Half a step of a row whose largest number is at most 1.
        assert!(worst <= 0.5 / 127.0 + 1e-6, "{worst}");
    }
}

#[tokio::test]
async fn what_is_shared_is_made_once() {
    // Two products of one input, with one weight; and a table that is a weight too.
    let graph = Graph::default()
        .input("x", F32, &[-1, 32])
        .input("ids", I64, &[-1])
        .constant(floats("w", &[32, 24], &noise(1, 32 * 24)))
        .node("MatMul", &["x", "w"], &["a"], vec![])
        .node("MatMul", &["x", "w"], &["c"], vec![])
        .node("Gather", &["w", "ids"], &["r"], vec![])
        .node("Sum", &["a", "c", "r"], &["y"], vec![])
        .output_of("y", F32, &[-1, 24]);
    let model = graph.model();
    let inputs = || vec![("x", f32s(&[1, 32], &noise(3, 32))), ("ids", i64s(&[1], &[5]))];
    let before = answer(&model, inputs()).await;
    for (precision, quantising) in [(ROWS, "QuantizeLinear"), (TENSOR, "DynamicQuantizeLinear")] {
        let made = rewrite(&model, &eager(precision)).unwrap();
        assert_eq!(made.rewritten[0].nodes, ["a", "c", "r"]);
        // Once by columns, once by rows.
        assert_eq!(made.rewritten[0].bytes_after, 2 * 32 * 24 + 4 * (24 + 32));
        assert_eq!(made.after.outline.operators[quantising], 1);
        assert!(cosine(&before, &answer(&made.bytes, inputs()).await) > 0.999);
    }
}

/// Why the only weight stays.
fn reason(graph: Graph) -> String {
    let spare = graph.constant(floats("spare", &[32, 24], &noise(9, 32 * 24)));
    let model = spare.node("MatMul", &["x", "spare"], &["spared"], vec![]).model();
    let made = rewrite(&model, &eager(ROWS)).unwrap();
    assert_eq!(made.rewritten.len(), 1, "only the spare one is rewritten");
    made.kept.iter().find(|kept| kept.weight == "w").unwrap().why.clone()
}

#[test]
fn what_stays_says_why() {
    let body = Graph::default().node("Identity", &["w"], &["z"], vec![]).output("z");
    let branch = || vec![("then_branch", Attr::Graph(body.clone().0)), ("else_branch", Attr::Graph(body.clone().0))];
    let base = || product("MatMul", &[32, 24], &["x", "w"], vec![]);
    let nan = Graph::default().input("x", F32, &[-1, 32]).constant(floats("w", &[32, 1], &[f32::NAN; 32]));
    let long = Graph::default().input("l", F32, &[-1, 65_800]).input("x", F32, &[-1, 32]);
    let long = long.constant(zeros("w", &[65_800, 1])).node("MatMul", &["l", "w"], &["y"], vec![]).output("y");
    let gemm = |attributes| product("Gemm", &[32, 24], &["x", "w", "b"], attributes);
    for (graph, words) in [
        (base().output("w"), "hands it out"),
        (base().input("w", F32, &[32, 24]), "callers may give another"),
        (base().input("go", 9, &[1]).node("If", &["go"], &["z"], branch()), "a subgraph uses it"),
        (base().node("Transpose", &["w"], &["t"], vec![]), "only weights of MatMul, Gemm and Gather"),
        (nan.node("MatMul", &["x", "w"], &["y"], vec![]).output("y"), "not finite"),
        (long, "too long for 32 bits"),
        (gemm(vec![("beta", Attr::Float(0.5))]), "the bias is scaled"),
        (product("MatMul", &[24, 32], &["w", "x"], vec![]), "on the left side"),
        (product("MatMul", &[1, 32, 24], &["x", "w"], vec![]), "not two dimensions"),
        (product("Gather", &[32, 24], &["w", "x"], vec![("axis", Attr::Int(1))]), "takes no rows"),
    ] {
        let why = reason(graph);
        assert!(why.contains(words), "{why}, not {words}");
    }
}

#[test]
fn data_in_another_file_stays_there() {
    use modelet_inference::admission::{AdmissionLimits, ExternalData, ExternalFile};
    let entry = |key: &str, value: &str| Message::default().bytes(1, key).bytes(2, value);
    let outside = Message::default().number(1, 32).number(1, 24).number(2, F32).bytes(8, "o").number(14, 1);
    let outside = outside.bytes(13, entry("location", "weights.bin"));
    let graph = product("MatMul", &[32, 24], &["x", "w"], vec![]).constant(outside);
    let model = graph.node("MatMul", &["x", "o"], &["z"], vec![]).output("z").model();
    let limits = AdmissionLimits { external_data: ExternalData::Contained, ..AdmissionLimits::default() };
    let made = modelet_inference::optimize::optimize(model.as_ref(), &eager(ROWS), &limits).unwrap();
    let kept = made.kept.iter().find(|kept| kept.weight == "o").unwrap();
    assert_eq!((&*kept.why, kept.bytes), ("its data is in another file", 4 * 32 * 24));
    let file = ExternalFile { path: "weights.bin".to_owned(), bytes: 4 * 32 * 24 };
    assert_eq!(made.after.outline.external_files, [file]);
}
