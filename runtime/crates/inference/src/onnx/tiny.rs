//! Models of one operator, written as protobuf here: to try a device with, and to copy a tensor from one.

/// ONNX's number of f32.
pub(crate) const F32: i32 = 1;

/// IR 10 and operator set 21 know every element type that has bytes.
const IR_VERSION: u64 = 10;
const OPSET: u64 = 21;

/// `y = x + x`, of two f32.
pub(crate) fn doubling() -> Vec<u8> {
    model("Add", &["x", "x"], F32, Some(2))
}

/// `y = x`, of any shape.
pub(crate) fn identity(element: i32) -> Vec<u8> {
    model("Identity", &["x"], element, None)
}

fn model(operator: &str, inputs: &[&str], element: i32, size: Option<u64>) -> Vec<u8> {
    let mut node: Vec<u8> = inputs.iter().flat_map(|input| bytes(1, input.as_bytes())).collect();
    node.extend(bytes(2, b"y"));
    node.extend(bytes(4, operator.as_bytes()));
    let ports = [bytes(11, &port("x", element, size)), bytes(12, &port("y", element, size))].concat();
    let graph = [bytes(1, &node), bytes(2, b"g"), ports].concat();
    [number(1, IR_VERSION), bytes(7, &graph), bytes(8, &number(2, OPSET))].concat()
}

/// An input or output; without a size of any rank.
fn port(name: &str, element: i32, size: Option<u64>) -> Vec<u8> {
    let shape = size.map(|size| bytes(2, &bytes(1, &number(1, size)))).unwrap_or_default();
    let element = u64::try_from(element).unwrap_or_default();
    let tensor = [number(1, element), shape].concat();
    [bytes(1, name.as_bytes()), bytes(2, &bytes(1, &tensor))].concat()
}

fn bytes(field: u64, body: &[u8]) -> Vec<u8> {
    [varint(field << 3 | 2), varint(body.len() as u64), body.to_vec()].concat()
}

fn number(field: u64, value: u64) -> Vec<u8> {
    [varint(field << 3), varint(value)].concat()
}

fn varint(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value > 0x7f {
        bytes.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}
