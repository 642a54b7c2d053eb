//! As much of protobuf as an ONNX model's signature and its test tensors need; a field that is not asked for is skipped.

/// One field of a message.
#[derive(Debug, Clone, Copy)]
pub(super) struct Field<'a> {
    pub(super) number: u64,
    pub(super) value: Value<'a>,
}

/// What a field holds, by its wire type.
#[derive(Debug, Clone, Copy)]
pub(super) enum Value<'a> {
    Varint(u64),
    Fixed64([u8; 8]),
    Fixed32([u8; 4]),
    Bytes(&'a [u8]),
}

/// All fields of a message, in order.
pub(super) fn fields(message: &[u8]) -> Result<Vec<Field<'_>>, String> {
    let mut rest = message;
    let mut fields = Vec::new();
    while !rest.is_empty() {
        let key = varint(&mut rest)?;
        let value = match key & 7 {
            0 => Value::Varint(varint(&mut rest)?),
            1 => Value::Fixed64(fixed(&mut rest)?),
            2 => {
                let len = usize::try_from(varint(&mut rest)?).map_err(|error| error.to_string())?;
                let (bytes, after) = rest.split_at_checked(len).ok_or("a field ends after its message")?;
                rest = after;
                Value::Bytes(bytes)
            }
            5 => Value::Fixed32(fixed(&mut rest)?),
            wire => return Err(format!("wire type {wire}")),
        };
        fields.push(Field { number: key >> 3, value });
    }
    Ok(fields)
}

/// The messages, strings or packed runs of one number.
pub(super) fn all<'a>(fields: &[Field<'a>], number: u64) -> Vec<&'a [u8]> {
    let bytes = |field: &Field<'a>| match field.value {
        Value::Bytes(bytes) if field.number == number => Some(bytes),
        _ => None,
    };
    fields.iter().filter_map(bytes).collect()
}

/// The last message or string of one number, which is the one that counts.
pub(super) fn one<'a>(fields: &[Field<'a>], number: u64) -> Option<&'a [u8]> {
    all(fields, number).pop()
}

/// Whole numbers of one number, packed or not.
pub(super) fn varints(fields: &[Field<'_>], number: u64) -> Result<Vec<u64>, String> {
    let mut numbers = Vec::new();
    for field in fields.iter().filter(|field| field.number == number) {
        match field.value {
            Value::Varint(one) => numbers.push(one),
            Value::Bytes(mut packed) => {
                while !packed.is_empty() {
                    numbers.push(varint(&mut packed)?);
                }
            }
            Value::Fixed32(_) | Value::Fixed64(_) => return Err(format!("field {number} is no whole number")),
        }
    }
    Ok(numbers)
}

/// The bytes of fixed-size numbers of one number, packed or not.
pub(super) fn fixed_bytes(fields: &[Field<'_>], number: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    for field in fields.iter().filter(|field| field.number == number) {
        match field.value {
            Value::Fixed32(one) => bytes.extend_from_slice(&one),
            Value::Fixed64(one) => bytes.extend_from_slice(&one),
            Value::Bytes(packed) => bytes.extend_from_slice(packed),
            Value::Varint(_) => {}
        }
    }
    bytes
}

fn varint(rest: &mut &[u8]) -> Result<u64, String> {
    let mut number = 0_u64;
    for shift in (0..70).step_by(7) {
        let (byte, after) = rest.split_first().ok_or("a number ends after its message")?;
        *rest = after;
        number |= u64::from(byte & 0x7f).checked_shl(shift).unwrap_or(0);
        if byte & 0x80 == 0 {
            return Ok(number);
        }
    }
    Err("a number of more than 10 bytes".to_owned())
}

fn fixed<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], String> {
    let (bytes, after) = rest.split_first_chunk().ok_or("a number ends after its message")?;
    *rest = after;
    Ok(*bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_read_field_by_field() {
        // 1: 150; 2: "abc"; 3: packed 1, 300; 5: 1.0 as f32
        let message = [0x08, 0x96, 0x01, 0x12, 3, b'a', b'b', b'c', 0x1a, 3, 1, 0xac, 0x02, 0x2d, 0, 0, 0x80, 0x3f];
        let fields = fields(&message).unwrap();
        assert_eq!(varints(&fields, 1).unwrap(), [150]);
        assert_eq!(one(&fields, 2).unwrap(), b"abc");
        assert_eq!(varints(&fields, 3).unwrap(), [1, 300]);
        assert_eq!(fixed_bytes(&fields, 5), 1.0_f32.to_le_bytes());
        assert!(one(&fields, 9).is_none());
    }

    #[test]
    fn what_is_cut_is_refused() {
        let message = [0x12, 3, b'a', b'b', b'c'];
        for len in 1..message.len() {
            assert!(fields(&message[..len]).is_err(), "{len}");
        }
    }
}
