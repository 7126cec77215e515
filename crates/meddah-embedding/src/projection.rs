//! From the 384 numbers of a token to 64: a fifth of the space, and nearly the same order of nearness.
//!
//! `projection.f32` holds the 64 principal axes (without centring) of token vectors of our own texts; made by
//! `evals -- fit-projection`, which says from which. Row by row, little-endian.

use crate::encoder::{TOKEN_DIMENSIONS, WHOLE_DIMENSIONS};

const MATRIX: &[u8; TOKEN_DIMENSIONS * WHOLE_DIMENSIONS * size_of::<f32>()] =
    include_bytes!("projection.f32");

/// Changes with the matrix, so that vectors of two are never compared.
pub(crate) const VERSION: &str = "p1";

/// The matrix.
pub(crate) struct Projection(Vec<f32>);

impl Projection {
    pub fn shipped() -> Projection {
        let (numbers, _) = MATRIX.as_chunks();
        Projection(numbers.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect())
    }

    /// The vector on the axes, of length 1.
    pub fn project(&self, vector: &[f32]) -> Vec<f32> {
        let mut shorter: Vec<f32> =
            self.0.chunks_exact(WHOLE_DIMENSIONS).map(|axis| dot(axis, vector)).collect();
        normalise(&mut shorter);
        shorter
    }
}

pub(crate) fn dot(left: &[f32], right: &[f32]) -> f32 {
    left.iter().zip(right).map(|(left, right)| left * right).sum()
}

/// Makes its length 1; a vector of zeros stays.
pub(crate) fn normalise(vector: &mut [f32]) {
    let length = dot(vector, vector).sqrt().max(f32::MIN_POSITIVE);
    vector.iter_mut().for_each(|number| *number /= length);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_axes_stand_upright_on_each_other() {
        let projection = Projection::shipped();
        let axes: Vec<&[f32]> = projection.0.chunks_exact(WHOLE_DIMENSIONS).collect();
        assert_eq!(axes.len(), TOKEN_DIMENSIONS);
        for (number, axis) in axes.iter().enumerate() {
            for (other, second) in axes.iter().enumerate() {
                let expected = if number == other { 1.0 } else { 0.0 };
                assert!((dot(axis, second) - expected).abs() < 1e-4, "{number} {other}");
            }
        }
    }

    #[test]
    fn zeros_stay_zeros() {
        let shorter = Projection::shipped().project(&[0.0; WHOLE_DIMENSIONS]);
        assert_eq!(shorter, [0.0; TOKEN_DIMENSIONS]);
    }
}
