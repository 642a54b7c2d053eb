//! An `OrtSession`: made from bytes, asked what it takes and gives, run by one runner at a time.

use std::ffi::{CStr, CString, c_char};
use std::ptr::{self, NonNull};
use std::sync::Arc;

use ort::AsPointer;
use ort::environment::Environment;
use ort::session::RunOptions;
use ort::session::builder::SessionBuilder;
use ort::sys::{ONNXTensorElementDataType, ONNXType, OrtSession, OrtTensorTypeAndShapeInfo, OrtTypeInfo, OrtValue};

use super::binding::Binding;
use super::{InputValue, Inside, Mapping, OutputValue, check, text};
use crate::element::ElementType;

/// An owned session. `run` takes `&mut self`: ONNX Runtime's `Run` is not promised to be safe from two threads.
pub(crate) struct SessionHandle {
    pointer: NonNull<OrtSession>,
    /// For runs by binding; made by the first of them.
    pub(super) binding: Option<Binding>,
    /// A session uses its environment until it is released.
    _environment: Environment,
    /// What the session's weights lie in, if it uses the file's bytes in place: unmapped after the session is released.
    mapping: Option<Arc<Mapping>>,
}

// SAFETY: a session is bound to no thread; it is only ever used through `&mut self` (run) or for reading what was
// fixed when it was made.
unsafe impl Send for SessionHandle {}

/// The names of inputs and outputs as C wants them, made once per model.
pub(crate) struct Names {
    pointers: Vec<*const c_char>,
    /// Owns what `pointers` points to; a `CString`'s bytes do not move with it.
    _strings: Vec<CString>,
}

// SAFETY: the pointers lead to bytes that `_strings` owns and nobody changes.
unsafe impl Send for Names {}
// SAFETY: as above.
unsafe impl Sync for Names {}

/// An input or output as ONNX Runtime reports it.
pub(crate) struct RawPort {
    pub(crate) name: CString,
    pub(crate) kind: PortKind,
}

/// What a port carries.
pub(crate) enum PortKind {
    /// Element type by ONNX's number; dimensions with -1 for unknown and a symbol; `None`: not even the rank is known.
    Tensor { element: i32, dims: Option<Vec<(i64, String)>> },
    /// A sequence, a map, an optional value: by ONNX Runtime's number.
    Other(i32),
}

impl PortKind {
    /// The type of a tensor's elements, if it is one that is known.
    pub(crate) fn element(&self) -> Option<ElementType> {
        match self {
            Self::Tensor { element, .. } => ElementType::from_onnx(*element),
            Self::Other(_) => None,
        }
    }
}

/// Which list of ports.
#[derive(Clone, Copy)]
enum Side {
    Input,
    Output,
}

/// Sessions made with `options` use the threads of an environment that has some, and start none.
pub(crate) fn without_threads(options: &mut SessionBuilder) -> ort::Result<()> {
    // SAFETY: the options are borrowed for the call, which only sets a flag in them.
    check(unsafe { (ort::api().DisablePerSessionThreads)(options.ptr_mut()) })
}

impl SessionHandle {
    /// Loads a model. ONNX Runtime copies what it needs of `model`.
    pub(crate) fn load(environment: &Environment, options: &SessionBuilder, model: &[u8]) -> ort::Result<Self> {
        // SAFETY: the options do not ask to use the bytes in place (`options.rs` asks it for a mapped file only), so
        // nothing of them is kept.
        let pointer = unsafe { Self::create(environment, options, model) }?;
        Ok(Self { pointer, binding: None, _environment: environment.clone(), mapping: None })
    }

    /// Loads a model whose weights stay in `mapping`, with options that ask for that. The session only reads them: a
    /// write would be a fault, since the map is not writable.
    pub(crate) fn load_in_place(
        environment: &Environment,
        options: &SessionBuilder,
        mapping: &Arc<Mapping>,
    ) -> ort::Result<Self> {
        // SAFETY: the value holds the map; its `drop` releases the session first, and only then are the fields dropped.
        let pointer = unsafe { Self::create(environment, options, mapping.bytes()) }?;
        Ok(Self { pointer, binding: None, _environment: environment.clone(), mapping: Some(Arc::clone(mapping)) })
    }

    /// The map that the session uses in place.
    pub(crate) fn mapping(&self) -> Option<&Mapping> {
        self.mapping.as_deref()
    }

    /// # Safety
    /// If the options ask to use the bytes in place, `model` is alive and unchanged until the session is released.
    unsafe fn create(
        environment: &Environment,
        options: &SessionBuilder,
        model: &[u8],
    ) -> ort::Result<NonNull<OrtSession>> {
        let _inside = Inside::enter();
        let mut pointer = ptr::null_mut();
        // SAFETY: environment and options are borrowed, hence alive; `model` is valid for its length, and for longer if the
        // options ask for it (the caller promises that).
        check(unsafe {
            (ort::api().CreateSessionFromArray)(
                environment.ptr(),
                model.as_ptr().cast(),
                model.len(),
                options.ptr(),
                &raw mut pointer,
            )
        })?;
        NonNull::new(pointer).ok_or_else(|| ort::Error::new("a session was made without a handle"))
    }

    pub(super) fn pointer(&self) -> *const OrtSession {
        self.pointer.as_ptr()
    }

    /// What the model takes.
    pub(crate) fn inputs(&self) -> ort::Result<Vec<RawPort>> {
        self.ports(Side::Input)
    }

    /// What the model gives.
    pub(crate) fn outputs(&self) -> ort::Result<Vec<RawPort>> {
        self.ports(Side::Output)
    }

    /// Runs the model: one value per name of `inputs`, in that order; one value back per name of `outputs`.
    pub(crate) fn run(
        &mut self,
        options: &RunOptions,
        (input_names, inputs): (&Names, &[InputValue<'_>]),
        output_names: &Names,
    ) -> ort::Result<Vec<OutputValue>> {
        if inputs.len() != input_names.pointers.len() {
            return Err(ort::Error::new("as many inputs as names are needed"));
        }
        let mut outputs: Vec<*mut OrtValue> = vec![ptr::null_mut(); output_names.pointers.len()];
        // SAFETY: the session is alive and, by `&mut self`, used by nobody else. Names and values are borrowed for the
        // call and as many as the lengths say (checked above). `InputValue` is a transparent `NonNull<OrtValue>`, so a
        // slice of it is an array of `*const OrtValue`. `outputs` has room for one pointer per output name.
        let ran = check(unsafe {
            (ort::api().Run)(
                self.pointer.as_ptr(),
                options.ptr(),
                input_names.pointers.as_ptr(),
                inputs.as_ptr().cast::<*const OrtValue>(),
                inputs.len(),
                output_names.pointers.as_ptr(),
                output_names.pointers.len(),
                outputs.as_mut_ptr(),
            )
        });
        // SAFETY: each pointer is null or a value that the call made and gave to us, each wrapped once. Wrapped before
        // the status is looked at, so that they are released on failure too.
        let values: Vec<Option<OutputValue>> =
            outputs.into_iter().map(|value| unsafe { OutputValue::from_raw(value) }).collect();
        ran?;
        values.into_iter().collect::<Option<_>>().ok_or_else(|| ort::Error::new("the model left an output empty"))
    }

    fn ports(&self, side: Side) -> ort::Result<Vec<RawPort>> {
        let api = ort::api();
        let mut count = 0;
        let session = self.pointer.as_ptr();
        // SAFETY: the session is alive; `count` is written.
        check(match side {
            Side::Input => unsafe { (api.SessionGetInputCount)(session, &raw mut count) },
            Side::Output => unsafe { (api.SessionGetOutputCount)(session, &raw mut count) },
        })?;
        (0..count).map(|index| Ok(RawPort { name: self.name(side, index)?, kind: self.kind(side, index)? })).collect()
    }

    fn name(&self, side: Side, index: usize) -> ort::Result<CString> {
        let api = ort::api();
        let allocator = ort::memory::Allocator::default();
        let heap = allocator.ptr().cast_mut();
        let session = self.pointer.as_ptr();
        let mut name = ptr::null_mut();
        // SAFETY: session and allocator are alive, `index` is below the count; `name` is written on success.
        check(match side {
            Side::Input => unsafe { (api.SessionGetInputName)(session, index, heap, &raw mut name) },
            Side::Output => unsafe { (api.SessionGetOutputName)(session, index, heap, &raw mut name) },
        })?;
        if name.is_null() {
            return Err(ort::Error::new("an input or output has no name"));
        }
        // SAFETY: a C string that the call allocated.
        let copy = unsafe { CStr::from_ptr(name) }.to_owned();
        // SAFETY: allocated by this allocator, freed once; `copy` does not borrow from it.
        check(unsafe { (api.AllocatorFree)(heap, name.cast()) })?;
        Ok(copy)
    }

    fn kind(&self, side: Side, index: usize) -> ort::Result<PortKind> {
        let api = ort::api();
        let session = self.pointer.as_ptr();
        let mut info = ptr::null_mut();
        // SAFETY: the session is alive, `index` is below the count; `info` is written on success, released below.
        check(match side {
            Side::Input => unsafe { (api.SessionGetInputTypeInfo)(session, index, &raw mut info) },
            Side::Output => unsafe { (api.SessionGetOutputTypeInfo)(session, index, &raw mut info) },
        })?;
        // SAFETY: `info` was made by the call above and is released only after this.
        let kind = unsafe { read_kind(info) };
        // SAFETY: made above, released once.
        unsafe { (api.ReleaseTypeInfo)(info) };
        kind
    }
}

impl Drop for SessionHandle {
    fn drop(&mut self) {
        let _inside = Inside::enter();
        // It refers to the session.
        drop(self.binding.take());
        // SAFETY: made by `create`, released once, here; the environment and the map are still held.
        unsafe { (ort::api().ReleaseSession)(self.pointer.as_ptr()) };
    }
}

impl Names {
    /// As many C strings as names, alive as long as `self`.
    pub(super) fn pointers(&self) -> &[*const c_char] {
        &self.pointers
    }

    /// Takes the names in the order in which values will be given.
    pub(crate) fn new(strings: Vec<CString>) -> Self {
        Self { pointers: strings.iter().map(|name| name.as_ptr()).collect(), _strings: strings }
    }
}

/// # Safety
/// `info` is a live type info.
unsafe fn read_kind(info: *const OrtTypeInfo) -> ort::Result<PortKind> {
    let api = ort::api();
    // Read as a number: a newer library may know kinds that the enum does not.
    let mut kind = 0i32;
    // SAFETY: `info` is alive; `ONNXType` is `repr(i32)`, so an `i32` has room for it.
    check(unsafe { (api.GetOnnxTypeFromTypeInfo)(info, (&raw mut kind).cast::<ONNXType>()) })?;
    if kind != ONNXType::ONNX_TYPE_TENSOR as i32 {
        return Ok(PortKind::Other(kind));
    }
    let mut tensor = ptr::null();
    // SAFETY: `info` is alive; `tensor` then points into it.
    check(unsafe { (api.CastTypeInfoToTensorInfo)(info, &raw mut tensor) })?;
    if tensor.is_null() {
        return Ok(PortKind::Other(kind));
    }
    let mut element = 0i32;
    // SAFETY: `tensor` is alive with `info`; the enum is `repr(i32)`, so an `i32` has room for it.
    check(unsafe { (api.GetTensorElementType)(tensor, (&raw mut element).cast::<ONNXTensorElementDataType>()) })?;
    // SAFETY: `tensor` is alive.
    let dims = unsafe { if (api.TensorTypeAndShape_HasShape)(tensor) { Some(read_dims(tensor)?) } else { None } };
    Ok(PortKind::Tensor { element, dims })
}

/// # Safety
/// `tensor` is a live tensor info that has a shape.
unsafe fn read_dims(tensor: *const OrtTensorTypeAndShapeInfo) -> ort::Result<Vec<(i64, String)>> {
    let api = ort::api();
    let mut rank = 0;
    // SAFETY: `tensor` is alive.
    check(unsafe { (api.GetDimensionsCount)(tensor, &raw mut rank) })?;
    let mut dims = vec![0i64; rank];
    let mut symbols = vec![ptr::null::<c_char>(); rank];
    // SAFETY: `dims` has room for `rank` numbers.
    check(unsafe { (api.GetDimensions)(tensor, dims.as_mut_ptr(), rank) })?;
    // SAFETY: `symbols` has room for `rank` pointers; they point into `tensor`, which outlives this function.
    check(unsafe { (api.GetSymbolicDimensions)(tensor, symbols.as_mut_ptr(), rank) })?;
    // SAFETY: each symbol is null or a C string inside `tensor`.
    let symbols = symbols.into_iter().map(|symbol| unsafe { text(symbol) }.unwrap_or_default());
    Ok(dims.into_iter().zip(symbols).collect())
}
