//! Importing checkpoints: exact weights, the same tokens, and nothing hostile gets through.

mod exact;
mod families;
mod floats;
mod gguf_file;
mod hostile;
mod lines;
mod maker;
mod smollm;
mod special;
mod tokenizers;
