//! Vectors of texts, kept by what they were made from.
//!
//! The same text has the same vector whoever remembers it and on whichever branch, so the key is a hash of
//! the model and the text, and nothing ties it to an entry. What the bytes mean is the caller's affair.

use sha2::{Digest, Sha256};

/// The largest vector in bytes.
pub const VECTOR_BYTES_MAX: usize = 64 * 1024;
/// The most vectors of one call.
pub const VECTORS_PER_CALL_MAX: usize = 4_096;

/// What a vector was made from, as a hash of 128 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct VectorKey {
    pub(crate) half: i64,
    pub(crate) other_half: i64,
}

impl VectorKey {
    /// The key of a text under a model; the model's name says which version and form of bytes it is.
    pub fn new(model: &str, text: &str) -> Self {
        let digest = Sha256::new()
            .chain_update((model.len() as u64).to_be_bytes())
            .chain_update(model.as_bytes())
            .chain_update(text.as_bytes())
            .finalize();
        let half = |from: usize| {
            let mut bytes = [0; 8];
            bytes.copy_from_slice(&digest[from..from + 8]);
            i64::from_be_bytes(bytes)
        };
        VectorKey { half: half(0), other_half: half(8) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_model_or_text_is_another_key() {
        let key = VectorKey::new("minilm", "a key");
        assert_eq!(key, VectorKey::new("minilm", "a key"));
        assert_ne!(key, VectorKey::new("minilm", "a door"));
        assert_ne!(key, VectorKey::new("minilma", " key"), "where the name ends counts");
    }
}
