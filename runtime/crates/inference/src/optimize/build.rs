//! The new graph as it grows: nodes and constants, made or kept.

use super::names::Names;
use super::read::{Constant, Graph, Node};
use super::write::{Message, Piece};
use crate::admission::wire::{Malformed, Value};

/// ONNX's numbers of element types.
pub(super) const FLOAT: i64 = 1;
pub(super) const UINT8: i64 = 2;
pub(super) const INT8: i64 = 3;
pub(super) const INT64: i64 = 7;
pub(super) const FLOAT16: i64 = 10;

/// A graph under construction.
pub(super) struct Build<'a> {
    names: Names<'a>,
    nodes: Vec<Piece<'a>>,
    constants: Vec<Piece<'a>>,
}

/// An attribute of a new node.
pub(super) enum Attribute<'n> {
    Int(&'n str, i64),
    Ints(&'n str, &'n [i64]),
}

impl<'a> Build<'a> {
    pub(super) fn new(old: &Graph<'a>) -> Result<Self, Malformed> {
        Ok(Self { names: Names::of(old)?, nodes: Vec::new(), constants: Vec::new() })
    }

    pub(super) fn keep_node(&mut self, node: &Node<'a>) {
        self.nodes.push(Piece::Kept((1, Value::Bytes(node.message))));
    }

    pub(super) fn keep_constant(&mut self, constant: &Constant<'a>) {
        self.constants.push(Piece::Kept((5, Value::Bytes(constant.message))));
    }

    /// A name that nobody has.
    pub(super) fn fresh(&mut self, of: &str, what: &str) -> String {
        self.names.fresh(of, what)
    }

    /// Adds a node with one output that is new: `of` and `what` say how to name it.
    pub(super) fn step(
        &mut self,
        op: &str,
        inputs: &[&str],
        (of, what): (&str, &str),
        attributes: &[Attribute<'_>],
    ) -> String {
        let output = self.names.fresh(of, what);
        self.node(op, (&output, inputs, &[&output]), attributes);
        output
    }

    /// Adds a node: its operator, then its name, inputs and outputs.
    pub(super) fn node(
        &mut self,
        op: &str,
        (name, inputs, outputs): (&str, &[&str], &[&str]),
        attributes: &[Attribute<'_>],
    ) {
        let mut made = Message::default();
        for input in inputs {
            made = made.text(1, input);
        }
        for output in outputs {
            made = made.text(2, output);
        }
        made = made.text(3, name).text(4, op);
        for attribute in attributes {
            let message = match attribute {
                Attribute::Int(name, int) => Message::default().text(1, name).number(3, *int).number(20, 2),
                Attribute::Ints(name, ints) => {
                    let named = Message::default().text(1, name);
                    ints.iter().fold(named, |message, int| message.number(8, *int)).number(20, 7)
                }
            };
            made = made.bytes(5, &message.done());
        }
        self.nodes.push(Piece::Made(1, made.done()));
    }

    /// Adds a constant of these dimensions and little-endian bytes; answers its name.
    pub(super) fn constant(&mut self, of: &str, what: &str, element: i64, dims: &[i64], bytes: &[u8]) -> String {
        let name = self.names.fresh(of, what);
        let tensor = dims.iter().fold(Message::default(), |tensor, dim| tensor.number(1, *dim));
        let tensor = tensor.number(2, element).text(8, &name).bytes(9, bytes);
        self.constants.push(Piece::Made(5, tensor.done()));
        name
    }

    /// A constant of 32-bit floats.
    pub(super) fn floats(&mut self, of: &str, what: &str, dims: &[i64], floats: &[f32]) -> String {
        let bytes: Vec<u8> = floats.iter().flat_map(|float| float.to_le_bytes()).collect();
        self.constant(of, what, FLOAT, dims, &bytes)
    }

    /// All that was made and kept.
    pub(super) fn done(self) -> impl Iterator<Item = Piece<'a>> {
        self.nodes.into_iter().chain(self.constants)
    }
}
