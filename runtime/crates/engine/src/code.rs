//! Turns compiled code back into a component. The one place of the engine with `unsafe`.
#![allow(unsafe_code, reason = "wasmtime cannot check machine code; its digest vouches for where it came from")]

use std::path::Path;

use modelet_spec::Digest;
use wasmtime::component::Component;

use crate::error::LoadError;
use crate::world::{Offer, Offers};

/// Copies `code`, which must be what [`Engine::compile`](crate::Engine::compile) returned.
///
/// # Errors
/// When the code was made by another version of wasmtime or with other settings.
pub(crate) fn copied<'o>(offers: &'o Offers, code: &[u8]) -> Result<(&'o Offer, Component), LoadError> {
    // SAFETY: wasmtime copies `code` into its own mapping and checks version and settings, but runs the machine code in it
    // as it is. `Engine::load`'s contract asks the caller to pass only bytes that `Engine::compile` made.
    fitting(offers, |engine| unsafe { Component::deserialize(engine, code) })
}

/// The world whose engine takes the code. No other's does: wasmtime compares the settings that it was made with.
fn fitting(
    offers: &Offers,
    open: impl Fn(&wasmtime::Engine) -> wasmtime::Result<Component>,
) -> Result<(&Offer, Component), LoadError> {
    let mut why = String::new();
    for offer in offers.all() {
        match open(&offer.wasmtime) {
            Ok(component) => return Ok((offer, component)),
            Err(error) => why = format!("{error:#}"),
        }
    }
    Err(LoadError::Stale(why))
}

/// Maps the file at `path`: its pages are the system's cache, there once for all who map them, and free to go when memory is
/// needed elsewhere.
///
/// `digest` must be that of code which [`Engine::compile`](crate::Engine::compile) made. Nobody may change the file while it is
/// mapped: the store writes its files aside, renames them into their places and never opens them for writing again, in a folder
/// that only the server's own user may enter.
///
/// # Errors
/// When the file cannot be read, has another digest, or was made by another version of wasmtime or with other settings.
pub(crate) fn mapped<'o>(
    offers: &'o Offers,
    path: &Path,
    digest: &Digest,
) -> Result<(&'o Offer, Component), LoadError> {
    // Verified before wasmtime sees a byte: it registers unwinding tables from the file before it could be asked what is in it.
    let code = std::fs::read(path).map_err(|error| LoadError::Unreadable(error.to_string()))?;
    if Digest::of(&code) != *digest {
        return Err(LoadError::Unreadable("its bytes are not those that were recorded".to_owned()));
    }
    // SAFETY: the bytes at `path` were just found to have `digest`, so they are code that `Engine::compile` made, and the caller
    // vouches that the file does not change. That this path still leads to the same bytes is checked below.
    let (offer, component) = fitting(offers, |engine| unsafe { Component::deserialize_file(engine, path) })?;
    let image = component.image_range();
    let len = image.end.addr().saturating_sub(image.start.addr());
    // SAFETY: the range is the component's whole image, mapped readable for as long as the component lives, which it does
    // beyond this borrow; nobody writes to it.
    let image = unsafe { std::slice::from_raw_parts(image.start, len) };
    // The very bytes that are mapped. Another file may have been renamed to this place in between.
    if image != code.as_slice() {
        return Err(LoadError::Unreadable("it was replaced while it was read".to_owned()));
    }
    Ok((offer, component))
}
