//! The file that whisper.cpp reads: its head, and the head of each array.

use std::io::{self, Read, Write};

use super::error::ModelFileError;

/// The first bytes of the file.
pub const MAGIC: [u8; 4] = *b"lmgg";
/// A file type above has the version of its quantisation in it, in units of this.
const QUANTISATION_UNIT: i32 = 1000;

/// Sizes, in the order of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Tokens.
    pub vocabulary: i32,
    /// Places of the encoder, 20 ms each.
    pub audio_context: i32,
    /// Width of the encoder.
    pub audio_state: i32,
    /// Attention heads of the encoder.
    pub audio_heads: i32,
    /// Layers of the encoder.
    pub audio_layers: i32,
    /// Tokens that the decoder looks at.
    pub text_context: i32,
    /// Width of the decoder.
    pub text_state: i32,
    /// Attention heads of the decoder.
    pub text_heads: i32,
    /// Layers of the decoder.
    pub text_layers: i32,
    /// Bands of the spectrum.
    pub mels: i32,
    /// How matrices are stored.
    pub file_type: i32,
}

impl Header {
    /// With the magic number.
    pub const BYTES: u64 = 4 + 11 * 4;

    /// Writes it.
    pub fn write(&self, out: &mut impl Write) -> io::Result<()> {
        out.write_all(&MAGIC)?;
        let sizes = [
            self.vocabulary,
            self.audio_context,
            self.audio_state,
            self.audio_heads,
            self.audio_layers,
            self.text_context,
            self.text_state,
            self.text_heads,
            self.text_layers,
            self.mels,
            self.file_type,
        ];
        sizes.iter().try_for_each(|size| out.write_all(&size.to_le_bytes()))
    }

    /// Reads what follows the magic number.
    pub fn read(file: &mut impl Read) -> io::Result<Header> {
        Ok(Header {
            vocabulary: number(file)?,
            audio_context: number(file)?,
            audio_state: number(file)?,
            audio_heads: number(file)?,
            audio_layers: number(file)?,
            text_context: number(file)?,
            text_state: number(file)?,
            text_heads: number(file)?,
            text_layers: number(file)?,
            mels: number(file)?,
            file_type: number(file)?,
        })
    }

    /// The sizes are ones that a Whisper model has; whisper.cpp takes memory for whatever stands here.
    pub fn check(&self) -> Result<(), ModelFileError> {
        let within = [
            ("tokens", self.vocabulary, 51_864..=51_866),
            ("places", self.audio_context, 1500..=1500),
            ("the encoder's width", self.audio_state, 64..=1280),
            ("the encoder's heads", self.audio_heads, 1..=20),
            ("the encoder's layers", self.audio_layers, 1..=32),
            ("text places", self.text_context, 448..=448),
            ("the decoder's width", self.text_state, self.audio_state..=self.audio_state),
            ("the decoder's heads", self.text_heads, 1..=20),
            ("the decoder's layers", self.text_layers, 1..=32),
            ("bands", self.mels, 80..=128),
            ("the kind of numbers", self.file_type % QUANTISATION_UNIT, 0..=8),
        ];
        let odd = within.into_iter().find(|(_, size, usual)| !usual.contains(size));
        if let Some((what, size, _)) = odd {
            return Err(ModelFileError::unsupported(format!("this is no Whisper model: {what} are {size}")));
        }
        if self.audio_state % self.audio_heads != 0 || self.text_state % self.text_heads != 0 {
            return Err(ModelFileError::damaged("the width of the model cannot be shared among its heads"));
        }
        Ok(())
    }

    /// Understands other languages than English.
    pub fn is_multilingual(&self) -> bool {
        self.vocabulary >= 51_865
    }
}

/// How the numbers of an array are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NumberType {
    /// 4 bytes each.
    F32,
    /// 2 bytes each.
    F16,
    /// ggml's number of it, numbers of a block, and bytes of one.
    Blocks(i32, u64, u64),
}

impl NumberType {
    /// Blocks of 32 numbers of 8 bits.
    pub const Q8_0: NumberType = NumberType::Blocks(8, 32, 34);

    fn of(id: i32) -> Option<NumberType> {
        Some(match id {
            0 => NumberType::F32,
            1 => NumberType::F16,
            2 => NumberType::Blocks(2, 32, 18),
            3 => NumberType::Blocks(3, 32, 20),
            6 => NumberType::Blocks(6, 32, 22),
            7 => NumberType::Blocks(7, 32, 24),
            8 => NumberType::Q8_0,
            _ => return None,
        })
    }

    fn id(self) -> i32 {
        match self {
            NumberType::F32 => 0,
            NumberType::F16 => 1,
            NumberType::Blocks(id, ..) => id,
        }
    }

    /// Of so many numbers; none if they do not fill blocks.
    pub fn bytes(self, numbers: u64) -> Option<u64> {
        match self {
            NumberType::F32 => numbers.checked_mul(4),
            NumberType::F16 => numbers.checked_mul(2),
            NumberType::Blocks(_, block, bytes) => {
                numbers.is_multiple_of(block).then(|| numbers / block)?.checked_mul(bytes)
            }
        }
    }
}

/// What stands before the numbers of an array.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorHead {
    /// As whisper.cpp calls it.
    pub name: String,
    /// The fastest direction first.
    pub lengths: Vec<i32>,
    /// How they are stored.
    pub number: NumberType,
}

/// Longer than any name that whisper.cpp knows.
const NAME_BYTES_MAX: usize = 128;
const DIRECTIONS_MAX: usize = 4;

impl TensorHead {
    /// Of the head itself.
    pub fn bytes(&self) -> u64 {
        12 + 4 * self.lengths.len() as u64 + self.name.len() as u64
    }

    /// Writes it.
    pub fn write(&self, out: &mut impl Write) -> io::Result<()> {
        for number in [self.lengths.len() as i32, self.name.len() as i32, self.number.id()] {
            out.write_all(&number.to_le_bytes())?;
        }
        self.lengths.iter().try_for_each(|length| out.write_all(&length.to_le_bytes()))?;
        out.write_all(self.name.as_bytes())
    }

    /// Reads it; none if it contradicts itself.
    pub fn read(file: &mut impl Read) -> io::Result<Option<TensorHead>> {
        let (directions, name, kind) = (number(file)?, number(file)?, number(file)?);
        let sized = |size: i32, most| usize::try_from(size).ok().filter(|size| (1..=most).contains(size));
        let (Some(directions), Some(name), Some(number_type)) =
            (sized(directions, DIRECTIONS_MAX), sized(name, NAME_BYTES_MAX), NumberType::of(kind))
        else {
            return Ok(None);
        };
        let lengths = (0..directions).map(|_| number(file)).collect::<io::Result<Vec<i32>>>()?;
        let mut bytes = vec![0; name];
        file.read_exact(&mut bytes)?;
        let name = String::from_utf8_lossy(&bytes).into_owned();
        Ok(Some(TensorHead { name, lengths, number: number_type }))
    }

    /// Of the numbers that follow; none if that cannot be.
    pub fn content_bytes(&self) -> Option<u64> {
        let lengths =
            self.lengths.iter().map(|&length| u64::try_from(length).ok().filter(|&length| length > 0));
        let numbers = lengths.into_iter().try_fold(1_u64, |product, length| product.checked_mul(length?))?;
        self.number.bytes(numbers)
    }
}

/// Four bytes.
pub fn number(file: &mut impl Read) -> io::Result<i32> {
    let mut bytes = [0; 4];
    file.read_exact(&mut bytes)?;
    Ok(i32::from_le_bytes(bytes))
}
