//! What the graph becomes when ONNX Runtime has inlined the model's functions: how many nodes, how deep.
//!
//! A thousand calls deep overflow its stack, which ends the process; two kilobytes of doublings are 2^30 nodes. The number
//! of nodes also bounds what constant folding may make at load (see `onnx/session.rs`).

use std::collections::{BTreeMap, HashMap};

use super::file::File;
use super::graph::Graph;
use super::limits::AdmissionLimits;
use super::operators;
use super::refused::{Quoted, Refused};

/// A graph with everything inlined.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Inlined {
    pub(super) nodes: u64,
    /// Subgraphs inside each other.
    pub(super) depth: u32,
}

/// An operator or function: domain and name.
type Op<'a> = (&'a str, &'a str);

/// What a list of nodes with all its subgraphs uses: how often, and inside how many subgraphs at most.
#[derive(Default)]
struct Body<'a> {
    ops: HashMap<Op<'a>, (u64, u32)>,
    depth: u32,
}

/// Counts the model as inlined, and refuses operators that nobody defines.
pub(super) fn count(file: &File<'_>, limits: &AdmissionLimits) -> Result<Inlined, Refused> {
    let mut functions: HashMap<Op<'_>, Body<'_>> = HashMap::new();
    for function in &file.functions {
        let op = (function.domain, function.name);
        if operators::is_known(op.0, op.1) {
            let why = "it has the name of a standard operator";
            return Err(Refused::unsupported(format!("function {}", Quoted(op.1)), why));
        }
        // Overloads share a name: taken together they are at least as large as each.
        collect(&function.body, functions.entry(op).or_default(), 0);
    }
    for graph in file.functions.iter().map(|function| &function.body).chain([&file.graph]) {
        check_operators(graph, &functions)?;
    }
    let mut main = Body::default();
    collect(&file.graph, &mut main, 0);
    let inlined = expand(&main, &functions, &mut HashMap::new(), 0, limits)?;
    let nodes_max = if functions.is_empty() { limits.nodes } else { limits.inlined_nodes };
    if inlined.nodes > nodes_max {
        let why = format!("its functions become more than {nodes_max} nodes; inline them before");
        return Err(Refused::unsupported("the model", why));
    }
    if inlined.depth > limits.subgraph_depth {
        let why = format!("its functions become more than {} subgraphs inside each other", limits.subgraph_depth);
        return Err(Refused::unsupported("the model", why));
    }
    Ok(inlined)
}

/// The operators of all graphs of the file, as written: not multiplied by calls.
pub(super) fn operators(file: &File<'_>) -> BTreeMap<String, u64> {
    let mut all = Body::default();
    for graph in file.functions.iter().map(|function| &function.body).chain([&file.graph]) {
        collect(graph, &mut all, 0);
    }
    let name = |(domain, op): Op<'_>| if domain.is_empty() { op.to_owned() } else { format!("{domain}::{op}") };
    all.ops.into_iter().map(|(op, (times, _))| (name(op), times)).collect()
}

fn check_operators(graph: &Graph<'_>, functions: &HashMap<Op<'_>, Body<'_>>) -> Result<(), Refused> {
    for node in &graph.nodes {
        if !functions.contains_key(&(node.domain, node.op)) {
            operators::check(node)?;
        }
        node.graphs().try_for_each(|graph| check_operators(graph, functions))?;
    }
    Ok(())
}

fn collect<'a>(graph: &Graph<'a>, body: &mut Body<'a>, depth: u32) {
    body.depth = body.depth.max(depth);
    for node in &graph.nodes {
        let (times, deepest) = body.ops.entry((node.domain, node.op)).or_default();
        *times += 1;
        *deepest = depth.max(*deepest);
        node.graphs().for_each(|graph| collect(graph, body, depth + 1));
    }
}

fn expand<'a>(
    body: &Body<'a>,
    functions: &HashMap<Op<'a>, Body<'a>>,
    known: &mut HashMap<Op<'a>, Inlined>,
    calls: u32,
    limits: &AdmissionLimits,
) -> Result<Inlined, Refused> {
    if calls > limits.call_depth {
        let why = format!("its functions call each other more than {} deep; inline them before", limits.call_depth);
        return Err(Refused::unsupported("the model", why));
    }
    let mut whole = Inlined { nodes: 0, depth: body.depth };
    for (op, (times, deepest)) in &body.ops {
        let each = match (known.get(op), functions.get(op)) {
            (Some(known), _) => *known,
            (None, None) => Inlined { nodes: 1, depth: 0 },
            (None, Some(callee)) => {
                let inside = expand(callee, functions, known, calls + 1, limits)?;
                known.insert(*op, inside);
                inside
            }
        };
        whole.nodes = whole.nodes.saturating_add(each.nodes.saturating_mul(*times));
        whole.depth = whole.depth.max(deepest.saturating_add(each.depth));
    }
    Ok(whole)
}
