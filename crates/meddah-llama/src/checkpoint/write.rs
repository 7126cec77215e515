//! Writing the GGUF file, a few rows at a time.

use std::io::Write;

use half::f16;

use super::CheckpointError;
use super::folder::{Folder, Tensor};
use super::gptq::{Linear, floats_of};
use super::plan::{Planned, Source};
use super::report::{Fate, TensorReport};
use super::safetensors::Dtype;
use super::weight_type::WeightType;
use crate::ffi::quantize_rows;

/// Floats that are held at a time: ggml quantises so many in about ten milliseconds.
const PIECE_NUMBERS: usize = 1 << 18;

/// Where the bytes go, and who wants to know of it.
pub struct Output<'a> {
    pub out: &'a mut dyn Write,
    pub written: u64,
    pub progress: &'a mut dyn FnMut(u64),
    pub cancelled: &'a dyn Fn() -> bool,
}

impl Output<'_> {
    /// Writes these, unless the caller changed its mind.
    pub fn put(&mut self, bytes: &[u8]) -> Result<(), CheckpointError> {
        if (self.cancelled)() {
            return Err(CheckpointError::cancelled());
        }
        self.out.write_all(bytes).map_err(|error| CheckpointError::writing(&error))?;
        self.written += bytes.len() as u64;
        (self.progress)(self.written);
        Ok(())
    }
}

/// The row of the original that stands at `row`, where halves of heads become pairs.
fn interleaved(row: usize, head: usize) -> usize {
    let (start, within) = (row - row % head, row % head);
    start + within / 2 + (within % 2) * (head / 2)
}

/// Writes one tensor and its filling.
pub fn write_tensor(
    folder: &Folder,
    planned: &Planned<'_>,
    output: &mut Output<'_>,
) -> Result<TensorReport, CheckpointError> {
    let before = output.written;
    let (from, fate) = match &planned.source {
        Source::Values(values) => {
            output.put(&values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<_>>())?;
            ("config.json".into(), Fate::Kept)
        }
        Source::Floats(tensor) => {
            write_floats(planned, tensor, output)?;
            (tensor.place.dtype.to_string(), float_fate(tensor.place.dtype, planned.line.kind))
        }
        Source::Gptq { base, config, shape } => {
            let linear = Linear::open(folder, base, config, *shape)?;
            let run = planned.interleave.unwrap_or(1) as usize;
            let order = |row: usize| if run > 1 { interleaved(row, run) } else { row };
            let change = linear.write(&order, run, &mut |bytes| output.put(bytes))?;
            let fate = if change.is_exact() { Fate::Exact } else { Fate::Rounded(change) };
            (format!("GPTQ {} bits", linear.bits()), fate)
        }
    };
    let filling = planned.line.padded_bytes() - (output.written - before);
    output.put(&vec![0; filling as usize])?;
    Ok(TensorReport { name: planned.line.name.clone(), from, to: planned.line.kind, fate })
}

fn float_fate(from: Dtype, to: WeightType) -> Fate {
    match (from, to) {
        (_, WeightType::F32) | (Dtype::F16, WeightType::F16) => Fate::Kept,
        _ => Fate::Quantised,
    }
}

fn write_floats(
    planned: &Planned<'_>,
    tensor: &Tensor<'_>,
    output: &mut Output<'_>,
) -> Result<(), CheckpointError> {
    // A vector is one number a row, so that biases are reordered like the rows they belong to.
    let columns = if planned.line.shape.len() == 2 { planned.line.shape[0] as usize } else { 1 };
    let rows = planned.line.shape.iter().product::<u64>() as usize / columns.max(1);
    let run = planned.interleave.unwrap_or(1) as usize;
    let piece = (PIECE_NUMBERS / columns.max(1)).max(1).next_multiple_of(run);
    let number_bytes = tensor.place.dtype.bytes() as usize;
    let (mut bytes, mut encoded) = (Vec::new(), Vec::new());
    for first in (0..rows).step_by(piece) {
        let count = piece.min(rows - first);
        bytes.resize(count * columns * number_bytes, 0);
        tensor.read((first * columns * number_bytes) as u64, &mut bytes)?;
        let mut numbers = floats_of(tensor.place.dtype, &bytes)
            .ok_or_else(|| tensor.wrong(format!("is {}, and floats are needed", tensor.place.dtype)))?;
        check_range(tensor, &numbers, planned.line.kind)?;
        if run > 1 {
            numbers = (0..count)
                .flat_map(|row| {
                    let start = interleaved(row, run) * columns;
                    numbers[start..start + columns].iter().copied()
                })
                .collect();
        }
        if planned.offset != 0.0 {
            numbers.iter_mut().for_each(|number| *number += planned.offset);
        }
        encoded.clear();
        let width = if columns == 1 { count } else { columns };
        if !quantize_rows(planned.line.kind, &numbers, width, &mut encoded) {
            return Err(tensor.wrong(format!("cannot be stored as {}", planned.line.kind.name())));
        }
        output.put(&encoded)?;
    }
    Ok(())
}

/// ggml takes every number as it is, and a NaN in one weight silences the whole model.
fn check_range(tensor: &Tensor<'_>, numbers: &[f32], kind: WeightType) -> Result<(), CheckpointError> {
    let max = if kind == WeightType::F32 { f32::MAX } else { f16::MAX.to_f32() };
    match numbers.iter().find(|number| number.is_nan() || number.abs() > max) {
        Some(number) => Err(tensor.wrong(format!("holds {number}, which is no weight"))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_of_heads_become_pairs() {
        let order: Vec<usize> = (0..16).map(|row| interleaved(row, 8)).collect();
        assert_eq!(order, [0, 4, 1, 5, 2, 6, 3, 7, 8, 12, 9, 13, 10, 14, 11, 15]);
    }
}
