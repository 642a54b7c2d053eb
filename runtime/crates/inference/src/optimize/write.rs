//! Protobuf's wire format, written: messages that are made, and the fields that stay.

use super::read::Field;
use crate::admission::wire::Value;

/// A message under construction.
#[derive(Default)]
pub(super) struct Message(Vec<u8>);

impl Message {
    pub(super) fn number(mut self, field: u64, number: i64) -> Self {
        varint(&mut self.0, field << 3);
        varint(&mut self.0, number.cast_unsigned());
        self
    }

    pub(super) fn bytes(mut self, field: u64, bytes: &[u8]) -> Self {
        varint(&mut self.0, field << 3 | 2);
        varint(&mut self.0, bytes.len() as u64);
        self.0.extend_from_slice(bytes);
        self
    }

    pub(super) fn text(self, field: u64, text: &str) -> Self {
        self.bytes(field, text.as_bytes())
    }

    pub(super) fn done(self) -> Vec<u8> {
        self.0
    }
}

/// A field of the new file.
pub(super) enum Piece<'a> {
    /// As it stood in the old one.
    Kept(Field<'a>),
    /// A message that was made.
    Made(u64, Vec<u8>),
}

impl Piece<'_> {
    fn field(&self) -> Field<'_> {
        match self {
            Self::Kept(field) => *field,
            Self::Made(field, message) => (*field, Value::Bytes(message)),
        }
    }

    fn len(&self) -> usize {
        let (field, value) = self.field();
        let tag = varint_len(field << 3);
        tag + match value {
            Value::Number(number) => varint_len(number),
            Value::Fixed(bytes) => bytes.len(),
            Value::Bytes(bytes) => varint_len(bytes.len() as u64) + bytes.len(),
        }
    }

    fn write(&self, out: &mut Vec<u8>) {
        let (field, value) = self.field();
        match value {
            Value::Number(number) => {
                varint(out, field << 3);
                varint(out, number);
            }
            Value::Fixed(bytes) => {
                varint(out, field << 3 | if bytes.len() == 8 { 1 } else { 5 });
                out.extend_from_slice(bytes);
            }
            Value::Bytes(bytes) => {
                varint(out, field << 3 | 2);
                varint(out, bytes.len() as u64);
                out.extend_from_slice(bytes);
            }
        }
    }
}

/// Writes a file: the head's fields, and the graph of these. The weights are copied once, since all lengths are known first.
pub(super) fn file(head: &[Piece<'_>], graph: &[Piece<'_>]) -> Vec<u8> {
    let inner: usize = graph.iter().map(Piece::len).sum();
    let outer: usize = head.iter().map(Piece::len).sum();
    let mut out = Vec::with_capacity(outer + inner + 16);
    head.iter().for_each(|piece| piece.write(&mut out));
    varint(&mut out, 7 << 3 | 2);
    varint(&mut out, inner as u64);
    graph.iter().for_each(|piece| piece.write(&mut out));
    out
}

fn varint(out: &mut Vec<u8>, mut number: u64) {
    while number > 0x7f {
        // The low seven bits, and that more follow.
        out.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn varint_len(number: u64) -> usize {
    (64 - (number | 1).leading_zeros() as usize).div_ceil(7)
}
