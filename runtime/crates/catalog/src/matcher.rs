//! Which route a path belongs to: a tree by segments.
//!
//! At each segment the exact text is tried first, then `{param}`, then `{*rest}`; where a branch leads nowhere, the next is
//! tried. A lookup costs one hash per segment; a miss among patterns that mix text and params in every place visits each
//! node of that mixture at most once, so a tenant that deploys such a mixture slows down its own paths.
//!
//! A tree that was copied shares its branches with the copy; a change copies the nodes on the way to it.

use crate::catalog::Entry;
use crate::shared::Shared;
use modelet_spec::{PathPattern, Segment};
use std::sync::Arc;

/// Where a found route leads: the entry, and the route's number in it.
#[derive(Debug)]
pub(crate) struct Target<F> {
    pub(crate) entry: Arc<Entry<F>>,
    pub(crate) route: usize,
}

/// A tree of patterns.
#[derive(Debug)]
pub(crate) struct Node<F> {
    exact: Shared<Box<str>, Node<F>>,
    param: Option<Arc<Node<F>>>,
    rest: Methods<F>,
    here: Methods<F>,
}

/// The routes of one pattern, by method.
#[derive(Debug)]
pub(crate) struct Methods<F> {
    any: Option<Target<F>>,
    named: Vec<(String, Target<F>)>,
}

impl<F> Node<F> {
    /// The methods of the most specific pattern that matches `path`, which begins with a slash.
    pub(crate) fn find(&self, path: &str) -> Option<&Methods<F>> {
        self.walk(Some(path.strip_prefix('/')?))
    }

    /// The place of a pattern, made where it is missing. There always is one.
    pub(crate) fn place(&mut self, pattern: &PathPattern) -> Option<&mut Methods<F>> {
        let mut node = self;
        for segment in pattern.segments() {
            node = match segment {
                Segment::Exact(text) => node.exact.entry(text.as_str(), || text.as_str().into())?,
                Segment::Param(_) => Arc::make_mut(node.param.get_or_insert_default()),
                // Only ever the last one.
                Segment::Rest(_) => return Some(&mut node.rest),
            };
        }
        Some(&mut node.here)
    }

    /// Takes out what an entry has at a pattern, and the branches that lead to nothing then.
    pub(crate) fn take_out(&mut self, segments: &[Segment], entry: &Arc<Entry<F>>) {
        match segments.split_first() {
            None => self.here.remove(entry),
            Some((Segment::Rest(_), _)) => self.rest.remove(entry),
            Some((Segment::Param(_), left)) => {
                let Some(param) = &mut self.param else { return };
                let node = Arc::make_mut(param);
                node.take_out(left, entry);
                if node.is_empty() {
                    self.param = None;
                }
            }
            Some((Segment::Exact(text), left)) => {
                if self.exact.get(text.as_str()).is_none() {
                    return;
                }
                let Some(node) = self.exact.entry(text.as_str(), || text.as_str().into()) else { return };
                node.take_out(left, entry);
                if node.is_empty() {
                    self.exact.remove(text.as_str());
                }
            }
        }
    }

    /// Whether it leads to nothing.
    pub(crate) fn is_empty(&self) -> bool {
        self.exact.is_empty() && self.param.is_none() && self.rest.if_any().is_none() && self.here.if_any().is_none()
    }

    /// `rest` is what is left behind the last slash; `None`: nothing, not even a slash.
    fn walk(&self, rest: Option<&str>) -> Option<&Methods<F>> {
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

impl<F> Methods<F> {
    /// Who answers `method`. A route for GET answers HEAD too, as HTTP has it, unless another route names HEAD.
    pub(crate) fn find(&self, method: &str) -> Option<&Target<F>> {
        let named = |wanted: &str| {
            let found = self.named.iter().find(|(known, _)| known == wanted);
            found.map(|(_, target)| target)
        };
        let head = || named("GET").filter(|_| method == "HEAD");
        named(method).or_else(head).or(self.any.as_ref())
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
    pub(crate) fn targets(&self) -> impl Iterator<Item = &Target<F>> {
        self.named.iter().map(|(_, target)| target).chain(&self.any)
    }

    /// Adds `target` for `methods` (none: for all), or says who is in the way.
    pub(crate) fn insert(&mut self, methods: &[String], target: Target<F>) -> Result<(), Target<F>> {
        if let Some(holder) = self.holder(methods) {
            return Err(holder.clone());
        }
        if methods.is_empty() {
            self.any = Some(target);
            return Ok(());
        }
        for method in methods {
            self.named.push((method.clone(), target.clone()));
        }
        Ok(())
    }

    /// Takes out all that belongs to an entry.
    fn remove(&mut self, entry: &Arc<Entry<F>>) {
        self.any.take_if(|target| Arc::ptr_eq(&target.entry, entry));
        self.named.retain(|(_, target)| !Arc::ptr_eq(&target.entry, entry));
    }

    fn holder(&self, methods: &[String]) -> Option<&Target<F>> {
        let overlapping = |(known, _): &&(String, Target<F>)| methods.is_empty() || methods.contains(known);
        let named = self.named.iter().find(overlapping).map(|(_, target)| target);
        self.any.as_ref().or(named)
    }

    fn if_any(&self) -> Option<&Self> {
        let is_empty = self.any.is_none() && self.named.is_empty();
        (!is_empty).then_some(self)
    }
}

// By hand: what runs a function need not be copied for any of them.
impl<F> Clone for Target<F> {
    fn clone(&self) -> Self {
        Self { entry: Arc::clone(&self.entry), route: self.route }
    }
}

impl<F> Clone for Node<F> {
    fn clone(&self) -> Self {
        let Self { exact, param, rest, here } = self;
        Self { exact: exact.clone(), param: param.clone(), rest: rest.clone(), here: here.clone() }
    }
}

impl<F> Default for Node<F> {
    fn default() -> Self {
        Self { exact: Shared::default(), param: None, rest: Methods::default(), here: Methods::default() }
    }
}

impl<F> Clone for Methods<F> {
    fn clone(&self) -> Self {
        Self { any: self.any.clone(), named: self.named.clone() }
    }
}

impl<F> Default for Methods<F> {
    fn default() -> Self {
        Self { any: None, named: Vec::new() }
    }
}
