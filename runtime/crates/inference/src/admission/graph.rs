//! The file's graphs as borrowed lists, within the limits: nothing is decoded that need not be.

use std::fmt;

use super::external::ExternalFiles;
use super::limits::AdmissionLimits;
use super::refused::{Quoted, Refused};
use super::tensor::{self, Tensor};
use super::wire::{Value, each, numbers};
use crate::element::ElementType;

/// A graph, subgraph or function's body.
#[derive(Debug, Default)]
pub(super) struct Graph<'a> {
    pub(super) nodes: Vec<Node<'a>>,
    pub(super) inputs: Vec<Declared<'a>>,
    pub(super) outputs: Vec<Declared<'a>>,
    pub(super) initializers: Vec<Tensor<'a>>,
}

/// One operator, or a call of a function.
#[derive(Debug)]
pub(super) struct Node<'a> {
    pub(super) name: &'a str,
    pub(super) op: &'a str,
    /// Empty for ONNX's own.
    pub(super) domain: &'a str,
    pub(super) inputs: Vec<&'a str>,
    pub(super) outputs: Vec<&'a str>,
    pub(super) attributes: Vec<Attribute<'a>>,
}

/// A node's attribute. Its numbers are read when asked for.
#[derive(Debug)]
pub(super) struct Attribute<'a> {
    pub(super) name: &'a str,
    pub(super) tensors: Vec<Tensor<'a>>,
    pub(super) graphs: Vec<Graph<'a>>,
    kind: u64,
    message: &'a [u8],
}

/// A declared input or output.
#[derive(Debug)]
pub(super) struct Declared<'a> {
    pub(super) name: &'a str,
    /// `None`: it is no tensor, or of no known type.
    pub(super) element: Option<ElementType>,
    /// The names of its dimensions, empty where they have none; as many as `dims`.
    pub(super) symbols: Vec<&'a str>,
    /// `None` for a dimension that is no number; all `None` if there is no shape, or it is no tensor.
    pub(super) dims: Option<Vec<Option<u64>>>,
}

/// Reads graphs and counts what it has read.
pub(super) struct Reader<'l> {
    pub(super) limits: &'l AdmissionLimits,
    pub(super) external_files: ExternalFiles,
    pub(super) initializers: u64,
    pub(super) initializer_bytes: u64,
    nodes: u64,
    edges: u64,
}

impl<'l> Reader<'l> {
    pub(super) fn new(limits: &'l AdmissionLimits) -> Self {
        Self { limits, external_files: ExternalFiles::new(), initializers: 0, initializer_bytes: 0, nodes: 0, edges: 0 }
    }

    /// Adds the fields of a `GraphProto` to a graph: protobuf merges a message that comes in two parts.
    pub(super) fn graph<'a>(&mut self, message: &'a [u8], graph: &mut Graph<'a>, depth: u32) -> Result<(), Refused> {
        let max = self.limits.subgraph_depth;
        if depth > max {
            return Err(Refused::unsupported("a subgraph", format!("more than {max} inside each other")));
        }
        each(message, |field, value| {
            match (field, value) {
                (1, Value::Bytes(node)) => graph.nodes.push(self.node(node, depth)?),
                (5, Value::Bytes(constant)) => {
                    let tensor = Tensor::read(constant, self.limits, "an initializer", &mut self.external_files)?;
                    self.initializer(graph, tensor)?;
                }
                (11, Value::Bytes(input)) => graph.inputs.push(self.declared(input)?),
                (12, Value::Bytes(output)) => graph.outputs.push(self.declared(output)?),
                (13, Value::Bytes(between)) => drop(self.declared(between)?),
                (15, Value::Bytes(sparse)) => {
                    let tensor = Tensor::read_sparse(sparse, self.limits, "an initializer", &mut self.external_files)?;
                    self.initializer(graph, tensor)?;
                }
                _ => {}
            }
            Ok::<_, Refused>(())
        })
    }

    fn initializer<'a>(&mut self, graph: &mut Graph<'a>, tensor: Tensor<'a>) -> Result<(), Refused> {
        self.initializers += 1;
        self.initializer_bytes = self.initializer_bytes.saturating_add(tensor.bytes);
        let max = self.limits.initializers;
        if self.initializers > max {
            return Err(Refused::too_large("the model", format!("more than {max} initializers")));
        }
        graph.initializers.push(tensor);
        Ok(())
    }

    /// Reads a `NodeProto`.
    pub(super) fn node<'a>(&mut self, message: &'a [u8], depth: u32) -> Result<Node<'a>, Refused> {
        let mut node = Node { name: "", op: "", domain: "", inputs: vec![], outputs: vec![], attributes: vec![] };
        self.count_node()?;
        each(message, |field, value| {
            match (field, value) {
                (1, Value::Bytes(text)) => node.inputs.push(self.name(text)?),
                (2, Value::Bytes(text)) => node.outputs.push(self.name(text)?),
                // Nobody refers to it, and exporters write whole module paths: a longer one is cut, not refused.
                (3, Value::Bytes(text)) => node.name = shortened(text),
                (4, Value::Bytes(text)) => node.op = self.name(text)?,
                (5, Value::Bytes(attribute)) => node.attributes.push(self.attribute(attribute, depth)?),
                (7, Value::Bytes(text)) => node.domain = canonical(self.name(text)?),
                _ => {}
            }
            Ok::<_, Refused>(())
        })?;
        let mut names: Vec<&str> = node.attributes.iter().map(|attribute| attribute.name).collect();
        names.sort_unstable();
        match names.windows(2).find(|pair| pair.first() == pair.last()) {
            Some([twice, ..]) => Err(Refused::malformed(&node, format!("attribute {} is given twice", Quoted(twice)))),
            _ => Ok(node),
        }
    }

    /// Counts a node; a function counts as one, since an empty one takes as much.
    pub(super) fn count_node(&mut self) -> Result<(), Refused> {
        self.nodes += 1;
        if self.nodes <= self.limits.nodes {
            return Ok(());
        }
        Err(Refused::too_large("the model", format!("more than {} nodes", self.limits.nodes)))
    }

    fn attribute<'a>(&mut self, message: &'a [u8], depth: u32) -> Result<Attribute<'a>, Refused> {
        self.edge()?;
        let mut read = Attribute { name: "", tensors: vec![], graphs: vec![], kind: 0, message };
        let mut own: Option<Graph<'a>> = None;
        each(message, |field, value| {
            match (field, value) {
                (1, Value::Bytes(text)) => read.name = tensor::name(text, self.limits, "an attribute")?,
                (5 | 10, Value::Bytes(constant)) => {
                    self.edge()?;
                    let tensor = Tensor::read(constant, self.limits, "a constant", &mut self.external_files)?;
                    read.tensors.push(tensor);
                }
                (6, Value::Bytes(graph)) => self.graph(graph, own.get_or_insert_with(Graph::default), depth + 1)?,
                (11, Value::Bytes(graph)) => {
                    let mut one = Graph::default();
                    self.graph(graph, &mut one, depth + 1)?;
                    read.graphs.push(one);
                }
                (20, Value::Number(kind)) => read.kind = kind,
                (22 | 23, Value::Bytes(sparse)) => {
                    self.edge()?;
                    let tensor = Tensor::read_sparse(sparse, self.limits, "a constant", &mut self.external_files)?;
                    read.tensors.push(tensor);
                }
                _ => {}
            }
            Ok::<_, Refused>(())
        })?;
        read.graphs.extend(own);
        Ok(read)
    }

    /// Reads a `ValueInfoProto`; of its type only a tensor's shape is looked at.
    fn declared<'a>(&mut self, message: &'a [u8]) -> Result<Declared<'a>, Refused> {
        let (mut name, mut dims, mut element, mut symbols) = ("", None, None, Vec::new());
        each(message, |field, value| {
            match (field, value) {
                (1, Value::Bytes(text)) => name = self.name(text)?,
                (2, Value::Bytes(kind)) => each(kind, |field, value| match (field, value) {
                    (1, Value::Bytes(tensor)) => each(tensor, |field, value| {
                        match (field, value) {
                            (1, Value::Number(number)) => element = i32::try_from(number).ok(),
                            (2, Value::Bytes(shape)) => {
                                self.shape(shape, dims.get_or_insert_default(), &mut symbols)?
                            }
                            _ => {}
                        }
                        Ok(())
                    }),
                    _ => Ok::<_, Refused>(()),
                })?,
                _ => {}
            }
            Ok::<_, Refused>(())
        })?;
        let element = element.and_then(ElementType::from_onnx);
        if let Some(dims) = &dims {
            let known: Vec<i64> = dims.iter().map(|dim| dim.map_or(1, |dim: u64| dim.cast_signed())).collect();
            let place = format!("value {}", Quoted(name));
            tensor::size(&known, element, self.limits, &place)?;
        }
        Ok(Declared { name, element, symbols, dims })
    }

    fn shape<'a>(
        &mut self,
        shape: &'a [u8],
        dims: &mut Vec<Option<u64>>,
        symbols: &mut Vec<&'a str>,
    ) -> Result<(), Refused> {
        let max = self.limits.rank;
        each(shape, |field, dim| {
            let (1, Value::Bytes(dim)) = (field, dim) else { return Ok(()) };
            if dims.len() == max {
                return Err(Refused::too_large("a declared shape", format!("more than {max} dimensions")));
            }
            let (mut size, mut symbol) = (None, "");
            each(dim, |field, value| {
                match (field, value) {
                    // Some exporters write -1 for "any".
                    (1, Value::Number(number)) => size = Some(number).filter(|number| number.cast_signed() >= 0),
                    (2, Value::Bytes(text)) => (size, symbol) = (None, shortened(text)),
                    _ => {}
                }
                Ok::<_, Refused>(())
            })?;
            dims.push(size);
            symbols.push(symbol);
            Ok(())
        })
    }

    /// The name of a value, counted as an edge.
    pub(super) fn name<'a>(&mut self, text: &'a [u8]) -> Result<&'a str, Refused> {
        self.edge()?;
        tensor::name(text, self.limits, "the graph")
    }

    fn edge(&mut self) -> Result<(), Refused> {
        self.edges += 1;
        let max = self.limits.edges;
        if self.edges <= max {
            return Ok(());
        }
        Err(Refused::too_large("the model", format!("its nodes have more than {max} inputs, outputs and attributes")))
    }
}

impl<'a> Node<'a> {
    pub(super) fn attribute(&self, name: &str) -> Option<&Attribute<'a>> {
        self.attributes.iter().find(|attribute| attribute.name == name)
    }

    /// An integer attribute, or what stands for it if it is not given; `None` if it is something else.
    pub(super) fn int(&self, name: &str, default: i64) -> Option<i64> {
        let Some(attribute) = self.attribute(name) else { return Some(default) };
        attribute.int()
    }

    /// The graphs inside this node.
    pub(super) fn graphs(&self) -> impl Iterator<Item = &Graph<'a>> {
        self.attributes.iter().flat_map(|attribute| &attribute.graphs)
    }
}

impl fmt::Display for Node<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (domain, colons) = if self.domain.is_empty() { ("", "") } else { (self.domain, "::") };
        let op = format!("{domain}{colons}{}", self.op);
        match (self.name, self.outputs.first()) {
            ("", None) => write!(f, "node ({})", Bare(&op)),
            ("", Some(output)) => write!(f, "node giving {} ({})", Quoted(output), Bare(&op)),
            (name, _) => write!(f, "node {} ({})", Quoted(name), Bare(&op)),
        }
    }
}

/// An operator's name, for a message.
struct Bare<'a>(&'a str);

impl fmt::Display for Bare<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Quoted(self.0).to_string().trim_matches('`'))
    }
}

impl Attribute<'_> {
    fn int(&self) -> Option<i64> {
        let mut int = (self.kind == 2).then_some(0);
        each(self.message, |field, value| {
            match (field, value) {
                (3, Value::Number(number)) => int = int.map(|_| number.cast_signed()),
                // A function's parameter: known where it is called.
                (21, _) => int = None,
                _ => {}
            }
            Ok::<_, Refused>(())
        })
        .ok()?;
        int
    }

    /// A list of at most `max` integers.
    pub(super) fn ints(&self, max: usize) -> Option<Vec<i64>> {
        let (mut ints, mut known) = (Vec::new(), self.kind == 7);
        each(self.message, |field, value| match field {
            8 => numbers(value, |int| {
                known &= ints.len() < max;
                if known {
                    ints.push(int);
                }
                Ok(())
            }),
            21 => {
                known = false;
                Ok(())
            }
            _ => Ok::<_, Refused>(()),
        })
        .ok()?;
        known.then_some(ints)
    }
}

/// ONNX's own domain has two names.
pub(super) fn canonical(domain: &str) -> &str {
    if domain == "ai.onnx" { "" } else { domain }
}

fn shortened(text: &[u8]) -> &str {
    let head = text.get(..256).unwrap_or(text);
    match std::str::from_utf8(head) {
        Ok(text) => text,
        Err(error) => head.get(..error.valid_up_to()).and_then(|valid| std::str::from_utf8(valid).ok()).unwrap_or(""),
    }
}
