//! GPTQ weights: `scale * (q - zero)`, q of a few bits, scale and zero shared by groups of input channels.
//!
//! The layout is that of AutoGPTQ: `qweight` holds the q of one output channel down a column, packed along
//! the input channels into 32-bit words; `qzeros` holds the zeros of a group along a row, packed along the
//! output channels; `g_idx` names the group of each input channel. ggml wants blocks of 32 input channels
//! with one scale, so weights can be taken over without rounding wherever 32 neighbours share a group.

use half::{bf16, f16};

use super::CheckpointError;
use super::blocks::{BLOCK, put_q4_0, put_q5_0, put_q8_0, round_to_q8_0};
use super::folder::{Folder, Tensor};
use super::report::Change;
use super::safetensors::Dtype;
use super::weight_type::WeightType;

/// Scales, zeros and group numbers of one matrix; those of a model of 70 billion weights take 15 MB.
const SIDE_BYTES_MAX: u64 = 256 << 20;
/// Packed weights that are held at a time.
const STRIPE_BYTES: u64 = 4 << 20;
/// Larger scales are no weights of a model, and would leave the range of 16-bit floats when multiplied.
const SCALE_MAX: f32 = 255.0;
/// Zeros are at most this: eight bits, and one for the first format.
const ZERO_MAX: i32 = 256;

/// What `quantization_config` says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GptqConfig {
    /// Bits of a weight: 2, 3, 4 or 8.
    pub bits: u32,
    /// Input channels of a group; `None` if a whole column is one.
    pub group_size: Option<u64>,
    /// What is added to a stored zero: 1 in the first format, whose writers subtracted it.
    pub zero_offset: i32,
    /// Some matrices may have other bits.
    pub mixed: bool,
}

/// A quantised matrix, with everything but the packed weights in memory.
pub struct Linear<'a> {
    qweight: Tensor<'a>,
    bits: u32,
    /// Input channels: the length of a row in ggml.
    inputs: usize,
    /// Output channels: the rows in ggml.
    outputs: usize,
    scales: Vec<f32>,
    zeros: Vec<i32>,
    groups: Vec<u32>,
    form: Form,
}

/// How it is taken over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Form {
    kind: WeightType,
    /// Some blocks have to be rounded, for this reason.
    rounded: Option<&'static str>,
}

impl<'a> Linear<'a> {
    /// Reads what belongs to `base` and checks it against the shape that the model needs.
    pub fn open(
        folder: &'a Folder,
        base: &str,
        config: &GptqConfig,
        (outputs, inputs): (u64, u64),
    ) -> Result<Linear<'a>, CheckpointError> {
        let qweight = part(folder, base, "qweight")?;
        let bits = bits_of(&qweight, config, (outputs, inputs))?;
        let scales = part(folder, base, "scales")?;
        let groups_expected = config.group_size.map_or(1, |size| inputs.div_ceil(size));
        let [group_count, scale_columns] = scales.place.shape[..] else {
            return Err(scales.wrong("has not two dimensions"));
        };
        if scale_columns != outputs || group_count != groups_expected {
            return Err(scales.wrong(format!(
                "has the shape {:?}, and [{groups_expected}, {outputs}] is needed",
                scales.place.shape
            )));
        }
        let qzeros = part(folder, base, "qzeros")?;
        let zeros = read_zeros(&qzeros, bits, group_count, outputs, config.zero_offset)?;
        let groups = match folder.tensor(&format!("{base}.g_idx")) {
            Some(tensor) => read_groups(&tensor, inputs, group_count)?,
            None => {
                (0..inputs).map(|input| config.group_size.map_or(0, |size| (input / size) as u32)).collect()
            }
        };
        let (values, inexact_scales) = read_scales(&scales)?;
        let form = choose_form(bits, &zeros, &groups, inexact_scales);
        let (inputs, outputs) = (inputs as usize, outputs as usize);
        Ok(Linear { qweight, bits, inputs, outputs, scales: values, zeros, groups, form })
    }

    /// Bits of a weight in the checkpoint.
    pub fn bits(&self) -> u32 {
        self.bits
    }

    /// How it will be stored.
    pub fn kind(&self) -> WeightType {
        self.form.kind
    }

    /// Writes all rows in the given order; `order` names a row for each row of the result and stays within
    /// runs of `run` rows.
    pub fn write(
        &self,
        order: &dyn Fn(usize) -> usize,
        run: usize,
        put: &mut dyn FnMut(&[u8]) -> Result<(), CheckpointError>,
    ) -> Result<Change, CheckpointError> {
        let words = self.inputs * self.bits as usize / 32;
        let stripe = (STRIPE_BYTES as usize / 4 / words.max(1)).max(1).next_multiple_of(run);
        let mut change = Change::new(self.form.rounded);
        let mut packed = Vec::new();
        let mut out = Vec::new();
        for first in (0..self.outputs).step_by(stripe) {
            let width = stripe.min(self.outputs - first);
            self.read_stripe(first, width, words, &mut packed)?;
            out.clear();
            for row in first..first + width {
                let output = order(row);
                let column = packed.iter().skip(output - first).step_by(width).copied();
                self.put_row(output, &column.collect::<Vec<u32>>(), &mut out, &mut change);
            }
            put(&out)?;
        }
        Ok(change)
    }

    /// Columns `first..first + width` of the packed words, one line after the other.
    fn read_stripe(
        &self,
        first: usize,
        width: usize,
        words: usize,
        packed: &mut Vec<u32>,
    ) -> Result<(), CheckpointError> {
        let mut line = vec![0_u8; width * 4];
        packed.clear();
        for word in 0..words {
            self.qweight.read(((word * self.outputs + first) * 4) as u64, &mut line)?;
            packed.extend(words_of(&line));
        }
        Ok(())
    }

    fn put_row(&self, output: usize, words: &[u32], out: &mut Vec<u8>, change: &mut Change) {
        let group_of = |input: usize| self.groups[input] as usize * self.outputs + output;
        let number = |input: usize| unpack(words, input, self.bits) as i32 - self.zeros[group_of(input)];
        if self.form.kind == WeightType::F16 {
            for input in 0..self.inputs {
                let (scale, number) = (self.scales[group_of(input)], number(input));
                let rounded = f16::from_f32(scale * number as f32);
                change.add(scale, scale * number as f32, rounded.to_f32());
                out.extend(rounded.to_le_bytes());
            }
            return;
        }
        for start in (0..self.inputs).step_by(BLOCK) {
            let numbers: [i32; BLOCK] = std::array::from_fn(|i| number(start + i));
            let scale_of = |i: usize| self.scales[group_of(start + i)];
            let shared = (1..BLOCK).all(|i| self.groups[start + i] == self.groups[start]);
            let scale = f16::from_f32(scale_of(0));
            let fits = numbers.iter().all(|number| (-128..128).contains(number));
            let (scale, stored) = if shared && fits {
                (scale, numbers)
            } else {
                round_to_q8_0(&std::array::from_fn(|i| scale_of(i) * numbers[i] as f32))
            };
            match self.form.kind {
                WeightType::Q4_0 => put_q4_0(out, scale, &stored),
                WeightType::Q5_0 => put_q5_0(out, scale, &stored),
                _ => put_q8_0(out, scale, &stored),
            }
            if self.form.rounded.is_some() {
                for i in 0..BLOCK {
                    let kept = scale.to_f32() * stored[i] as f32;
                    change.add(scale_of(i), scale_of(i) * numbers[i] as f32, kept);
                }
            }
        }
    }
}

/// Which type holds these without rounding, if any does.
fn choose_form(bits: u32, zeros: &[i32], groups: &[u32], inexact_scales: bool) -> Form {
    let (lowest, highest) = zeros.iter().fold((ZERO_MAX, 0), |(low, high), z| (low.min(*z), high.max(*z)));
    let range = -highest..=(1 << bits) - 1 - lowest;
    let within = |low: i32, high: i32| low <= *range.start() && *range.end() <= high;
    let rounded = inexact_scales.then_some("scales are no 16-bit floats");
    if !groups.len().is_multiple_of(BLOCK) {
        let rounded = Some("rows are no multiple of 32 long");
        return Form { kind: WeightType::F16, rounded };
    }
    if !groups.chunks(BLOCK).all(|run| run.iter().all(|group| *group == run[0])) {
        let rounded = Some("groups are scattered (act-order), so that 32 neighbours share no scale");
        return Form { kind: WeightType::Q8_0, rounded };
    }
    if within(-8, 7) {
        Form { kind: WeightType::Q4_0, rounded }
    } else if within(-16, 15) {
        Form { kind: WeightType::Q5_0, rounded }
    } else if within(-128, 127) {
        Form { kind: WeightType::Q8_0, rounded }
    } else {
        let wide = Some("numbers of 8 bits without symmetry may need a ninth for the sign");
        Form { kind: WeightType::Q8_0, rounded: rounded.or(wide) }
    }
}

fn part<'a>(folder: &'a Folder, base: &str, name: &str) -> Result<Tensor<'a>, CheckpointError> {
    let name = format!("{base}.{name}");
    folder.tensor(&name).ok_or_else(|| {
        CheckpointError::missing(
            format!("tensor {name:?} is not there, and {base}.qweight cannot be read without it"),
            "Look for a checkpoint in the usual GPTQ layout (qweight, qzeros, scales, g_idx).",
        )
    })
}

/// The bits follow from the shape; the configuration has to agree unless it mixes them.
fn bits_of(
    qweight: &Tensor<'_>,
    config: &GptqConfig,
    (outputs, inputs): (u64, u64),
) -> Result<u32, CheckpointError> {
    let fits = |bits: u32| {
        let total = inputs * u64::from(bits);
        total.is_multiple_of(32) && qweight.place.shape == [total / 32, outputs]
    };
    if qweight.place.dtype != Dtype::I32 {
        return Err(qweight.wrong(format!("is {}, and I32 is needed", qweight.place.dtype)));
    }
    let found = [2, 3, 4, 8].into_iter().find(|bits| fits(*bits));
    match found {
        Some(bits) if bits == config.bits || config.mixed => Ok(bits),
        _ => Err(qweight.wrong(format!(
            "has the shape {:?}, which is not {outputs} rows of {inputs} weights of {} bits",
            qweight.place.shape, config.bits
        ))),
    }
}

fn read_zeros(
    qzeros: &Tensor<'_>,
    bits: u32,
    group_count: u64,
    outputs: u64,
    offset: i32,
) -> Result<Vec<i32>, CheckpointError> {
    let total = outputs * u64::from(bits);
    let width = total / 32;
    let whole = total.is_multiple_of(32) && qzeros.place.dtype == Dtype::I32;
    if !whole || qzeros.place.shape != [group_count, width] {
        return Err(qzeros.wrong(format!(
            "has the shape {:?} in {}, and [{group_count}, {width}] in I32 is needed",
            qzeros.place.shape, qzeros.place.dtype
        )));
    }
    let packed: Vec<u32> = words_of(&qzeros.read_all(SIDE_BYTES_MAX)?).collect();
    let lines = packed.chunks(width.max(1) as usize);
    let zeros =
        lines.flat_map(|line| (0..outputs as usize).map(move |i| unpack(line, i, bits) as i32 + offset));
    Ok(zeros.collect())
}

fn read_groups(g_idx: &Tensor<'_>, inputs: u64, group_count: u64) -> Result<Vec<u32>, CheckpointError> {
    if g_idx.place.shape != [inputs] || g_idx.place.dtype != Dtype::I32 {
        return Err(g_idx.wrong(format!(
            "has the shape {:?} in {}, and [{inputs}] in I32 is needed",
            g_idx.place.shape, g_idx.place.dtype
        )));
    }
    let groups: Vec<u32> = words_of(&g_idx.read_all(SIDE_BYTES_MAX)?).collect();
    match groups.iter().find(|group| u64::from(**group) >= group_count) {
        Some(group) => {
            Err(g_idx.wrong(format!("names group {}, and there are {group_count}", i64::from(*group as i32))))
        }
        None => Ok(groups),
    }
}

/// The scales, and whether one of them is no 16-bit float.
fn read_scales(tensor: &Tensor<'_>) -> Result<(Vec<f32>, bool), CheckpointError> {
    let bytes = tensor.read_all(SIDE_BYTES_MAX)?;
    let scales = floats_of(tensor.place.dtype, &bytes)
        .ok_or_else(|| tensor.wrong(format!("is {}, and floats are needed", tensor.place.dtype)))?;
    let mut inexact = false;
    for scale in &scales {
        if scale.is_nan() || scale.abs() > SCALE_MAX {
            return Err(tensor.wrong(format!("holds the scale {scale}, which cannot be one")));
        }
        inexact |= f16::from_f32(*scale).to_f32() != *scale;
    }
    Ok((scales, inexact))
}

/// The numbers of a tensor of floats.
pub fn floats_of(dtype: Dtype, bytes: &[u8]) -> Option<Vec<f32>> {
    Some(match dtype {
        Dtype::F32 => words_of(bytes).map(f32::from_bits).collect(),
        Dtype::F16 => halves_of(bytes).map(|half| f16::from_bits(half).to_f32()).collect(),
        Dtype::Bf16 => halves_of(bytes).map(|half| bf16::from_bits(half).to_f32()).collect(),
        Dtype::I32 | Dtype::Other { .. } => return None,
    })
}

fn words_of(bytes: &[u8]) -> impl Iterator<Item = u32> + '_ {
    bytes.as_chunks::<4>().0.iter().map(|word| u32::from_le_bytes(*word))
}

fn halves_of(bytes: &[u8]) -> impl Iterator<Item = u16> + '_ {
    bytes.as_chunks::<2>().0.iter().map(|half| u16::from_le_bytes(*half))
}

/// Number `index` of a stream of numbers of so many bits, lowest bits first. Three bits cross words.
fn unpack(words: &[u32], index: usize, bits: u32) -> u32 {
    let bit = index * bits as usize;
    let (word, shift) = (bit / 32, bit % 32);
    let mut number = words[word] >> shift;
    if shift + bits as usize > 32 {
        number |= words[word + 1] << (32 - shift);
    }
    number & ((1 << bits) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_all_widths_are_unpacked() {
        for bits in [2, 3, 4, 8] {
            let numbers: Vec<u32> = (0..64).map(|i| i * 7 % (1 << bits)).collect();
            let mut words = vec![0_u32; 64 * bits as usize / 32];
            for (i, number) in numbers.iter().enumerate() {
                for bit in 0..bits as usize {
                    let at = i * bits as usize + bit;
                    words[at / 32] |= (number >> bit & 1) << (at % 32);
                }
            }
            let unpacked: Vec<u32> = (0..64).map(|i| unpack(&words, i, bits)).collect();
            assert_eq!(unpacked, numbers, "{bits} bits");
        }
    }

    #[test]
    fn the_type_follows_from_zeros_and_groups() {
        let constant: Vec<u32> = (0..128).map(|i| i / 32).collect();
        let scattered: Vec<u32> = (0..128).map(|i| i % 4).collect();
        let form = |bits, zeros: &[i32], groups: &[u32]| {
            let form = choose_form(bits, zeros, groups, false);
            (form.kind, form.rounded.is_none())
        };
        assert_eq!(form(4, &[8, 8], &constant), (WeightType::Q4_0, true));
        assert_eq!(form(4, &[8, 9], &constant), (WeightType::Q5_0, true));
        assert_eq!(form(4, &[0, 16], &constant), (WeightType::Q5_0, true));
        assert_eq!(form(3, &[0, 8], &constant), (WeightType::Q4_0, true));
        assert_eq!(form(2, &[1, 4], &constant), (WeightType::Q4_0, true));
        assert_eq!(form(8, &[128], &constant), (WeightType::Q8_0, true));
        assert_eq!(form(8, &[127, 128], &constant), (WeightType::Q8_0, false));
        assert_eq!(form(4, &[8], &scattered), (WeightType::Q8_0, false));
        assert_eq!(form(4, &[8], &constant[..48]), (WeightType::F16, false));
        assert_eq!(choose_form(4, &[8], &constant, true).kind, WeightType::Q4_0);
    }
}
