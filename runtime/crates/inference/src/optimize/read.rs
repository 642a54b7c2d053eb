//! An admitted file in parts: what may be rewritten is read, all else is kept as it stands.
//!
//! A field that is kept is a number and a borrowed value, and is written again as that: whatever a newer ONNX means by it,
//! nothing is lost.

use std::collections::HashSet;

use crate::admission::wire::{Malformed, Value, each, numbers};

/// A field of a message: its number and value.
pub(super) type Field<'a> = (u64, Value<'a>);

/// A whole file.
#[derive(Default)]
pub(super) struct Model<'a> {
    pub(super) ir_version: i64,
    /// Of ONNX's own domain; 0 if the file imports none.
    pub(super) opset: i64,
    pub(super) graph: Graph<'a>,
    /// What stays of the file.
    pub(super) rest: Vec<Field<'a>>,
}

/// The main graph.
#[derive(Default)]
pub(super) struct Graph<'a> {
    pub(super) nodes: Vec<Node<'a>>,
    pub(super) constants: Vec<Constant<'a>>,
    /// Each with its name.
    pub(super) inputs: Vec<(&'a str, &'a [u8])>,
    /// The names of its outputs.
    pub(super) outputs: Vec<&'a str>,
    /// What stays of the graph, the outputs included.
    pub(super) rest: Vec<Field<'a>>,
}

/// One operator.
#[derive(Default)]
pub(super) struct Node<'a> {
    pub(super) message: &'a [u8],
    pub(super) name: &'a str,
    pub(super) op: &'a str,
    /// Empty for ONNX's own.
    pub(super) domain: &'a str,
    pub(super) inputs: Vec<&'a str>,
    pub(super) outputs: Vec<&'a str>,
    attributes: Vec<&'a [u8]>,
}

/// An initializer.
#[derive(Default)]
pub(super) struct Constant<'a> {
    pub(super) message: &'a [u8],
    pub(super) name: &'a str,
    pub(super) dims: Vec<i64>,
    /// ONNX's number of the element type.
    pub(super) element: u64,
    /// Its data is in another file.
    pub(super) external: bool,
}

/// ONNX's number of 32-bit floats.
pub(super) const F32: u64 = 1;

/// Reads a file that admission has passed.
pub(super) fn model(bytes: &[u8]) -> Result<Model<'_>, Malformed> {
    let mut model = Model::default();
    each(bytes, |field, value| {
        match (field, value) {
            (1, Value::Number(version)) => model.ir_version = version.cast_signed(),
            (7, Value::Bytes(message)) => graph(message, &mut model.graph)?,
            (8, Value::Bytes(import)) => {
                let (domain, version) = opset(import)?;
                if domain.is_empty() || domain == "ai.onnx" {
                    model.opset = version;
                }
                model.rest.push((field, value));
            }
            _ => model.rest.push((field, value)),
        }
        Ok(())
    })?;
    Ok(model)
}

fn opset(import: &[u8]) -> Result<(&str, i64), Malformed> {
    let (mut domain, mut version) = ("", 0);
    each(import, |field, value| {
        match (field, value) {
            (1, Value::Bytes(name)) => domain = text(name)?,
            (2, Value::Number(number)) => version = number.cast_signed(),
            _ => {}
        }
        Ok(())
    })?;
    Ok((domain, version))
}

/// Adds a message's fields to the graph: protobuf merges a message that comes in two parts.
fn graph<'a>(message: &'a [u8], graph: &mut Graph<'a>) -> Result<(), Malformed> {
    each(message, |field, value| {
        match (field, value) {
            (1, Value::Bytes(message)) => graph.nodes.push(node(message)?),
            (5, Value::Bytes(message)) => graph.constants.push(constant(message)?),
            (11, Value::Bytes(message)) => graph.inputs.push((value_name(message)?, message)),
            (12, Value::Bytes(message)) => {
                graph.outputs.push(value_name(message)?);
                graph.rest.push((field, value));
            }
            _ => graph.rest.push((field, value)),
        }
        Ok(())
    })
}

fn node(message: &[u8]) -> Result<Node<'_>, Malformed> {
    let mut node = Node { message, ..Node::default() };
    each(message, |field, value| {
        let Value::Bytes(bytes) = value else { return Ok(()) };
        match field {
            1 => node.inputs.push(text(bytes)?),
            2 => node.outputs.push(text(bytes)?),
            // Nobody refers to it, and admission does not ask for UTF-8 here.
            3 => node.name = text(bytes).unwrap_or_default(),
            4 => node.op = text(bytes)?,
            5 => node.attributes.push(bytes),
            7 => node.domain = if bytes == b"ai.onnx" { "" } else { text(bytes)? },
            _ => {}
        }
        Ok::<_, Malformed>(())
    })?;
    Ok(node)
}

fn constant(message: &[u8]) -> Result<Constant<'_>, Malformed> {
    let mut constant = Constant { message, ..Constant::default() };
    each(message, |field, value| {
        match (field, value) {
            (1, value) => numbers(value, |dim| {
                constant.dims.push(dim);
                Ok::<_, Malformed>(())
            })?,
            (2, Value::Number(element)) => constant.element = element,
            (8, Value::Bytes(name)) => constant.name = text(name)?,
            (13, _) => constant.external = true,
            (14, Value::Number(at)) => constant.external |= at != 0,
            _ => {}
        }
        Ok::<_, Malformed>(())
    })?;
    Ok(constant)
}

impl<'a> Node<'a> {
    /// What a person calls it: its name, or its first output.
    pub(super) fn label(&self) -> &'a str {
        if self.name.is_empty() { self.outputs.first().copied().unwrap_or_default() } else { self.name }
    }

    /// An operator of ONNX's own.
    pub(super) fn is(&self, op: &str) -> bool {
        self.domain.is_empty() && self.op == op
    }

    /// An input's name, if it is given.
    pub(super) fn input(&self, at: usize) -> Option<&'a str> {
        self.inputs.get(at).copied().filter(|name| !name.is_empty())
    }

    /// An integer attribute, or what stands for it.
    pub(super) fn int(&self, name: &str, default: i64) -> Result<i64, Malformed> {
        self.attribute(name, default, |field, value| match (field, value) {
            (3, Value::Number(number)) => Some(number.cast_signed()),
            _ => None,
        })
    }

    /// A float attribute, or what stands for it.
    pub(super) fn float(&self, name: &str, default: f32) -> Result<f32, Malformed> {
        self.attribute(name, default, |field, value| match (field, value) {
            (2, Value::Fixed(bytes)) => bytes.try_into().ok().map(f32::from_le_bytes),
            _ => None,
        })
    }

    fn attribute<T: Copy + Default>(
        &self,
        name: &str,
        default: T,
        read: impl Fn(u64, Value<'_>) -> Option<T>,
    ) -> Result<T, Malformed> {
        for attribute in &self.attributes {
            let (mut is_it, mut found) = (false, T::default());
            each(attribute, |field, value| {
                match (field, value) {
                    (1, Value::Bytes(text)) => is_it = text == name.as_bytes(),
                    (field, value) => found = read(field, value).unwrap_or(found),
                }
                Ok::<_, Malformed>(())
            })?;
            if is_it {
                return Ok(found);
            }
        }
        Ok(default)
    }

    /// Adds every name that its subgraphs use or define to `names`. Admission has bounded how deep they are.
    pub(super) fn inner_names(&self, names: &mut HashSet<&'a str>) -> Result<(), Malformed> {
        self.attributes.iter().try_for_each(|attribute| subgraphs(attribute, names))
    }
}

fn subgraphs<'a>(attribute: &'a [u8], names: &mut HashSet<&'a str>) -> Result<(), Malformed> {
    each(attribute, |field, value| {
        let (6 | 11, Value::Bytes(message)) = (field, value) else { return Ok(()) };
        let mut inner = Graph::default();
        graph(message, &mut inner)?;
        names.extend(inner.inputs.iter().map(|(name, _)| *name));
        names.extend(inner.outputs.iter().copied());
        names.extend(inner.constants.iter().map(|constant| constant.name));
        for node in &inner.nodes {
            names.extend(node.inputs.iter().chain(&node.outputs));
            node.inner_names(names)?;
        }
        Ok(())
    })
}

impl Constant<'_> {
    /// How many elements it has; `None` if that is no number of memory.
    pub(super) fn elements(&self) -> Option<usize> {
        self.dims.iter().try_fold(1usize, |all, dim| all.checked_mul(usize::try_from(*dim).ok()?))
    }

    /// Its numbers, if it is of 32-bit floats and holds as many as its shape says.
    pub(super) fn floats(&self) -> Option<Vec<f32>> {
        if self.element != F32 || self.external {
            return None;
        }
        let wanted = self.elements()?;
        let (mut raw, mut floats) = (None, Vec::new());
        each(self.message, |field, value| {
            match (field, value) {
                // The last one counts, and before the list, as ONNX Runtime reads it.
                (9, Value::Bytes(bytes)) => raw = Some(bytes),
                (4, Value::Bytes(bytes) | Value::Fixed(bytes)) => floats.extend(little_endian(bytes)),
                _ => {}
            }
            Ok::<_, Malformed>(())
        })
        .ok()?;
        let floats = raw.map_or(floats, |raw| little_endian(raw).collect());
        (floats.len() == wanted).then_some(floats)
    }
}

fn little_endian(bytes: &[u8]) -> impl Iterator<Item = f32> {
    bytes.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes))
}

fn value_name(message: &[u8]) -> Result<&str, Malformed> {
    let mut name = "";
    each(message, |field, value| {
        if let (1, Value::Bytes(bytes)) = (field, value) {
            name = text(bytes)?;
        }
        Ok::<_, Malformed>(())
    })?;
    Ok(name)
}

fn text(bytes: &[u8]) -> Result<&str, Malformed> {
    std::str::from_utf8(bytes).map_err(|_| Malformed)
}
