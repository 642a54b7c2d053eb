//! Whether a tensor is the one that the standard wants: floats within a tolerance, everything else exactly.

use crate::frame::{Kind, Part};

/// As the ONNX project's own runner has it for file cases.
const RELATIVE: f64 = 1e-3;
const ABSOLUTE: f64 = 1e-5;

/// `None` when `got` is `want`; else what differs first.
pub(super) fn difference(got: &Part<'_>, want: &Part<'_>) -> Option<String> {
    if (got.kind, &got.dims) != (want.kind, &want.dims) {
        return Some(format!("{:?} {:?} instead of {:?} {:?}", got.kind, got.dims, want.kind, want.dims));
    }
    if got.data.len() != want.data.len() {
        return Some(format!("{} bytes instead of {}", got.data.len(), want.data.len()));
    }
    let Some((got, want)) = numbers(got).zip(numbers(want)) else {
        return (got.data != want.data).then(|| "other elements".to_owned());
    };
    let off = got.iter().zip(&want).position(|(got, want)| !is_close(*got, *want))?;
    Some(format!("{} instead of {} at element {off}", got[off], want[off]))
}

fn is_close(got: f64, want: f64) -> bool {
    got == want || (got.is_nan() && want.is_nan()) || (got - want).abs() <= ABSOLUTE + RELATIVE * want.abs()
}

/// The elements of a float tensor.
fn numbers(part: &Part<'_>) -> Option<Vec<f64>> {
    let data = &*part.data;
    Some(match part.kind {
        Kind::Fp32 => data.as_chunks().0.iter().map(|c| f64::from(f32::from_le_bytes(*c))).collect(),
        Kind::Fp64 => data.as_chunks().0.iter().map(|c| f64::from_le_bytes(*c)).collect(),
        Kind::Bf16 => data.as_chunks().0.iter().map(|[a, b]| f64::from(f32::from_le_bytes([0, 0, *a, *b]))).collect(),
        Kind::Fp16 => data.as_chunks().0.iter().map(|c| half(u16::from_le_bytes(*c))).collect(),
        _ => return None,
    })
}

/// IEEE 754 binary16.
fn half(bits: u16) -> f64 {
    let sign = if bits >> 15 == 1 { -1.0 } else { 1.0 };
    let exponent = i32::from(bits >> 10 & 0x1f);
    let fraction = f64::from(bits & 0x3ff);
    sign * match exponent {
        0 => fraction * 2_f64.powi(-24),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        _ => (1024.0 + fraction) * 2_f64.powi(exponent - 25),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::{f32s, part};

    #[test]
    fn halves_are_read_as_ieee_has_them() {
        let cases =
            [(0x3c00, 1.0), (0xc000, -2.0), (0x7bff, 65504.0), (0x0001, 2_f64.powi(-24)), (0x3555, 0.333_251_953_125)];
        for (bits, number) in cases {
            assert_eq!(half(bits), number, "{bits:#x}");
        }
        assert!(half(0x7e00).is_nan() && half(0xfc00) == f64::NEG_INFINITY);
    }

    #[test]
    fn floats_may_be_close_and_the_rest_must_be_equal() {
        let floats = |numbers: &[f32]| part("y", Kind::Fp32, &[2], f32s(numbers));
        assert!(difference(&floats(&[1.0005, f32::NAN]), &floats(&[1.0, f32::NAN])).is_none());
        assert!(difference(&floats(&[1.002, 0.0]), &floats(&[1.0, 0.0])).unwrap().contains("element 0"));
        assert!(difference(&floats(&[1.0, f32::INFINITY]), &floats(&[1.0, 3e38])).unwrap().contains("element 1"));
        let bytes = |dims: &[u32]| part("y", Kind::U8, dims, vec![1, 2]);
        assert!(difference(&bytes(&[2]), &bytes(&[2])).is_none());
        assert!(difference(&bytes(&[2]), &bytes(&[1, 2])).unwrap().contains("[2] instead of"));
    }
}
