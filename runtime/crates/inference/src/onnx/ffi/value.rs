//! `OrtValue`s: tensors over bytes that we own, and tensors that a run gave us.

use std::marker::PhantomData;
use std::ptr::{self, NonNull};

use ort::AsPointer;
use ort::memory::{Allocator, MemoryInfo};
use ort::sys::{ONNXTensorElementDataType as Onnx, OrtAllocator, OrtMemoryInfoDeviceType, OrtValue};

use super::check;
use crate::element::ElementType;
use crate::shape::Shape;

/// A tensor to feed to a run. Over bytes it borrows them; ONNX Runtime does not write to what it is fed.
#[repr(transparent)]
pub(crate) struct InputValue<'a> {
    pointer: NonNull<OrtValue>,
    bytes: PhantomData<&'a [u8]>,
}

/// A tensor that a run made. It frees its memory when dropped, on any thread.
pub(crate) struct OutputValue {
    pointer: NonNull<OrtValue>,
    /// The elements, set by `describe`; empty for strings.
    bytes: (*const u8, usize),
    /// Whether the elements lie in main memory.
    is_on_host: bool,
}

// SAFETY: a value belongs to no thread; its memory comes from the arena, which locks itself.
unsafe impl Send for OutputValue {}
// SAFETY: through `&` it is only read, and nobody else writes to it once the run that made it is over.
unsafe impl Sync for OutputValue {}

impl<'a> InputValue<'a> {
    /// A tensor over `bytes`, which are exactly as many as element type and shape need (else ONNX Runtime refuses).
    pub(crate) fn over_bytes(
        memory: &MemoryInfo<'_>,
        element: ElementType,
        shape: &Shape,
        bytes: &'a [u8],
    ) -> ort::Result<Self> {
        // SAFETY: all callers pass main memory's info, and a slice lies there; `'a` keeps it alive and unchanged as long as
        // the value.
        unsafe { Self::over_pointer(memory, element, shape, (bytes.as_ptr(), bytes.len())) }
    }

    /// A tensor over memory of the kind that `memory` names.
    ///
    /// # Safety
    /// The memory is of that kind, and alive and unchanged as long as the value. Nothing of it is read here.
    pub(super) unsafe fn over_pointer(
        memory: &MemoryInfo<'_>,
        element: ElementType,
        shape: &Shape,
        (data, len): (*const u8, usize),
    ) -> ort::Result<Self> {
        let element = to_enum(element).ok_or_else(|| ort::Error::new("an element type without bytes"))?;
        let mut pointer = ptr::null_mut();
        // SAFETY: memory info and dimensions are borrowed, hence alive; the value keeps the pointer to the data, which the
        // caller promises to keep. The C interface takes `*mut` because a tensor can also be an output; as an input it is
        // only read.
        check(unsafe {
            (ort::api().CreateTensorWithDataAsOrtValue)(
                memory.ptr(),
                data.cast_mut().cast(),
                len,
                shape.dims().as_ptr(),
                shape.rank(),
                element,
                &raw mut pointer,
            )
        })?;
        Self::wrap(pointer)
    }

    /// A tensor of copies of `strings`, as many as the shape has elements.
    pub(crate) fn of_strings(shape: &Shape, strings: &[String]) -> ort::Result<Self> {
        if strings.len() != shape.elements() {
            return Err(ort::Error::new("as many strings as elements are needed"));
        }
        let api = ort::api();
        let allocator = Allocator::default();
        // SAFETY: the process's default allocator is never released.
        let value =
            unsafe { Self::made(allocator.ptr().cast_mut(), Onnx::ONNX_TENSOR_ELEMENT_DATA_TYPE_STRING, shape) }?;
        for (index, text) in strings.iter().enumerate() {
            let mut room = ptr::null_mut();
            // SAFETY: the value is a string tensor made above and `index` is below its element count; `room` is then
            // a buffer of exactly `text.len()` bytes inside it.
            check(unsafe {
                (api.GetResizedStringTensorElementBuffer)(value.pointer.as_ptr(), index, text.len(), &raw mut room)
            })?;
            // SAFETY: `room` has `text.len()` bytes (above), is ours alone, and cannot overlap a Rust string.
            unsafe { ptr::copy_nonoverlapping(text.as_ptr(), room.cast::<u8>(), text.len()) };
        }
        Ok(value)
    }

    /// A tensor without values in memory of `allocator`, of a type that is made of bytes.
    ///
    /// # Safety
    /// The allocator is alive as long as the value.
    pub(super) unsafe fn allocated(
        allocator: *mut OrtAllocator,
        element: ElementType,
        shape: &Shape,
    ) -> ort::Result<Self> {
        let element = to_enum(element).ok_or_else(|| ort::Error::new("an element type without bytes"))?;
        // SAFETY: the caller's promise is the same.
        unsafe { Self::made(allocator, element, shape) }
    }

    /// # Safety
    /// The allocator is alive as long as the value.
    unsafe fn made(allocator: *mut OrtAllocator, element: Onnx, shape: &Shape) -> ort::Result<Self> {
        let mut pointer = ptr::null_mut();
        // SAFETY: allocator and dimensions are alive during the call.
        check(unsafe {
            (ort::api().CreateTensorAsOrtValue)(
                allocator,
                shape.dims().as_ptr(),
                shape.rank(),
                element,
                &raw mut pointer,
            )
        })?;
        Self::wrap(pointer)
    }

    pub(super) fn pointer(&self) -> *const OrtValue {
        self.pointer.as_ptr()
    }

    fn wrap(pointer: *mut OrtValue) -> ort::Result<Self> {
        let pointer = NonNull::new(pointer).ok_or_else(|| ort::Error::new("a tensor was made without a handle"))?;
        Ok(Self { pointer, bytes: PhantomData })
    }
}

impl Drop for InputValue<'_> {
    fn drop(&mut self) {
        // SAFETY: made by one of the constructors, released once, here.
        unsafe { (ort::api().ReleaseValue)(self.pointer.as_ptr()) };
    }
}

impl OutputValue {
    /// # Safety
    /// `pointer` is null or a value that nobody else will release.
    pub(super) unsafe fn from_raw(pointer: *mut OrtValue) -> Option<Self> {
        NonNull::new(pointer).map(|pointer| Self {
            pointer,
            bytes: (NonNull::dangling().as_ptr(), 0),
            is_on_host: true,
        })
    }

    /// Finds out where the elements lie; before this is called, in main memory.
    pub(super) fn note_place(&mut self) -> ort::Result<()> {
        let api = ort::api();
        let value = self.pointer.as_ptr();
        let mut is_tensor = 0;
        // SAFETY: the value is alive.
        check(unsafe { (api.IsTensor)(value, &raw mut is_tensor) })?;
        if is_tensor == 0 {
            return Ok(());
        }
        // Read as a number: a newer library may know kinds that the enum does not.
        let (mut info, mut kind) = (ptr::null(), -1i32);
        // SAFETY: a live tensor; `info` then points into it.
        check(unsafe { (api.GetTensorMemoryInfo)(value, &raw mut info) })?;
        // SAFETY: `info` is alive with the value; the enum is `repr(i32)`, so an `i32` has room for it.
        unsafe { (api.MemoryInfoGetDeviceType)(info, (&raw mut kind).cast::<OrtMemoryInfoDeviceType>()) };
        self.is_on_host = kind == OrtMemoryInfoDeviceType::OrtMemoryInfoDeviceType_CPU as i32;
        Ok(())
    }

    /// Whether `bytes` can be read.
    pub(crate) fn is_on_host(&self) -> bool {
        self.is_on_host
    }

    /// Where the elements' bytes lie and how many they are, after `describe`: an address of main memory or of a device.
    pub(crate) fn address(&self) -> (*const u8, usize) {
        self.bytes
    }

    /// Reads element type and shape, and where the bytes are. `None`: not a tensor, or of a type unknown to us.
    pub(crate) fn describe(&mut self) -> ort::Result<Option<(ElementType, Shape)>> {
        let api = ort::api();
        let value = self.pointer.as_ptr();
        let mut is_tensor = 0;
        // SAFETY: the value is alive.
        check(unsafe { (api.IsTensor)(value, &raw mut is_tensor) })?;
        if is_tensor == 0 {
            return Ok(None);
        }
        let (mut number, mut dims, mut rank) = (0i32, ptr::null::<i64>(), 0usize);
        // SAFETY: a live tensor; the enum is `repr(i32)`, so an `i32` has room for it; `dims` then points into the value.
        check(unsafe {
            (api.GetTensorElementTypeAndShapeDataReference)(
                value,
                (&raw mut number).cast::<Onnx>(),
                &raw mut dims,
                &raw mut rank,
            )
        })?;
        let dims = if rank == 0 || dims.is_null() {
            &[][..]
        } else {
            // SAFETY: not null, `rank` numbers, inside the value, which is not changed while `self` is borrowed.
            unsafe { std::slice::from_raw_parts(dims, rank) }
        };
        let shape = Shape::from_signed(dims).map_err(|error| ort::Error::new(error.to_string()))?;
        let Some(element) = ElementType::from_onnx(number) else { return Ok(None) };
        if element != ElementType::String {
            let len = shape.bytes(element).map_err(|error| ort::Error::new(error.to_string()))?;
            self.locate(len)?;
        }
        Ok(Some((element, shape)))
    }

    /// The elements' bytes, after `describe`; empty for strings, and where they lie in a device's memory.
    pub(crate) fn bytes(&self) -> &[u8] {
        if !self.is_on_host {
            return &[];
        }
        // SAFETY: main memory (above); dangling with length 0 (from_raw), or what `locate` read of this value: valid for that length until
        // the value is released, which is when `self` is dropped. Nobody writes to it after the run.
        unsafe { std::slice::from_raw_parts(self.bytes.0, self.bytes.1) }
    }

    /// Copies of a string tensor's `count` elements, together at most `max_bytes`; `None` if they are more.
    pub(crate) fn strings(&self, count: usize, max_bytes: u64) -> ort::Result<Option<Vec<String>>> {
        let api = ort::api();
        let value = self.pointer.as_ptr();
        let mut len = 0usize;
        // SAFETY: the value is alive; if it is no string tensor the call fails.
        check(unsafe { (api.GetStringTensorDataLength)(value, &raw mut len) })?;
        if len as u64 > max_bytes {
            return Ok(None);
        }
        let mut bytes = vec![0u8; len];
        let mut offsets = vec![0usize; count];
        // SAFETY: both buffers are as long as the lengths that are passed with them.
        check(unsafe {
            (api.GetStringTensorContent)(value, bytes.as_mut_ptr().cast(), len, offsets.as_mut_ptr(), count)
        })?;
        let ends = offsets.iter().skip(1).copied().chain([len]);
        let slices = offsets.iter().zip(ends).map(|(start, end)| bytes.get(*start..end).unwrap_or_default());
        Ok(Some(slices.map(|text| String::from_utf8_lossy(text).into_owned()).collect()))
    }

    fn locate(&mut self, len: usize) -> ort::Result<()> {
        let mut data = ptr::null_mut();
        // SAFETY: a live tensor whose elements are not strings.
        check(unsafe { (ort::api().GetTensorMutableData)(self.pointer.as_ptr(), &raw mut data) })?;
        if len > 0 && data.is_null() {
            return Err(ort::Error::new("an output has no data"));
        }
        if len > 0 {
            self.bytes = (data.cast::<u8>().cast_const(), len);
        }
        Ok(())
    }
}

impl Drop for OutputValue {
    fn drop(&mut self) {
        // SAFETY: ours alone (from_raw), released once, here.
        unsafe { (ort::api().ReleaseValue)(self.pointer.as_ptr()) };
    }
}

/// `ort`'s enum for a type; `None` for strings, which are never made of bytes.
fn to_enum(element: ElementType) -> Option<Onnx> {
    Some(match element {
        ElementType::F32 => Onnx::ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT,
        ElementType::F64 => Onnx::ONNX_TENSOR_ELEMENT_DATA_TYPE_DOUBLE,
        ElementType::F16 => Onnx::ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT16,
        ElementType::BF16 => Onnx::ONNX_TENSOR_ELEMENT_DATA_TYPE_BFLOAT16,
        ElementType::F8E4M3FN => Onnx::ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT8E4M3FN,
        ElementType::F8E4M3FNUZ => Onnx::ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT8E4M3FNUZ,
        ElementType::F8E5M2 => Onnx::ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT8E5M2,
        ElementType::F8E5M2FNUZ => Onnx::ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT8E5M2FNUZ,
        ElementType::F8E8M0 => Onnx::ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT8E8M0,
        ElementType::F4E2M1 => Onnx::ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT4E2M1,
        ElementType::U8 => Onnx::ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT8,
        ElementType::U16 => Onnx::ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT16,
        ElementType::U32 => Onnx::ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT32,
        ElementType::U64 => Onnx::ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT64,
        ElementType::I8 => Onnx::ONNX_TENSOR_ELEMENT_DATA_TYPE_INT8,
        ElementType::I16 => Onnx::ONNX_TENSOR_ELEMENT_DATA_TYPE_INT16,
        ElementType::I32 => Onnx::ONNX_TENSOR_ELEMENT_DATA_TYPE_INT32,
        ElementType::I64 => Onnx::ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64,
        ElementType::U4 => Onnx::ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT4,
        ElementType::I4 => Onnx::ONNX_TENSOR_ELEMENT_DATA_TYPE_INT4,
        ElementType::U2 => Onnx::ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT2,
        ElementType::I2 => Onnx::ONNX_TENSOR_ELEMENT_DATA_TYPE_INT2,
        ElementType::Bool => Onnx::ONNX_TENSOR_ELEMENT_DATA_TYPE_BOOL,
        ElementType::Complex64 => Onnx::ONNX_TENSOR_ELEMENT_DATA_TYPE_COMPLEX64,
        ElementType::Complex128 => Onnx::ONNX_TENSOR_ELEMENT_DATA_TYPE_COMPLEX128,
        ElementType::String => return None,
    })
}
