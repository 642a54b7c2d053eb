//! Models that are made when a test wants them: too slow, too large or too dangerous to lie in the repository.

use crate::build::{Attr, BOOL, F32, Graph, Message, floats, node, raw, value, zeros};

/// `x` f32 [1] → `y` f32 [1]. Takes seconds to load, each time: a chain of `products` of matrices that ONNX Runtime works out
/// while it loads (some 20 ms for each), and a part of the answer that is drawn anew by each run, so that no optimised form, in
/// which the chain would be done, passes for the same model.
pub(crate) fn slow_to_load(products: usize) -> Message {
    let graph = Graph::default().constant(zeros("a", &[1024, 1])).constant(zeros("b", &[1, 1024]));
    let graph = graph.node("MatMul", &["a", "b"], &["c0"], vec![]);
    let chain = (0..products)
        .fold(graph, |graph, at| graph.node("MatMul", &[&format!("c{at}"), "c0"], &[&format!("c{}", at + 1)], vec![]));
    let last = format!("c{products}");
    chain
        .node("ReduceMax", &[&last], &["most"], vec![("keepdims", Attr::Int(0))])
        .node("RandomUniform", &[], &["drawn"], vec![("shape", Attr::Ints(vec![1]))])
        .node("Sum", &["x", "most", "drawn"], &["y"], vec![])
        .input("x", F32, &[1])
        .output_of("y", F32, &[1])
        .model()
}

/// `x` f32 [1, n] → `y` f32 [1, 1024], by weights of `mib` MiB.
pub(crate) fn large(mib: i64) -> Message {
    let rows = mib << 8;
    Graph::default()
        .node("MatMul", &["x", "w"], &["y"], vec![])
        .constant(zeros("w", &[rows, 1024]))
        .input("x", F32, &[1, rows])
        .output_of("y", F32, &[1, 1024])
        .model()
}

/// Ends the process that loads it: ONNX Runtime 1.31.1 divides by the number of groups, and this one has none. Nothing
/// else is wrong with it, so admission has no reason to refuse it.
pub(crate) fn crashes() -> Message {
    let attributes = vec![("kernel_shape", Attr::Ints(vec![2, 2])), ("group", Attr::Int(0))];
    let node = node("ConvTranspose", &["x", "w"], &["y"], attributes);
    Graph(Message::default().bytes(1, node).bytes(11, value("x", F32, &[1, 1, 4, 4])))
        .constant(zeros("w", &[1, 1, 2, 2]))
        .output("y")
        .model()
}

/// `x` f32 [1] → `y` f32 [1], after a loop without a count that goes on while its body says so: for ever.
pub(crate) fn endless() -> Message {
    Graph::default()
        .node("Loop", &["", "yes", "x"], &["y"], vec![("body", Attr::Graph(Graph::adding_body().0))])
        .constant(floats("one", &[1], &[1.0]))
        .constant(raw("yes", BOOL, &[], &[1]))
        .input("x", F32, &[1])
        .output_of("y", F32, &[1])
        .model()
}
