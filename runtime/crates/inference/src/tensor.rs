//! A tensor: an element type, a shape, and data that is shared and never changes.

use std::fmt;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use crate::buffer::AlignedBuf;
use crate::element::ElementType;
use crate::error::TensorError;
use crate::onnx::ffi::OutputValue;
use crate::onnx::{self, DeviceMemory};
use crate::shape::Shape;

/// An immutable tensor. A clone shares the data.
///
/// A row or more of a joined run's output is a part of that output's buffer, which lives as long as any of its parts:
/// see [`Tensor::held_bytes`] and [`Tensor::into_kept`].
#[derive(Clone)]
pub struct Tensor {
    element_type: ElementType,
    shape: Shape,
    data: Arc<Data>,
    /// Which bytes of `data` are this tensor's; `None`: all.
    part: Option<Range<usize>>,
}

/// What a string takes beside its bytes: its handle, and what the allocator rounds up and keeps of its own.
const STRING_OVERHEAD: usize = 48;

/// A part of a buffer that is at least this fraction of it is kept as it is: a copy would cost more than it saves.
const KEPT_PART_MIN: usize = 2;

enum Data {
    /// Bytes of ours, given by a caller.
    Bytes(AlignedBuf),
    /// Memory of a session's output; ONNX Runtime frees it when the last clone goes.
    Output(OutputValue),
    /// With the bytes that all of them take.
    Strings(Arc<Vec<String>>, usize),
    /// Memory of a device, with the device's last clone or the tensor's it goes.
    Device(OnDevice),
}

/// A session's output that was left where it was made.
struct OnDevice {
    memory: Arc<DeviceMemory>,
    value: OutputValue,
    element_type: ElementType,
    shape: Shape,
    /// The copy in main memory, once somebody has asked for it; or why there is none.
    copy: OnceLock<Result<OutputValue, String>>,
}

/// Keeps a tensor's bytes alive for whoever wants `AsRef<[u8]> + Send + 'static`, such as `Bytes::from_owner`.
pub struct ByteOwner {
    data: Arc<Data>,
    part: Option<Range<usize>>,
}

impl Tensor {
    /// A tensor of `bytes`, little-endian, row by row.
    ///
    /// # Errors
    /// `bytes` is not exactly as long as the shape needs, or the elements are strings.
    pub fn new(element_type: ElementType, shape: Shape, bytes: AlignedBuf) -> Result<Self, TensorError> {
        let expected = shape.bytes(element_type)?;
        if bytes.len() != expected {
            return Err(length(element_type, &shape, expected, bytes.len(), "bytes"));
        }
        Ok(Self { element_type, shape, data: Arc::new(Data::Bytes(bytes)), part: None })
    }

    /// A tensor of strings, row by row.
    ///
    /// # Errors
    /// There are not exactly as many strings as the shape has elements.
    pub fn strings(shape: Shape, strings: Vec<String>) -> Result<Self, TensorError> {
        if strings.len() != shape.elements() {
            return Err(length(ElementType::String, &shape, shape.elements(), strings.len(), "strings"));
        }
        let bytes = strings.iter().map(|text| Self::string_bytes(text)).fold(0, usize::saturating_add);
        let data = Arc::new(Data::Strings(Arc::new(strings), bytes));
        Ok(Self { element_type: ElementType::String, shape, data, part: None })
    }

    /// The memory that one element of a tensor of strings takes, in bytes.
    #[must_use]
    pub fn string_bytes(text: &str) -> usize {
        text.len().saturating_add(STRING_OVERHEAD)
    }

    /// The type of its elements.
    #[must_use]
    pub fn element_type(&self) -> ElementType {
        self.element_type
    }

    /// Its dimensions.
    #[must_use]
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// Its bytes, without a copy; empty for strings. Of a tensor on a device they are copied to main memory first, the
    /// first time; empty if that failed, which [`Tensor::host_bytes`] tells.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.data.part(self.part.as_ref())
    }

    /// Its bytes, as [`Tensor::bytes`].
    ///
    /// # Errors
    /// It lies on a device and could not be copied from there.
    pub fn host_bytes(&self) -> Result<&[u8], TensorError> {
        if let Data::Device(data) = &*self.data {
            data.fetch()?;
        }
        Ok(self.bytes())
    }

    /// Whether its elements lie in main memory, and nowhere else.
    #[must_use]
    pub fn is_on_host(&self) -> bool {
        !matches!(&*self.data, Data::Device(_))
    }

    /// How many bytes its elements take, wherever they lie; 0 for strings.
    #[must_use]
    pub fn byte_len(&self) -> usize {
        self.part.as_ref().map_or_else(|| self.data.address().1, Range::len)
    }

    /// Its bytes as something owned, without a copy; empty for strings.
    #[must_use]
    pub fn byte_owner(&self) -> ByteOwner {
        ByteOwner { data: Arc::clone(&self.data), part: self.part.clone() }
    }

    /// The bytes of memory that this tensor keeps alive: its own, or those of the whole buffer it is a part of. Strings
    /// count with what their handles take.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        match &*self.data {
            Data::Strings(_, bytes) => *bytes,
            data => data.address().1,
        }
    }

    /// The bytes of memory that its elements take; strings count with what their handles take.
    #[must_use]
    pub fn own_bytes(&self) -> usize {
        match &*self.data {
            Data::Strings(_, bytes) => *bytes,
            _ => self.byte_len(),
        }
    }

    /// For whoever keeps a tensor longer than the call that gave it: a part that is less than half of its buffer is
    /// copied out, so that `held_bytes` is at most twice what the tensor has. All else comes back as it is.
    ///
    /// # Errors
    /// The machine has no room for the copy.
    pub fn into_kept(self) -> Result<Self, TensorError> {
        if self.own_bytes().saturating_mul(KEPT_PART_MIN) >= self.held_bytes() {
            return Ok(self);
        }
        let copy = AlignedBuf::joined(&[self.host_bytes()?])?;
        Ok(Self { data: Arc::new(Data::Bytes(copy)), part: None, ..self })
    }

    /// Its strings, or `None` where the elements are not strings.
    #[must_use]
    pub fn as_strings(&self) -> Option<&[String]> {
        match &*self.data {
            Data::Strings(strings, _) => Some(strings),
            _ => None,
        }
    }

    /// Its strings as something owned, without a copy; `None` where the elements are not strings.
    #[must_use]
    pub fn string_owner(&self) -> Option<Arc<Vec<String>>> {
        match &*self.data {
            Data::Strings(strings, _) => Some(Arc::clone(strings)),
            _ => None,
        }
    }

    /// The same data under another shape. Nothing is copied.
    ///
    /// # Errors
    /// The shape has not as many elements.
    pub fn with_shape(&self, shape: Shape) -> Result<Self, TensorError> {
        let (expected, got) = (shape.elements(), self.shape.elements());
        if expected != got {
            return Err(length(self.element_type, &shape, expected, got, "elements"));
        }
        Ok(self.clone().reshaped(shape))
    }

    /// A session's output that was left in a device's memory.
    pub(crate) fn of_device(
        element_type: ElementType,
        shape: Shape,
        value: OutputValue,
        memory: &Arc<DeviceMemory>,
    ) -> Self {
        let (memory, whole) = (Arc::clone(memory), shape.clone());
        let data = OnDevice { memory, value, element_type, shape: whole, copy: OnceLock::new() };
        Self { element_type, shape, data: Arc::new(Data::Device(data)), part: None }
    }

    /// Where it lies on a device: whose memory, in which output, and which bytes of that.
    pub(crate) fn on_device(&self) -> Option<(&Arc<DeviceMemory>, &OutputValue, Range<usize>)> {
        match &*self.data {
            Data::Device(data) => {
                let part = self.part.clone().unwrap_or(0..data.value.address().1);
                Some((&data.memory, &data.value, part))
            }
            _ => None,
        }
    }

    /// Where its bytes lie, in main memory or on a device, and how many they are.
    pub(crate) fn address(&self) -> (*const u8, usize) {
        let (start, len) = self.data.address();
        self.part.as_ref().map_or((start, len), |part| (start.wrapping_add(part.start), part.len()))
    }

    pub(crate) fn of_output(element_type: ElementType, shape: Shape, value: OutputValue) -> Self {
        Self { element_type, shape, data: Arc::new(Data::Output(value)), part: None }
    }

    /// The same data under another shape with as many elements.
    pub(crate) fn reshaped(self, shape: Shape) -> Self {
        debug_assert_eq!(self.shape.elements(), shape.elements());
        Self { shape, ..self }
    }

    /// `bytes` of this tensor's bytes, under a shape that takes exactly these. Nothing is copied; `None` for strings and
    /// where they do not fit.
    pub(crate) fn part(&self, shape: Shape, bytes: Range<usize>) -> Option<Self> {
        let fits = shape.bytes(self.element_type).ok() == Some(bytes.len()) && bytes.end <= self.byte_len();
        let start = self.part.as_ref().map_or(0, |part| part.start);
        let part = Some(start + bytes.start..start + bytes.end);
        fits.then(|| Self { element_type: self.element_type, shape, data: Arc::clone(&self.data), part })
    }

    /// One byte per element, as ONNX Runtime wants booleans: 0 stays, all else is 1. Copies only if it must.
    pub(crate) fn as_bool(&self) -> Self {
        if self.element_type == ElementType::Bool && !self.is_on_host() {
            // A model made it, so it is as it should be.
            return self.clone();
        }
        let (data, part) = if self.bytes().iter().all(|byte| *byte <= 1) {
            (Arc::clone(&self.data), self.part.clone())
        } else {
            let mut bytes = AlignedBuf::copy_of(self.bytes());
            bytes.iter_mut().for_each(|byte| *byte = u8::from(*byte != 0));
            (Arc::new(Data::Bytes(bytes)), None)
        };
        Self { element_type: ElementType::Bool, shape: self.shape.clone(), data, part }
    }
}

impl Data {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Bytes(bytes) => bytes,
            Self::Output(value) => value.bytes(),
            Self::Strings(..) => &[],
            Self::Device(data) => data.fetch().map_or(&[], OutputValue::bytes),
        }
    }

    /// Where all bytes lie, in main memory or on a device, and how many they are.
    fn address(&self) -> (*const u8, usize) {
        match self {
            Self::Device(data) => data.value.address(),
            _ => (self.bytes().as_ptr(), self.bytes().len()),
        }
    }

    fn part(&self, part: Option<&Range<usize>>) -> &[u8] {
        match part {
            None => self.bytes(),
            Some(part) => self.bytes().get(part.clone()).unwrap_or_default(),
        }
    }
}

impl OnDevice {
    /// The copy in main memory; the first who asks makes it, and whoever asks meanwhile waits.
    fn fetch(&self) -> Result<&OutputValue, TensorError> {
        let copy = self.copy.get_or_init(|| {
            let copied = self.memory.to_host(self.element_type, &self.shape, &self.value);
            copied.map_err(|error| {
                let device = self.memory.device();
                tracing::error!(%device, error = error.message(), "a tensor could not be copied from a device");
                format!("{device}: {}", onnx::public(error.message()))
            })
        });
        copy.as_ref().map_err(|why| TensorError::Device(why.clone()))
    }
}

impl AsRef<[u8]> for ByteOwner {
    fn as_ref(&self) -> &[u8] {
        self.data.part(self.part.as_ref())
    }
}

/// The element type and shape, not the data: it may be large, or private.
impl fmt::Debug for Tensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tensor({} {})", self.element_type, self.shape)
    }
}

fn length(element: ElementType, shape: &Shape, expected: usize, got: usize, unit: &'static str) -> TensorError {
    TensorError::Length { element: element.name(), shape: shape.to_string(), expected, got, unit }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tensor_is_exactly_as_long_as_its_shape() {
        let shape = Shape::new(&[2, 2]).unwrap();
        let made = Tensor::new(ElementType::F32, shape.clone(), AlignedBuf::copy_of(&[1; 16])).unwrap();
        assert_eq!(made.bytes(), &[1; 16]);
        assert_eq!(made.byte_owner().as_ref(), &[1; 16]);
        let short = Tensor::new(ElementType::F32, shape.clone(), AlignedBuf::copy_of(&[1; 15])).unwrap_err();
        assert_eq!(short.to_string(), "f32 tensor of shape [2, 2] needs 16 bytes, got 15");
        let bytes_of_strings = Tensor::new(ElementType::String, shape.clone(), AlignedBuf::copy_of(&[]));
        assert_eq!(bytes_of_strings.unwrap_err(), TensorError::NoBytes);
        assert!(Tensor::strings(shape, vec!["one".into()]).is_err());
    }

    #[test]
    fn a_part_shares_the_buffer_until_it_is_kept() {
        let shape = |rows| Shape::new(&[rows, 2]).unwrap();
        let whole = Tensor::new(ElementType::U8, shape(4), AlignedBuf::copy_of(&[0, 1, 2, 3, 4, 5, 6, 7])).unwrap();
        let row = whole.part(shape(1), 2..4).unwrap();
        assert_eq!((row.bytes(), row.byte_owner().as_ref(), row.held_bytes()), (&[2, 3][..], &[2, 3][..], 8));
        assert_eq!(row.bytes().as_ptr(), whole.bytes()[2..].as_ptr());
        let of_part = whole.part(shape(3), 2..8).unwrap().part(shape(1), 2..4).unwrap();
        assert_eq!(of_part.bytes(), &[4, 5]);
        let kept = row.into_kept().unwrap();
        assert_eq!((kept.bytes(), kept.held_bytes(), kept.shape().dims()), (&[2, 3][..], 2, &[1, 2][..]));
        let half = whole.part(shape(2), 0..4).unwrap().into_kept().unwrap();
        assert_eq!(half.bytes().as_ptr(), whole.bytes().as_ptr(), "a large part stays");
        for (rows, range) in [(1, 7..9), (1, 0..4), (2, 0..3)] {
            assert!(whole.part(shape(rows), range).is_none());
        }
    }

    #[test]
    fn strings_count_with_their_handles_and_are_handed_out_without_a_copy() {
        let texts = vec![String::new(), "four".to_owned()];
        let tensor = Tensor::strings(Shape::new(&[2]).unwrap(), texts).unwrap();
        assert_eq!((tensor.held_bytes(), tensor.own_bytes()), (100, 100));
        let owner = tensor.string_owner().unwrap();
        assert_eq!(owner.as_ptr(), tensor.as_strings().unwrap().as_ptr());
        let kept = tensor.into_kept().unwrap();
        assert_eq!(owner.as_ptr(), kept.as_strings().unwrap().as_ptr(), "strings are never a part of others'");
    }

    #[test]
    fn another_shape_has_as_many_elements_and_the_same_data() {
        let bytes = Tensor::new(ElementType::U4, Shape::new(&[3]).unwrap(), AlignedBuf::copy_of(&[1, 2])).unwrap();
        let column = bytes.with_shape(Shape::new(&[3, 1]).unwrap()).unwrap();
        assert_eq!((column.bytes().as_ptr(), column.shape().rank()), (bytes.bytes().as_ptr(), 2));
        let wrong = bytes.with_shape(Shape::new(&[4]).unwrap()).unwrap_err();
        assert_eq!(wrong.to_string(), "u4 tensor of shape [4] needs 4 elements, got 3");
    }

    #[test]
    fn booleans_are_normalised_only_where_needed() {
        let shape = Shape::new(&[3]).unwrap();
        let clean = Tensor::new(ElementType::U8, shape.clone(), AlignedBuf::copy_of(&[0, 1, 1])).unwrap();
        assert_eq!(clean.as_bool().bytes().as_ptr(), clean.bytes().as_ptr());
        let odd = Tensor::new(ElementType::U8, shape, AlignedBuf::copy_of(&[0, 2, 255])).unwrap();
        assert_eq!(odd.as_bool().bytes(), &[0, 1, 1]);
        assert_eq!(odd.as_bool().element_type(), ElementType::Bool);
    }
}
