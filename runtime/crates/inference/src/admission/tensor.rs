//! A constant of the file: its shape, and whether its data fills it.

use super::external::{ExternalFiles, Reference};
use super::limits::AdmissionLimits;
use super::refused::{Quoted, Refused};
use super::wire::{Value, each, numbers};
use crate::element::ElementType;

/// A constant, not decoded.
#[derive(Debug)]
pub(super) struct Tensor<'a> {
    pub(super) name: &'a str,
    pub(super) element: ElementType,
    pub(super) dims: Vec<u64>,
    /// As the shape says, packed as in memory; 0 for strings.
    pub(super) bytes: u64,
    message: &'a [u8],
}

/// How much data of which kind a tensor has.
#[derive(Default)]
struct Data {
    raw: Option<u64>,
    floats: u64,
    doubles: u64,
    int32s: u64,
    int64s: u64,
    uint64s: u64,
    strings: u64,
}

impl<'a> Tensor<'a> {
    /// Reads a `TensorProto`; `place` is what to call it if it has no name. What it needs of another file is told to
    /// `external`.
    pub(super) fn read(
        message: &'a [u8],
        limits: &AdmissionLimits,
        place: &str,
        external: &mut ExternalFiles,
    ) -> Result<Self, Refused> {
        let (mut dims, mut number, mut name, mut data) = (Vec::new(), 0, "", Data::default());
        let mut reference = Reference::default();
        each(message, |field, value| {
            match (field, value) {
                (1, value) => dim_list(value, &mut dims, limits.rank, place)?,
                (2, Value::Number(value)) => number = value,
                (3, _) => return Err(Refused::unsupported(place, "tensors in segments are not read")),
                (8, Value::Bytes(text)) => name = self::name(text, limits, place)?,
                (13, Value::Bytes(entry)) => reference.entry(entry, place)?,
                (14, Value::Number(at)) => reference.is_external = at != 0,
                _ => data.count(field, value)?,
            }
            Ok::<_, Refused>(())
        })?;
        let place = &if name.is_empty() { place.to_owned() } else { format!("initializer {}", Quoted(name)) };
        let element = i32::try_from(number).ok().and_then(ElementType::from_onnx);
        let element = element
            .ok_or_else(|| Refused::unsupported(place, format!("its elements have type {number}, unknown here")))?;
        let (elements, bytes) = size(&dims, Some(element), limits, place)?;
        match reference.is_used() {
            true => reference.check(element, bytes, limits, place, external)?,
            false => data.check(element, elements, bytes, place)?,
        }
        let dims = dims.iter().map(|dim| dim.unsigned_abs()).collect();
        Ok(Self { name, element, dims, bytes: if element == ElementType::String { 0 } else { bytes }, message })
    }

    /// A sparse tensor (`SparseTensorProto`), which ONNX Runtime makes dense when it loads the file.
    pub(super) fn read_sparse(
        message: &'a [u8],
        limits: &AdmissionLimits,
        place: &str,
        external: &mut ExternalFiles,
    ) -> Result<Self, Refused> {
        let (mut dims, mut values) = (Vec::new(), None);
        each(message, |field, value| {
            match (field, value) {
                (1, Value::Bytes(tensor)) => values = Some(Tensor::read(tensor, limits, place, external)?),
                (2, Value::Bytes(tensor)) => drop(Tensor::read(tensor, limits, place, external)?),
                (3, value) => dim_list(value, &mut dims, limits.rank, place)?,
                _ => {}
            }
            Ok::<_, Refused>(())
        })?;
        let values = values.ok_or_else(|| Refused::malformed(place, "a sparse tensor without values"))?;
        let place = &format!("sparse initializer {}", Quoted(values.name));
        let (_, bytes) = size(&dims, Some(values.element), limits, place)?;
        if bytes > limits.made_bytes {
            return Err(made_too_large(place, bytes, limits));
        }
        let dims = dims.iter().map(|dim| dim.unsigned_abs()).collect();
        Ok(Self { name: values.name, element: values.element, dims, bytes, message: &[] })
    }

    /// The numbers of a small tensor of integers or booleans; `None` if it is none, or has more than `max`.
    pub(super) fn ints(&self, max: usize) -> Option<Vec<i64>> {
        let wanted = usize::try_from(self.elements()).ok().filter(|wanted| *wanted <= max)?;
        let mut ints = Vec::with_capacity(wanted);
        let mut read = |field, value| match (field, self.element, value) {
            (9, ElementType::I64, Value::Bytes(raw)) => ints.extend(raw.chunks_exact(8).filter_map(little_endian)),
            (9, ElementType::I32, Value::Bytes(raw)) => ints.extend(raw.chunks_exact(4).filter_map(little_endian)),
            (9, ElementType::Bool, Value::Bytes(raw)) => ints.extend(raw.iter().map(|byte| i64::from(*byte))),
            (7, ElementType::I64, value) | (5, ElementType::I32 | ElementType::Bool, value) => {
                let _ = numbers(value, |int| {
                    ints.push(int);
                    Ok::<_, Refused>(())
                });
            }
            _ => {}
        };
        each(self.message, |field, value| {
            read(field, value);
            Ok::<_, Refused>(())
        })
        .ok()?;
        (ints.len() == wanted).then_some(ints)
    }

    /// The one number of a scalar of any type that `Range` takes.
    pub(super) fn number(&self) -> Option<f64> {
        let (mut number, wide) = (None, self.element == ElementType::F64);
        if !wide && self.element != ElementType::F32 {
            return self.ints(1)?.first().map(|int| *int as f64);
        }
        each(self.message, |field, value| {
            if let (4 | 9 | 10, Value::Bytes(raw) | Value::Fixed(raw)) = (field, value) {
                number = match wide {
                    true => raw.try_into().ok().map(f64::from_le_bytes),
                    false => raw.try_into().ok().map(|raw| f64::from(f32::from_le_bytes(raw))),
                };
            }
            Ok::<_, Refused>(())
        })
        .ok()?;
        number.filter(|_| self.elements() == 1)
    }

    pub(super) fn elements(&self) -> u64 {
        self.dims.iter().product()
    }
}

impl Data {
    fn count(&mut self, field: u64, value: Value<'_>) -> Result<(), Refused> {
        let fixed = |width: u64| match value {
            Value::Bytes(bytes) | Value::Fixed(bytes) => bytes.len() as u64 / width,
            Value::Number(_) => 0,
        };
        let mut varints = 0u64;
        let mut count = || {
            numbers(value, |_| {
                varints += 1;
                Ok::<_, Refused>(())
            })
            .map(|()| varints)
        };
        match field {
            4 => self.floats += fixed(4),
            5 => self.int32s += count()?,
            6 => self.strings += 1,
            7 => self.int64s += count()?,
            9 => self.raw = Some(fixed(1)),
            10 => self.doubles += fixed(8),
            11 => self.uint64s += count()?,
            _ => {}
        }
        Ok(())
    }

    fn check(&self, element: ElementType, elements: u64, bytes: u64, place: &str) -> Result<(), Refused> {
        use ElementType as E;
        // Types that share a byte may be packed, several in each number, or not: writers differ.
        let packed = element.bytes().is_none() && element != E::String && self.raw.is_none();
        if packed && (bytes..=elements).contains(&self.int32s) {
            return Ok(());
        }
        let (got, wanted, unit) = match (self.raw, element) {
            (_, E::String) => (self.strings, elements, "strings"),
            (Some(raw), _) => (raw, bytes, "bytes"),
            (_, E::F32) => (self.floats, elements, "numbers"),
            (_, E::Complex64) => (self.floats / 2, elements, "numbers"),
            (_, E::F64) => (self.doubles, elements, "numbers"),
            (_, E::Complex128) => (self.doubles / 2, elements, "numbers"),
            (_, E::I64) => (self.int64s, elements, "numbers"),
            (_, E::U32 | E::U64) => (self.uint64s, elements, "numbers"),
            _ => (self.int32s, elements, "numbers"),
        };
        if got == wanted {
            return Ok(());
        }
        Err(Refused::malformed(place, format!("its shape needs {wanted} {unit}, the file has {got}")))
    }
}

/// The elements and bytes of a shape. An unknown dimension (negative) counts as 1, so both are lower bounds.
pub(super) fn size(
    dims: &[i64],
    element: Option<ElementType>,
    limits: &AdmissionLimits,
    place: &str,
) -> Result<(u64, u64), Refused> {
    let bytes_of = |elements: u64| match element {
        Some(ElementType::String) | None => Some(elements),
        Some(element) => element.storage_bytes(usize::try_from(elements).ok()?)?.try_into().ok(),
    };
    // ONNX Runtime multiplies from the left, so a 0 further right does not save the others.
    let product = dims.iter().try_fold(1u64, |product, dim| product.checked_mul(dim.unsigned_abs().max(1)));
    let bytes = product.and_then(bytes_of).filter(|bytes| *bytes <= limits.tensor_bytes);
    match (product, bytes) {
        (Some(_), Some(_)) if dims.contains(&0) => Ok((0, 0)),
        (Some(product), Some(bytes)) => Ok((product, bytes)),
        _ => Err(Refused::too_large(
            place,
            format!("shape {dims:?} is more than {} bytes, the most for one tensor", limits.tensor_bytes),
        )),
    }
}

pub(super) fn made_too_large(place: impl std::fmt::Display, bytes: u64, limits: &AdmissionLimits) -> Refused {
    let allowed = limits.made_bytes;
    Refused::too_large(place, format!("makes at least {bytes} bytes out of constants; at most {allowed} are allowed"))
}

/// A name of at most the allowed length.
pub(super) fn name<'a>(text: &'a [u8], limits: &AdmissionLimits, place: &str) -> Result<&'a str, Refused> {
    if text.len() > limits.name_bytes {
        let why = format!("a name of {} bytes; at most {} are allowed", text.len(), limits.name_bytes);
        return Err(Refused::too_large(place, why));
    }
    std::str::from_utf8(text).map_err(|_| Refused::malformed(place, "a name that is no UTF-8"))
}

fn dim_list(value: Value<'_>, dims: &mut Vec<i64>, rank_max: usize, place: &str) -> Result<(), Refused> {
    numbers(value, |dim| {
        if dim < 0 {
            return Err(Refused::malformed(place, format!("a dimension of {dim}")));
        }
        if dims.len() == rank_max {
            return Err(Refused::too_large(place, format!("more than {rank_max} dimensions")));
        }
        dims.push(dim);
        Ok(())
    })
}

fn little_endian(bytes: &[u8]) -> Option<i64> {
    match bytes.len() {
        4 => bytes.try_into().ok().map(|bytes| i64::from(i32::from_le_bytes(bytes))),
        _ => bytes.try_into().ok().map(i64::from_le_bytes),
    }
}
