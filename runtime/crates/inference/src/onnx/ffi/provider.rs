//! Execution providers: which ones the library has, which one took each operator, and one arena per device.

use std::ffi::{CString, c_char, c_int};
use std::ptr;

use ort::AsPointer;
use ort::environment::Environment;
use ort::memory::MemoryInfo;
use ort::sys::{OrtEpAssignedNode, OrtEpAssignedSubgraph};

use super::session::SessionHandle;
use super::{check, text};

/// The names of the providers that the library was built with, in its order of preference. That a provider is built in
/// says nothing about whether it can work here.
pub(crate) fn built_in() -> ort::Result<Vec<String>> {
    let api = ort::api();
    let (mut list, mut count) = (ptr::null_mut::<*mut c_char>(), 0 as c_int);
    // SAFETY: both are written on success.
    check(unsafe { (api.GetAvailableProviders)(&raw mut list, &raw mut count) })?;
    let len = usize::try_from(count).unwrap_or_default();
    // SAFETY: `list` holds `count` C strings until it is released below.
    let names = (0..len).filter_map(|index| unsafe { text(list.add(index).read()) }).collect();
    // SAFETY: made above, released once; `names` are copies.
    check(unsafe { (api.ReleaseAvailableProviders)(list, count) })?;
    Ok(names)
}

/// Registers the arena that all sessions of a device allocate from, so that together they never hold more than
/// `max_bytes` of its memory. It grows by what is asked for.
pub(crate) fn register_device_arena(
    environment: &Environment,
    provider: &str,
    memory: &MemoryInfo<'_>,
    max_bytes: usize,
) -> ort::Result<()> {
    const DEFAULT: c_int = -1;
    const AS_REQUESTED: c_int = 1;
    let name = |text: &str| CString::new(text).map_err(|_| ort::Error::new("a name with a NUL in it"));
    let provider = name(provider)?;
    let (key, index) = (name("device_id")?, name(&memory.device_id().to_string())?);
    let api = ort::api();
    let mut config = ptr::null_mut();
    // SAFETY: `config` is written on success only; it is released below on every path.
    check(unsafe { (api.CreateArenaCfg)(max_bytes, AS_REQUESTED, DEFAULT, DEFAULT, &raw mut config) })?;
    let (keys, values) = ([key.as_ptr()], [index.as_ptr()]);
    // SAFETY: environment, memory info, arena settings and all strings are alive during the call, which copies what it
    // needs; `keys` and `values` have one entry each. The environment locks itself, so a `*mut` from `&` is no data race.
    let registered = check(unsafe {
        (api.CreateAndRegisterAllocatorV2)(
            environment.ptr().cast_mut(),
            provider.as_ptr(),
            memory.ptr(),
            config,
            keys.as_ptr(),
            values.as_ptr(),
            1,
        )
    });
    // SAFETY: made above, released once.
    unsafe { (api.ReleaseArenaCfg)(config) };
    registered
}

impl SessionHandle {
    /// How many operators each provider took, by its name. The session was made with
    /// `session.record_ep_graph_assignment_info`.
    pub(crate) fn assignment(&self) -> ort::Result<Vec<(String, usize)>> {
        let api = ort::api();
        let (mut parts, mut count) = (ptr::null::<*const OrtEpAssignedSubgraph>(), 0usize);
        // SAFETY: the session is alive; both are written on success and point into the session.
        check(unsafe { (api.Session_GetEpGraphAssignmentInfo)(self.pointer(), &raw mut parts, &raw mut count) })?;
        let mut taken: Vec<(String, usize)> = Vec::new();
        for index in 0..if parts.is_null() { 0 } else { count } {
            // SAFETY: `parts` holds `count` pointers, and lives as long as the session.
            let part = unsafe { parts.add(index).read() };
            let (mut name, mut nodes, mut len) = (ptr::null(), ptr::null::<*const OrtEpAssignedNode>(), 0usize);
            // SAFETY: `part` is alive with the session; `name` then points into it.
            check(unsafe { (api.EpAssignedSubgraph_GetEpName)(part, &raw mut name) })?;
            // SAFETY: as above; of the nodes only their number is used.
            check(unsafe { (api.EpAssignedSubgraph_GetNodes)(part, &raw mut nodes, &raw mut len) })?;
            // SAFETY: a C string inside `part`.
            let name = unsafe { text(name) }.unwrap_or_default();
            match taken.iter_mut().find(|(known, _)| *known == name) {
                Some((_, nodes)) => *nodes += len,
                None => taken.push((name, len)),
            }
        }
        Ok(taken)
    }
}
