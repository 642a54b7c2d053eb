//! Components in memory, linked: one copy of each code, however many functions have it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use modelet_spec::{Digest, EffectiveLimits};
use wasmtime::component::Component;

use crate::code;
use crate::error::LoadError;
use crate::handler::HandlerPre;
use crate::host::held::REQUEST;
use crate::limiter::ELEMENT_BYTES;
use crate::ports::{Code, CodeImage};
use crate::world::{Offer, Offers};

/// A page of WebAssembly.
const PAGE_BYTES: u64 = 64 << 10;

/// A component in memory, with the host behind its imports.
pub(crate) struct Linked {
    pub(crate) pre: HandlerPre,
    /// Bytes of its code, with all that wasmtime keeps beside it.
    pub(crate) code_bytes: u64,
    /// Bytes that its largest memory begins with.
    memory: u64,
    /// Elements that its largest table begins with.
    table: u64,
}

/// Finds the component that is in memory already. It keeps none there.
pub(crate) struct Shelf {
    offers: Arc<Offers>,
    places: Mutex<HashMap<Digest, Place>>,
}

/// Where the component of one code stands. Its lock is held while it is loaded, so that two functions with the same code load it
/// once.
type Place = Arc<Mutex<Weak<Linked>>>;

impl Shelf {
    pub(crate) fn new(offers: Arc<Offers>) -> Self {
        Self { offers, places: Mutex::default() }
    }

    /// The component of `code`, loaded if nobody has it. Blocks: it reads a file, and may compile.
    ///
    /// # Errors
    /// When there is no code that fits, or it does not link.
    pub(crate) fn get(&self, code: &dyn Code) -> Result<Arc<Linked>, LoadError> {
        match self.load(&code.find()?) {
            // Gone, damaged, or left by another version of the server: the component is there to be compiled again.
            Err(why @ (LoadError::Unreadable(_) | LoadError::Stale(_))) => match code.remake() {
                Ok(image) => self.load(&image),
                Err(LoadError::Remake(failed)) => Err(LoadError::Remake(format!("{failed}; it had to be, for {why}"))),
                Err(failed) => Err(failed),
            },
            loaded => loaded,
        }
    }

    /// How many components are in memory.
    pub(crate) fn len(&self) -> usize {
        let places: Vec<Place> = self.places().values().cloned().collect();
        places.iter().filter(|place| lock(place).strong_count() > 0).count()
    }

    fn load(&self, image: &CodeImage) -> Result<Arc<Linked>, LoadError> {
        let place = self.place(image.digest());
        let mut here = lock(&place);
        if let Some(linked) = here.upgrade() {
            return Ok(linked);
        }
        let (offer, component) = match image {
            CodeImage::File { path, digest } => code::mapped(&self.offers, path, digest)?,
            CodeImage::Bytes { bytes, .. } => code::copied(&self.offers, bytes)?,
        };
        let linked = Arc::new(link(offer, &component)?);
        *here = Arc::downgrade(&linked);
        Ok(linked)
    }

    /// The place of a code; those of codes that nobody has any more are cleared when a new one comes.
    fn place(&self, digest: Digest) -> Place {
        let mut places = self.places();
        if let Some(place) = places.get(&digest) {
            return Arc::clone(place);
        }
        // A place that somebody else holds is being loaded into.
        places.retain(|_, place| Arc::strong_count(place) > 1 || lock(place).strong_count() > 0);
        Arc::clone(places.entry(digest).or_default())
    }

    fn places(&self) -> MutexGuard<'_, HashMap<Digest, Place>> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn link(offer: &Offer, component: &Component) -> Result<Linked, LoadError> {
    let pre = HandlerPre::new(offer, component).map_err(|error| LoadError::Link(format!("{error:#}")))?;
    let image = component.image_range();
    let needs = component.resources_required();
    let pages = needs.as_ref().and_then(|needs| needs.max_initial_memory_size);
    Ok(Linked {
        pre,
        code_bytes: image.end.addr().saturating_sub(image.start.addr()) as u64,
        memory: pages.unwrap_or(0).saturating_mul(PAGE_BYTES),
        table: needs.as_ref().and_then(|needs| needs.max_initial_table_size).unwrap_or(0),
    })
}

fn lock(place: &Mutex<Weak<Linked>>) -> MutexGuard<'_, Weak<Linked>> {
    place.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Linked {
    /// Refuses what could not be instantiated at any request.
    ///
    /// # Errors
    /// When it begins with more than `limits` allow.
    pub(crate) fn fits(&self, limits: &EffectiveLimits) -> Result<(), LoadError> {
        let needs = self.memory.saturating_add(self.table.saturating_mul(ELEMENT_BYTES)).saturating_add(REQUEST);
        if needs > limits.memory {
            let (memory, limit) = (self.memory, limits.memory);
            return Err(LoadError::Limits(format!(
                "its memory begins with {memory} bytes, with its tables and a request it needs {needs}, the limit is {limit}"
            )));
        }
        if self.table > limits.table_elements {
            let (table, limit) = (self.table, limits.table_elements);
            return Err(LoadError::Limits(format!("its table begins with {table} elements, the limit is {limit}")));
        }
        Ok(())
    }
}
