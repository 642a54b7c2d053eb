//! Runs by binding (`OrtIoBinding`): inputs from wherever they lie, outputs left in the memory that is named for each.

use std::ops::Range;
use std::ptr::{self, NonNull};

use ort::AsPointer;
use ort::memory::{Allocator, MemoryInfo};
use ort::session::RunOptions;
use ort::sys::{OrtAllocator, OrtIoBinding, OrtSession, OrtValue};

use super::session::{Names, SessionHandle};
use super::{Arena, InputValue, Inside, OutputValue, check};
use crate::element::ElementType;
use crate::shape::Shape;

/// A session's binding. It refers to its session: [`SessionHandle`] owns it and drops it first.
pub(super) struct Binding(NonNull<OrtIoBinding>);

// SAFETY: a binding belongs to no thread; it is only used through `&mut SessionHandle`.
unsafe impl Send for Binding {}

/// What is bound is let go of when this goes, however the run ended: else the next run would write into outputs that
/// were handed out, and inputs would be kept longer than they are borrowed.
struct Bound<'a>(&'a mut Binding);

/// Memory of the host that a device reads without a detour, given out by that device's provider.
pub(crate) struct Staging(Arena);

impl Staging {
    /// The memory that `info` names, if the session's providers have such.
    pub(crate) fn of(session: &SessionHandle, info: &MemoryInfo<'_>) -> ort::Result<Self> {
        Arena::at(session, info).map(Self)
    }

    fn pointer(&self) -> *mut OrtAllocator {
        self.0.pointer()
    }
}

impl SessionHandle {
    /// Runs the model as `run` does, by binding: inputs may lie in a device's memory, each output is left in the memory
    /// of `memories` that stands at its place.
    pub(crate) fn run_bound(
        &mut self,
        options: &RunOptions,
        (input_names, inputs): (&Names, &[InputValue<'_>]),
        (output_names, memories): (&Names, &[&MemoryInfo<'_>]),
    ) -> ort::Result<Vec<OutputValue>> {
        if inputs.len() != input_names.pointers().len() || memories.len() != output_names.pointers().len() {
            return Err(ort::Error::new("as many inputs and outputs as names are needed"));
        }
        let _inside = Inside::enter();
        let session = self.pointer().cast_mut();
        let binding = match self.binding.take() {
            Some(binding) => binding,
            None => Binding::of(session)?,
        };
        let bound = Bound(self.binding.insert(binding));
        for (name, input) in input_names.pointers().iter().zip(inputs) {
            // SAFETY: the binding is alive; the name is a C string that `input_names` owns. The binding shares the
            // value's ownership until it is cleared, which is before this function returns: what the value borrows is
            // alive until then.
            check(unsafe { (ort::api().BindInput)(bound.pointer(), *name, input.pointer()) })?;
        }
        for (name, memory) in output_names.pointers().iter().zip(memories) {
            // SAFETY: as above; the memory info is borrowed for the call, which copies what it needs.
            check(unsafe { (ort::api().BindOutputToDevice)(bound.pointer(), *name, memory.ptr()) })?;
        }
        // SAFETY: the binding is alive. Inputs that were copied to a device are there after this.
        check(unsafe { (ort::api().SynchronizeBoundInputs)(bound.pointer()) })?;
        // SAFETY: session, options and binding are alive; the session is, by `&mut self`, used by nobody else.
        check(unsafe { (ort::api().RunWithBinding)(session, options.ptr(), bound.pointer()) })?;
        // SAFETY: the binding is alive. Outputs are complete in their memory after this.
        check(unsafe { (ort::api().SynchronizeBoundOutputs)(bound.pointer()) })?;
        let outputs = bound.outputs()?;
        if outputs.len() != memories.len() {
            return Err(ort::Error::new("the model left an output empty"));
        }
        Ok(outputs)
    }
}

impl Binding {
    fn of(session: *mut OrtSession) -> ort::Result<Self> {
        let mut pointer = ptr::null_mut();
        // SAFETY: the caller is the session's handle, which outlives the binding; `pointer` is written on success.
        check(unsafe { (ort::api().CreateIoBinding)(session, &raw mut pointer) })?;
        NonNull::new(pointer).map(Self).ok_or_else(|| ort::Error::new("a binding was made without a handle"))
    }
}

impl Drop for Binding {
    fn drop(&mut self) {
        // SAFETY: made by `of`, released once, here; its session is still alive (see `SessionHandle`).
        unsafe { (ort::api().ReleaseIoBinding)(self.0.as_ptr()) };
    }
}

impl Bound<'_> {
    fn pointer(&self) -> *mut OrtIoBinding {
        self.0.0.as_ptr()
    }

    /// The outputs of the run that has just ended, in the order in which they were bound.
    fn outputs(&self) -> ort::Result<Vec<OutputValue>> {
        let api = ort::api();
        let allocator = Allocator::default();
        let heap = allocator.ptr().cast_mut();
        let (mut list, mut count) = (ptr::null_mut::<*mut OrtValue>(), 0usize);
        // SAFETY: binding and allocator (the process's default, never released) are alive; `list` and `count` are
        // written on success.
        check(unsafe { (api.GetBoundOutputValues)(self.pointer(), heap, &raw mut list, &raw mut count) })?;
        if list.is_null() {
            return Ok(Vec::new());
        }
        // SAFETY: the call made an array of `count` values and gave each of them to us; each is read and wrapped once.
        let values: Vec<Option<OutputValue>> =
            (0..count).map(|index| unsafe { OutputValue::from_raw(list.add(index).read()) }).collect();
        // SAFETY: the array (not the values) was allocated by this allocator and is freed once.
        check(unsafe { (api.AllocatorFree)(heap, list.cast()) })?;
        let mut values: Vec<OutputValue> = values.into_iter().flatten().collect();
        values.iter_mut().try_for_each(OutputValue::note_place)?;
        Ok(values)
    }
}

impl Drop for Bound<'_> {
    fn drop(&mut self) {
        // SAFETY: the binding is alive; neither call can fail.
        unsafe {
            (ort::api().ClearBoundInputs)(self.pointer());
            (ort::api().ClearBoundOutputs)(self.pointer());
        }
    }
}

impl<'a> InputValue<'a> {
    /// A tensor over those bytes of an earlier output that `range` names, wherever they lie; `memory` says where. They
    /// are exactly as many as element type and shape need (else ONNX Runtime refuses).
    pub(crate) fn over_output(
        memory: &MemoryInfo<'_>,
        element: ElementType,
        shape: &Shape,
        (output, range): (&'a OutputValue, Range<usize>),
    ) -> ort::Result<Self> {
        let (start, len) = output.address();
        if range.start > range.end || range.end > len {
            return Err(ort::Error::new("a part that is not in its tensor"));
        }
        // Not dereferenced here: it may be an address of a device. In bounds of the output's memory, by the check above.
        let data = start.wrapping_add(range.start);
        // SAFETY: the range lies in the output's memory, which is of the kind that `memory` names, and `'a` keeps the
        // output alive and unchanged as long as the value.
        unsafe { Self::over_pointer(memory, element, shape, (data, range.len())) }
    }

    /// A tensor of a copy of `bytes` in memory of `staging`.
    pub(crate) fn staged(staging: &'a Staging, element: ElementType, shape: &Shape, bytes: &[u8]) -> ort::Result<Self> {
        // SAFETY: `'a` keeps the allocator alive as long as the value.
        let value = unsafe { Self::allocated(staging.pointer(), element, shape) }?;
        let mut room = ptr::null_mut();
        // SAFETY: the value is a live tensor without strings (`allocated` refuses these).
        check(unsafe { (ort::api().GetTensorMutableData)(value.pointer().cast_mut(), &raw mut room) })?;
        if shape.bytes(element).ok() != Some(bytes.len()) || (room.is_null() && !bytes.is_empty()) {
            return Err(ort::Error::new("a tensor is exactly as long as its shape"));
        }
        if !bytes.is_empty() {
            // SAFETY: `room` has as many bytes as element type and shape need, which is `bytes.len()` (above); it is
            // memory of the host, ours alone, and cannot overlap `bytes`.
            unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), room.cast::<u8>(), bytes.len()) };
        }
        Ok(value)
    }
}
