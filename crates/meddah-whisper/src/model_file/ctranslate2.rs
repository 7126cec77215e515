//! Reads a model of CTranslate2, the form that faster-whisper runs: one binary file of named arrays.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use half::{bf16, f16};

use super::error::ModelFileError;

/// Versions of the file format that are laid out like this.
const FORMATS: std::ops::RangeInclusive<u32> = 5..=6;
/// What a Whisper model calls itself.
const SPECIFICATION: &str = "WhisperSpec";
/// Arrays of the largest Whisper model are about 1,300.
const VARIABLES_MAX: u32 = 10_000;
const RANK_MAX: u8 = 4;

/// How numbers are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum NumberType {
    F32,
    I8,
    I16,
    I32,
    F16,
    Bf16,
}

impl NumberType {
    fn of(id: u8) -> Option<NumberType> {
        use NumberType::{Bf16, F16, F32, I8, I16, I32};
        [F32, I8, I16, I32, F16, Bf16].get(usize::from(id)).copied()
    }

    fn bytes(self) -> u64 {
        match self {
            NumberType::I8 => 1,
            NumberType::I16 | NumberType::F16 | NumberType::Bf16 => 2,
            NumberType::F32 | NumberType::I32 => 4,
        }
    }
}

/// Where an array is in the file.
struct Variable {
    shape: Vec<u64>,
    number: NumberType,
    offset: u64,
    bytes: u64,
}

/// An opened model; its arrays are read when they are asked for.
pub struct Ct2Model {
    path: PathBuf,
    file: BufReader<File>,
    variables: BTreeMap<String, Variable>,
}

impl Ct2Model {
    /// Reads the list of arrays and checks that all of them lie within the file.
    pub fn open(path: &Path) -> Result<Ct2Model, ModelFileError> {
        let fail = |error: io::Error| ModelFileError::storage("read", path, &error);
        let file = File::open(path).map_err(fail)?;
        let length = file.metadata().map_err(fail)?.len();
        let mut file = BufReader::new(file);
        let format = number::<4>(&mut file).map_err(fail)? as u32;
        if !FORMATS.contains(&format) {
            return Err(ModelFileError::unsupported(format!(
                "{} is no CTranslate2 model of a known form",
                path.display()
            )));
        }
        let specification = text(&mut file).map_err(fail)?;
        if specification != SPECIFICATION {
            return Err(ModelFileError::unsupported(format!("this model is a {specification}, not Whisper")));
        }
        number::<4>(&mut file).map_err(fail)?; // revision of the specification: arrays are found by name
        let count = number::<4>(&mut file).map_err(fail)? as u32;
        if count > VARIABLES_MAX {
            return Err(ModelFileError::damaged(format!("the model lists {count} arrays")));
        }
        let mut variables = BTreeMap::new();
        for _ in 0..count {
            let name = text(&mut file).map_err(fail)?;
            let variable = Variable::read(&mut file).map_err(fail)?;
            let variable = variable.filter(|variable| variable.offset + variable.bytes <= length);
            let Some(variable) = variable else {
                return Err(ModelFileError::damaged(format!("the size of {name} cannot be right")));
            };
            file.seek(SeekFrom::Start(variable.offset + variable.bytes)).map_err(fail)?;
            variables.insert(name, variable);
        }
        Ok(Ct2Model { path: path.to_owned(), file, variables })
    }

    /// How long an array is in each direction.
    pub fn shape(&self, name: &str) -> Result<&[u64], ModelFileError> {
        Ok(&self.variable(name)?.shape)
    }

    /// How many arrays there are of a name with a number in it, counted from 0.
    pub fn count(&self, name: impl Fn(usize) -> String) -> usize {
        (0..).take_while(|&place| self.variables.contains_key(&name(place))).count()
    }

    /// A whole number.
    pub fn whole(&mut self, name: &str) -> Result<u64, ModelFileError> {
        let variable = self.variable(name)?;
        let (number, bytes) = (variable.number, variable.bytes);
        if bytes != number.bytes() || !matches!(number, NumberType::I8 | NumberType::I16 | NumberType::I32) {
            return Err(ModelFileError::damaged(format!("{name} is no whole number")));
        }
        let mut value = [0; 8];
        value[..bytes as usize].copy_from_slice(&self.bytes(name)?);
        Ok(u64::from_le_bytes(value))
    }

    /// All numbers of an array, the last direction fastest.
    pub fn floats(&mut self, name: &str) -> Result<Vec<f32>, ModelFileError> {
        let number = self.variable(name)?.number;
        let bytes = self.bytes(name)?;
        let pairs = || bytes.as_chunks::<2>().0.iter().copied();
        match number {
            NumberType::F16 => Ok(pairs().map(|pair| f16::from_le_bytes(pair).to_f32()).collect()),
            NumberType::Bf16 => Ok(pairs().map(|pair| bf16::from_le_bytes(pair).to_f32()).collect()),
            NumberType::F32 => {
                Ok(bytes.as_chunks::<4>().0.iter().map(|four| f32::from_le_bytes(*four)).collect())
            }
            NumberType::I8 | NumberType::I16 | NumberType::I32 => Err(ModelFileError::unsupported(format!(
                "the weights of {} are whole numbers ({number:?})",
                self.path.display()
            ))),
        }
    }

    fn bytes(&mut self, name: &str) -> Result<Vec<u8>, ModelFileError> {
        let Variable { offset, bytes, .. } = *self.variable(name)?;
        let mut content = vec![0; usize::try_from(bytes).unwrap_or(0)];
        let read = self.file.seek(SeekFrom::Start(offset)).and_then(|_| self.file.read_exact(&mut content));
        read.map_err(|error| ModelFileError::storage("read", &self.path, &error))?;
        Ok(content)
    }

    fn variable(&self, name: &str) -> Result<&Variable, ModelFileError> {
        self.variables
            .get(name)
            .ok_or_else(|| ModelFileError::damaged(format!("{} has no {name}", self.path.display())))
    }
}

impl Variable {
    /// The head of an array; none if it contradicts itself.
    fn read(file: &mut (impl Read + Seek)) -> io::Result<Option<Variable>> {
        let rank = number::<1>(file)? as u8;
        if rank > RANK_MAX {
            return Ok(None);
        }
        let shape = (0..rank).map(|_| number::<4>(file)).collect::<io::Result<Vec<u64>>>()?;
        let number_type = NumberType::of(number::<1>(file)? as u8);
        let bytes = number::<4>(file)?;
        let offset = file.stream_position()?;
        let wanted = |number: NumberType| {
            shape.iter().try_fold(number.bytes(), |product, &length| product.checked_mul(length))
        };
        Ok(number_type.filter(|&number| wanted(number) == Some(bytes)).map(|number| Variable {
            shape,
            number,
            offset,
            bytes,
        }))
    }
}

fn number<const BYTES: usize>(file: &mut impl Read) -> io::Result<u64> {
    let (mut bytes, mut value) = ([0; BYTES], [0; 8]);
    file.read_exact(&mut bytes)?;
    value[..BYTES].copy_from_slice(&bytes);
    Ok(u64::from_le_bytes(value))
}

/// A text with its length before it and a zero at its end.
fn text(file: &mut impl Read) -> io::Result<String> {
    let mut bytes = vec![0; number::<2>(file)? as usize];
    file.read_exact(&mut bytes)?;
    bytes.pop();
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
