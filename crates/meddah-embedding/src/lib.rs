//! Text as vectors on this PC, for memories that are found by what they mean and not by their words alone.
//!
//! [`MiniLm`] is the [`Embedder`](meddah_inference::Embedder) of the program: all-MiniLM-L6-v2 with weights of
//! 8 bits as one ONNX file, run by rten on one core in a thread of its own. The words that the model knows
//! (`vocabulary.txt`) and the matrix that shortens the vectors of tokens (`projection.f32`) are part of this
//! crate, so that a player installs one file. [`Encoder`] is the same without the thread, for measuring.

mod encoder;
mod error;
mod function_words;
mod minilm;
mod projection;
mod tokens;

pub use encoder::{Encoder, Piece, States, TOKEN_DIMENSIONS, WHOLE_DIMENSIONS};
pub use error::{EmbeddingError, EmbeddingErrorKind};
pub use minilm::MiniLm;
pub use tokens::WINDOW_TOKENS_MAX;
