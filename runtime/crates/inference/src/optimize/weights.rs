//! The weights that may be rewritten, and who uses each.

use std::collections::{HashMap, HashSet};

use super::read::{Constant, F32, Graph, Model, Node};
use super::{Kept, Options};
use crate::admission::wire::Malformed;

/// Who uses a constant.
#[derive(Clone, Copy)]
pub(super) enum Use {
    /// A node of the main graph: its number, and at which input.
    Node(usize, usize),
    /// A subgraph of this node.
    Inside(usize),
    /// The model hands it out.
    Output,
}

/// The users of every name of a graph, in the order of the file.
pub(super) struct Uses<'a> {
    by_name: HashMap<&'a str, Vec<Use>>,
}

impl<'a> Uses<'a> {
    pub(super) fn of(graph: &Graph<'a>) -> Result<Self, Malformed> {
        let mut by_name: HashMap<&'a str, Vec<Use>> = HashMap::new();
        for (at, node) in graph.nodes.iter().enumerate() {
            for (input, name) in node.inputs.iter().enumerate() {
                by_name.entry(name).or_default().push(Use::Node(at, input));
            }
            // Also names that are defined inside and only look the same: that costs a rewrite, no answer.
            let mut inside = HashSet::new();
            node.inner_names(&mut inside)?;
            inside.into_iter().for_each(|name| by_name.entry(name).or_default().push(Use::Inside(at)));
        }
        graph.outputs.iter().for_each(|name| by_name.entry(name).or_default().push(Use::Output));
        Ok(Self { by_name })
    }

    pub(super) fn of_name(&self, name: &str) -> &[Use] {
        self.by_name.get(name).map_or(&[], Vec::as_slice)
    }
}

/// Why a weight stays, and for which node.
pub(super) struct Why<'a> {
    node: &'a str,
    op: &'a str,
    text: String,
}

impl<'a> Why<'a> {
    pub(super) fn new(node: &Node<'a>, text: impl Into<String>) -> Self {
        Self { node: node.label(), op: node.op, text: text.into() }
    }

    /// No node is to blame.
    pub(super) fn nobody(text: impl Into<String>) -> Self {
        Self { node: "", op: "", text: text.into() }
    }

    pub(super) fn kept(self, weight: &Constant<'_>) -> Kept {
        Kept {
            weight: weight.name.to_owned(),
            node: self.node.to_owned(),
            op: self.op.to_owned(),
            bytes: weight.elements().map_or(0, |elements| (elements as u64).saturating_mul(4)),
            why: self.text,
        }
    }
}

/// Whether a constant is a weight at all: numbers of 32 bits, and enough of them for a rewrite to pay. The others are not
/// reported either.
pub(super) fn is_weight(constant: &Constant<'_>, options: &Options) -> bool {
    let enough = constant.elements().is_some_and(|elements| elements as u64 >= options.elements_min.max(1));
    constant.element == F32 && enough
}

/// What holds for every rewrite: the constant is this file's, and nobody can replace it.
pub(super) fn check<'a>(weight: &Constant<'a>, model: &Model<'a>, uses: &[Use]) -> Result<(), Why<'a>> {
    if weight.external {
        return Err(Why::nobody("its data is in another file"));
    }
    // Before version 4 every constant was declared as an input, and none could be given.
    if model.ir_version >= 4 && model.graph.inputs.iter().any(|(name, _)| *name == weight.name) {
        return Err(Why::nobody("it is an input too: callers may give another"));
    }
    if uses.is_empty() {
        return Err(Why::nobody("nothing uses it"));
    }
    Ok(())
}

/// Whether a person asked for this node to stay.
pub(super) fn is_asked_for(node: &Node<'_>, options: &Options) -> bool {
    options.keep.iter().any(|name| !name.is_empty() && (name == node.name || node.outputs.contains(&name.as_str())))
}
