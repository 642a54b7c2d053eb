//! ONNX files made by hand, so that they can be wrong in every way.

#![allow(dead_code, reason = "each test binary uses a part of it")]

/// A message under construction.
#[derive(Clone, Default)]
pub(crate) struct Message(pub(crate) Vec<u8>);

impl Message {
    pub(crate) fn number(mut self, field: u64, number: i64) -> Self {
        self.varint(field << 3);
        self.varint(number.cast_unsigned());
        self
    }

    pub(crate) fn bytes(mut self, field: u64, bytes: impl AsRef<[u8]>) -> Self {
        self.varint(field << 3 | 2);
        self.varint(bytes.as_ref().len() as u64);
        self.0.extend_from_slice(bytes.as_ref());
        self
    }

    /// A number of four bytes.
    pub(crate) fn fixed(mut self, field: u64, bytes: &[u8; 4]) -> Self {
        self.varint(field << 3 | 5);
        self.0.extend_from_slice(bytes);
        self
    }

    fn varint(&mut self, mut number: u64) {
        while number > 0x7f {
            self.0.push(number as u8 & 0x7f | 0x80);
            number >>= 7;
        }
        self.0.push(number as u8);
    }
}

impl AsRef<[u8]> for Message {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

/// An attribute's value.
pub(crate) enum Attr {
    Int(i64),
    Float(f32),
    Ints(Vec<i64>),
    Graph(Message),
}

pub(crate) const F32: i64 = 1;
pub(crate) const I64: i64 = 7;
pub(crate) const BOOL: i64 = 9;

/// A node of ONNX's own domain, or `domain::Op`.
pub(crate) fn node(op: &str, inputs: &[&str], outputs: &[&str], attributes: Vec<(&str, Attr)>) -> Message {
    let (domain, op) = op.split_once("::").unwrap_or(("", op));
    let mut node = Message::default().bytes(4, op).bytes(7, domain);
    for input in inputs {
        node = node.bytes(1, input);
    }
    for output in outputs {
        node = node.bytes(2, output);
    }
    for (name, value) in attributes {
        let attribute = Message::default().bytes(1, name);
        node = node.bytes(
            5,
            match value {
                Attr::Int(int) => attribute.number(3, int).number(20, 2),
                Attr::Float(float) => attribute.fixed(2, &float.to_le_bytes()).number(20, 1),
                Attr::Ints(ints) => ints.into_iter().fold(attribute, |made, int| made.number(8, int)).number(20, 7),
                Attr::Graph(graph) => attribute.bytes(6, graph).number(20, 5),
            },
        );
    }
    node
}

/// A declared value; a negative dimension is open.
pub(crate) fn value(name: &str, element: i64, dims: &[i64]) -> Message {
    let mut shape = Message::default();
    for dim in dims {
        let open = Message::default().bytes(2, "n");
        shape = shape.bytes(1, if *dim < 0 { open } else { Message::default().number(1, *dim) });
    }
    let tensor = Message::default().number(1, element).bytes(2, shape);
    Message::default().bytes(1, name).bytes(2, Message::default().bytes(1, tensor))
}

/// A constant with whatever data.
pub(crate) fn raw(name: &str, element: i64, dims: &[i64], data: &[u8]) -> Message {
    let tensor = dims.iter().fold(Message::default(), |made, dim| made.number(1, *dim));
    tensor.number(2, element).bytes(8, name).bytes(9, data)
}

pub(crate) fn ints(name: &str, ints: &[i64]) -> Message {
    raw(name, I64, &[ints.len() as i64], &ints.iter().flat_map(|int| int.to_le_bytes()).collect::<Vec<_>>())
}

pub(crate) fn zeros(name: &str, dims: &[i64]) -> Message {
    raw(name, F32, dims, &vec![0; 4 * dims.iter().product::<i64>() as usize])
}

pub(crate) fn floats(name: &str, dims: &[i64], floats: &[f32]) -> Message {
    raw(name, F32, dims, &floats.iter().flat_map(|float| float.to_le_bytes()).collect::<Vec<_>>())
}

#[derive(Clone, Default)]
pub(crate) struct Graph(pub(crate) Message);

impl Graph {
    pub(crate) fn node(self, op: &str, inputs: &[&str], outputs: &[&str], attributes: Vec<(&str, Attr)>) -> Self {
        Self(self.0.bytes(1, node(op, inputs, outputs, attributes)))
    }

    pub(crate) fn constant(self, tensor: Message) -> Self {
        Self(self.0.bytes(5, tensor))
    }

    pub(crate) fn input(self, name: &str, element: i64, dims: &[i64]) -> Self {
        Self(self.0.bytes(11, value(name, element, dims)))
    }

    pub(crate) fn output_of(self, name: &str, element: i64, dims: &[i64]) -> Self {
        Self(self.0.bytes(12, value(name, element, dims)))
    }

    pub(crate) fn output(self, name: &str) -> Self {
        Self(self.0.bytes(12, Message::default().bytes(1, name)))
    }

    /// The body of a loop that adds `one` of the graph around it, f32 [1], at each turn, and goes on.
    pub(crate) fn adding_body() -> Self {
        Self::default()
            .named("body")
            .node("Identity", &["go"], &["go_on"], vec![])
            .node("Add", &["sum", "one"], &["next"], vec![])
            .input("i", I64, &[])
            .input("go", BOOL, &[])
            .input("sum", F32, &[1])
            .output_of("go_on", BOOL, &[])
            .output_of("next", F32, &[1])
    }

    /// What ONNX Runtime asks of a graph inside another.
    pub(crate) fn named(self, name: &str) -> Self {
        Self(self.0.bytes(2, name))
    }

    /// A file of this graph, operator set 17.
    pub(crate) fn model(self) -> Message {
        self.model_of(8, 17)
    }

    /// A file of this format and operator set.
    pub(crate) fn model_of(self, ir_version: i64, version: i64) -> Message {
        let opset = |domain: &str, version| Message::default().bytes(1, domain).number(2, version);
        let opsets = Message::default().bytes(8, opset("", version)).bytes(8, opset("ai.onnx.ml", 3));
        opsets.bytes(8, opset("com.microsoft", 1)).number(1, ir_version).bytes(7, self.0)
    }
}

/// A function that calls others, one after the other, on the same input.
pub(crate) fn function(name: &str, callees: &[&str]) -> Message {
    let made = Message::default().bytes(1, name).bytes(10, "m").bytes(4, "x").bytes(5, "y0");
    let numbered = callees.iter().enumerate();
    numbered.fold(made, |made, (at, callee)| made.bytes(7, node(callee, &["x"], &[&format!("y{at}")], vec![])))
}
