//! A list of header fields, read where the guest has it: nothing is copied but what is kept.

use http::header::CONTENT_LENGTH;
use http::{HeaderName, HeaderValue};
use wasmtime::StoreContextMut;
use wasmtime::component::{Resource, WasmList, WasmStr};
use wasmtime_wasi_http::p2;
use wasmtime_wasi_http::p2::bindings::http::types::HeaderError;
use wasmtime_wasi_http::{FieldMap, FieldMapError};

use super::held::{checked, field};
use super::http::forbidden_to_guests;
use crate::state::GuestState;

type Store<'a> = StoreContextMut<'a, GuestState>;
/// Names and values.
type List = Vec<(WasmStr, WasmList<u8>)>;

/// Makes fields of a list. Reading the list takes of what one host call may carry, however often it names the same bytes.
pub(super) fn from_list(
    mut store: Store<'_>,
    (list,): (List,),
) -> wasmtime::Result<(Result<Resource<FieldMap>, HeaderError>,)> {
    let lengths = list.iter().map(|(name, value)| Ok(field(name.to_str(&store)?.len(), value.len())));
    let bytes = lengths.sum::<wasmtime::Result<u64>>()?;
    store.data_mut().hold(bytes)?;
    let mut fields = FieldMap::new_mutable(store.data().header_bytes);
    for (name, value) in &list {
        let made = make(name.to_str(&store)?.as_bytes(), value.as_le_slice(&store));
        if let Err(error) = made.and_then(|(name, value)| insert(&mut fields, name, value)) {
            return checked(Err(error.into()));
        }
    }
    checked(store.data_mut().table.push(fields).map_err(p2::HeaderError::from))
}

/// A field as wasmtime makes it.
fn make(name: &[u8], value: &[u8]) -> Result<(HeaderName, HeaderValue), FieldMapError> {
    let name = HeaderName::from_bytes(name)?;
    if forbidden_to_guests(&name) {
        return Err(FieldMapError::Forbidden);
    }
    let value = if name == CONTENT_LENGTH { length(value)? } else { HeaderValue::from_bytes(value)? };
    Ok((name, value))
}

fn insert(fields: &mut FieldMap, name: HeaderName, value: HeaderValue) -> Result<(), FieldMapError> {
    // Two of them leave open where a message ends.
    if name == CONTENT_LENGTH && fields.contains_key(CONTENT_LENGTH) {
        return Err(FieldMapError::InvalidHeaderValue);
    }
    fields.append_raw(name, value).map(drop)
}

/// Digits only, in the one way to write the number.
fn length(value: &[u8]) -> Result<HeaderValue, FieldMapError> {
    let text = std::str::from_utf8(value).map_err(|_| FieldMapError::InvalidHeaderValue)?;
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(FieldMapError::InvalidHeaderValue);
    }
    text.parse::<u64>().map(HeaderValue::from).map_err(|_| FieldMapError::InvalidHeaderValue)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn added(pairs: &[(&str, &str)]) -> Result<FieldMap, FieldMapError> {
        let mut fields = FieldMap::new_mutable(1000);
        for (name, value) in pairs {
            let (name, value) = make(name.as_bytes(), value.as_bytes())?;
            insert(&mut fields, name, value)?;
        }
        Ok(fields)
    }

    #[test]
    fn fields_are_kept_in_their_canonical_form() {
        let fields = added(&[("X-One", "1"), ("x-one", "2"), ("content-length", "007")]).unwrap();
        assert_eq!(fields.get_all("x-one").iter().collect::<Vec<_>>(), ["1", "2"]);
        assert_eq!(fields["content-length"], "7");
    }

    #[test]
    fn what_a_guest_may_not_say_is_refused() {
        for name in ["modelet-caller", "connection", "Server-Timing"] {
            assert_eq!(added(&[(name, "x")]).unwrap_err(), FieldMapError::Forbidden, "{name}");
        }
        for (name, value) in [("a b", "x"), ("", "x")] {
            assert_eq!(added(&[(name, value)]).unwrap_err(), FieldMapError::InvalidHeaderName, "{name}");
        }
        for (name, value) in [("x", "a\nb"), ("content-length", "+5"), ("content-length", "")] {
            assert_eq!(added(&[(name, value)]).unwrap_err(), FieldMapError::InvalidHeaderValue, "{name} {value:?}");
        }
        let twice = [("content-length", "5"), ("content-length", "5")];
        assert_eq!(added(&twice).unwrap_err(), FieldMapError::InvalidHeaderValue);
        let much = "x".repeat(2000);
        assert_eq!(added(&[("x", &much)]).unwrap_err(), FieldMapError::TotalSizeTooBig);
    }
}
