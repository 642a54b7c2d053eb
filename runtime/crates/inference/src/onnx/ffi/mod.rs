//! The only code here that speaks ONNX Runtime's C interface by raw pointers: the environment's arena (this file) and the
//! threads' caches in front of it, sessions, runs by binding, providers, values, and what has to be done before the library's own end; and the map of a file
//! that sessions use in place. Everything above sees owned types that cannot be misused.
//!
//! Why not `ort`'s own types: they panic on a model whose inputs are of a kind they do not know, read an unknown
//! element type into a Rust enum, build their names anew for each run, and cannot make a tensor of borrowed bytes
//! whose type is known only at run time. What they do well (loading the library, options, errors) is used.
#![allow(unsafe_code, reason = "the one place that calls ONNX Runtime's C interface")]

mod binding;
mod blocks;
mod exit;
mod mapping;
mod provider;
mod session;
mod thread_cache;
mod value;

use std::ffi::{CStr, c_char, c_int};
use std::ptr::{self, NonNull};

use ort::AsPointer;
use ort::environment::Environment;
use ort::memory::{AllocationDevice, AllocatorType, MemoryInfo, MemoryType};
use ort::sys::{OrtAllocator, OrtStatusPtr};

pub(crate) use binding::Staging;
pub(crate) use exit::Inside;
pub use exit::finish;
pub(crate) use mapping::Mapping;
pub(crate) use provider::{built_in, register_device_arena};
pub(crate) use session::{Names, PortKind, RawPort, SessionHandle, without_threads};
pub(crate) use thread_cache::{cache_arena, flush};
pub(crate) use value::{InputValue, OutputValue};

/// Registers the arena that all sessions allocate from, so that together they never hold more than `max_bytes`.
pub(crate) fn register_arena(environment: &Environment, max_bytes: usize) -> ort::Result<()> {
    /// ONNX Runtime's own default for how an arena grows and rounds.
    const DEFAULT: c_int = -1;
    exit::wait_at_exit();
    let info = cpu_memory(AllocatorType::Arena)?;
    let api = ort::api();
    let mut config = ptr::null_mut();
    // SAFETY: `config` is written on success only; it is released below on every path.
    check(unsafe { (api.CreateArenaCfg)(max_bytes, DEFAULT, DEFAULT, DEFAULT, &raw mut config) })?;
    // SAFETY: the environment and the memory info are borrowed, hence alive; `config` was made above. The call
    // copies what it needs from both. The environment locks itself, so a `*mut` from `&` is not a data race.
    let registered =
        check(unsafe { (api.CreateAndRegisterAllocator)(environment.ptr().cast_mut(), info.ptr(), config) });
    // SAFETY: made above, released once.
    unsafe { (api.ReleaseArenaCfg)(config) };
    registered
}

/// Gives what the C library holds free back to the system. It keeps blocks of up to 32 MiB for later, in a heap for each
/// thread that ever freed one, and a model's file and regions of the arena are such blocks.
#[cfg(target_env = "gnu")]
pub(crate) fn trim_heap() {
    // SAFETY: `int malloc_trim(size_t)`, as malloc.h of the GNU C library declares it; the `cfg` above says that it is that one.
    unsafe extern "C" {
        /// Says whether there was anything.
        fn malloc_trim(pad: usize) -> c_int;
    }
    // SAFETY: it takes a number, locks what it looks at, and frees only what nobody owns.
    unsafe { malloc_trim(0) };
}

/// Other C libraries give large blocks back by themselves.
#[cfg(not(target_env = "gnu"))]
pub(crate) fn trim_heap() {}

/// The registered arena, to ask how full it is.
pub(crate) struct Arena(NonNull<OrtAllocator>);

// SAFETY: the arena belongs to no thread and locks itself; this handle is only read and, once, released.
unsafe impl Send for Arena {}
// SAFETY: as above.
unsafe impl Sync for Arena {}

impl Arena {
    /// The arena that `session` allocates from: ONNX Runtime hands it out only through a session. It outlives it.
    pub(crate) fn of(session: &SessionHandle) -> ort::Result<Self> {
        Self::at(session, &cpu_memory(AllocatorType::Arena)?)
    }

    /// What `session` allocates from in the memory that `info` names, if it has such.
    fn at(session: &SessionHandle, info: &MemoryInfo<'_>) -> ort::Result<Self> {
        let mut pointer = ptr::null_mut();
        // SAFETY: session and memory info are borrowed, hence alive; the answer shares the arena's ownership.
        check(unsafe { (ort::api().CreateAllocator)(session.pointer(), info.ptr(), &raw mut pointer) })?;
        NonNull::new(pointer).map(Self).ok_or_else(|| ort::Error::new("the session has no such memory"))
    }

    fn pointer(&self) -> *mut OrtAllocator {
        self.0.as_ptr()
    }

    /// The statistic `key` (`InUse`, `TotalAllocated`, `MaxInUse`), in bytes.
    pub(crate) fn statistic(&self, key: &CStr) -> Option<u64> {
        let api = ort::api();
        let mut pairs = ptr::null_mut();
        // SAFETY: the allocator is alive as long as `self`; `pairs` is released below.
        check(unsafe { (api.AllocatorGetStats)(self.0.as_ptr(), &raw mut pairs) }).ok()?;
        // SAFETY: `pairs` was made by the call above, `key` ends in NUL; the answer points into `pairs` or is null.
        let value = unsafe { (api.GetKeyValue)(pairs, key.as_ptr()) };
        // SAFETY: `value` is null or a C string inside `pairs`, which is alive until the next line.
        let number = unsafe { text(value) }.and_then(|text| text.parse().ok());
        // SAFETY: made above, released once; nothing borrowed from it is left.
        unsafe { (api.ReleaseKeyValuePairs)(pairs) };
        number
    }
}

impl Drop for Arena {
    fn drop(&mut self) {
        // SAFETY: made by `of`, released once, here.
        unsafe { (ort::api().ReleaseAllocator)(self.0.as_ptr()) };
    }
}

/// The memory of CUDA's card number `index`.
pub(crate) fn cuda_memory(index: u32) -> ort::Result<MemoryInfo<'static>> {
    MemoryInfo::new(AllocationDevice::CUDA, device_id(index)?, AllocatorType::Device, MemoryType::Default)
}

/// Main memory that the card reads without a detour.
pub(crate) fn cuda_pinned_memory(index: u32) -> ort::Result<MemoryInfo<'static>> {
    MemoryInfo::new(AllocationDevice::CUDA_PINNED, device_id(index)?, AllocatorType::Device, MemoryType::CPUInput)
}

fn device_id(index: u32) -> ort::Result<i32> {
    i32::try_from(index).map_err(|_| ort::Error::new("no card has such a number"))
}

pub(crate) fn cpu_memory(kind: AllocatorType) -> ort::Result<MemoryInfo<'static>> {
    MemoryInfo::new(AllocationDevice::CPU, 0, kind, MemoryType::Default)
}

/// Turns a status into a result and frees it.
fn check(status: OrtStatusPtr) -> ort::Result<()> {
    // SAFETY: every caller passes the status that a C call has just returned, and drops its copy.
    unsafe { ort::Error::result_from_status(status) }
}

/// A copy of a C string that may be null; what is not UTF-8 in it is replaced.
///
/// # Safety
/// `pointer` is null or points to a NUL-terminated string that is alive during the call.
unsafe fn text(pointer: *const c_char) -> Option<String> {
    if pointer.is_null() {
        return None;
    }
    // SAFETY: not null, and the caller promises the rest.
    Some(unsafe { CStr::from_ptr(pointer) }.to_string_lossy().into_owned())
}
