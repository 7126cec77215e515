//! Whether a model fits, said before it is loaded and not by the system taking the game down.

use meddah_inference::{ErrorKind, ModelError};

use crate::config::KvType;
use crate::gguf::GgufInfo;

/// Left for everything else, bytes.
const MARGIN_BYTES: u64 = 128 << 20;
const MIB: u64 = 1 << 20;

/// What a model needs, bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryNeed {
    /// Weights.
    pub weights: u64,
    /// Attention memory of the conversations that are talking.
    pub attention: u64,
    /// Room to compute in; an estimate.
    pub compute: u64,
}

impl MemoryNeed {
    /// Of this model, with so many cells of attention memory.
    pub fn of(info: &GgufInfo, cells: u32, kv_type: KvType) -> MemoryNeed {
        // One step of 512 tokens holds a few dozen vectors of the model's width per token, and one row of
        // logits per sequence; measured on SmolLM2-135M: 34 MiB.
        let compute = info.embedding_length * 512 * 4 * 24 + info.vocab_size * 4 * 16;
        let attention = info.kv_bytes_per_token(kv_type).saturating_mul(u64::from(cells));
        MemoryNeed { weights: info.tensor_bytes, attention, compute }
    }

    /// All of it.
    pub fn total(&self) -> u64 {
        self.weights.saturating_add(self.attention).saturating_add(self.compute)
    }

    /// Fails if so many bytes are not enough.
    pub fn check(&self, available: u64) -> Result<(), ModelError> {
        let needed = self.total().saturating_add(MARGIN_BYTES);
        if needed <= available {
            return Ok(());
        }
        let message =
            format!("this model needs {} MB of memory and {} MB are free", needed / MIB, available / MIB);
        let help = format!(
            "close other programs, choose a model whose file is smaller than {} MB, or lower \
             context_tokens (the conversation takes {} MB of it)",
            available.saturating_sub(self.attention + self.compute + MARGIN_BYTES) / MIB,
            self.attention / MIB,
        );
        Err(ModelError::new(ErrorKind::OutOfMemory, message).with_help(help))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_that_is_too_big_is_refused_with_numbers() {
        let need = MemoryNeed { weights: 8000 * MIB, attention: 500 * MIB, compute: 100 * MIB };
        let error = need.check(4000 * MIB).unwrap_err();
        assert_eq!(error.message, "this model needs 8728 MB of memory and 4000 MB are free");
        assert!(error.help.contains("smaller than 3272 MB"), "{}", error.help);
        need.check(9000 * MIB).unwrap();
    }
}
