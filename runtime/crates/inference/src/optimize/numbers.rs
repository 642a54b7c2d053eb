//! The arithmetic on weights: 32-bit floats to 8-bit integers with scales, and to 16-bit floats.

/// Integers and the scales that make them floats again.
#[derive(Debug, PartialEq)]
pub(super) struct Scaled {
    /// 8-bit integers, as bytes.
    pub(super) integers: Vec<u8>,
    /// One for each column, or each row.
    pub(super) scales: Vec<f32>,
}

/// The largest integer used. −128 stays out, so that both signs reach equally far.
const LARGEST: f32 = 127.0;

/// Below the smallest that anything is divided by: a column of zeros keeps a scale.
const SCALE_MIN: f32 = f32::MIN_POSITIVE;

/// The largest 16-bit float; what rounds to more is infinite.
const HALF_MAX: f32 = 65504.0;

/// The smallest 16-bit float with its full precision.
const HALF_NORMAL_MIN: f32 = 6.103_515_6e-5;

/// Makes the matrix `values`, `columns` wide, integers with a scale for each column.
///
/// Kernels for CPUs without VNNI add two neighbouring products of a column in 16 bits, which saturate: 255 × (a + b) is at most
/// 32767 if a + b is at most 128. So the scale is such that no two neighbours add up to more, and every CPU gives
/// the same answer; the usual remedy, seven bits for all, costs twice the error.
pub(super) fn by_columns(values: &[f32], columns: usize) -> Result<Scaled, &'static str> {
    finite(values)?;
    let mut largest = vec![0f32; columns];
    let none = vec![0f32; columns];
    let mut before = &none[..];
    for row in values.chunks_exact(columns.max(1)) {
        for ((largest, value), above) in largest.iter_mut().zip(row).zip(before) {
            *largest = largest.max(value.abs()).max((value + above).abs());
        }
        before = row;
    }
    let scales = scales(&largest)?;
    let rows = values.chunks_exact(columns.max(1));
    let integers = rows.flat_map(|row| row.iter().zip(&scales)).map(|(value, scale)| integer(*value, *scale));
    Ok(Scaled { integers: integers.collect(), scales })
}

/// Makes a table of rows that are `width` wide integers, with a scale for each row.
pub(super) fn by_rows(values: &[f32], width: usize) -> Result<Scaled, &'static str> {
    finite(values)?;
    let rows = || values.chunks_exact(width.max(1));
    let largest: Vec<f32> = rows().map(|row| row.iter().fold(0f32, |most, value| most.max(value.abs()))).collect();
    let scales = scales(&largest)?;
    let integers = rows().zip(&scales).flat_map(|(row, scale)| row.iter().map(|value| integer(*value, *scale)));
    Ok(Scaled { integers: integers.collect(), scales })
}

/// A matrix of rows that are `width` wide, turned.
pub(super) fn transposed(values: &[f32], width: usize) -> Vec<f32> {
    (0..width).flat_map(|column| values.iter().skip(column).step_by(width.max(1))).copied().collect()
}

/// The numbers as 16-bit floats, little-endian, rounded to the nearest.
pub(super) fn halves(values: &[f32]) -> Result<Vec<u8>, &'static str> {
    finite(values)?;
    let largest = values.iter().fold(0f32, |most, value| most.max(value.abs()));
    if largest > HALF_MAX {
        return Err("holds a number over 65504, the most that 16 bits can be");
    }
    if largest > 0.0 && largest < HALF_NORMAL_MIN {
        return Err("holds numbers too small for 16 bits");
    }
    Ok(values.iter().flat_map(|value| half(*value).to_le_bytes()).collect())
}

fn finite(values: &[f32]) -> Result<(), &'static str> {
    if values.iter().all(|value| value.is_finite()) { Ok(()) } else { Err("holds a number that is not finite") }
}

fn scales(largest: &[f32]) -> Result<Vec<f32>, &'static str> {
    let scales: Vec<f32> = largest.iter().map(|largest| (largest / LARGEST).max(SCALE_MIN)).collect();
    if scales.iter().all(|scale| scale.is_finite()) { Ok(scales) } else { Err("holds numbers too large for a scale") }
}

fn integer(value: f32, scale: f32) -> u8 {
    let rounded = (value / scale).round_ties_even().clamp(-LARGEST, LARGEST);
    // In range by the clamp; the byte is the same bits.
    (rounded as i8).cast_unsigned()
}

/// A number as the nearest 16-bit float, ties to even. Finite, and at most `HALF_MAX`.
fn half(value: f32) -> u16 {
    let sign = (value.to_bits() >> 16) as u16 & 0x8000;
    let magnitude = value.abs();
    if magnitude < HALF_NORMAL_MIN {
        // The step of floats between 0.5 and 1 is 2^-24, that of the smallest halves: the sum rounds as wanted.
        let rounded = (magnitude + 0.5).to_bits() - 0.5f32.to_bits();
        return sign | rounded as u16;
    }
    let bits = magnitude.to_bits();
    // Half a step less one, and one more if the last bit that stays is set.
    let rounded = bits + 0xfff + (bits >> 13 & 1);
    // The exponent's bias is 127 there and 15 here.
    sign | (rounded.wrapping_sub(112 << 23) >> 13) as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_half(bits: u16) -> f32 {
        let (exponent, fraction) = (i32::from(bits >> 10 & 31), f32::from(bits & 1023));
        let magnitude = match exponent {
            0 => fraction * 2f32.powi(-24),
            exponent => (1024.0 + fraction) * 2f32.powi(exponent - 25),
        };
        if bits & 0x8000 == 0 { magnitude } else { -magnitude }
    }

    #[test]
    fn every_half_and_the_places_between_round_as_they_should() {
        for bits in 0..0x7bffu16 {
            let (low, high) = (of_half(bits), of_half(bits + 1));
            assert_eq!((half(low), half(-low)), (bits, bits | 0x8000), "{low}");
            let middle = low / 2.0 + high / 2.0;
            assert_eq!(half(middle), bits + (bits & 1), "{middle} is a tie and goes to the even one");
            assert_eq!(half(middle.next_up()), bits + 1);
            assert_eq!(half(middle.next_down()), bits);
        }
        assert_eq!(half(65504.0), 0x7bff);
    }

    #[test]
    fn what_does_not_fit_16_bits_is_said() {
        assert_eq!(halves(&[1.0, -0.0]), Ok(vec![0, 0x3c, 0, 0x80]));
        assert!(halves(&[65505.0, 1.0]).unwrap_err().contains("65504"));
        assert!(halves(&[1e-6]).unwrap_err().contains("too small"));
        assert!(halves(&[f32::NAN]).unwrap_err().contains("not finite"));
        assert!(halves(&[0.0; 3]).is_ok());
    }

    #[test]
    fn columns_have_their_own_scale_and_no_neighbours_saturate() {
        // A column of neighbours of one sign, one of alternating signs, one of zeros.
        let values = [1.0, 10.0, 0.0, 0.9, -9.0, 0.0, -1.0, 10.0, 0.0];
        let made = by_columns(&values, 3).unwrap();
        assert_eq!(made.scales, [1.9 / 127.0, 10.0 / 127.0, f32::MIN_POSITIVE]);
        let integers: Vec<i8> = made.integers.iter().map(|byte| byte.cast_signed()).collect();
        assert_eq!(integers, [67, 127, 0, 60, -114, 0, -67, 127, 0]);
        for column in 0..3 {
            let ours: Vec<i32> = integers.iter().skip(column).step_by(3).map(|int| i32::from(*int)).collect();
            assert!(ours.windows(2).all(|pair| (pair[0] + pair[1]).abs() <= 128));
        }
    }

    #[test]
    fn rows_have_their_own_scale() {
        let made = by_rows(&[1.0, -0.5, 0.0, 0.0, 254.0, 2.0], 2).unwrap();
        assert_eq!(made.scales, [1.0 / 127.0, f32::MIN_POSITIVE, 2.0]);
        assert_eq!(made.integers, [127, 192, 0, 0, 127, 1]);
        assert!(by_rows(&[f32::INFINITY], 1).is_err());
        assert!(by_columns(&[f32::MAX, f32::MAX], 1).unwrap_err().contains("too large"));
    }

    #[test]
    fn a_matrix_is_turned() {
        assert_eq!(transposed(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], 3), [1.0, 4.0, 2.0, 5.0, 3.0, 6.0]);
    }
}
