//! Pages of listings: how long one is, and where the next begins.
//!
//! A cursor is the key of the last entry that was shown, in hex: what is added or removed meanwhile moves no other entry to
//! another page. To whoever asks it is opaque.

use modelet_spec::Version;

use crate::error::ControlError;

/// Entries of a page where nothing is said.
const LIMIT: u32 = 100;
/// The most entries of a page.
const LIMIT_MAX: u32 = 1000;
/// No key of an entry is longer: two names and what is between.
const KEY_BYTES_MAX: usize = 512;

/// The page that is asked for.
#[derive(Debug, Clone)]
pub(crate) struct Page {
    limit: u32,
    after: Option<String>,
}

impl Page {
    /// As the query has it.
    pub(crate) fn of(asked: Option<u32>, after: Option<&str>) -> Result<Self, ControlError> {
        Ok(Self { limit: limit(asked)?, after: after.map(key).transpose()? })
    }

    /// The key of the entry before it; empty, which no key is, for the first page.
    pub(crate) fn after(&self) -> &str {
        self.after.as_deref().unwrap_or_default()
    }

    /// The same of a listing whose keys are numbers; `None` for the first page.
    pub(crate) fn number(&self) -> Result<Option<i64>, ControlError> {
        self.after.as_deref().map(|key| key.parse().map_err(|_| wrong())).transpose()
    }

    /// Whether it is the first.
    pub(crate) fn is_first(&self) -> bool {
        self.after.is_none()
    }

    /// How many entries to look for: one more than are shown, which tells whether there is a next page.
    pub(crate) fn count_max(&self) -> u32 {
        self.limit.saturating_add(1)
    }

    /// Takes away what is past the page's end. Returns where the next one begins.
    pub(crate) fn end<T>(&self, entries: &mut Vec<T>, key: impl Fn(&T) -> String) -> Option<String> {
        let shown = usize::try_from(self.limit).unwrap_or(usize::MAX);
        let more = entries.len() > shown;
        entries.truncate(shown);
        entries.last().filter(|_| more).map(|last| cursor(&key(last)))
    }

    /// The page of a whole listing that is sorted by its key.
    pub(crate) fn cut<T>(&self, all: Vec<T>, key: impl Fn(&T) -> String) -> (Vec<T>, Option<String>) {
        let is_later = |entry: &T| self.is_first() || key(entry).as_str() > self.after();
        let count = usize::try_from(self.count_max()).unwrap_or(usize::MAX);
        let mut entries: Vec<T> = all.into_iter().filter(is_later).take(count).collect();
        let next = self.end(&mut entries, key);
        (entries, next)
    }
}

/// The key that sorts the newest version first.
pub(crate) fn backwards(version: Version) -> String {
    format!("{:020}", u64::MAX - u64::from(version.get()))
}

/// How many entries are asked for.
fn limit(asked: Option<u32>) -> Result<u32, ControlError> {
    match asked.unwrap_or(LIMIT) {
        limit @ 1..=LIMIT_MAX => Ok(limit),
        limit => Err(ControlError::BadRequest(format!("limit is {limit}; a page has 1 to {LIMIT_MAX} entries"))),
    }
}

/// The cursor after the entry with this key.
fn cursor(key: &str) -> String {
    key.bytes().map(|byte| format!("{byte:02x}")).collect()
}

fn wrong() -> ControlError {
    ControlError::BadRequest("`after` is no `next` of this listing".to_owned())
}

/// The key of the entry that a cursor comes after.
fn key(cursor: &str) -> Result<String, ControlError> {
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
    fn pages_have_every_entry_once_whatever_goes_between_them() {
        let names = |from: u8| (from..b'k').map(|letter| char::from(letter).to_string()).collect::<Vec<_>>();
        let (first, next) = Page::of(Some(4), None).unwrap().cut(names(b'a'), String::clone);
        assert_eq!(first, ["a", "b", "c", "d"]);
        // The entry that the cursor names has gone meanwhile.
        let (second, next) = Page::of(Some(4), next.as_deref()).unwrap().cut(names(b'e'), String::clone);
        assert_eq!(second, ["e", "f", "g", "h"]);
        let (third, next) = Page::of(Some(4), next.as_deref()).unwrap().cut(names(b'a'), String::clone);
        assert_eq!((third.len(), next), (2, None));
        let (whole, next) = Page::of(Some(10), None).unwrap().cut(names(b'a'), String::clone);
        assert_eq!((whole.len(), next), (10, None), "a last page that is full says so");
    }

    #[test]
    fn a_page_has_a_bound() {
        assert_eq!(limit(None).unwrap(), LIMIT);
        assert_eq!(limit(Some(1000)).unwrap(), 1000);
        assert!(limit(Some(0)).is_err() && limit(Some(1001)).is_err());
    }
}
