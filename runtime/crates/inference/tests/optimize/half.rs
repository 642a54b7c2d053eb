//! 16-bit floats: stored in half, the answers nearly the same.

use modelet_inference::optimize::{Options, Precision};

use crate::build::{Attr, F32, Graph, I64, floats};
use crate::support::{f32s, i64s};
use crate::{answer, cosine, eager, noise, rewrite};

fn fp16() -> Options {
    eager(Precision::Fp16)
}

/// `x` f32 [n, 32], `ids` i64 [n] → `y` f32 [n, 24]
fn model() -> Graph {
    Graph::default()
        .input("x", F32, &[-1, 32])
        .input("ids", I64, &[-1])
        .constant(floats("w", &[32, 24], &noise(1, 32 * 24)))
        .constant(floats("t", &[32, 50], &noise(2, 32 * 50)))
        .node("Gather", &["t", "ids"], &["r"], vec![("axis", Attr::Int(-1))])
        .node("Transpose", &["r"], &["rows"], vec![])
        .node("Add", &["rows", "x"], &["s"], vec![])
        .node("MatMul", &["s", "w"], &["y"], vec![])
        .output_of("y", F32, &[-1, 24])
}

#[tokio::test]
async fn weights_take_half_the_file_and_answers_stay() {
    let inputs = || vec![("x", f32s(&[2, 32], &noise(3, 64))), ("ids", i64s(&[2], &[4, 49]))];
    for opset in [8, 13, 20] {
        let before = model().model_of(8, opset);
        let made = rewrite(&before, &fp16()).unwrap();
        assert_eq!(made.rewritten.len(), 2, "{:?}", made.kept);
        assert!(made.bytes.len() < before.0.len() / 2 + 1000);
        let cosine = cosine(&answer(&before, inputs()).await, &answer(&made.bytes, inputs()).await);
        assert!((0.99999..1.1).contains(&cosine), "{cosine}");
        assert_eq!(made.after.row_mixing, made.before.row_mixing);
    }
}

#[test]
fn a_table_stays_in_half_and_a_matrix_is_cast_at_load() {
    let made = rewrite(model().model(), &fp16()).unwrap();
    // One for the rows taken, one for the whole matrix.
    assert_eq!(made.after.outline.operators["Cast"], 2);
    // A matrix that a load would not cast once and for all stays; a table is never cast as a whole.
    let small = rewrite(model().model(), &Options { folded_bytes_max: 1024, ..fp16() }).unwrap();
    assert_eq!(small.rewritten.iter().map(|done| &*done.weight).collect::<Vec<_>>(), ["t"]);
    assert_eq!((&*small.kept[0].weight, &*small.kept[0].node), ("w", "y"));
    assert!(small.kept[0].why.contains("1024 bytes"), "{}", small.kept[0].why);
}

#[test]
fn what_16_bits_cannot_hold_stays() {
    let with = |value: f32| {
        let big = floats("big", &[32], &[value; 32]);
        rewrite(model().constant(big).node("Add", &["x", "big"], &["z"], vec![]).output("z").model(), &fp16()).unwrap()
    };
    assert!(with(65504.0).kept.is_empty());
    for (value, words) in [(7e4, "65504"), (f32::INFINITY, "not finite"), (1e-7, "too small")] {
        let kept = with(value).kept;
        assert_eq!((kept.len(), &*kept[0].weight), (1, "big"));
        assert!(kept[0].why.contains(words), "{}", kept[0].why);
    }
}

#[tokio::test]
async fn a_weight_that_a_subgraph_uses_or_the_model_hands_out_is_cast_under_its_name() {
    let body = |op| {
        let graph = Graph::default().node(op, &["w"], &["z"], vec![]).output_of("z", F32, &[32, 24]);
        Attr::Graph(graph.0.bytes(2, op))
    };
    let graph = Graph::default()
        .input("go", 9, &[])
        .constant(floats("w", &[32, 24], &noise(1, 32 * 24)))
        .node("If", &["go"], &["y"], vec![("then_branch", body("Identity")), ("else_branch", body("Neg"))])
        .output_of("y", F32, &[32, 24])
        .output_of("w", F32, &[32, 24]);
    let (before, go) = (graph.model(), || crate::support::tensor(modelet_inference::ElementType::Bool, &[], &[0]));
    let made = rewrite(&before, &fp16()).unwrap();
    let cosine = cosine(&answer(&before, vec![("go", go())]).await, &answer(&made.bytes, vec![("go", go())]).await);
    assert!((0.99999..1.1).contains(&cosine), "{cosine}");
}
