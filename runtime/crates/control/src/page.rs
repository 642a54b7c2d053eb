//! Pages of listings: how long one is, and where the next begins.
//!
//! A cursor is the key of the last entry that was shown, in hex: what is added or removed meanwhile moves no other entry to
//! another page. To whoever asks it is opaque.

use crate::error::ControlError;

/// Entries of a page where nothing is said.
pub(crate) const LIMIT: u32 = 100;
/// The most entries of a page.
pub(crate) const LIMIT_MAX: u32 = 1000;
/// No key of an entry is longer: two names and what is between.
const KEY_BYTES_MAX: usize = 512;

/// How many entries are asked for.
pub(crate) fn limit(asked: Option<u32>) -> Result<u32, ControlError> {
    match asked.unwrap_or(LIMIT) {
        limit @ 1..=LIMIT_MAX => Ok(limit),
        limit => Err(ControlError::BadRequest(format!("limit is {limit}; a page has 1 to {LIMIT_MAX} entries"))),
    }
}

/// The cursor after the entry with this key.
pub(crate) fn cursor(key: &str) -> String {
    key.bytes().map(|byte| format!("{byte:02x}")).collect()
}

/// The key of the entry that a cursor comes after.
pub(crate) fn key(cursor: &str) -> Result<String, ControlError> {
    let wrong = || ControlError::BadRequest("`after` is no `next` of this listing".to_owned());
    let is_hex = cursor.bytes().all(|byte| byte.is_ascii_hexdigit());
    if cursor.is_empty() || cursor.len() > 2 * KEY_BYTES_MAX || !cursor.len().is_multiple_of(2) || !is_hex {
        return Err(wrong());
    }
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    let bytes: Option<Vec<u8>> = cursor.as_bytes().chunks(2).map(byte).collect();
    String::from_utf8(bytes.ok_or_else(wrong)?).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_leads_back_to_its_key_and_nothing_else_does() {
        for text in ["f", "acme/digits", "12"] {
            assert_eq!(key(&cursor(text)).unwrap(), text);
        }
        for wrong in ["", "6", "zz", "ff", "+1", &"61".repeat(513)] {
            assert!(key(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_page_has_a_bound() {
        assert_eq!(limit(None).unwrap(), LIMIT);
        assert_eq!(limit(Some(1000)).unwrap(), 1000);
        assert!(limit(Some(0)).is_err() && limit(Some(1001)).is_err());
    }
}
