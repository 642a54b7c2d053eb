//! The types a tensor's elements can have.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error};
use serde::ser::{Serialize, Serializer};

/// The type of a tensor's elements: every one that ONNX Runtime reports, by ONNX's own numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ElementType {
    /// 32-bit float.
    F32,
    /// 64-bit float.
    F64,
    /// IEEE 16-bit float.
    F16,
    /// Brain 16-bit float.
    BF16,
    /// 8-bit float, 4 exponent bits, no infinities.
    F8E4M3FN,
    /// 8-bit float, 4 exponent bits, no infinities, no negative zero.
    F8E4M3FNUZ,
    /// 8-bit float, 5 exponent bits.
    F8E5M2,
    /// 8-bit float, 5 exponent bits, no infinities, no negative zero.
    F8E5M2FNUZ,
    /// 8-bit float that is only an exponent.
    F8E8M0,
    /// 4-bit float; two in a byte, the first in the low half.
    F4E2M1,
    /// Unsigned 8-bit integer.
    U8,
    /// Unsigned 16-bit integer.
    U16,
    /// Unsigned 32-bit integer.
    U32,
    /// Unsigned 64-bit integer.
    U64,
    /// Signed 8-bit integer.
    I8,
    /// Signed 16-bit integer.
    I16,
    /// Signed 32-bit integer.
    I32,
    /// Signed 64-bit integer.
    I64,
    /// Unsigned 4-bit integer; two in a byte, the first in the low half.
    U4,
    /// Signed 4-bit integer; two in a byte, the first in the low half.
    I4,
    /// Unsigned 2-bit integer; four in a byte.
    U2,
    /// Signed 2-bit integer; four in a byte.
    I2,
    /// One byte each, 0 or 1.
    Bool,
    /// Two 32-bit floats.
    Complex64,
    /// Two 64-bit floats.
    Complex128,
    /// UTF-8 text of any length; such a tensor has no bytes, only strings.
    String,
}

/// One row per type: the type, ONNX's `TensorProto.DataType` number, bits per element (0: no fixed size), our name.
const TABLE: [(ElementType, i32, u32, &str); 26] = [
    (ElementType::F32, 1, 32, "f32"),
    (ElementType::U8, 2, 8, "u8"),
    (ElementType::I8, 3, 8, "i8"),
    (ElementType::U16, 4, 16, "u16"),
    (ElementType::I16, 5, 16, "i16"),
    (ElementType::I32, 6, 32, "i32"),
    (ElementType::I64, 7, 64, "i64"),
    (ElementType::String, 8, 0, "string"),
    (ElementType::Bool, 9, 8, "bool"),
    (ElementType::F16, 10, 16, "f16"),
    (ElementType::F64, 11, 64, "f64"),
    (ElementType::U32, 12, 32, "u32"),
    (ElementType::U64, 13, 64, "u64"),
    (ElementType::Complex64, 14, 64, "complex64"),
    (ElementType::Complex128, 15, 128, "complex128"),
    (ElementType::BF16, 16, 16, "bf16"),
    (ElementType::F8E4M3FN, 17, 8, "f8e4m3fn"),
    (ElementType::F8E4M3FNUZ, 18, 8, "f8e4m3fnuz"),
    (ElementType::F8E5M2, 19, 8, "f8e5m2"),
    (ElementType::F8E5M2FNUZ, 20, 8, "f8e5m2fnuz"),
    (ElementType::U4, 21, 4, "u4"),
    (ElementType::I4, 22, 4, "i4"),
    (ElementType::F4E2M1, 23, 4, "f4e2m1"),
    (ElementType::U2, 24, 2, "u2"),
    (ElementType::I2, 25, 2, "i2"),
    (ElementType::F8E8M0, 26, 8, "f8e8m0"),
];

impl ElementType {
    /// Every type, in the order of ONNX's numbers.
    pub fn all() -> impl Iterator<Item = Self> {
        TABLE.iter().map(|row| row.0)
    }

    /// The bytes of one element; `None` for strings and for types that share a byte.
    #[must_use]
    pub fn bytes(self) -> Option<usize> {
        let bits = self.bits();
        (bits >= 8).then_some((bits / 8) as usize)
    }

    /// The bytes that `elements` of this type take, packed as ONNX Runtime packs them.
    ///
    /// `None` for strings, and where the number does not fit `usize`.
    #[must_use]
    pub fn storage_bytes(self, elements: usize) -> Option<usize> {
        match self.bits() {
            0 => None,
            bits @ 1..8 => Some(elements.div_ceil((8 / bits) as usize)),
            bits => elements.checked_mul((bits / 8) as usize),
        }
    }

    /// The short name used in messages and descriptions: `f32`, `i64`, `string` …
    #[must_use]
    pub fn name(self) -> &'static str {
        self.row().map_or("unknown", |row| row.3)
    }

    /// The type of this short name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        TABLE.iter().find(|row| row.3 == name).map(|row| row.0)
    }

    pub(crate) fn from_onnx(number: i32) -> Option<Self> {
        TABLE.iter().find(|row| row.1 == number).map(|row| row.0)
    }

    /// ONNX's number of it.
    pub(crate) fn to_onnx(self) -> Option<i32> {
        self.row().map(|row| row.1)
    }

    fn bits(self) -> u32 {
        self.row().map_or(0, |row| row.2)
    }

    fn row(self) -> Option<&'static (Self, i32, u32, &'static str)> {
        TABLE.iter().find(|row| row.0 == self)
    }
}

impl Serialize for ElementType {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for ElementType {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        Self::named(&name).ok_or_else(|| D::Error::custom(format!("`{name}` is no element type")))
    }
}

impl fmt::Display for ElementType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_of_onnxs_numbers_is_one_type() {
        for (at, (element, number, ..)) in TABLE.into_iter().enumerate() {
            assert_eq!(usize::try_from(number).unwrap(), at + 1);
            assert_eq!(ElementType::from_onnx(number), Some(element));
            assert_eq!(ElementType::named(element.name()), Some(element));
        }
        assert_eq!(ElementType::from_onnx(0), None);
        assert_eq!(ElementType::from_onnx(27), None);
    }

    #[test]
    fn packed_types_round_up_to_whole_bytes() {
        assert_eq!(ElementType::U4.storage_bytes(3), Some(2));
        assert_eq!(ElementType::I2.storage_bytes(5), Some(2));
        assert_eq!(ElementType::Complex128.storage_bytes(2), Some(32));
        assert_eq!(ElementType::F64.storage_bytes(usize::MAX / 4), None);
        assert_eq!(ElementType::String.storage_bytes(1), None);
        assert_eq!(ElementType::U4.bytes(), None);
    }
}
