//! Names: each value is defined once, whatever is used is defined, and nothing waits for itself.

use std::collections::{HashMap, HashSet};

use super::graph::{Graph, Node};
use super::refused::{Quoted, Refused};

/// Where a name comes from, inside one graph.
#[derive(Clone, Copy)]
enum Origin {
    /// An input or initializer.
    Given,
    /// The node of this number.
    Node(usize),
}

/// Names that a graph uses and does not define, each with a node that uses it.
type Free<'g, 'a> = HashMap<&'a str, &'g Node<'a>>;

/// Checks a graph that stands alone, with all its subgraphs. Answers the numbers of its nodes in an order in which each
/// can run.
pub(super) fn check(graph: &Graph<'_>) -> Result<Vec<usize>, Refused> {
    let (free, order) = walk(graph)?;
    match free.iter().min_by_key(|(name, _)| **name) {
        Some((name, node)) => Err(Refused::malformed(node, format!("its input {} is defined nowhere", Quoted(name)))),
        None => Ok(order),
    }
}

/// The names that a node's subgraphs take from outside. The graph has been checked.
pub(super) fn captures<'a>(node: &Node<'a>) -> HashSet<&'a str> {
    node.graphs().filter_map(|graph| walk(graph).ok()).flat_map(|(free, _)| free.into_keys()).collect()
}

fn walk<'g, 'a>(graph: &'g Graph<'a>) -> Result<(Free<'g, 'a>, Vec<usize>), Refused> {
    let origins = origins(graph)?;
    let (mut free, mut followers) = (Free::new(), vec![Vec::new(); graph.nodes.len()]);
    let mut waits = vec![0usize; graph.nodes.len()];
    for (at, node) in graph.nodes.iter().enumerate() {
        let mut uses: HashMap<&'a str, &'g Node<'a>> = HashMap::new();
        for inner in node.graphs() {
            uses.extend(walk(inner)?.0);
        }
        uses.extend(node.inputs.iter().filter(|name| !name.is_empty()).map(|name| (*name, node)));
        for (name, user) in uses {
            match origins.get(name) {
                Some(Origin::Given) => {}
                Some(Origin::Node(from)) => {
                    followers.get_mut(*from).into_iter().for_each(|list| list.push(at));
                    waits.get_mut(at).into_iter().for_each(|count| *count += 1);
                }
                None => drop(free.insert(name, user)),
            }
        }
    }
    for output in &graph.outputs {
        // A branch may hand out a value of the graph around it: its last node stands for the user.
        if let (None, Some(node)) = (origins.get(output.name), graph.nodes.last()) {
            free.entry(output.name).or_insert(node);
        }
    }
    let order = sorted(graph, &followers, waits)?;
    Ok((free, order))
}

fn origins<'a>(graph: &Graph<'a>) -> Result<HashMap<&'a str, Origin>, Refused> {
    let mut origins: HashMap<&'a str, Origin> = HashMap::new();
    for input in &graph.inputs {
        if origins.insert(input.name, Origin::Given).is_some() {
            return Err(Refused::malformed("the graph", format!("input {} is declared twice", Quoted(input.name))));
        }
    }
    let mut constants = HashSet::new();
    for constant in &graph.initializers {
        if !constants.insert(constant.name) {
            return Err(Refused::malformed(
                "the graph",
                format!("initializer {} is there twice", Quoted(constant.name)),
            ));
        }
        // One that is an input too is that input's default.
        origins.insert(constant.name, Origin::Given);
    }
    for (at, node) in graph.nodes.iter().enumerate() {
        for output in node.outputs.iter().filter(|name| !name.is_empty()) {
            if origins.insert(output, Origin::Node(at)).is_some() {
                return Err(Refused::malformed(node, format!("its output {} is defined twice", Quoted(output))));
            }
        }
    }
    Ok(origins)
}

/// The nodes in an order in which each comes after those that it waits for.
fn sorted(graph: &Graph<'_>, followers: &[Vec<usize>], mut waits: Vec<usize>) -> Result<Vec<usize>, Refused> {
    let ready = waits.iter().enumerate().filter(|(_, waits)| **waits == 0);
    let mut order: Vec<usize> = ready.map(|(at, _)| at).collect();
    let mut done = 0;
    while let Some(at) = order.get(done).copied() {
        done += 1;
        for follower in followers.get(at).into_iter().flatten() {
            if let Some(count) = waits.get_mut(*follower) {
                *count -= 1;
                if *count == 0 {
                    order.push(*follower);
                }
            }
        }
    }
    if order.len() == graph.nodes.len() {
        return Ok(order);
    }
    let stuck: HashSet<usize> = waits.iter().enumerate().filter(|(_, waits)| **waits > 0).map(|(at, _)| at).collect();
    match on_cycle(followers, &stuck).and_then(|at| graph.nodes.get(at)) {
        Some(node) => Err(Refused::malformed(node, "its input depends on its own output")),
        None => Err(Refused::malformed("the graph", "it has a cycle")),
    }
}

/// Of the nodes that could not run, one that waits for itself and not only behind those that do.
fn on_cycle(followers: &[Vec<usize>], stuck: &HashSet<usize>) -> Option<usize> {
    let mut before: HashMap<usize, usize> = HashMap::new();
    for from in stuck {
        for follower in followers.get(*from).into_iter().flatten() {
            before.insert(*follower, *from);
        }
    }
    let mut at = *stuck.iter().min()?;
    // As many steps back as there are nodes end inside a cycle.
    for _ in 0..stuck.len() {
        at = *before.get(&at)?;
    }
    Some(at)
}
