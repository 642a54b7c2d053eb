//! Which route a path belongs to: a tree by segments.
//!
//! At each segment the exact text is tried first, then `{param}`, then `{*rest}`; where a branch leads nowhere, the next is
//! tried. A lookup costs one hash per segment; a miss among patterns that mix text and params in every place visits each
//! node of that mixture at most once, so a tenant that deploys such a mixture slows down its own paths.

use modelet_spec::{PathPattern, Segment};
use std::collections::HashMap;

/// Where a found route lies: the entry's index, and the route's in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) entry: usize,
    pub(crate) route: usize,
}

/// A tree of patterns.
#[derive(Debug, Default)]
pub(crate) struct Node {
    exact: HashMap<String, Node>,
    param: Option<Box<Node>>,
    rest: Methods,
    here: Methods,
}

/// The routes of one pattern, by method.
#[derive(Debug, Default)]
pub(crate) struct Methods {
    any: Option<Target>,
    named: Vec<(String, Target)>,
}

impl Node {
    /// The methods of the most specific pattern that matches `path`, which begins with a slash.
    pub(crate) fn find(&self, path: &str) -> Option<&Methods> {
        self.walk(Some(path.strip_prefix('/')?))
    }

    /// The place of `pattern`, made where it is missing.
    pub(crate) fn place(&mut self, pattern: &PathPattern) -> &mut Methods {
        let mut node = self;
        for segment in pattern.segments() {
            node = match segment {
                Segment::Exact(text) => node.exact.entry(text.clone()).or_default(),
                Segment::Param(_) => node.param.get_or_insert_default(),
                // Only ever the last one.
                Segment::Rest(_) => return &mut node.rest,
            };
        }
        &mut node.here
    }

    /// `rest` is what is left behind the last slash; `None`: nothing, not even a slash.
    fn walk(&self, rest: Option<&str>) -> Option<&Methods> {
        let Some(rest) = rest else {
            return self.here.if_any();
        };
        let (segment, left) = match rest.split_once('/') {
            Some((segment, left)) => (segment, Some(left)),
            None => (rest, None),
        };
        let exact = self.exact.get(segment).and_then(|node| node.walk(left));
        let param = || {
            let node = self.param.as_deref().filter(|_| !segment.is_empty())?;
            node.walk(left)
        };
        exact.or_else(param).or_else(|| self.rest.if_any())
    }
}

impl Methods {
    /// Who answers `method`. A route for GET answers HEAD too, as HTTP has it, unless another route names HEAD.
    pub(crate) fn find(&self, method: &str) -> Option<Target> {
        let named = |wanted: &str| {
            let found = self.named.iter().find(|(known, _)| known == wanted);
            found.map(|(_, target)| *target)
        };
        let head = || named("GET").filter(|_| method == "HEAD");
        named(method).or_else(head).or(self.any)
    }

    /// The methods that are answered here, for `Allow`.
    pub(crate) fn allowed(&self) -> Vec<String> {
        let mut methods: Vec<String> = self.named.iter().map(|(method, _)| method.clone()).collect();
        if methods.iter().any(|method| method == "GET") {
            methods.push("HEAD".to_owned());
        }
        methods.sort();
        methods.dedup();
        methods
    }

    /// All that answer here.
    pub(crate) fn targets(&self) -> impl Iterator<Item = Target> {
        self.named.iter().map(|(_, target)| *target).chain(self.any)
    }

    /// Adds `target` for `methods` (none: for all), or says who is in the way.
    pub(crate) fn insert(&mut self, methods: &[String], target: Target) -> Result<(), Target> {
        if let Some(holder) = self.holder(methods) {
            return Err(holder);
        }
        if methods.is_empty() {
            self.any = Some(target);
        }
        for method in methods {
            self.named.push((method.clone(), target));
        }
        Ok(())
    }

    /// Takes out all that belongs to the entry with this index.
    pub(crate) fn remove(&mut self, entry: usize) {
        self.any = self.any.filter(|target| target.entry != entry);
        self.named.retain(|(_, target)| target.entry != entry);
    }

    fn holder(&self, methods: &[String]) -> Option<Target> {
        let overlapping = |(known, _): &&(String, Target)| methods.is_empty() || methods.contains(known);
        let named = self.named.iter().find(overlapping).map(|(_, target)| *target);
        self.any.or(named)
    }

    fn if_any(&self) -> Option<&Self> {
        let is_empty = self.any.is_none() && self.named.is_empty();
        (!is_empty).then_some(self)
    }
}
