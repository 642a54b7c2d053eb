//! Whether one caller's rows can change another's answer, if their inputs are joined along dimension 0.
//!
//! Dimension 0 of every input is taken for the batch, and followed through the operators known to keep rows apart. The
//! first that mixes them, or that is not known, ends it: the answer is `Yes`, which costs speed; a wrong `No` would cost an
//! answer. Shapes are worked out here, from the declared inputs and the initializers alone, since a file may declare
//! anything in between; the numbers inside shape tensors are followed too, because exporters reshape by them.
//!
//! "Apart" means in the arithmetic of the operator. The last bits of floats may still depend on how many rows there are.

mod layout;
mod linear;
mod pointwise;
mod reduce;
mod select;
mod value;

use std::collections::{HashMap, HashSet};

use serde::{Deserialize, Serialize};

use super::file::File;
use super::graph::{Declared, Graph, Node};
use super::scope;
use super::sizes::constant_node;
use value::{Call, LENGTH_MAX, Size, Step, Value};

/// Whether rows of a batch can touch each other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RowMixing {
    /// Row i of each output comes from row i of the inputs alone.
    No,
    /// They do, or nobody knows.
    Yes {
        /// The node, by its name or its first output; or the model's input or output.
        node: String,
        /// Its operator; empty for an input or output.
        op: String,
        /// What it does.
        why: String,
    },
}

/// How to follow one kind of operator.
type Rule = fn(&Call<'_, '_>) -> Step;

/// Follows the batch through the main graph, whose nodes can run in this order.
pub(super) fn analyse(file: &File<'_>, order: &[usize]) -> RowMixing {
    let mut values = match starts(&file.graph) {
        Ok(values) => values,
        Err(mixing) => return mixing,
    };
    // Before operator set imports there was version 1.
    let opset = file.opsets.get("").copied().unwrap_or(1);
    let functions: HashSet<_> = file.functions.iter().map(|function| (function.domain, function.name)).collect();
    for node in order.iter().filter_map(|at| file.graph.nodes.get(*at)) {
        let stepped = match functions.contains(&(node.domain, node.op)) {
            true => Err("a function of the model is not looked into"),
            false => step(node, &values, opset),
        };
        match stepped {
            Ok(made) => values.extend(node.outputs.iter().copied().zip(made)),
            Err(why) => return mixing(node, why),
        }
    }
    let apart = |output: &&Declared<'_>| values.get(output.name).is_none_or(|value| value.batch != Some(0));
    match file.graph.outputs.iter().find(apart) {
        Some(output) => at_edge(format!("output {}", output.name), "its dimension 0 is not the batch"),
        None => RowMixing::No,
    }
}

/// The values that are there before the first node.
fn starts<'a>(graph: &Graph<'a>) -> Result<HashMap<&'a str, Value>, RowMixing> {
    let mut values: HashMap<&'a str, Value> =
        graph.initializers.iter().map(|constant| (constant.name, Value::of_constant(constant))).collect();
    let inputs: Vec<_> = graph.inputs.iter().filter(|input| !values.contains_key(input.name)).collect();
    if inputs.is_empty() {
        return Err(at_edge("the model".to_owned(), "it has no input"));
    }
    for input in inputs {
        match Value::of_input(input) {
            Some(value) => values.insert(input.name, value),
            None => return Err(at_edge(format!("input {}", input.name), "its dimension 0 is not open, so no batch")),
        };
    }
    Ok(values)
}

fn step(node: &Node<'_>, values: &HashMap<&str, Value>, opset: i64) -> Step {
    let inputs: Vec<Option<&Value>> =
        node.inputs.iter().map(|name| values.get(name).filter(|_| !name.is_empty())).collect();
    let lost = node.inputs.iter().zip(&inputs).any(|(name, value)| !name.is_empty() && value.is_none());
    if lost {
        return Err("takes a value that could not be followed");
    }
    let captured = scope::captures(node);
    let outer = captured.iter().map(|name| values.get(name));
    let fixed = inputs.iter().flatten().all(|value| value.is_fixed())
        && outer.into_iter().all(|value| value.is_some_and(Value::is_fixed));
    if is_random(node) {
        return Err("is random");
    }
    if let Some(constant) = constant(node) {
        return Ok(vec![constant]);
    }
    let has_graphs = node.graphs().next().is_some();
    let call = Call { node, inputs, opset };
    let made = match rule(node) {
        _ if has_graphs => Err("has a subgraph, which is not looked into"),
        Some(rule) => rule(&call),
        None => Err("is not known to keep rows apart"),
    };
    match made.and_then(short) {
        // What is made of constants is constant, whatever it is.
        Err(_) if fixed => Ok(node.outputs.iter().map(|_| Value::constant()).collect()),
        made => made,
    }
}

/// A file could double a shape node by node; ONNX Runtime has no use for one of more dimensions than this.
fn short(made: Vec<Value>) -> Step {
    let fits = made.iter().all(|value| value.rank().unwrap_or(0) <= LENGTH_MAX);
    if fits { Ok(made) } else { Err("has too many dimensions to follow") }
}

/// What a `Constant` node is.
fn constant(node: &Node<'_>) -> Option<Value> {
    if !node.domain.is_empty() || node.op != "Constant" {
        return None;
    }
    if let Some(tensor) = constant_node(node) {
        return Some(Value::of_constant(tensor));
    }
    if node.attribute("value_int").is_some() {
        return node.int("value_int", 0).map(|int| Value::of_ints(vec![Size::Known(int)], true));
    }
    let ints = node.attribute("value_ints").and_then(|ints| ints.ints(LENGTH_MAX));
    ints.map(|ints| Value::of_ints(ints.into_iter().map(Size::Known).collect(), false))
}

fn rule(node: &Node<'_>) -> Option<Rule> {
    match node.domain {
        "" => pointwise::rule(node.op)
            .or_else(|| layout::rule(node.op))
            .or_else(|| reduce::rule(node.op))
            .or_else(|| linear::rule(node.op)),
        "ai.onnx.ml" => linear::rule_ml(node.op),
        "com.microsoft" => linear::rule_microsoft(node.op),
        _ => None,
    }
}

fn is_random(node: &Node<'_>) -> bool {
    let randoms =
        ["RandomNormal", "RandomUniform", "RandomNormalLike", "RandomUniformLike", "Bernoulli", "Multinomial"];
    let training = node.op == "Dropout" && node.inputs.get(2).is_some_and(|mode| !mode.is_empty());
    randoms.contains(&node.op) || training
}

fn mixing(node: &Node<'_>, why: &str) -> RowMixing {
    let name = if node.name.is_empty() { node.outputs.first().copied().unwrap_or_default() } else { node.name };
    RowMixing::Yes { node: name.to_owned(), op: node.op.to_owned(), why: why.to_owned() }
}

fn at_edge(node: String, why: &str) -> RowMixing {
    RowMixing::Yes { node, op: String::new(), why: why.to_owned() }
}
