//! Weights in other files: which files, and how long each must be.

use std::collections::BTreeMap;

use super::limits::{AdmissionLimits, ExternalData};
use super::refused::{Quoted, Refused};
use super::tensor;
use super::wire::{Value, each};
use crate::element::ElementType;

/// The files that a model's tensors are in, and the bytes that each must have.
pub(super) type ExternalFiles = BTreeMap<String, u64>;

/// What one tensor says of where its data is (`external_data` and `data_location`).
#[derive(Default)]
pub(super) struct Reference<'a> {
    /// Its `data_location` is another file.
    pub(super) is_external: bool,
    location: Option<&'a [u8]>,
    offset: Option<u64>,
    length: Option<u64>,
    has_checksum: bool,
}

impl<'a> Reference<'a> {
    /// Whether the tensor has anything to do with another file.
    pub(super) fn is_used(&self) -> bool {
        let Self { is_external, location, offset, length, has_checksum } = self;
        *is_external || location.is_some() || offset.is_some() || length.is_some() || *has_checksum
    }

    /// Reads one key and value. Any other key is refused: ONNX Runtime takes some (`prepacked…`) for weights that it need
    /// not check.
    pub(super) fn entry(&mut self, message: &'a [u8], place: &str) -> Result<(), Refused> {
        let (mut key, mut value) = (&[][..], &[][..]);
        each(message, |field, text| {
            match (field, text) {
                (1, Value::Bytes(text)) => key = text,
                (2, Value::Bytes(text)) => value = text,
                _ => {}
            }
            Ok::<_, Refused>(())
        })?;
        let twice = match key {
            b"location" => self.location.replace(value).is_some(),
            b"offset" => self.offset.replace(number(value, "offset", place)?).is_some(),
            b"length" => self.length.replace(number(value, "length", place)?).is_some(),
            b"checksum" => std::mem::replace(&mut self.has_checksum, true),
            other => {
                let key = String::from_utf8_lossy(other);
                let why = format!("its data in another file has the key {}, unknown here", Quoted(&key));
                return Err(Refused::unsupported(place, why));
            }
        };
        match twice {
            true => Err(Refused::malformed(place, "a key of its data in another file is given twice")),
            false => Ok(()),
        }
    }

    /// Checks that the file stays in the model's folder, and notes how long it must be.
    pub(super) fn check(
        &self,
        element: ElementType,
        bytes: u64,
        limits: &AdmissionLimits,
        place: &str,
        files: &mut ExternalFiles,
    ) -> Result<(), Refused> {
        let path = self.location.map(|location| tensor::name(location, limits, place)).transpose()?;
        if let Some(path) = path.filter(|path| !is_contained(path)) {
            let why = format!("its data is in {}, outside the model's folder", Quoted(path));
            return Err(Refused::unsupported(place, why));
        }
        if limits.external_data == ExternalData::Refused {
            let why = "its data is in another file; push the model's folder, or save it as one file \
                       (`save_as_external_data=False`)";
            return Err(Refused::unsupported(place, why));
        }
        let (Some(path), true) = (path, self.is_external) else {
            return Err(Refused::malformed(place, "it only half says that its data is in another file"));
        };
        if element == ElementType::String {
            return Err(Refused::unsupported(place, "strings cannot be in another file"));
        }
        if let Some(length) = self.length.filter(|length| *length != bytes) {
            let why = format!("its shape needs {bytes} bytes, and {length} of {} are for it", Quoted(path));
            return Err(Refused::malformed(place, why));
        }
        let end = self.offset.unwrap_or(0).checked_add(bytes).filter(|end| i64::try_from(*end).is_ok());
        let end = end.ok_or_else(|| Refused::too_large(place, "its data ends beyond what a file can have"))?;
        let needed = files.entry(path.to_owned()).or_default();
        *needed = end.max(*needed);
        Ok(())
    }
}

/// A plain path below the folder. No star: ONNX Runtime takes the path `*/_ORT_MEM_ADDR_/*` for an address in its own
/// memory.
fn is_contained(path: &str) -> bool {
    let plain = |c: char| c.is_alphanumeric() || "._- +@=".contains(c);
    path.split('/').all(|part| !part.is_empty() && !part.chars().all(|c| c == '.') && part.chars().all(plain))
}

fn number(text: &[u8], what: &str, place: &str) -> Result<u64, Refused> {
    let is_plain = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    let number = std::str::from_utf8(text).ok().filter(|_| is_plain).and_then(|text| text.parse().ok());
    number.ok_or_else(|| Refused::malformed(place, format!("the {what} of its data in another file is no number")))
}
