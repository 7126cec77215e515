//! What the vectors of a text are kept under.

use meddah_store::VectorKey;
use sha2::{Digest, Sha256};

/// The form of the vectors' bytes, see `meddah_engine::memory::encode`.
const VECTOR_FORM: &str = "max-sim-1";

/// A text by 128 bits of its hash. An index keeps these and no texts; which embedder will be asked need not be
/// known by then.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct TextHash([u8; 16]);

impl TextHash {
    pub(super) fn of(text: &str) -> TextHash {
        let digest = Sha256::digest(text.as_bytes());
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&digest[..16]);
        TextHash(bytes)
    }

    /// The key of its vectors by an embedder of this name.
    pub(super) fn key(self, embedder: &str) -> VectorKey {
        let hash: String = self.0.iter().map(|byte| format!("{byte:02x}")).collect();
        VectorKey::new(&format!("{embedder}/{VECTOR_FORM}"), &hash)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_text_or_embedder_is_another_key() {
        let key = TextHash::of("a key").key("minilm");
        assert_eq!(key, TextHash::of("a key").key("minilm"));
        assert_ne!(key, TextHash::of("a door").key("minilm"));
        assert_ne!(key, TextHash::of("a key").key("other"));
    }
}
