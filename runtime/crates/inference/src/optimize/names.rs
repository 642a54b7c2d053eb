//! New names that nobody has yet.

use std::collections::{HashMap, HashSet};

use super::read::Graph;
use crate::admission::wire::Malformed;

/// Bytes of an old name that a new one begins with: admission allows 1024 in all.
const STEM_BYTES_MAX: usize = 200;

/// The names of a graph and of those inside it.
pub(super) struct Names<'a> {
    old: HashSet<&'a str>,
    /// The number that each name was last given with.
    made: HashMap<String, u64>,
}

impl<'a> Names<'a> {
    pub(super) fn of(graph: &Graph<'a>) -> Result<Self, Malformed> {
        let mut old: HashSet<&str> = graph.inputs.iter().map(|(name, _)| *name).collect();
        old.extend(graph.constants.iter().map(|constant| constant.name));
        old.extend(graph.outputs.iter().copied());
        for node in &graph.nodes {
            old.extend(node.inputs.iter().chain(&node.outputs).copied());
            // Nodes' names are names of their own kind; it does no harm to avoid them too.
            old.insert(node.name);
            node.inner_names(&mut old)?;
        }
        Ok(Self { old, made: HashMap::new() })
    }

    /// A name that says what it is made of and for.
    pub(super) fn fresh(&mut self, of: &str, what: &str) -> String {
        let stem = of.get(..of.floor_char_boundary(STEM_BYTES_MAX)).unwrap_or(of);
        let plain = format!("{stem}_{what}");
        let number = self.made.entry(plain.clone()).or_default();
        loop {
            *number += 1;
            let name = if *number == 1 { plain.clone() } else { format!("{plain}_{number}") };
            // A made name ends in a number of its own stem, or in none: two stems never make the same.
            if !self.old.contains(name.as_str()) {
                return name;
            }
        }
    }
}
