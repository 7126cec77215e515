//! Turns a Hugging Face folder into a GGUF file that llama.cpp runs: GPTQ checkpoints without rounding
//! wherever the layout allows it, plain safetensors with ggml's own quantisation.
//!
//! [`Checkpoint::open`] reads everything but the weights and decides on each tensor; [`Checkpoint::write`]
//! then streams, a few rows at a time. The folder came from the internet: no size in it is believed.

mod blocks;
mod config;
mod error;
mod family;
mod folder;
mod gguf_header;
mod gptq;
mod plan;
mod report;
mod rope;
mod safetensors;
mod tokenizer;
mod weight_type;
mod write;

use std::io::Write;
use std::path::Path;

pub use error::{CheckpointError, CheckpointErrorKind};
pub use report::{Change, Fate, Report, TensorReport};
pub use tokenizer::NORMALIZER_NFC;
pub use weight_type::{Quantize, WeightType};

use config::Config;
use family::Family;
use folder::Folder;
use gguf_header::{Metadata, TensorLine};
use plan::Planned;
use write::Output;

/// Version of ggml's block formats.
const QUANTIZATION_VERSION: u32 = 2;

/// A folder that was read and found fit.
pub struct Checkpoint {
    folder: Folder,
    config: Config,
    family: &'static Family,
    quantize: Quantize,
}

/// A folder together with what each of its tensors becomes.
pub struct Conversion<'a> {
    checkpoint: &'a Checkpoint,
    header: Vec<u8>,
    tensors: Vec<Planned<'a>>,
    tokenizer: String,
    notes: Vec<String>,
}

impl Checkpoint {
    /// Reads the headers and the configuration.
    pub fn open(path: &Path, quantize: Quantize) -> Result<Checkpoint, CheckpointError> {
        let folder = Folder::open(path)?;
        let config = Config::read(&folder)?;
        let family = Family::of(&config)?;
        Ok(Checkpoint { folder, config, family, quantize })
    }

    /// Decides on every tensor and builds the tokenizer; `name` is what the model calls itself.
    pub fn plan(&self, name: &str) -> Result<Conversion<'_>, CheckpointError> {
        let plan = plan::plan(&self.folder, &self.config, self.family, self.quantize)?;
        let mut metadata = Metadata::default();
        metadata.set("general.architecture", self.family.architecture);
        metadata.set("general.type", "model");
        metadata.set("general.name", name);
        metadata.set("general.quantization_version", QUANTIZATION_VERSION);
        metadata.set("general.file_type", most_common(&plan.tensors).file_type());
        let mut notes = plan.notes;
        notes.extend(self.family.describe(&self.config, plan.vocabulary, &mut metadata)?);
        let built = tokenizer::describe(&self.folder, &self.config, plan.vocabulary, &mut metadata)?;
        notes.extend(built.notes);
        let lines: Vec<TensorLine> = plan.tensors.iter().map(|planned| planned.line.clone()).collect();
        Ok(Conversion {
            checkpoint: self,
            header: gguf_header::encode(&metadata, &lines),
            tensors: plan.tensors,
            tokenizer: built.description,
            notes,
        })
    }
}

impl Conversion<'_> {
    /// Bytes of the GGUF file.
    pub fn bytes(&self) -> u64 {
        self.header.len() as u64 + self.tensors.iter().map(|planned| planned.line.padded_bytes()).sum::<u64>()
    }

    /// Writes the GGUF file. `progress` gets the bytes written so far; `cancelled` is asked every few
    /// hundred kilobytes.
    pub fn write(
        self,
        out: &mut dyn Write,
        progress: &mut dyn FnMut(u64),
        cancelled: &dyn Fn() -> bool,
    ) -> Result<Report, CheckpointError> {
        let bytes = self.bytes();
        let mut output = Output { out: &mut *out, written: 0, progress, cancelled };
        output.put(&self.header)?;
        let folder = &self.checkpoint.folder;
        let mut tensors = Vec::with_capacity(self.tensors.len());
        for planned in &self.tensors {
            tensors.push(write::write_tensor(folder, planned, &mut output)?);
        }
        out.flush().map_err(|error| CheckpointError::writing(&error))?;
        Ok(Report {
            architecture: self.checkpoint.family.architecture.into(),
            tokenizer: self.tokenizer,
            tensors,
            notes: self.notes,
            bytes_before: folder.bytes(),
            bytes,
        })
    }
}

/// The type of most weights of the layers.
fn most_common(tensors: &[Planned<'_>]) -> WeightType {
    let mut counts: Vec<(WeightType, u64)> = Vec::new();
    for line in tensors.iter().map(|planned| &planned.line) {
        if line.shape.len() == 2 && line.name.starts_with("blk.") {
            let numbers = line.shape.iter().product::<u64>();
            match counts.iter_mut().find(|(kind, _)| *kind == line.kind) {
                Some((_, count)) => *count += numbers,
                None => counts.push((line.kind, numbers)),
            }
        }
    }
    counts.into_iter().max_by_key(|(_, count)| *count).map_or(WeightType::F16, |(kind, _)| kind)
}
