//! Model files: what whisper.cpp can load, and how they are made of CTranslate2's.

mod convert;
mod ctranslate2;
mod error;
mod format;
mod mel;
mod vocabulary;

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufReader, Read as _, Seek as _, SeekFrom};
use std::path::Path;

pub use convert::{Conversion, Weights};
pub use error::{ModelFileError, ModelFileErrorKind};
pub use format::MAGIC;
use format::{Header, TensorHead, number};

/// Words longer than this are in no vocabulary.
const WORD_BYTES_MAX: u32 = 1024;

/// What a model says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelFile {
    /// Understands other languages than English.
    pub is_multilingual: bool,
    /// Weights.
    pub parameters: u64,
    /// Of the whole file.
    pub bytes: u64,
}

impl ModelFile {
    /// Reads all heads of a file and checks that every size fits, since whisper.cpp believes what stands there.
    pub fn check(path: &Path) -> Result<ModelFile, ModelFileError> {
        let fail = |error: io::Error| ModelFileError::storage("read", path, &error);
        let file = File::open(path).map_err(fail)?;
        let bytes = file.metadata().map_err(fail)?.len();
        let mut file = BufReader::new(file);
        let mut magic = [0; 4];
        file.read_exact(&mut magic).map_err(fail)?;
        if magic != MAGIC {
            return Err(ModelFileError::unsupported(format!("{} is no file of whisper.cpp", path.display())));
        }
        let header = Header::read(&mut file).map_err(fail)?;
        header.check()?;
        skip_filters(&mut file, &header, path)?;
        skip_words(&mut file, &header, path)?;
        let parameters = skip_tensors(&mut file, &header, bytes, path)?;
        Ok(ModelFile { is_multilingual: header.is_multilingual(), parameters, bytes })
    }
}

fn skip_filters(file: &mut BufReader<File>, header: &Header, path: &Path) -> Result<(), ModelFileError> {
    let fail = |error: io::Error| ModelFileError::storage("read", path, &error);
    let size = (number(file).map_err(fail)?, number(file).map_err(fail)?);
    if size != (header.mels, mel::FREQUENCIES as i32) {
        return Err(ModelFileError::damaged(format!("the filters are {} times {}", size.0, size.1)));
    }
    file.seek_relative(i64::from(size.0) * i64::from(size.1) * 4).map_err(fail)
}

fn skip_words(file: &mut BufReader<File>, header: &Header, path: &Path) -> Result<(), ModelFileError> {
    let fail = |error: io::Error| ModelFileError::storage("read", path, &error);
    let words = number(file).map_err(fail)?;
    if !(1..=header.vocabulary).contains(&words) {
        return Err(ModelFileError::damaged(format!("the vocabulary has {words} words")));
    }
    for _ in 0..words {
        let length = number(file).map_err(fail)?.cast_unsigned();
        if length > WORD_BYTES_MAX {
            return Err(ModelFileError::damaged(format!("a word has {length} bytes")));
        }
        file.seek_relative(i64::from(length)).map_err(fail)?;
    }
    Ok(())
}

/// The number of weights.
fn skip_tensors(
    file: &mut BufReader<File>,
    header: &Header,
    bytes: u64,
    path: &Path,
) -> Result<u64, ModelFileError> {
    let fail = |error: io::Error| ModelFileError::storage("read", path, &error);
    // Per layer of the encoder 15 arrays, per layer of the decoder 24, and 11 others.
    let expected = 11 + 15 * header.audio_layers as usize + 24 * header.text_layers as usize;
    let (mut names, mut parameters) = (BTreeSet::new(), 0);
    let mut place = file.stream_position().map_err(fail)?;
    while place < bytes {
        let head = TensorHead::read(file).map_err(fail)?;
        let sized = head.and_then(|head| Some((head.content_bytes()?, head)));
        let Some((content, head)) = sized.filter(|_| names.len() < expected) else {
            return Err(ModelFileError::damaged(format!("{} is damaged", path.display())));
        };
        place = (place + head.bytes()).saturating_add(content);
        if place > bytes {
            return Err(ModelFileError::damaged(format!("{} ends too early", path.display())));
        }
        parameters += head.lengths.iter().map(|&length| length as u64).product::<u64>();
        names.insert(head.name);
        file.seek(SeekFrom::Start(place)).map_err(fail)?;
    }
    if names.len() != expected {
        let message = format!("{} has {} arrays, not {expected}", path.display(), names.len());
        return Err(ModelFileError::damaged(message));
    }
    Ok(parameters)
}

#[cfg(test)]
mod tests;
