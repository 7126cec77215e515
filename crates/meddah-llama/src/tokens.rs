//! Which tokens llama.cpp makes of texts, so that imported tokenizers can be compared with their originals.

use std::io::{self, BufRead, Write};
use std::path::Path;

use crate::ffi::Model;

/// Reads a JSON text a line and writes its tokens as a JSON list a line. Special tokens' texts become these
/// tokens. Loads the vocabulary only.
pub fn tokenize_lines(model: &Path, input: impl BufRead, mut output: impl Write) -> io::Result<()> {
    let model = Model::load_vocabulary(model).map_err(io::Error::other)?;
    for line in input.lines() {
        let text: String = serde_json::from_str(&line?)?;
        serde_json::to_writer(&mut output, &model.tokenize(text.as_bytes(), true))?;
        output.write_all(b"\n")?;
    }
    output.flush()
}
