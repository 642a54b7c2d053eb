//! 16-bit floats: weights that are stored in half and cast where they are used.

use super::build::{Attribute, Build, FLOAT, FLOAT16};
use super::numbers;
use super::read::{Constant, Model, Node};
use super::weights::{self, Use, Uses, Why};
use super::{Kept, Options, Rewritten};
use crate::admission::wire::Malformed;

/// How a weight is cast.
enum Way {
    /// As a whole, which a load does once: the cast has the weight's old name, so its users stay as they are.
    Whole,
    /// What is taken from it.
    Taken,
}

/// Rewrites the graph; answers it and what was done.
pub(super) fn rewrite<'a>(
    model: &Model<'a>,
    options: &Options,
) -> Result<(Build<'a>, Vec<Rewritten>, Vec<Kept>), Malformed> {
    let uses = Uses::of(&model.graph)?;
    let mut build = Build::new(&model.graph)?;
    let (mut rewritten, mut kept) = (Vec::new(), Vec::new());
    // The halves of what is gathered, by node.
    let mut tables: Vec<Option<String>> = vec![None; model.graph.nodes.len()];
    for weight in &model.graph.constants {
        if !weights::is_weight(weight, options) {
            build.keep_constant(weight);
            continue;
        }
        let used = uses.of_name(weight.name);
        let (way, bytes) = match halves(weight, model, used, options) {
            Ok(halves) => halves,
            Err(why) => {
                build.keep_constant(weight);
                kept.push(why.kept(weight));
                continue;
            }
        };
        let half = build.constant(weight.name, "half", FLOAT16, &weight.dims, &bytes);
        match way {
            Way::Whole => {
                let cast = build.fresh(weight.name, "cast");
                build.node("Cast", (&cast, &[&half], &[weight.name]), &[Attribute::Int("to", FLOAT)]);
            }
            Way::Taken => {
                for at in users(used) {
                    tables.get_mut(at).into_iter().for_each(|table| *table = Some(half.clone()));
                }
            }
        }
        let nodes: Vec<&Node<'_>> = users(used).filter_map(|at| model.graph.nodes.get(at)).collect();
        rewritten.push(Rewritten {
            weight: weight.name.to_owned(),
            nodes: nodes.iter().map(|node| node.label().to_owned()).collect(),
            op: nodes.first().map(|node| node.op.to_owned()).unwrap_or_default(),
            bytes_before: 2 * bytes.len() as u64,
            bytes_after: bytes.len() as u64,
        });
    }
    for (node, table) in model.graph.nodes.iter().zip(tables) {
        match table {
            None => build.keep_node(node),
            Some(half) => gather(&mut build, node, &half)?,
        }
    }
    Ok((build, rewritten, kept))
}

/// A weight in half, and how to cast it; or why it stays.
fn halves<'a>(
    weight: &Constant<'a>,
    model: &Model<'a>,
    uses: &[Use],
    options: &Options,
) -> Result<(Way, Vec<u8>), Why<'a>> {
    weights::check(weight, model, uses)?;
    let nodes = || users(uses).filter_map(|at| model.graph.nodes.get(at));
    if let Some(node) = nodes().find(|node| weights::is_asked_for(node, options)) {
        return Err(Why::new(node, "you asked to keep the node"));
    }
    let taken = uses.iter().all(|used| match used {
        Use::Node(at, 0) => model.graph.nodes.get(*at).is_some_and(|node| node.is("Gather") && node.outputs.len() == 1),
        _ => false,
    });
    let Some(values) = weight.floats() else { return Err(Why::nobody("its data is not as its shape says")) };
    let bytes = 4 * values.len() as u64;
    if !taken && bytes > options.folded_bytes_max {
        let most = options.folded_bytes_max;
        let why = format!("a load makes constants of {most} bytes at most, so each run would cast it");
        return Err(nodes().next().map_or_else(|| Why::nobody(why.clone()), |node| Why::new(node, why.clone())));
    }
    let halves = numbers::halves(&values).map_err(Why::nobody)?;
    Ok((if taken { Way::Taken } else { Way::Whole }, halves))
}

fn users(uses: &[Use]) -> impl Iterator<Item = usize> {
    uses.iter().filter_map(|used| match used {
        Use::Node(at, _) | Use::Inside(at) => Some(*at),
        Use::Output => None,
    })
}

/// The rows of a table in half, cast when they are taken.
fn gather(build: &mut Build<'_>, node: &Node<'_>, half: &str) -> Result<(), Malformed> {
    let output = node.outputs.first().copied().unwrap_or_default();
    let axis = [Attribute::Int("axis", node.int("axis", 0)?)];
    let picked = build.step("Gather", &[half, node.input(1).unwrap_or_default()], (output, "half"), &axis);
    let name = if node.name.is_empty() { output } else { node.name };
    build.node("Cast", (name, &[&picked], &[output]), &[Attribute::Int("to", FLOAT)]);
    Ok(())
}
