//! One conversation's attention memory in a file. llama.cpp checks only shapes when it takes such bytes
//! back, so everything else that could differ is in the header: model, storage type, version, checksum.

use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::config::KvType;
use crate::ffi::Token;

const MAGIC: &[u8; 8] = b"MEDDAHKV";
/// Goes up when the file or what llama.cpp writes into it changes shape.
const FORMAT: u32 = 1;
/// Layout of the state bytes; pinned with the dependency.
const LLAMA_VERSION: &str = "llama-cpp-sys-2 0.1.161";
/// Longest header, bytes.
const HEADER_BYTES_MAX: u32 = 64 << 10;
/// Most tokens of a state.
const TOKENS_MAX: u32 = 1 << 20;
/// Bytes of the model file that are hashed for its fingerprint: all of its metadata, usually.
const FINGERPRINT_BYTES: u64 = 1 << 20;

/// What a state must match to be loaded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    format: u32,
    llama: String,
    model: String,
    kv_type: KvType,
}

impl Identity {
    /// Of this model file, by its beginning, size and time of change.
    pub fn of(model: &Path, kv_type: KvType) -> io::Result<Identity> {
        let file = File::open(model)?;
        let metadata = file.metadata()?;
        let mut start = Vec::new();
        file.take(FINGERPRINT_BYTES).read_to_end(&mut start)?;
        let mut hash = Sha256::new();
        hash.update(&start);
        hash.update(metadata.len().to_le_bytes());
        if let Ok(changed) = metadata.modified()
            && let Ok(since) = changed.duration_since(std::time::UNIX_EPOCH)
        {
            hash.update(since.as_nanos().to_le_bytes());
        }
        let model = hex(&hash.finalize());
        Ok(Identity { format: FORMAT, llama: LLAMA_VERSION.into(), model, kv_type })
    }

    /// Name of the file for a conversation: two models do not overwrite each other's.
    pub fn file_name(&self, conversation: &str) -> String {
        let mut hash = Sha256::new();
        hash.update(self.model.as_bytes());
        hash.update([0]);
        hash.update(conversation.as_bytes());
        format!("{}.{EXTENSION}", &hex(&hash.finalize())[..32])
    }
}

/// Of state files.
pub const EXTENSION: &str = "kv";

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[derive(Debug, Serialize, Deserialize)]
struct Header {
    identity: Identity,
    conversation: String,
    tokens: u32,
    data_bytes: u64,
    checksum: u32,
}

fn checksum(tokens: &[u8], data: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(tokens);
    hasher.update(data);
    hasher.finalize()
}

fn bad(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

/// Writes a state; the file is there entirely or not at all. Returns its size.
pub fn write(
    path: &Path,
    identity: &Identity,
    conversation: &str,
    tokens: &[Token],
    data: &[u8],
) -> io::Result<u64> {
    let token_bytes: Vec<u8> = tokens.iter().flat_map(|token| token.to_le_bytes()).collect();
    let header = Header {
        identity: identity.clone(),
        conversation: conversation.into(),
        tokens: u32::try_from(tokens.len()).map_err(|_| bad("too many tokens"))?,
        data_bytes: data.len() as u64,
        checksum: checksum(&token_bytes, data),
    };
    let header = serde_json::to_vec(&header)?;
    let header_bytes = u32::try_from(header.len()).ok().filter(|&bytes| bytes <= HEADER_BYTES_MAX);
    let header_bytes = header_bytes.ok_or_else(|| bad("the conversation's name is too long"))?;
    let partial = path.with_extension("part");
    let mut file = BufWriter::new(private_file(&partial)?);
    file.write_all(MAGIC)?;
    file.write_all(&header_bytes.to_le_bytes())?;
    file.write_all(&header)?;
    file.write_all(&token_bytes)?;
    file.write_all(data)?;
    file.into_inner().map_err(io::IntoInnerError::into_error)?;
    fs::rename(&partial, path)?;
    Ok((MAGIC.len() + 4 + header.len() + token_bytes.len() + data.len()) as u64)
}

/// It holds what players said, as tokens: only this user may read it.
fn private_file(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// A state without its data.
pub struct Summary {
    pub conversation: String,
    pub tokens: Vec<Token>,
}

/// Reads whose state a file is. Fails if it is not ours, not of this model, or cut.
pub fn read_summary(path: &Path, identity: &Identity) -> io::Result<Summary> {
    let file = File::open(path)?;
    let present = file.metadata()?.len();
    let mut input = BufReader::new(file);
    let (header, header_bytes) = read_header(&mut input, identity)?;
    let token_bytes = u64::from(header.tokens) * 4;
    if (MAGIC.len() as u64 + 4 + header_bytes + token_bytes).checked_add(header.data_bytes) != Some(present) {
        return Err(bad("the state is cut short"));
    }
    let mut bytes = vec![0; token_bytes as usize];
    input.read_exact(&mut bytes)?;
    Ok(Summary { conversation: header.conversation, tokens: tokens_of(&bytes) })
}

/// Reads the data of a state and checks it.
pub fn read_data(path: &Path, identity: &Identity, tokens: &[Token]) -> io::Result<Vec<u8>> {
    let mut input = File::open(path)?;
    let (header, _) = read_header(&mut input, identity)?;
    let mut bytes = vec![0; header.tokens as usize * 4];
    input.read_exact(&mut bytes)?;
    let mut data = Vec::with_capacity(usize::try_from(header.data_bytes.min(1 << 34)).unwrap_or(0));
    input.take(header.data_bytes).read_to_end(&mut data)?;
    let whole = data.len() as u64 == header.data_bytes && checksum(&bytes, &data) == header.checksum;
    if !whole || tokens_of(&bytes) != tokens {
        return Err(bad("the state is damaged"));
    }
    Ok(data)
}

fn read_header(input: &mut impl Read, identity: &Identity) -> io::Result<(Header, u64)> {
    let (mut magic, mut length) = ([0; 8], [0; 4]);
    input.read_exact(&mut magic)?;
    input.read_exact(&mut length)?;
    let length = u32::from_le_bytes(length);
    if &magic != MAGIC || length > HEADER_BYTES_MAX {
        return Err(bad("not a state"));
    }
    let mut header = vec![0; length as usize];
    input.read_exact(&mut header)?;
    let header: Header = serde_json::from_slice(&header)?;
    if header.identity != *identity || header.tokens > TOKENS_MAX {
        return Err(bad("the state of another model"));
    }
    Ok((header, u64::from(length)))
}

fn tokens_of(bytes: &[u8]) -> Vec<Token> {
    let (tokens, _) = bytes.as_chunks::<4>();
    tokens.iter().map(|bytes| Token::from_le_bytes(*bytes)).collect()
}
