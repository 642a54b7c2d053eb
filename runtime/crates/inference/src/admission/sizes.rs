//! What constants alone make large or long: tensors filled from a constant shape, loops with a constant count. And what has to be
//! a constant, because nothing else looks at it.
//!
//! What depends on an input, or on anything computed, is not seen here: at a run the arena and the run limit bound it, at
//! a load the cap on folded constants.

use std::collections::HashMap;

use super::graph::{Graph, Node};
use super::limits::AdmissionLimits;
use super::refused::Refused;
use super::tensor::{Tensor, made_too_large};

/// More numbers than any shape has.
const INTS_MAX: usize = 64;

/// A graph's constants, and those of the graphs around it.
struct Scope<'g, 'a> {
    constants: HashMap<&'a str, &'g Tensor<'a>>,
    makers: HashMap<&'a str, &'g Node<'a>>,
    around: Option<&'g Scope<'g, 'a>>,
}

/// Checks a graph and its subgraphs, which run `turns` times for each time that the model runs.
pub(super) fn check(graph: &Graph<'_>, limits: &AdmissionLimits) -> Result<(), Refused> {
    walk(graph, None, 1, limits)
}

fn walk<'g, 'a>(
    graph: &'g Graph<'a>,
    around: Option<&'g Scope<'g, 'a>>,
    turns: u64,
    limits: &AdmissionLimits,
) -> Result<(), Refused> {
    let outputs = graph.nodes.iter().flat_map(|node| node.outputs.iter().map(move |output| (*output, node)));
    let scope = Scope {
        constants: graph.initializers.iter().map(|constant| (constant.name, constant)).collect(),
        makers: outputs.collect(),
        around,
    };
    for node in &graph.nodes {
        if let Some(bytes) = made_bytes(node, &scope).filter(|bytes| *bytes > limits.made_bytes) {
            return Err(made_too_large(node, bytes, limits));
        }
        if (node.domain, node.op) == ("", "STFT") && !has_window(node, &scope) {
            let why = "neither its window nor its frame_length is a constant with a length, and ONNX Runtime divides by it \
                       without a look: make one of them an initializer";
            return Err(Refused::unsupported(node, why));
        }
        let inside = turns.saturating_mul(turns_of(node, &scope).unwrap_or(1).max(1));
        if inside > limits.loop_turns && inside > turns {
            let why = format!("makes {inside} turns; at most {} are allowed", limits.loop_turns);
            return Err(Refused::too_large(node, why));
        }
        for subgraph in node.graphs() {
            walk(subgraph, Some(&scope), inside, limits)?;
        }
    }
    Ok(())
}

/// The least that a node's first output takes, if constants say it.
fn made_bytes(node: &Node<'_>, scope: &Scope<'_, '_>) -> Option<u64> {
    let input = |at: usize| node.inputs.get(at).copied().unwrap_or_default();
    let product = |ints: Vec<i64>| ints.iter().fold(1u64, |all, int| all.saturating_mul(int.unsigned_abs()));
    let element = |name: &str| scope.constant(name).and_then(|tensor| tensor.element.bytes()).unwrap_or(1) as u64;
    match (node.domain, node.op) {
        ("", "ConstantOfShape") => {
            let value = node.attribute("value").and_then(|value| value.tensors.first());
            let bytes = value.map_or(4, |value| value.element.bytes().unwrap_or(1)) as u64;
            Some(product(scope.ints(input(0))?).saturating_mul(bytes))
        }
        ("", "Expand") => Some(product(scope.ints(input(1))?).saturating_mul(element(input(0)))),
        ("", "Tile") => {
            let of = scope.constant(input(0)).map_or(1, Tensor::elements);
            Some(product(scope.ints(input(1))?).saturating_mul(of).saturating_mul(element(input(0))))
        }
        ("", "Range") => {
            let number = |at| scope.constant(input(at)).and_then(Tensor::number);
            let turns = (number(1)? - number(0)?) / number(2)?;
            // Casts from floats saturate; a step of 0 is for ONNX Runtime to refuse.
            Some((turns.max(0.0) as u64).saturating_mul(element(input(0))))
        }
        ("", "Pad") => {
            let pads = match node.attribute("pads") {
                Some(attribute) => attribute.ints(INTS_MAX)?,
                None => scope.ints(input(1))?,
            };
            let (before, after) = pads.split_at_checked(pads.len() / 2)?;
            let sides = before.iter().zip(after).map(|(before, after)| before.saturating_add(*after).max(1));
            Some(product(sides.collect()))
        }
        ("", "Resize") => Some(product(scope.ints(input(3))?)),
        ("", "OneHot") => Some(scope.ints(input(1))?.first()?.unsigned_abs()),
        ("", "HannWindow" | "HammingWindow" | "BlackmanWindow") => {
            Some(scope.ints(input(0))?.first()?.unsigned_abs().saturating_mul(4))
        }
        ("", "RandomNormal" | "RandomUniform") => {
            Some(product(node.attribute("shape")?.ints(INTS_MAX)?).saturating_mul(4))
        }
        _ => None,
    }
}

/// Whether a constant says how long the window of a spectrum is. One that comes with a call may be empty, which ends the process
/// in ONNX Runtime 1.31.1; it compares the two, so one is enough.
fn has_window(node: &Node<'_>, scope: &Scope<'_, '_>) -> bool {
    let input = |node: &Node<'_>, at: usize| node.inputs.get(at).copied().unwrap_or_default().to_owned();
    let is_length = |name: String| scope.ints(&name).is_some_and(|ints| ints.first().is_some_and(|length| *length > 0));
    let window = input(node, 2);
    let is_made = |maker: &&Node<'_>| {
        maker.domain.is_empty() && matches!(maker.op, "HannWindow" | "HammingWindow" | "BlackmanWindow")
    };
    let maker = scope.makers.get(window.as_str()).copied().filter(is_made);
    is_length(input(node, 3))
        || scope.constant(&window).is_some_and(|window| window.elements() > 0)
        || maker.is_some_and(|maker| is_length(input(maker, 0)))
}

/// How often a loop runs, if it is a constant and nothing in the loop can end it sooner.
fn turns_of(node: &Node<'_>, scope: &Scope<'_, '_>) -> Option<u64> {
    if (node.domain, node.op) != ("", "Loop") {
        return None;
    }
    let count = node.inputs.first().and_then(|name| scope.ints(name))?;
    let body = node.graphs().next()?;
    let goes_on = body.outputs.first()?.name;
    let given = body.inputs.get(1)?.name;
    let starts = node.inputs.get(1).copied().unwrap_or_default();
    let never_ends = match body_source(body, goes_on) {
        source if source == given => starts.is_empty() || scope.is_true(starts),
        source => constant_of(body, source).is_some_and(|value| value.ints(1).as_deref() == Some(&[1])),
    };
    never_ends.then(|| count.first().map(|count| u64::try_from(*count).unwrap_or(0)))?
}

/// Where a value comes from, through any number of nodes that only pass it on.
fn body_source<'a>(body: &Graph<'a>, mut name: &'a str) -> &'a str {
    let passes: HashMap<&str, &'a str> = body
        .nodes
        .iter()
        .filter(|node| node.domain.is_empty() && matches!(node.op, "Identity" | "Cast"))
        .filter_map(|node| Some((*node.outputs.first()?, *node.inputs.first()?)))
        .collect();
    for _ in 0..=passes.len() {
        match passes.get(name) {
            Some(from) => name = from,
            None => break,
        }
    }
    name
}

fn constant_of<'g, 'a>(graph: &'g Graph<'a>, name: &str) -> Option<&'g Tensor<'a>> {
    let made = || graph.nodes.iter().find(|node| node.outputs.first() == Some(&name)).and_then(constant_node);
    graph.initializers.iter().find(|constant| constant.name == name).or_else(made)
}

/// The tensor that a `Constant` node is.
pub(super) fn constant_node<'g, 'a>(node: &'g Node<'a>) -> Option<&'g Tensor<'a>> {
    let is_constant = node.domain.is_empty() && node.op == "Constant";
    is_constant.then(|| node.attribute("value").and_then(|value| value.tensors.first()))?
}

impl<'a> Scope<'_, 'a> {
    fn constant(&self, name: &str) -> Option<&Tensor<'a>> {
        if let Some(constant) = self.constants.get(name) {
            return Some(constant);
        }
        match self.makers.get(name) {
            Some(maker) => constant_node(maker),
            None => self.around.and_then(|around| around.constant(name)),
        }
    }

    fn ints(&self, name: &str) -> Option<Vec<i64>> {
        if let Some(constant) = self.constant(name) {
            return constant.ints(INTS_MAX);
        }
        let Some(maker) = self.makers.get(name) else { return self.around?.ints(name) };
        if !maker.domain.is_empty() || maker.op != "Constant" {
            return None;
        }
        match maker.attribute("value_int") {
            Some(_) => maker.int("value_int", 0).map(|int| vec![int]),
            None => maker.attribute("value_ints")?.ints(INTS_MAX),
        }
    }

    fn is_true(&self, name: &str) -> bool {
        self.constant(name).and_then(|value| value.ints(1)).as_deref() == Some(&[1])
    }
}
