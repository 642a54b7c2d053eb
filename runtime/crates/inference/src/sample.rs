//! Inputs made up for a model that came without any: small, and the same each time.

use crate::buffer::AlignedBuf;
use crate::description::{Description, Dim, Port};
use crate::element::ElementType;
use crate::error::TensorError;
use crate::shape::Shape;
use crate::tensor::Tensor;

/// A call's inputs by name.
pub type Inputs = Vec<(String, Tensor)>;

/// What one made-up tensor may have; a model that wants more gets no made-up inputs.
const BYTES_MAX: usize = 64 << 20;

impl Description {
    /// Made-up inputs of `rows` rows, where the first dimension is open; all other open dimensions are `open`. Integers and
    /// booleans are 0 or 1, floats between 0 and 1, strings a letter; `seed` makes others of the same shapes.
    ///
    /// # Errors
    /// An input has more than 64 MiB, or no known shape.
    pub fn made_up(&self, rows: u64, open: u64, seed: u64) -> Result<Inputs, TensorError> {
        let made = self.inputs.iter().map(|port| Ok((port.name.to_string(), port.made_up(rows, open, seed)?)));
        made.collect()
    }

    /// Made-up inputs of the same types and shapes as those of a call.
    ///
    /// # Errors
    /// An input has more than 64 MiB.
    pub fn made_up_like(&self, call: &Inputs) -> Result<Inputs, TensorError> {
        let like = |(name, tensor): &(String, Tensor)| {
            Ok((name.clone(), fill(tensor.element_type(), tensor.shape().clone(), 1)?))
        };
        call.iter().map(like).collect()
    }
}

impl Port {
    fn made_up(&self, rows: u64, open: u64, seed: u64) -> Result<Tensor, TensorError> {
        let dims = self.dims.as_deref().unwrap_or(&[Dim::Dynamic(None)]);
        let sizes = dims.iter().enumerate().map(|(at, dim)| match dim {
            Dim::Fixed(size) => *size,
            Dim::Dynamic(_) => {
                if at == 0 {
                    rows
                } else {
                    open
                }
            }
        });
        fill(self.element_type, Shape::new(&sizes.collect::<Vec<_>>())?, seed)
    }
}

/// A tensor of small numbers that repeat with a period that no dimension has.
pub(crate) fn fill(element: ElementType, shape: Shape, seed: u64) -> Result<Tensor, TensorError> {
    let number = |at: usize| (at as u64).wrapping_mul(7).wrapping_add(seed.wrapping_mul(3));
    // The first element is 1 for both seeds in use: a mask of zeros alone would divide by nothing.
    let flag = |at: usize| u8::from((at as u64).wrapping_add(seed.wrapping_mul(2)) % 3 != 1);
    let part = |at: usize| (number(at) % 13) as f32 / 13.0;
    if element == ElementType::String {
        let letters = (0..shape.elements()).map(|at| if flag(at) == 1 { "a" } else { "b" }.to_owned());
        return Tensor::strings(shape.clone(), letters.collect());
    }
    let len = shape.bytes(element)?;
    if len > BYTES_MAX {
        return Err(TensorError::Memory { bytes: len });
    }
    let mut bytes = vec![0_u8; len];
    let width = element.bytes().unwrap_or(len.max(1));
    for (at, place) in bytes.chunks_exact_mut(width).enumerate() {
        let value = part(at);
        match element {
            ElementType::F32 => place.copy_from_slice(&value.to_le_bytes()),
            ElementType::F64 => place.copy_from_slice(&f64::from(value).to_le_bytes()),
            ElementType::BF16 => place.copy_from_slice(&bf16(value)),
            ElementType::F16 => place.copy_from_slice(&half(number(at))),
            // All others are nothing but bytes, or share one: zeros are numbers of every such type.
            ElementType::F8E4M3FN | ElementType::F8E4M3FNUZ | ElementType::F8E5M2 | ElementType::F8E5M2FNUZ => {}
            ElementType::F8E8M0 | ElementType::F4E2M1 | ElementType::Complex64 | ElementType::Complex128 => {}
            ElementType::U4 | ElementType::I4 | ElementType::U2 | ElementType::I2 | ElementType::String => {}
            ElementType::U8 | ElementType::U16 | ElementType::U32 | ElementType::U64 | ElementType::Bool => {
                first(place, flag(at));
            }
            ElementType::I8 | ElementType::I16 | ElementType::I32 | ElementType::I64 => first(place, flag(at)),
        }
    }
    Tensor::new(element, shape, AlignedBuf::copy_of(&bytes))
}

/// Little-endian: a small number is in the first byte.
fn first(place: &mut [u8], value: u8) {
    if let Some(byte) = place.first_mut() {
        *byte = value;
    }
}

/// The upper half of a 32-bit float.
fn bf16(value: f32) -> [u8; 2] {
    let [_, _, low, high] = value.to_le_bytes();
    [low, high]
}

/// 0.5 to nearly 1 in steps of 1/16: exponent -1 and four bits of fraction.
fn half(number: u64) -> [u8; 2] {
    let fraction = (number % 8) as u16;
    (0x3800 | fraction << 7).to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_can_be_made_up() {
        for element in ElementType::all() {
            let shape = Shape::new(&[2, 5]).unwrap();
            let tensor = fill(element, shape, 1).unwrap();
            assert_eq!(tensor.shape().elements(), 10, "{element}");
        }
    }

    #[test]
    fn made_up_inputs_follow_the_ports() {
        let dims = vec![Dim::Dynamic(Some("batch".into())), Dim::Dynamic(Some("words".into())), Dim::Fixed(3)];
        let port = Port { name: "x".into(), element_type: ElementType::I64, dims: Some(dims) };
        let made = port.made_up(2, 8, 0).unwrap();
        assert_eq!(made.shape().dims(), [2, 8, 3]);
        let numbers: Vec<i64> = made.bytes().as_chunks().0.iter().map(|bytes| i64::from_le_bytes(*bytes)).collect();
        assert!(numbers.iter().all(|number| (0..=1).contains(number)) && numbers[0] == 1, "{numbers:?}");
        let other = port.made_up(2, 8, 1).unwrap();
        assert_ne!(made.bytes(), other.bytes());
        let huge = Port { dims: Some(vec![Dim::Fixed(1 << 40)]), ..port };
        assert!(huge.made_up(1, 1, 0).is_err());
    }

    #[test]
    fn floats_of_two_bytes_are_between_0_and_1() {
        assert_eq!(bf16(0.5), 0x3f00_u16.to_le_bytes());
        assert_eq!(half(0), 0x3800_u16.to_le_bytes());
        assert!(u16::from_le_bytes(half(7)) < 0x3c00);
    }
}
