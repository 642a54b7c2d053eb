//! Protobuf's wire format, as much as a walk needs: fields one after the other, borrowed, nothing decoded or kept.

/// The bytes are no protobuf.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Malformed;

/// A field's value.
#[derive(Clone, Copy)]
pub(crate) enum Value<'a> {
    /// A number of the variable-length kind.
    Number(u64),
    /// Text, bytes, packed numbers, or a message inside this one.
    Bytes(&'a [u8]),
    /// A number of fixed length: its 4 or 8 bytes.
    Fixed(&'a [u8]),
}

/// Calls `visit` with the number and value of each field of a message.
pub(crate) fn each<'a, E: From<Malformed>>(
    mut message: &'a [u8],
    mut visit: impl FnMut(u64, Value<'a>) -> Result<(), E>,
) -> Result<(), E> {
    while !message.is_empty() {
        let tag = varint(&mut message)?;
        let value = match tag & 7 {
            0 => Value::Number(varint(&mut message)?),
            1 => Value::Fixed(take(&mut message, 8)?),
            2 => {
                let len = usize::try_from(varint(&mut message)?).map_err(|_| Malformed)?;
                Value::Bytes(take(&mut message, len)?)
            }
            5 => Value::Fixed(take(&mut message, 4)?),
            _ => return Err(Malformed.into()),
        };
        visit(tag >> 3, value)?;
    }
    Ok(())
}

/// The numbers of a repeated field's value: one, or many packed. Calls `visit` with each.
pub(crate) fn numbers<E: From<Malformed>>(
    value: Value<'_>,
    mut visit: impl FnMut(i64) -> Result<(), E>,
) -> Result<(), E> {
    match value {
        Value::Number(number) => visit(number.cast_signed()),
        Value::Bytes(mut packed) => {
            while !packed.is_empty() {
                visit(varint(&mut packed)?.cast_signed())?;
            }
            Ok(())
        }
        Value::Fixed(_) => Err(Malformed.into()),
    }
}

fn take<'a>(message: &mut &'a [u8], len: usize) -> Result<&'a [u8], Malformed> {
    let (head, tail) = message.split_at_checked(len).ok_or(Malformed)?;
    *message = tail;
    Ok(head)
}

fn varint(message: &mut &[u8]) -> Result<u64, Malformed> {
    let mut number = 0u64;
    for shift in (0..64).step_by(7) {
        let (byte, tail) = message.split_first().ok_or(Malformed)?;
        *message = tail;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(number);
        }
    }
    Err(Malformed)
}
