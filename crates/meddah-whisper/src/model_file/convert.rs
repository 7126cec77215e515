//! Turns a CTranslate2 model of Whisper into a file for whisper.cpp: the same numbers under other names.
//!
//! Matrices become blocks of 8 bits, or stay 16 bits wide. What CTranslate2 keeps in one array (queries, keys and values of an attention) is taken
//! apart; keys have no offsets in Whisper, so those, which are zero, are left out.

use std::io::{self, Write};
use std::ops::Range;
use std::path::Path;

use half::f16;

use super::ctranslate2::Ct2Model;
use super::error::ModelFileError;
use super::format::{Header, NumberType, TensorHead};
use super::{mel, vocabulary};

/// How matrices are stored in the new file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Weights {
    /// As they are.
    F16,
    /// Blocks of 32 numbers of 8 bits with one factor: half the memory, a fifth less work, the same words.
    #[default]
    Q8_0,
}

impl Weights {
    fn number(self) -> NumberType {
        match self {
            Weights::F16 => NumberType::F16,
            Weights::Q8_0 => NumberType::Q8_0,
        }
    }

    /// ggml's number for such a file.
    fn file_type(self) -> i32 {
        match self {
            Weights::F16 => 1,
            Weights::Q8_0 => 7,
        }
    }
}

/// One array of the new file.
#[derive(Debug)]
struct Tensor {
    name: String,
    /// As whisper.cpp wants it, the last direction fastest.
    shape: Vec<u64>,
    number: NumberType,
    from: String,
    /// Which rows of that one.
    rows: Range<u64>,
}

/// A model that can be written.
pub struct Conversion {
    model: Ct2Model,
    header: Header,
    words: Vec<Vec<u8>>,
    tensors: Vec<Tensor>,
}

impl Conversion {
    /// Reads what the folder says of itself: `model.bin` and a vocabulary.
    pub fn open(folder: &Path, weights: Weights) -> Result<Conversion, ModelFileError> {
        let mut model = Ct2Model::open(&folder.join("model.bin"))?;
        let words = vocabulary::read(folder)?;
        let number = |number: u64| i32::try_from(number).unwrap_or(i32::MAX);
        let length = |model: &Ct2Model, name: &str, place: usize| -> Result<i32, ModelFileError> {
            let found = model.shape(name)?.get(place).copied();
            Ok(number(found.ok_or_else(|| ModelFileError::damaged(format!("{name} has another shape")))?))
        };
        let layers = |model: &Ct2Model, side: &str| {
            model.count(|layer| format!("{side}/layer_{layer}/self_attention/linear_0/weight")) as i32
        };
        let header = Header {
            vocabulary: length(&model, "decoder/embeddings/weight", 0)?,
            audio_context: length(&model, "encoder/position_encodings/encodings", 0)?,
            audio_state: length(&model, "encoder/position_encodings/encodings", 1)?,
            audio_heads: number(model.whole("encoder/num_heads")?),
            audio_layers: layers(&model, "encoder"),
            text_context: length(&model, "decoder/position_encodings/encodings", 0)?,
            text_state: length(&model, "decoder/embeddings/weight", 1)?,
            text_heads: number(model.whole("decoder/num_heads")?),
            text_layers: layers(&model, "decoder"),
            mels: length(&model, "encoder/conv1/weight", 1)?,
            file_type: weights.file_type(),
        };
        header.check()?;
        let tensors = tensors(&model, &header, weights)?;
        Ok(Conversion { model, header, words, tensors })
    }

    /// Length of the file that [`Conversion::write`] makes.
    pub fn bytes(&self) -> u64 {
        let words: u64 = self.words.iter().map(|word| 4 + word.len() as u64).sum();
        let filters = self.header.mels as u64 * mel::FREQUENCIES as u64 * 4;
        let tensors: u64 = self.tensors.iter().map(|tensor| tensor.head().bytes() + tensor.bytes()).sum();
        Header::BYTES + 8 + filters + 4 + words + tensors
    }

    /// Writes the file. `wrote` hears how many bytes there are so far.
    pub fn write(
        mut self,
        out: &mut impl Write,
        wrote: &mut dyn FnMut(u64),
        is_cancelled: &dyn Fn() -> bool,
    ) -> Result<(), ModelFileError> {
        let fail = |error: io::Error| ModelFileError::storage("write", Path::new("the model"), &error);
        let bytes_total = self.bytes();
        self.write_head(out).map_err(fail)?;
        let mut left: u64 = self.tensors.iter().map(|tensor| tensor.head().bytes() + tensor.bytes()).sum();
        for tensor in &self.tensors {
            if is_cancelled() {
                return Err(ModelFileError::cancelled());
            }
            let numbers = self.model.floats(&tensor.from)?;
            let row =
                numbers.len() as u64 / self.model.shape(&tensor.from)?.first().copied().unwrap_or(1).max(1);
            let part = &numbers[(tensor.rows.start * row) as usize..(tensor.rows.end * row) as usize];
            tensor.head().write(out).and_then(|()| write_numbers(out, part, tensor.number)).map_err(fail)?;
            left -= tensor.head().bytes() + tensor.bytes();
            wrote(bytes_total - left);
        }
        out.flush().map_err(fail)
    }

    fn write_head(&self, out: &mut impl Write) -> io::Result<()> {
        self.header.write(out)?;
        out.write_all(&self.header.mels.to_le_bytes())?;
        out.write_all(&(mel::FREQUENCIES as i32).to_le_bytes())?;
        write_numbers(out, &mel::filters(self.header.mels as usize), NumberType::F32)?;
        out.write_all(&(self.words.len() as i32).to_le_bytes())?;
        for word in &self.words {
            out.write_all(&(word.len() as u32).to_le_bytes())?;
            out.write_all(word)?;
        }
        Ok(())
    }
}

impl Tensor {
    fn head(&self) -> TensorHead {
        // The file names the fastest direction first.
        let lengths = self.shape.iter().rev().map(|&length| length as i32).collect();
        TensorHead { name: self.name.clone(), lengths, number: self.number }
    }

    fn bytes(&self) -> u64 {
        self.number.bytes(self.shape.iter().product()).unwrap_or(0)
    }
}

fn write_numbers(out: &mut impl Write, numbers: &[f32], number: NumberType) -> io::Result<()> {
    let bytes: Vec<u8> = match number {
        NumberType::F16 => numbers.iter().flat_map(|&number| f16::from_f32(number).to_le_bytes()).collect(),
        NumberType::Blocks(..) => numbers.chunks(BLOCK).flat_map(block).collect(),
        NumberType::F32 => numbers.iter().flat_map(|number| number.to_le_bytes()).collect(),
    };
    out.write_all(&bytes)
}

/// Numbers of a block.
const BLOCK: usize = 32;

/// The largest number of a block becomes 127, and a factor says what that was.
fn block(numbers: &[f32]) -> Vec<u8> {
    let largest = numbers.iter().fold(0.0_f32, |largest, number| largest.max(number.abs()));
    let factor = largest / 127.0;
    let scale = if factor > 0.0 { 1.0 / factor } else { 0.0 };
    let whole = numbers.iter().map(|number| ((number * scale).round() as i8).cast_unsigned());
    f16::from_f32(factor).to_le_bytes().into_iter().chain(whole).collect()
}

/// Everything that whisper.cpp wants to find.
fn tensors(model: &Ct2Model, header: &Header, weights: Weights) -> Result<Vec<Tensor>, ModelFileError> {
    let mut list = List { model, matrix: weights.number(), tensors: Vec::new() };
    list.floats("encoder.positional_embedding", "encoder/position_encodings/encodings")?;
    for conv in ["conv1", "conv2"] {
        let (name, from) = (format!("encoder.{conv}.weight"), format!("encoder/{conv}/weight"));
        list.add(&name, &from, NumberType::F16, (0, 1))?;
        list.floats(&format!("encoder.{conv}.bias"), &format!("encoder/{conv}/bias"))?;
        if let Some(bias) = list.tensors.last_mut() {
            bias.shape.push(1); // one number per row, for all places
        }
    }
    list.layer_norm("encoder.ln_post", "encoder/layer_norm")?;
    list.floats("decoder.positional_embedding", "decoder/position_encodings/encodings")?;
    list.matrix("decoder.token_embedding.weight", "decoder/embeddings/weight")?;
    list.layer_norm("decoder.ln", "decoder/layer_norm")?;
    for (side, layers) in [("encoder", header.audio_layers), ("decoder", header.text_layers)] {
        for layer in 0..layers {
            let (to, from) = (format!("{side}.blocks.{layer}"), format!("{side}/layer_{layer}"));
            list.layer_norm(&format!("{to}.attn_ln"), &format!("{from}/self_attention/layer_norm"))?;
            let parts = [("query", true), ("key", false), ("value", true)];
            list.parts(&format!("{to}.attn"), &format!("{from}/self_attention/linear_0"), &parts)?;
            list.linear(&format!("{to}.attn.out"), &format!("{from}/self_attention/linear_1"))?;
            if side == "decoder" {
                let (to, from) = (format!("{to}.cross_attn"), format!("{from}/attention"));
                list.layer_norm(&format!("{to}_ln"), &format!("{from}/layer_norm"))?;
                list.linear(&format!("{to}.query"), &format!("{from}/linear_0"))?;
                list.parts(&to, &format!("{from}/linear_1"), &[("key", false), ("value", true)])?;
                list.linear(&format!("{to}.out"), &format!("{from}/linear_2"))?;
            }
            list.layer_norm(&format!("{to}.mlp_ln"), &format!("{from}/ffn/layer_norm"))?;
            list.linear(&format!("{to}.mlp.0"), &format!("{from}/ffn/linear_0"))?;
            list.linear(&format!("{to}.mlp.2"), &format!("{from}/ffn/linear_1"))?;
        }
    }
    Ok(list.tensors)
}

struct List<'a> {
    model: &'a Ct2Model,
    /// How matrices are stored.
    matrix: NumberType,
    tensors: Vec<Tensor>,
}

impl List<'_> {
    fn add(
        &mut self,
        name: &str,
        from: &str,
        number: NumberType,
        (part, parts): (u64, u64),
    ) -> Result<(), ModelFileError> {
        let mut shape = self.model.shape(from)?.to_vec();
        let rows = shape.first().copied().unwrap_or(0);
        if rows == 0 || rows % parts != 0 {
            return Err(ModelFileError::damaged(format!("{from} has another shape")));
        }
        let rows = rows / parts;
        shape[0] = rows;
        let rows = part * rows..(part + 1) * rows;
        self.tensors.push(Tensor { name: name.to_owned(), shape, number, from: from.to_owned(), rows });
        Ok(())
    }

    fn matrix(&mut self, name: &str, from: &str) -> Result<(), ModelFileError> {
        self.add(name, from, self.matrix, (0, 1))
    }

    fn floats(&mut self, name: &str, from: &str) -> Result<(), ModelFileError> {
        self.add(name, from, NumberType::F32, (0, 1))
    }

    fn linear(&mut self, name: &str, from: &str) -> Result<(), ModelFileError> {
        self.matrix(&format!("{name}.weight"), &format!("{from}/weight"))?;
        self.floats(&format!("{name}.bias"), &format!("{from}/bias"))
    }

    fn layer_norm(&mut self, name: &str, from: &str) -> Result<(), ModelFileError> {
        self.floats(&format!("{name}.weight"), &format!("{from}/gamma"))?;
        self.floats(&format!("{name}.bias"), &format!("{from}/beta"))
    }

    /// Takes one array apart; each part with or without its offsets.
    fn parts(&mut self, name: &str, from: &str, parts: &[(&str, bool)]) -> Result<(), ModelFileError> {
        let count = parts.len() as u64;
        for (place, (part, has_bias)) in (0..).zip(parts) {
            let of = (place, count);
            self.add(&format!("{name}.{part}.weight"), &format!("{from}/weight"), self.matrix, of)?;
            if *has_bias {
                self.add(&format!("{name}.{part}.bias"), &format!("{from}/bias"), NumberType::F32, of)?;
            }
        }
        Ok(())
    }
}
