//! A cache of free blocks for each thread, between the sessions and the arena.
//!
//! The arena has one lock, and a run takes it twice for the output of each operator: some twenty times in the ten microseconds of a
//! small model. Two threads that ran such a model at once did less together than one alone (`runtime/docs/performance.md`). So sessions
//! allocate here. Small blocks come from what the thread itself freed before, all else from the arena, which bounds it as before:
//! a block in a cache is in use to the arena, until `flush` hands all of them back.
//!
//! The arena says no by throwing a C++ exception. It passes through `alloc` and `reserve` on its way to the session, which is why they are
//! `C-unwind`, and why nothing is locked or owned here while the arena is asked.

use std::cell::OnceCell;
use std::ffi::c_void;
use std::mem;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};

use ort::AsPointer;
use ort::environment::Environment;
use ort::memory::{AllocatorType, MemoryInfo};
use ort::sys::{ORT_API_VERSION, OrtAllocator, OrtMemoryInfo};

use super::blocks::{Blocks, Class, Head};
use super::exit::Inside;
use super::{Arena, SessionHandle, check, cpu_memory};

type Take = unsafe extern "C-unwind" fn(*mut OrtAllocator, usize) -> *mut c_void;
type Reserve = unsafe extern "C-unwind" fn(*const OrtAllocator, usize) -> *mut c_void;
type Give = unsafe extern "C-unwind" fn(*mut OrtAllocator, *mut c_void);

/// The arena with the caches in front of it; the first field is what ONNX Runtime knows.
#[repr(C)]
struct CachedArena {
    allocator: OrtAllocator,
    arena: Arena,
    take: Take,
    reserve: Reserve,
    give: Give,
    info: MemoryInfo<'static>,
    /// Bytes that the arena may hold, and those that are out, in caches or in use.
    bytes_max: usize,
    bytes: AtomicUsize,
    /// Those of the threads that are there; a lock of its own, never held together with another.
    caches: Mutex<Vec<Weak<Mutex<Blocks>>>>,
}

// SAFETY: `allocator` is only read once it is registered, and the memory info never changes; all else locks itself.
unsafe impl Send for CachedArena {}
// SAFETY: as above.
unsafe impl Sync for CachedArena {}

/// There is one environment, so one of these, for as long as the process lives.
static CACHED: OnceLock<CachedArena> = OnceLock::new();

thread_local! {
    static CACHE: OnceCell<Cache> = const { OnceCell::new() };
}

/// A thread's own. The lock is there for `flush`, and otherwise free.
struct Cache {
    blocks: Arc<Mutex<Blocks>>,
    owner: &'static CachedArena,
}

/// Puts the caches between the arena, which `session` allocates from, and all sessions that are made from now on.
pub(crate) fn cache_arena(environment: &Environment, session: &SessionHandle, bytes_max: usize) -> ort::Result<()> {
    let cached = CachedArena::of(session, bytes_max)?;
    let registered = CACHED.get_or_init(|| cached);
    let info = cpu_memory(AllocatorType::Arena)?;
    let (api, environment) = (ort::api(), environment.ptr().cast_mut());
    // SAFETY: environment and info are borrowed, hence alive. The environment lets go of the arena, which `session` and `registered` share.
    check(unsafe { (api.UnregisterAllocator)(environment, info.ptr()) })?;
    let allocator = (&raw const registered.allocator).cast_mut();
    // SAFETY: the allocator is a static whose functions are set, and its kind is not `Arena`, which ONNX Runtime keeps for its own. Nothing is ever written through the
    // pointer: the functions below only read what it points to.
    check(unsafe { (api.RegisterAllocator)(environment, allocator) })
}

/// Hands the blocks of all caches back to the arena.
pub(crate) fn flush() {
    if let Some(cached) = CACHED.get() {
        cached.flush();
    }
}

impl CachedArena {
    fn of(session: &SessionHandle, bytes_max: usize) -> ort::Result<Self> {
        let arena = Arena::of(session)?;
        // SAFETY: the arena was handed out just now, and lives as long as `arena`.
        let theirs = unsafe { &*arena.pointer() };
        let absent = || ort::Error::new("the arena lacks a function");
        let (take, reserve, give) =
            (theirs.Alloc.ok_or_else(absent)?, theirs.Reserve.ok_or_else(absent)?, theirs.Free.ok_or_else(absent)?);
        // SAFETY: the same functions, by a type that says what they do: they may throw. On the systems that this is built for, `system` is `C`.
        let (take, reserve, give) = unsafe {
            (
                mem::transmute::<unsafe extern "system" fn(*mut OrtAllocator, usize) -> *mut c_void, Take>(take),
                mem::transmute::<unsafe extern "system" fn(*const OrtAllocator, usize) -> *mut c_void, Reserve>(
                    reserve,
                ),
                mem::transmute::<unsafe extern "system" fn(*mut OrtAllocator, *mut c_void), Give>(give),
            )
        };
        // SAFETY: the same the other way round, for functions of this file.
        let (alloc, reserved) = unsafe {
            (
                mem::transmute::<Take, unsafe extern "system" fn(*mut OrtAllocator, usize) -> *mut c_void>(alloc),
                mem::transmute::<Reserve, unsafe extern "system" fn(*const OrtAllocator, usize) -> *mut c_void>(
                    self::reserve,
                ),
            )
        };
        let allocator = OrtAllocator {
            version: ORT_API_VERSION,
            Alloc: Some(alloc),
            Free: Some(free),
            Info: Some(info),
            Reserve: Some(reserved),
            GetStats: None,
            AllocOnStream: None,
        };
        let (bytes, caches) = (AtomicUsize::new(0), Mutex::default());
        Ok(Self {
            allocator,
            arena,
            take,
            reserve,
            give,
            info: cpu_memory(AllocatorType::Device)?,
            bytes_max,
            bytes,
            caches,
        })
    }

    /// A block of `bytes`, from the arena. May throw.
    fn new_block(&self, bytes: usize, class: Option<Class>, is_reserved: bool) -> *mut c_void {
        // The arena is close to its end: what the caches keep may be what it lacks.
        if self.bytes.load(Relaxed).saturating_add(bytes) > self.bytes_max / 8 * 7 {
            self.flush();
        }
        let arena = self.arena.pointer();
        // SAFETY: the arena's own functions with the arena itself.
        let block = match is_reserved {
            true => unsafe { (self.reserve)(arena, bytes) },
            false => unsafe { (self.take)(arena, bytes) },
        };
        let Some(block) = NonNull::new(block.cast::<Head>()) else { return block };
        self.bytes.fetch_add(bytes, Relaxed);
        // SAFETY: it has at least the bytes of a head, aligned as one: the arena aligns to 64 bytes.
        unsafe { block.write(Head::new(bytes, class, is_reserved)) };
        user(block)
    }

    /// Back to the arena.
    fn give_back(&self, block: NonNull<Head>) {
        // SAFETY: the head that `new_block` has written.
        let Head { bytes, is_reserved, .. } = *unsafe { block.as_ref() };
        self.bytes.fetch_sub(bytes, Relaxed);
        if is_reserved {
            let_pages_go(block, bytes);
        }
        // SAFETY: it came from this arena and nobody has it any more.
        unsafe { (self.give)(self.arena.pointer(), block.as_ptr().cast()) };
    }

    /// What the calling thread keeps; `None` while the thread ends.
    fn with_cache<T>(&'static self, work: impl FnOnce(&mut Blocks) -> T) -> Option<T> {
        let with = |cache: &OnceCell<Cache>| {
            let cache = cache.get_or_init(|| self.new_cache());
            work(&mut cache.blocks.lock().unwrap_or_else(PoisonError::into_inner))
        };
        CACHE.try_with(with).ok()
    }

    fn new_cache(&'static self) -> Cache {
        let blocks = Arc::new(Mutex::new(Blocks::EMPTY));
        let mut caches = self.caches.lock().unwrap_or_else(PoisonError::into_inner);
        caches.retain(|cache| cache.strong_count() > 0);
        caches.push(Arc::downgrade(&blocks));
        Cache { blocks, owner: self }
    }

    fn flush(&self) {
        let caches = self.caches.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for cache in caches.iter().filter_map(Weak::upgrade) {
            self.empty(&cache);
        }
    }

    fn empty(&self, cache: &Mutex<Blocks>) {
        let mut blocks = mem::replace(&mut *cache.lock().unwrap_or_else(PoisonError::into_inner), Blocks::EMPTY);
        blocks.drain().for_each(|block| self.give_back(block));
    }
}

impl Drop for Cache {
    fn drop(&mut self) {
        let _inside = Inside::enter();
        self.owner.empty(&self.blocks);
    }
}

/// A block's pages go back to the system, while it stays a block. The arena frees what was reserved under its lock, and 40 MB of
/// weights take some 4 ms then, for which the runs of all other models would wait; without pages it is a moment.
#[cfg(target_os = "linux")]
fn let_pages_go(block: NonNull<Head>, bytes: usize) {
    use rustix::mm::{Advice, madvise};
    /// For less it is not worth the call.
    const WORTH: usize = 1 << 20;
    let page = rustix::param::page_size();
    let begin = block.as_ptr().addr().next_multiple_of(page);
    let end = (block.as_ptr().addr() + bytes) / page * page;
    if end.saturating_sub(begin) < WORTH {
        return;
    }
    // SAFETY: whole pages inside a block that its user has given up and that is freed next: nobody reads them again, and what lies
    // beside the block is on other pages. Reserved memory is the C library's, private and without a file, so the advice only makes it zero.
    let _ = unsafe { madvise(block.as_ptr().with_addr(begin).cast(), end - begin, Advice::LinuxDontNeed) };
}

/// Elsewhere it takes as long as it takes.
#[cfg(not(target_os = "linux"))]
fn let_pages_go(_: NonNull<Head>, _: usize) {}

/// What ONNX Runtime gets of a block.
fn user(block: NonNull<Head>) -> *mut c_void {
    // SAFETY: a block begins with a head, so what follows it is inside the block or at its end.
    unsafe { block.add(1) }.as_ptr().cast()
}

/// # Safety
/// Of a registered allocator: `this` is the first field of the static.
unsafe fn owner(this: *const OrtAllocator) -> &'static CachedArena {
    // SAFETY: `CachedArena` is `repr(C)` with the allocator in front, and the caller promises that it is that one.
    unsafe { &*this.cast::<CachedArena>() }
}

/// `OrtAllocator::Alloc`: `size` bytes aligned to 64, null for none. Throws what the arena throws.
///
/// # Safety
/// `this` is the registered allocator.
unsafe extern "C-unwind" fn alloc(this: *mut OrtAllocator, size: usize) -> *mut c_void {
    // SAFETY: ONNX Runtime calls with the allocator that it was given.
    let owner = unsafe { owner(this) };
    if size == 0 {
        return std::ptr::null_mut();
    }
    let bytes = size.saturating_add(size_of::<Head>());
    let Some((class, bytes)) = Class::of(bytes) else { return owner.new_block(bytes, None, false) };
    match owner.with_cache(|blocks| blocks.take(class)).flatten() {
        Some(block) => user(block),
        None => owner.new_block(bytes, Some(class), false),
    }
}

/// `OrtAllocator::Reserve`: as `alloc`, for what stays: it is never kept in a cache, and the arena makes no region of it.
///
/// # Safety
/// As `alloc`.
unsafe extern "C-unwind" fn reserve(this: *const OrtAllocator, size: usize) -> *mut c_void {
    if size == 0 {
        return std::ptr::null_mut();
    }
    // SAFETY: as in `alloc`.
    unsafe { owner(this) }.new_block(size.saturating_add(size_of::<Head>()), None, true)
}

/// `OrtAllocator::Free`, of what the two above gave, on any thread.
///
/// # Safety
/// As `alloc`, and nobody uses what `pointer` points to any more.
unsafe extern "system" fn free(this: *mut OrtAllocator, pointer: *mut c_void) {
    let Some(pointer) = NonNull::new(pointer.cast::<Head>()) else { return };
    // SAFETY: as in `alloc`.
    let owner = unsafe { owner(this) };
    // SAFETY: what `user` gave, one head behind its block's begin.
    let block = unsafe { pointer.sub(1) };
    // SAFETY: the head that `new_block` has written.
    if unsafe { block.as_ref() }.class.is_none() {
        return owner.give_back(block);
    }
    let full = owner.with_cache(|blocks| {
        // SAFETY: the head is valid, and the block free.
        if unsafe { blocks.put(block) } {
            return None;
        }
        // What is kept are other sizes than those that are in use now.
        let full = mem::replace(blocks, Blocks::EMPTY);
        // SAFETY: as above; nothing was put.
        unsafe { blocks.put(block) };
        Some(full)
    });
    match full {
        None => owner.give_back(block),
        Some(None) => {}
        Some(Some(mut full)) => full.drain().for_each(|block| owner.give_back(block)),
    }
}

/// `OrtAllocator::Info`.
///
/// # Safety
/// As `alloc`.
unsafe extern "system" fn info(this: *const OrtAllocator) -> *const OrtMemoryInfo {
    // SAFETY: as in `alloc`.
    unsafe { owner(this) }.info.ptr()
}

#[cfg(test)]
mod tests;
