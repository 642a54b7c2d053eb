//! Files that are admitted and odd, damaged files, and what must not be lost.

use modelet_inference::admission::{AdmissionLimits, admit};
use modelet_inference::optimize::{OptimizeError, Options, Precision};
use proptest::prelude::*;

use crate::build::{Attr, F32, Graph, Message, floats, node};
use crate::support::model_bytes;
use crate::{PRECISIONS, ROWS, TENSOR, eager, noise, rewrite};

fn product() -> Graph {
    let graph = Graph::default().input("x", F32, &[-1, 32]).constant(floats("w", &[32, 24], &noise(1, 32 * 24)));
    graph.node("MatMul", &["x", "w"], &["y"], vec![])
}

fn has(file: &[u8], part: &[u8]) -> bool {
    file.windows(part.len()).any(|window| window == part)
}

#[test]
fn what_is_not_rewritten_stands_as_it_stood() {
    let strange = |word: &str| Message::default().bytes(2000, word).number(2001, 7).fixed(2002, b"abcd").0;
    let plain = node("Relu", &["y"], &["z"], vec![("unknown", Attr::Float(0.25))]);
    let plain = Message([plain.0, strange("in a node")].concat());
    let annotated = Message::default().bytes(1, "z").bytes(6, "documentation");
    let graph = Graph(Message([product().0.0, strange("in the graph")].concat())).output("z");
    let graph = Graph(graph.0.bytes(1, &plain).bytes(13, &annotated).bytes(2, "its name"));
    let metadata = Message::default().bytes(1, "author").bytes(2, "somebody");
    let model = Message([graph.model().0, strange("in the file")].concat()).bytes(14, &metadata).bytes(2, "maker");
    for precision in PRECISIONS {
        let made = rewrite(&model, &eager(precision)).unwrap();
        for part in [strange("in the graph"), strange("in the file"), plain.0.clone(), annotated.0.clone()] {
            assert!(has(&made.bytes, &part), "{precision:?} lost {part:?}");
        }
        assert_eq!(made.after.outline.producer, "maker");
        assert_eq!(made.after.outline.metadata["author"], "somebody");
        assert_eq!(made.after.outline.opsets, made.before.outline.opsets);
        assert!(!has(&made.bytes, &noise(1, 32 * 24)[7].to_le_bytes()), "the old weight is still there");
    }
}

#[test]
fn new_names_are_nobody_elses() {
    let long = "é".repeat(512);
    for name in ["w", &*long] {
        let graph = Graph::default().input("x", F32, &[-1, 32]).constant(floats(name, &[32, 24], &noise(1, 32 * 24)));
        let graph = graph.node("MatMul", &["x", name], &["y"], vec![]).output("y");
        let taken = ["w_int8", "w_int8_2", "w_half", "x_uint8", "y_sums", "row_zero", "w_scale"];
        let graph = taken.iter().fold(graph, |graph, taken| graph.node("Neg", &["x"], &[taken], vec![]));
        // Inside a subgraph too.
        let body = Graph::default().node("Neg", &["x"], &["y_floats"], vec![]).output("y_floats");
        let graph = graph.input("go", 9, &[1]).node("If", &["go"], &["o"], vec![("then_branch", Attr::Graph(body.0))]);
        for precision in PRECISIONS {
            // Admission refuses a name that is defined twice, or is too long.
            assert_eq!(rewrite(graph.clone().model(), &eager(precision)).unwrap().rewritten.len(), 1);
        }
    }
}

#[test]
fn constants_that_old_files_declare_as_inputs_stop_being_inputs() {
    let graph = product().input("w", F32, &[32, 24]).output("y");
    let old = graph.clone().model_of(3, 11);
    let made = rewrite(&old, &eager(ROWS)).unwrap();
    assert_eq!((made.after.outline.ir_version, made.rewritten.len()), (4, 1));
    let again = rewrite(graph.model_of(4, 11), &eager(ROWS));
    let Err(OptimizeError::Nothing(why)) = again else { panic!("callers may replace it: {again:?}") };
    assert!(why.contains("callers may give another"), "{why}");
}

#[test]
fn nodes_can_be_kept() {
    let graph = product().constant(floats("v", &[32, 24], &noise(2, 32 * 24)));
    let model = graph.node("MatMul", &["x", "v"], &["z"], vec![]).output("y").output("z").model();
    for precision in PRECISIONS {
        let made = rewrite(&model, &Options { keep: vec!["z".to_owned()], ..eager(precision) }).unwrap();
        assert_eq!((&*made.rewritten[0].weight, &*made.kept[0].node), ("w", "z"));
        assert_eq!(made.kept[0].why, "you asked to keep the node");
        let error = rewrite(&model, &Options { keep: vec!["q".to_owned()], ..eager(precision) }).unwrap_err();
        assert_eq!(error, OptimizeError::NoSuchNode("q".to_owned()));
    }
}

#[test]
fn what_cannot_be_done_is_said() {
    let error = rewrite(product().model_of(8, 10), &eager(TENSOR)).unwrap_err();
    assert_eq!(error, OptimizeError::Opset { has: 10, needs: 11 });
    assert!(error.to_string().contains("export it again"));
    assert!(matches!(rewrite([], &eager(ROWS)), Err(OptimizeError::Refused(_))));
    assert!(matches!(rewrite(product().model(), &Options::new(Precision::Fp16)), Err(OptimizeError::Nothing(_))));
    // Once is enough.
    let made = rewrite(product().model(), &eager(ROWS)).unwrap();
    let Err(OptimizeError::Nothing(why)) = rewrite(made.bytes, &Options::new(ROWS)) else { panic!("rewritten twice") };
    assert!(why.contains("no weights of 32-bit floats"), "{why}");
}

/// Files to damage: of repeated fields, functions, subgraphs, and one where everything can be rewritten.
fn models() -> Vec<Vec<u8>> {
    let names = ["digits.onnx", "slow_loop.onnx", "nested_if.onnx", "tiny_encoder.onnx"];
    names.map(model_bytes).into_iter().chain([product().output("y").model().0]).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]

    #[test]
    fn a_damaged_model_is_rewritten_to_one_that_is_admitted_or_refused(
        which in 0..5usize,
        edits in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..4u8), 0..4),
        precision in 0..3usize,
    ) {
        let mut bytes = models().swap_remove(which);
        for (at, byte, how) in edits {
            let at = at.index(bytes.len());
            match how {
                0 => bytes[at] = byte,
                1 => bytes[at] ^= 1 << (byte & 7),
                2 => bytes.insert(at, byte),
                _ => drop(bytes.remove(at)),
            }
        }
        let options = eager(PRECISIONS[precision]);
        match rewrite(&bytes, &options) {
            Ok(made) => {
                let limits = AdmissionLimits::default();
                let admitted = admit(&made.bytes, &limits);
                prop_assert_eq!(admitted.as_ref(), Ok(&made.after));
                prop_assert_eq!(&made.after.outline.metadata, &made.before.outline.metadata);
                prop_assert_eq!(rewrite(&bytes, &options).unwrap().bytes, made.bytes);
            }
            Err(OptimizeError::TooLarge(why)) => prop_assert!(false, "the rewritten one is refused: {why}"),
            Err(_) => {}
        }
    }
}
