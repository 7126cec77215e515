//! The bytes of a GGUF header.

use std::collections::HashMap;
use std::io::{self, BufRead, Read, Seek};
use std::path::Path;

use super::GgufError;

/// More metadata entries or tensors than any model has.
const ENTRIES_MAX: u64 = 1 << 17;
/// Longest key or tensor name, bytes.
const NAME_BYTES_MAX: u64 = 1 << 16;
/// Longest text value that is kept, bytes; longer ones are skipped.
const TEXT_BYTES_MAX: u64 = 1 << 20;
/// Longest list of numbers that is kept.
const NUMBERS_MAX: u64 = 1 << 12;
/// Arrays of arrays beyond this depth are refused.
const DEPTH_MAX: u32 = 4;
const DEFAULT_ALIGNMENT: u64 = 32;

/// A metadata value, as far as anybody asks for it.
#[derive(Debug)]
pub enum Value {
    Number(u64),
    Numbers(Vec<u64>),
    Text(String),
    Other,
}

/// What is wrong, before it is known where.
pub enum Fault {
    NotGguf,
    Version(u32),
    Cut,
    Damaged(&'static str),
}

impl Fault {
    pub fn at(self, path: &Path, file_bytes: u64) -> GgufError {
        let path = path.into();
        match self {
            Fault::NotGguf => GgufError::NotGguf { path },
            Fault::Version(version) => GgufError::Version { path, version },
            Fault::Cut => GgufError::Cut { path, needed: file_bytes.saturating_add(1), present: file_bytes },
            Fault::Damaged(what) => GgufError::Damaged { path, what },
        }
    }
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => Fault::Cut,
            _ => Fault::Damaged("it cannot be read"),
        }
    }
}

/// A header that was read to its end.
pub struct Header {
    pub values: HashMap<String, Value>,
    /// Length of each list.
    pub lengths: HashMap<String, u64>,
    pub parameters: u64,
    pub tensor_bytes: u64,
    /// Where the last weight ends in the file.
    pub data_end: u64,
}

impl Header {
    pub fn read(input: impl BufRead + Seek, file_bytes: u64) -> Result<Header, Fault> {
        let mut input = Input { input, left: file_bytes };
        let magic = input.bytes::<4>().map_err(|_| Fault::NotGguf)?;
        if &magic != b"GGUF" {
            return Err(Fault::NotGguf);
        }
        let version = input.u32()?;
        if !(2..=3).contains(&version) {
            return Err(Fault::Version(version));
        }
        let (tensors, entries) = (input.u64()?, input.u64()?);
        if tensors > ENTRIES_MAX || entries > ENTRIES_MAX {
            return Err(Fault::Damaged("its header counts too many entries"));
        }
        let mut header = Header {
            values: HashMap::new(),
            lengths: HashMap::new(),
            parameters: 0,
            tensor_bytes: 0,
            data_end: 0,
        };
        for _ in 0..entries {
            let key = input.name()?;
            let kind = input.u32()?;
            let (value, length) = input.value(kind, 0)?;
            header.lengths.extend(length.map(|length| (key.clone(), length)));
            header.values.insert(key, value);
        }
        let mut end = 0;
        for _ in 0..tensors {
            end = end.max(header.tensor(&mut input)?);
        }
        let alignment = header.number("general.alignment").unwrap_or(DEFAULT_ALIGNMENT).clamp(1, 1 << 20);
        let data_start = (file_bytes - input.left).div_ceil(alignment).saturating_mul(alignment);
        header.data_end = data_start.saturating_add(end);
        Ok(header)
    }

    /// Reads one tensor's description; the end of its weights within the data.
    fn tensor(&mut self, input: &mut Input<impl BufRead + Seek>) -> Result<u64, Fault> {
        input.name()?;
        let dimensions = input.u32()?;
        if dimensions > 8 {
            return Err(Fault::Damaged("a tensor has too many dimensions"));
        }
        let mut numbers: u64 = 1;
        for _ in 0..dimensions {
            numbers = numbers
                .checked_mul(input.u64()?)
                .ok_or(Fault::Damaged("a tensor is larger than any file can be"))?;
        }
        let kind = input.u32()?;
        let offset = input.u64()?;
        // A type that is not known yet counts as empty: its place in the file is still checked.
        let (block_numbers, block_bytes) = block_of(kind).unwrap_or((1, 0));
        let bytes = (numbers / block_numbers).saturating_mul(block_bytes);
        self.parameters = self.parameters.saturating_add(numbers);
        self.tensor_bytes = self.tensor_bytes.saturating_add(bytes);
        Ok(offset.saturating_add(bytes))
    }

    pub fn text(&self, key: &str) -> Option<String> {
        match self.values.get(key) {
            Some(Value::Text(text)) => Some(text.clone()),
            _ => None,
        }
    }

    pub fn number(&self, key: &str) -> Option<u64> {
        match self.values.get(key) {
            Some(Value::Number(number)) => Some(*number),
            _ => None,
        }
    }
}

/// Numbers and bytes of a block of a ggml type.
fn block_of(kind: u32) -> Option<(u64, u64)> {
    Some(match kind {
        0 | 26 => (1, 4),
        1 | 25 | 30 => (1, 2),
        24 => (1, 1),
        27 | 28 => (1, 8),
        2 | 20 => (32, 18),
        3 => (32, 20),
        6 => (32, 22),
        7 => (32, 24),
        8 => (32, 34),
        9 => (32, 36),
        10 => (256, 84),
        11 | 21 => (256, 110),
        12 => (256, 144),
        13 => (256, 176),
        14 => (256, 210),
        15 => (256, 292),
        16 => (256, 66),
        17 => (256, 74),
        18 => (256, 98),
        19 => (256, 50),
        22 => (256, 82),
        23 => (256, 136),
        29 => (256, 56),
        34 => (256, 54),
        35 => (256, 66),
        39 => (32, 17),
        _ => return None,
    })
}

struct Input<R> {
    input: R,
    left: u64,
}

impl<R: BufRead + Seek> Input<R> {
    fn take(&mut self, bytes: u64) -> Result<(), Fault> {
        self.left = self.left.checked_sub(bytes).ok_or(Fault::Cut)?;
        Ok(())
    }

    fn bytes<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        self.take(N as u64)?;
        let mut bytes = [0; N];
        self.input.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    fn u32(&mut self) -> Result<u32, Fault> {
        Ok(u32::from_le_bytes(self.bytes()?))
    }

    fn u64(&mut self) -> Result<u64, Fault> {
        Ok(u64::from_le_bytes(self.bytes()?))
    }

    fn skip(&mut self, bytes: u64) -> Result<(), Fault> {
        self.take(bytes)?;
        let bytes = i64::try_from(bytes).map_err(|_| Fault::Cut)?;
        Ok(self.input.seek_relative(bytes)?)
    }

    fn text(&mut self, length: u64) -> Result<String, Fault> {
        self.take(length)?;
        let mut text = Vec::new();
        (&mut self.input).take(length).read_to_end(&mut text)?;
        Ok(String::from_utf8_lossy(&text).into_owned())
    }

    fn name(&mut self) -> Result<String, Fault> {
        let length = self.u64()?;
        if length > NAME_BYTES_MAX {
            return Err(Fault::Damaged("a name is too long"));
        }
        self.text(length)
    }

    /// A value, and its length if it is a list.
    fn value(&mut self, kind: u32, depth: u32) -> Result<(Value, Option<u64>), Fault> {
        let number = match kind {
            0 => u64::from(self.bytes::<1>()?[0]),
            1 | 7 => u64::from(self.bytes::<1>()?[0]),
            2 | 3 => u64::from(u16::from_le_bytes(self.bytes()?)),
            4 | 5 => u64::from(self.u32()?),
            10 | 11 => self.u64()?,
            6 => return self.skip(4).map(|()| (Value::Other, None)),
            12 => return self.skip(8).map(|()| (Value::Other, None)),
            8 => {
                let length = self.u64()?;
                if length > TEXT_BYTES_MAX {
                    return self.skip(length).map(|()| (Value::Other, None));
                }
                return Ok((Value::Text(self.text(length)?), None));
            }
            9 => return self.list(depth),
            _ => return Err(Fault::Damaged("a metadata entry has an unknown type")),
        };
        Ok((Value::Number(number), None))
    }

    fn list(&mut self, depth: u32) -> Result<(Value, Option<u64>), Fault> {
        if depth >= DEPTH_MAX {
            return Err(Fault::Damaged("lists are nested too deeply"));
        }
        let (kind, length) = (self.u32()?, self.u64()?);
        // Every entry takes at least a byte, so a length beyond the file is a lie.
        if length > self.left {
            return Err(Fault::Cut);
        }
        let width = match kind {
            0 | 1 | 7 => Some(1),
            2 | 3 => Some(2),
            4..=6 => Some(4),
            10..=12 => Some(8),
            _ => None,
        };
        if let Some(width) = width
            && (length > NUMBERS_MAX || matches!(kind, 6 | 12))
        {
            self.skip(length.checked_mul(width).ok_or(Fault::Cut)?)?;
            return Ok((Value::Other, Some(length)));
        }
        let mut numbers = Vec::new();
        for _ in 0..length {
            match kind {
                8 => {
                    let bytes = self.u64()?;
                    self.skip(bytes)?;
                }
                _ => {
                    if let (Value::Number(number), _) = self.value(kind, depth + 1)? {
                        numbers.push(number);
                    }
                }
            }
        }
        Ok((if width.is_some() { Value::Numbers(numbers) } else { Value::Other }, Some(length)))
    }
}
