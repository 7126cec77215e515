//! Blocks of 32 weights, written from whole numbers: nothing is rounded.

use half::f16;

/// Weights of a block.
pub const BLOCK: usize = 32;

/// A block of `scale * number`, the numbers from -8 to 7.
pub fn put_q4_0(out: &mut Vec<u8>, scale: f16, numbers: &[i32; BLOCK]) {
    out.extend(scale.to_le_bytes());
    let (low, high) = numbers.split_at(BLOCK / 2);
    out.extend(low.iter().zip(high).map(|(low, high)| ((low + 8) | ((high + 8) << 4)) as u8));
}

/// A block of `scale * number`, the numbers from -16 to 15.
pub fn put_q5_0(out: &mut Vec<u8>, scale: f16, numbers: &[i32; BLOCK]) {
    let shifted = numbers.map(|number| (number + 16) as u32);
    let fifth_bits = shifted.iter().enumerate().fold(0_u32, |bits, (i, number)| bits | (number >> 4) << i);
    out.extend(scale.to_le_bytes());
    out.extend(fifth_bits.to_le_bytes());
    let (low, high) = shifted.split_at(BLOCK / 2);
    out.extend(low.iter().zip(high).map(|(low, high)| (low & 15 | (high & 15) << 4) as u8));
}

/// A block of `scale * number`, the numbers from -128 to 127.
pub fn put_q8_0(out: &mut Vec<u8>, scale: f16, numbers: &[i32; BLOCK]) {
    out.extend(scale.to_le_bytes());
    out.extend(numbers.iter().map(|number| *number as i8 as u8));
}

/// The nearest 8-bit numbers for any weights, and their scale; ggml rounds in the same way.
pub fn round_to_q8_0(weights: &[f32; BLOCK]) -> (f16, [i32; BLOCK]) {
    let largest = weights.iter().fold(0_f32, |largest, weight| largest.max(weight.abs()));
    let scale = largest / 127.0;
    let inverse = if scale > 0.0 { 1.0 / scale } else { 0.0 };
    (f16::from_f32(scale), weights.map(|weight| (weight * inverse).round() as i32))
}
