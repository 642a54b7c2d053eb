//! What the model is shown of the bytes: their beginning and their end, without the white space around them.

use std::iter;

/// How many bytes of each end the model sees.
const END_LEN: usize = 1024;
/// How many bytes of each end are looked at before white space is taken off.
const BLOCK_LEN: usize = 4096;
/// Stands where there are no bytes.
const PADDING: i32 = 256;
/// With fewer bytes than this the model has nothing to go by.
const MODEL_LEN_MIN: usize = 8;

/// The length of the model's input.
pub(crate) const FEATURES: usize = 2 * END_LEN;

/// How a piece of content is to be judged.
#[derive(Debug, PartialEq)]
pub(crate) enum Content {
    /// There are no bytes.
    Empty,
    /// Too few for the model, once white space is off: all that can be told is whether it is UTF-8.
    FewBytes {
        /// Whether the first block is UTF-8.
        text: bool,
    },
    /// What the model sees.
    Features(Box<[i32; FEATURES]>),
}

/// Prepares the bytes as magika's "features extraction v2" does.
pub(crate) fn extract(bytes: &[u8]) -> Content {
    let head = bytes.get(..BLOCK_LEN).unwrap_or(bytes);
    let tail = bytes.get(bytes.len().saturating_sub(BLOCK_LEN)..).unwrap_or(bytes);
    let start = trim_start(head);
    if bytes.is_empty() {
        Content::Empty
    } else if start.len() < MODEL_LEN_MIN {
        Content::FewBytes { text: std::str::from_utf8(head).is_ok() }
    } else {
        Content::Features(features(start, trim_end(tail)))
    }
}

/// The beginning padded at its end, then the end padded at its beginning.
fn features(start: &[u8], end: &[u8]) -> Box<[i32; FEATURES]> {
    let mut features = Box::new([PADDING; FEATURES]);
    let (first, last) = features.split_at_mut(END_LEN);
    for (to, from) in iter::zip(first, start) {
        *to = i32::from(*from);
    }
    for (to, from) in iter::zip(last.iter_mut().rev(), end.iter().rev()) {
        *to = i32::from(*from);
    }
    features
}

fn trim_start(bytes: &[u8]) -> &[u8] {
    let blank = bytes.iter().take_while(|byte| is_space(**byte)).count();
    bytes.get(blank..).unwrap_or_default()
}

fn trim_end(bytes: &[u8]) -> &[u8] {
    let blank = bytes.iter().rev().take_while(|byte| is_space(**byte)).count();
    bytes.get(..bytes.len().saturating_sub(blank)).unwrap_or_default()
}

/// What Python's `bytes.strip` takes off; unlike Rust's ASCII white space it has the vertical tab.
fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn features_of(bytes: &[u8]) -> Box<[i32; FEATURES]> {
        match extract(bytes) {
            Content::Features(features) => features,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn few_bytes_are_judged_by_rule() {
        assert_eq!(extract(b""), Content::Empty);
        assert_eq!(extract(b"1234567"), Content::FewBytes { text: true });
        assert_eq!(extract(b"\xff\xfe"), Content::FewBytes { text: false });
        assert_eq!(extract(b"  \n\x0b\x0c\t\r  12345 \n"), Content::FewBytes { text: true });
        assert_eq!(extract(&[b' '; 9000]), Content::FewBytes { text: true });
    }

    #[test]
    fn a_letter_cut_at_the_end_of_the_block_is_no_text() {
        let mut bytes = vec![b' '; BLOCK_LEN - 1];
        bytes.extend_from_slice("é and more".as_bytes());
        assert_eq!(extract(&bytes), Content::FewBytes { text: false });
    }

    #[test]
    fn short_content_is_padded_inwards() {
        let features = features_of(b"\n 12345678 \n");
        // The beginning keeps the white space after it, the end keeps that before it.
        let start: Vec<i32> = b"12345678 \n".iter().map(|byte| i32::from(*byte)).collect();
        let end: Vec<i32> = b"\n 12345678".iter().map(|byte| i32::from(*byte)).collect();
        assert_eq!(features[..10], start);
        assert_eq!(features[FEATURES - 10..], end);
        assert!(features[10..FEATURES - 10].iter().all(|feature| *feature == PADDING));
    }

    #[test]
    fn long_content_shows_its_two_ends() {
        let bytes: Vec<u8> = (0..10_000_u32).map(|n| u8::try_from(n % 251).unwrap() | 0x80).collect();
        let features = features_of(&bytes);
        assert_eq!(features[0], i32::from(bytes[0]));
        assert_eq!(features[END_LEN - 1], i32::from(bytes[END_LEN - 1]));
        assert_eq!(features[END_LEN], i32::from(bytes[10_000 - END_LEN]));
        assert_eq!(features[FEATURES - 1], i32::from(bytes[9_999]));
    }
}
