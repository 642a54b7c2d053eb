//! Samples: calls that a model has to answer, written as the Open Inference Protocol writes tensors.
//!
//! `{"inputs": [{"name": "ids", "shape": [1, 3], "datatype": "INT64", "data": [101, 7592, 102]}]}`; `data` may be nested by
//! its dimensions or flat.

use modelet_inference::{AlignedBuf, ElementType, Inputs, Shape, Tensor};
use serde::Deserialize;
use serde_json::Value;

/// Bytes of one sample's JSON.
pub(crate) const BYTES_MAX: usize = 16 << 20;

#[derive(Deserialize)]
struct Call {
    inputs: Vec<Input>,
}

#[derive(Deserialize)]
struct Input {
    name: String,
    shape: Vec<u64>,
    datatype: String,
    data: Value,
}

/// A call's inputs.
///
/// # Errors
/// What is wrong, for whoever wrote the sample.
pub(crate) fn parse(json: &[u8]) -> Result<Inputs, String> {
    if json.len() > BYTES_MAX {
        return Err(format!("it has {} bytes; at most {BYTES_MAX} are allowed", json.len()));
    }
    let call: Call = serde_json::from_slice(json).map_err(|error| format!("it is no call: {error}"))?;
    call.inputs.into_iter().map(|input| tensor(&input).map(|tensor| (input.name, tensor))).collect()
}

fn tensor(input: &Input) -> Result<Tensor, String> {
    let refuse = |why: String| format!("input `{}`: {why}", input.name);
    let element = element(&input.datatype).ok_or_else(|| refuse(format!("no datatype `{}`", input.datatype)))?;
    let shape = Shape::new(&input.shape).map_err(|error| refuse(error.to_string()))?;
    let mut values = Vec::new();
    flatten(&input.data, &mut values);
    let made = if element == ElementType::String {
        let strings: Option<Vec<String>> = values.iter().map(|value| value.as_str().map(str::to_owned)).collect();
        Tensor::strings(shape, strings.ok_or_else(|| refuse("its data are not all strings".to_owned()))?)
    } else {
        let mut bytes = Vec::new();
        for value in values {
            let number = append(element, value, &mut bytes);
            number.ok_or_else(|| refuse(format!("{value} is no {}", input.datatype)))?;
        }
        Tensor::new(element, shape, AlignedBuf::copy_of(&bytes))
    };
    made.map_err(|error| refuse(error.to_string()))
}

/// The leaves, in order. JSON's own reader bounds the depth.
fn flatten<'a>(value: &'a Value, into: &mut Vec<&'a Value>) {
    match value {
        Value::Array(values) => values.iter().for_each(|value| flatten(value, into)),
        leaf => into.push(leaf),
    }
}

fn element(datatype: &str) -> Option<ElementType> {
    Some(match datatype {
        "BOOL" => ElementType::Bool,
        "UINT8" => ElementType::U8,
        "UINT16" => ElementType::U16,
        "UINT32" => ElementType::U32,
        "UINT64" => ElementType::U64,
        "INT8" => ElementType::I8,
        "INT16" => ElementType::I16,
        "INT32" => ElementType::I32,
        "INT64" => ElementType::I64,
        "FP32" => ElementType::F32,
        "FP64" => ElementType::F64,
        "BYTES" => ElementType::String,
        _ => return None,
    })
}

/// A number at the end of `bytes`, little-endian; `None`: it is none of this type, or out of its range.
fn append(element: ElementType, value: &Value, bytes: &mut Vec<u8>) -> Option<()> {
    let signed = || value.as_i64();
    let unsigned = || value.as_u64();
    match element {
        ElementType::Bool => bytes.push(u8::from(value.as_bool().or_else(|| Some(value.as_u64()? != 0))?)),
        ElementType::U8 => bytes.push(u8::try_from(unsigned()?).ok()?),
        ElementType::U16 => bytes.extend(u16::try_from(unsigned()?).ok()?.to_le_bytes()),
        ElementType::U32 => bytes.extend(u32::try_from(unsigned()?).ok()?.to_le_bytes()),
        ElementType::U64 => bytes.extend(unsigned()?.to_le_bytes()),
        ElementType::I8 => bytes.extend(i8::try_from(signed()?).ok()?.to_le_bytes()),
        ElementType::I16 => bytes.extend(i16::try_from(signed()?).ok()?.to_le_bytes()),
        ElementType::I32 => bytes.extend(i32::try_from(signed()?).ok()?.to_le_bytes()),
        ElementType::I64 => bytes.extend(signed()?.to_le_bytes()),
        ElementType::F32 => bytes.extend((value.as_f64()? as f32).to_le_bytes()),
        ElementType::F64 => bytes.extend(value.as_f64()?.to_le_bytes()),
        _ => return None,
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(datatype: &str, shape: &str, data: &str) -> Result<Tensor, String> {
        let json = format!(r#"{{"inputs":[{{"name":"x","shape":{shape},"datatype":"{datatype}","data":{data}}}]}}"#);
        parse(json.as_bytes()).map(|mut inputs| inputs.remove(0).1)
    }

    #[test]
    fn data_may_be_nested_or_flat() {
        let flat = one("INT64", "[2,2]", "[1,2,3,-4]").unwrap();
        let nested = one("INT64", "[2,2]", "[[1,2],[3,-4]]").unwrap();
        assert_eq!(flat.bytes(), nested.bytes());
        assert_eq!(flat.bytes()[24..], (-4_i64).to_le_bytes());
        assert_eq!(one("FP32", "[]", "[0.5]").unwrap().bytes(), 0.5_f32.to_le_bytes());
        assert_eq!(one("BOOL", "[2]", "[true,0]").unwrap().bytes(), [1, 0]);
        assert_eq!(one("BYTES", "[1]", "[\"a\"]").unwrap().as_strings().unwrap(), ["a"]);
    }

    #[test]
    fn what_does_not_fit_is_refused_with_the_inputs_name() {
        for (datatype, shape, data, why) in [
            ("UINT8", "[1]", "[256]", "256 is no UINT8"),
            ("INT32", "[1]", "[0.5]", "0.5 is no INT32"),
            ("INT32", "[3]", "[1]", "needs 12 bytes, got 4"),
            ("FP8", "[1]", "[1]", "no datatype `FP8`"),
            ("BYTES", "[1]", "[1]", "not all strings"),
            ("INT32", "[4294967296,4294967296]", "[1]", "more elements than can be addressed"),
        ] {
            let refused = one(datatype, shape, data).unwrap_err();
            assert!(refused.starts_with("input `x`: ") && refused.contains(why), "{refused}");
        }
        assert!(parse(b"{}").unwrap_err().starts_with("it is no call: "));
        assert!(parse(&vec![b' '; BYTES_MAX + 1]).unwrap_err().contains("at most"));
    }
}
