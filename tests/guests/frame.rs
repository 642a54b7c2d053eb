//! Named tensors as one run of bytes: how a test, the conformance runner and the benches talk to the guests `nn` and
//! `nn_types`.
//!
//! A frame is the length of its head (`u32`, little-endian), the head in JSON, and then the bytes of all tensors, one after
//! the other in the head's order, with nothing between them:
//!
//! ```text
//! {"model": "digits", "tensors": [{"name": "X", "type": "fp32", "dims": [1, 64], "bytes": 256}]}
//! ```
//!
//! `type` is an element type of `wasi:nn` or `modelet:nn` in lower case; strings are packed as [`pack`] says. `bytes` is what follows for this tensor; nothing makes it fit
//! `dims`, so that a test can send what does not. An answer's head has no `model`.
//!
//! This file is free of the SDK: the host's side includes it by `#[path]`.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

/// Tensors, and for a request the model that they are for.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Frame<'a> {
    /// The manifest's name of the model; empty in an answer.
    pub model: String,
    /// The inputs or outputs.
    pub tensors: Vec<Part<'a>>,
}

/// One tensor.
#[derive(Debug, Clone, PartialEq)]
pub struct Part<'a> {
    /// The name of the input or output.
    pub name: String,
    /// The element type.
    pub kind: Kind,
    /// The dimensions.
    pub dims: Vec<u32>,
    /// The elements, little-endian.
    pub data: Cow<'a, [u8]>,
}

/// The element types of `wasi:nn`, by its names, and the others that `modelet:nn` has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs, reason = "named as they are")]
pub enum Kind {
    Fp16,
    Fp32,
    Fp64,
    Bf16,
    /// Bytes; through `wasi:nn` also how a bool travels.
    U8,
    I32,
    I64,
    Bool,
    /// Packed by [`pack`].
    String,
    I8,
    I16,
    U16,
    U32,
    U64,
    F8e4m3fn,
    F8e4m3fnuz,
    F8e5m2,
    F8e5m2fnuz,
    F8e8m0,
    F4e2m1,
    U4,
    I4,
    U2,
    I2,
    Complex64,
    Complex128,
}

/// Strings as the bytes of a tensor: each is its length (`u32`, little-endian) and its bytes.
///
/// # Errors
/// A string over 4 GiB.
pub fn pack<S: AsRef<str>>(strings: &[S]) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    for text in strings.iter().map(AsRef::as_ref) {
        let len = u32::try_from(text.len()).map_err(|_| "a string is over 4 GiB".to_owned())?;
        bytes.extend_from_slice(&len.to_le_bytes());
        bytes.extend_from_slice(text.as_bytes());
    }
    Ok(bytes)
}

/// The strings that these bytes are.
///
/// # Errors
/// Bytes that are cut short, or not UTF-8.
pub fn unpack(mut bytes: &[u8]) -> Result<Vec<String>, String> {
    let mut strings = Vec::new();
    while !bytes.is_empty() {
        let (len, rest) = bytes.split_first_chunk().ok_or("a string has at least 4 bytes")?;
        let len = usize::try_from(u32::from_le_bytes(*len)).map_err(|error| error.to_string())?;
        let (text, rest) = rest.split_at_checked(len).ok_or("the strings end within one")?;
        strings.push(std::str::from_utf8(text).map_err(|error| error.to_string())?.to_owned());
        bytes = rest;
    }
    Ok(strings)
}

#[derive(Serialize, Deserialize)]
struct Head {
    #[serde(default, skip_serializing_if = "String::is_empty")]
    model: String,
    tensors: Vec<Port>,
}

#[derive(Serialize, Deserialize)]
struct Port {
    name: String,
    #[serde(rename = "type")]
    kind: Kind,
    dims: Vec<u32>,
    bytes: usize,
}

impl<'a> Frame<'a> {
    /// The frame as bytes.
    ///
    /// # Errors
    /// A head over 4 GiB.
    pub fn encode(&self) -> Result<Vec<u8>, String> {
        let tensors = self.tensors.iter().map(Part::port).collect();
        let head =
            serde_json::to_vec(&Head { model: self.model.clone(), tensors }).map_err(|error| error.to_string())?;
        let head_len = u32::try_from(head.len()).map_err(|_| "the head is over 4 GiB".to_owned())?;
        let data_len: usize = self.tensors.iter().map(|part| part.data.len()).sum();
        let mut bytes = Vec::with_capacity(4 + head.len() + data_len);
        bytes.extend_from_slice(&head_len.to_le_bytes());
        bytes.extend_from_slice(&head);
        for part in &self.tensors {
            bytes.extend_from_slice(&part.data);
        }
        Ok(bytes)
    }

    /// The frame that these bytes are; the tensors borrow from them.
    ///
    /// # Errors
    /// Bytes that are no frame: cut short, too long, or with a head that is not as above.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, String> {
        let (head_len, rest) = bytes.split_first_chunk().ok_or("a frame has at least 4 bytes")?;
        let head_len = usize::try_from(u32::from_le_bytes(*head_len)).map_err(|error| error.to_string())?;
        let (head, mut rest) = rest.split_at_checked(head_len).ok_or("the frame ends within its head")?;
        let head: Head = serde_json::from_slice(head).map_err(|error| format!("the head: {error}"))?;
        let mut tensors = Vec::with_capacity(head.tensors.len());
        for Port { name, kind, dims, bytes } in head.tensors {
            let (data, after) =
                rest.split_at_checked(bytes).ok_or_else(|| format!("the frame ends within the tensor {name:?}"))?;
            rest = after;
            tensors.push(Part { name, kind, dims, data: Cow::Borrowed(data) });
        }
        if !rest.is_empty() {
            return Err(format!("{} bytes follow the last tensor", rest.len()));
        }
        Ok(Self { model: head.model, tensors })
    }
}

impl Part<'_> {
    fn port(&self) -> Port {
        Port { name: self.name.clone(), kind: self.kind, dims: self.dims.clone(), bytes: self.data.len() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame() -> Frame<'static> {
        let part = |name: &str, kind, dims: &[u32], data: &'static [u8]| Part {
            name: name.to_owned(),
            kind,
            dims: dims.to_vec(),
            data: Cow::Borrowed(data),
        };
        let tensors = vec![
            part("a", Kind::U8, &[3], b"abc"),
            part("b", Kind::Fp32, &[0, 7], b""),
            part("c", Kind::I64, &[9], b"x"),
        ];
        Frame { model: "m".to_owned(), tensors }
    }

    #[test]
    fn a_frame_survives_the_way() {
        let bytes = frame().encode().unwrap();
        assert_eq!(Frame::decode(&bytes).unwrap(), frame());
    }

    #[test]
    fn strings_survive_the_way() {
        let packed = pack(&["", "a", "Grüße"]).unwrap();
        assert_eq!(unpack(&packed).unwrap(), ["", "a", "Grüße"]);
        assert!(unpack(&packed[..packed.len() - 1]).is_err() && unpack(&[1, 0, 0, 0, 0xff]).is_err());
    }

    #[test]
    fn what_is_no_frame_is_refused() {
        let bytes = frame().encode().unwrap();
        for len in 0..bytes.len() {
            assert!(Frame::decode(&bytes[..len]).is_err(), "{len}");
        }
        assert!(Frame::decode(&[bytes.as_slice(), b"!"].concat()).unwrap_err().contains("1 bytes follow"));
        assert!(Frame::decode(&[0xff; 8]).is_err());
    }
}
