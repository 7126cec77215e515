//! Takes in a checkpoint folder (GPTQ or plain safetensors) by turning it into a GGUF file.
//!
//! The file is written once, under a name of no meaning, and hashed on its way; it gets its own name when it
//! is complete and its header was read back.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::time::SystemTime;

use meddah_llama::checkpoint::{Checkpoint, CheckpointError, CheckpointErrorKind, Quantize, Report};
use meddah_whisper::{ModelFileError, ModelFileErrorKind, Weights};
use sha2::{Digest as _, Sha256};
use tokio_util::sync::CancellationToken;

use super::files::FolderLock;
use super::hash::READ_BYTES;
use super::import::LEFTOVER_PREFIX;
use super::pull::{MODEL_BYTES_MAX, already_installed, too_large};
use super::{
    Added, Kind, ModelStore, ModelsError, ModelsErrorKind, Progress, Record, Sha256Hash, Verification, files,
};
use crate::whole_file;

/// Progress is told whenever so many bytes more are written.
const PROGRESS_BYTES: u64 = 1 << 20;
/// Matrices named in a record, which has to stay small.
const RECORD_LINES_MAX: usize = 400;
/// What a download cache of Hugging Face puts before a model's folder.
const CACHE_PREFIX: &str = "models--";

impl ModelStore {
    /// Turns a checkpoint folder into an installed model, called `name` or like the folder. Blocks as long
    /// as that takes; cancelling takes effect within some ten milliseconds.
    pub fn import_checkpoint(
        &self,
        folder: &Path,
        name: Option<&str>,
        quantize: Quantize,
        mut progress: impl FnMut(Progress),
        cancel: &CancellationToken,
    ) -> Result<(Added, Report), ModelsError> {
        let folder = folder.canonicalize().map_err(|error| ModelsError::storage("read", folder, &error))?;
        let name = files::model_name(&name.map_or_else(|| folder_name(&folder), str::to_owned))?;
        if self.final_path(&name, Kind::Chat).exists() {
            return Err(already_installed(&name));
        }
        let checkpoint = Checkpoint::open(&folder, quantize)?;
        let conversion = checkpoint.plan(&name)?;
        let bytes_total = conversion.bytes();
        if bytes_total > MODEL_BYTES_MAX {
            return Err(too_large(bytes_total));
        }
        let _lock = FolderLock::take(&self.folder)?;
        self.delete_leftovers()?;
        self.check_space(bytes_total)?;

        let mut show = |bytes| progress(Progress::Converting { bytes, bytes_total });
        let write = |out: &mut Hashing<'_>| {
            let mut tell = now_and_then(bytes_total, &mut show);
            let report = conversion.write(out, &mut tell, &|| cancel.is_cancelled())?;
            Ok((conversion_lines(&report), report))
        };
        self.place_converted(&folder, (&name, Kind::Chat), bytes_total, write)
    }

    /// Turns a folder with a Whisper model of CTranslate2 into an installed model, called `name` or like the folder.
    /// Blocks as long as that takes.
    pub fn import_listener(
        &self,
        folder: &Path,
        name: Option<&str>,
        weights: Weights,
        progress: &mut dyn FnMut(Progress),
        cancel: &CancellationToken,
    ) -> Result<Added, ModelsError> {
        let folder = folder.canonicalize().map_err(|error| ModelsError::storage("read", folder, &error))?;
        let name = files::model_name(&name.map_or_else(|| folder_name(&folder), str::to_owned))?;
        if self.final_path(&name, Kind::Listener).exists() {
            return Err(already_installed(&name));
        }
        let conversion = meddah_whisper::Conversion::open(&folder, weights)?;
        let bytes_total = conversion.bytes();
        let _lock = FolderLock::take(&self.folder)?;
        self.delete_leftovers()?;
        self.check_space(bytes_total)?;
        let mut show = |bytes| progress(Progress::Converting { bytes, bytes_total });
        let write = |out: &mut Hashing<'_>| {
            let mut tell = now_and_then(bytes_total, &mut show);
            conversion.write(out, &mut tell, &|| cancel.is_cancelled())?;
            Ok((vec![format!("from CTranslate2; matrices {weights:?}")], ()))
        };
        Ok(self.place_converted(&folder, (&name, Kind::Listener), bytes_total, write)?.0)
    }

    /// Writes a new model, hashes it on the way, reads its head back and gives it its name.
    fn place_converted<T>(
        &self,
        folder: &Path,
        (name, kind): (&str, Kind),
        bytes_total: u64,
        write: impl FnOnce(&mut Hashing<'_>) -> Result<(Vec<String>, T), ModelsError>,
    ) -> Result<(Added, T), ModelsError> {
        let fail = |error: io::Error| ModelsError::storage("write to", &self.folder, &error);
        let temporary =
            whole_file::temporary().prefix(LEFTOVER_PREFIX).tempfile_in(&self.folder).map_err(fail)?;
        let (conversion, written, sha256) = {
            let out = BufWriter::with_capacity(READ_BYTES, temporary.as_file());
            let mut out = Hashing { out, hasher: Sha256::new() };
            let (conversion, written) = write(&mut out)?;
            out.flush().map_err(fail)?;
            (conversion, written, Sha256Hash::of(out.hasher))
        };
        temporary.as_file().sync_all().map_err(fail)?;
        let licence = self.check_header(temporary.path(), kind)?.and_then(|inspected| inspected.licence);
        let record = Record {
            source: folder.display().to_string(),
            catalogue: None,
            sha256,
            verification: Verification::Unverified,
            bytes: bytes_total,
            licence,
            added: httpdate::fmt_http_date(SystemTime::now()),
            conversion,
        };
        let made = temporary.into_temp_path().keep().map_err(|error| fail(error.error))?;
        let placed = self.put_in_place(&made, (name, kind), record);
        let model = placed.inspect_err(|_| files::delete(&made).unwrap_or_default())?;
        Ok((Added { model, verification: Verification::Unverified, was_installed: false }, written))
    }
}

/// Tells how far it is in steps of a size that can be shown.
fn now_and_then(bytes_total: u64, progress: &mut dyn FnMut(u64)) -> impl FnMut(u64) {
    let mut told = 0;
    move |bytes: u64| {
        if bytes >= told + PROGRESS_BYTES || bytes == bytes_total {
            told = bytes;
            progress(bytes);
        }
    }
}

/// The report for the record: the summary, then every matrix that is not exact.
fn conversion_lines(report: &Report) -> Vec<String> {
    let mut lines = report.lines();
    lines.extend(report.rounded_lines().into_iter().take(RECORD_LINES_MAX));
    lines
}

/// The folder's own name; in a download cache, where folders are called by hashes, the model's.
fn folder_name(folder: &Path) -> String {
    let cached = folder.ancestors().skip(1).find_map(|above| {
        let name = above.file_name()?.to_str()?.strip_prefix(CACHE_PREFIX)?;
        name.rsplit("--").next().map(str::to_owned)
    });
    let own = || folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
    cached.unwrap_or_else(own)
}

/// Hashes what passes.
struct Hashing<'a> {
    out: BufWriter<&'a File>,
    hasher: Sha256,
}

impl Write for Hashing<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.out.write(bytes)?;
        self.hasher.update(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

impl From<CheckpointError> for ModelsError {
    fn from(error: CheckpointError) -> ModelsError {
        let kind = match error.kind {
            CheckpointErrorKind::Missing => ModelsErrorKind::NotFound,
            CheckpointErrorKind::Damaged | CheckpointErrorKind::Unsupported => ModelsErrorKind::NotAModel,
            CheckpointErrorKind::Storage => ModelsErrorKind::Storage,
            CheckpointErrorKind::Cancelled => ModelsErrorKind::Cancelled,
        };
        ModelsError::new(kind, error.message, error.help)
    }
}

impl From<ModelFileError> for ModelsError {
    fn from(error: ModelFileError) -> ModelsError {
        let kind = match error.kind {
            ModelFileErrorKind::Missing => ModelsErrorKind::NotFound,
            ModelFileErrorKind::Damaged | ModelFileErrorKind::Unsupported => ModelsErrorKind::NotAModel,
            ModelFileErrorKind::Storage => ModelsErrorKind::Storage,
            ModelFileErrorKind::Cancelled => ModelsErrorKind::Cancelled,
        };
        ModelsError::new(kind, error.message, error.help)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const HIDDEN: u64 = 32;

    /// A checkpoint of one layer, all of whose weights are the same.
    fn write_checkpoint(folder: &Path) {
        let matrices = ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj"]
            .into_iter()
            .chain(["mlp.gate_proj", "mlp.up_proj", "mlp.down_proj"]);
        let mut shapes = vec![("model.embed_tokens".to_owned(), vec![8, HIDDEN])];
        shapes.extend(matrices.map(|name| (format!("model.layers.0.{name}"), vec![HIDDEN, HIDDEN])));
        let norms =
            ["model.norm", "model.layers.0.input_layernorm", "model.layers.0.post_attention_layernorm"];
        shapes.extend(norms.map(|name| (name.to_owned(), vec![HIDDEN])));
        let (mut header, mut data) = (serde_json::Map::new(), Vec::new());
        for (name, shape) in shapes {
            let begin = data.len();
            (0..shape.iter().product::<u64>()).for_each(|_| data.extend(0.5_f32.to_le_bytes()));
            let place = json!({"dtype": "F32", "shape": shape, "data_offsets": [begin, data.len()]});
            header.insert(format!("{name}.weight"), place);
        }
        let header = serde_json::to_vec(&header).unwrap();
        let weights = [&(header.len() as u64).to_le_bytes()[..], &header, &data].concat();
        std::fs::write(folder.join("model.safetensors"), weights).unwrap();
        let config = json!({
            "model_type": "llama", "hidden_size": HIDDEN, "intermediate_size": HIDDEN, "num_hidden_layers": 1,
            "num_attention_heads": 1, "max_position_embeddings": 64, "tie_word_embeddings": true,
        });
        std::fs::write(folder.join("config.json"), config.to_string()).unwrap();
        let tokenizer = json!({
            "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false},
            "model": {"type": "BPE", "vocab": {"a": 0}, "merges": []},
        });
        std::fs::write(folder.join("tokenizer.json"), tokenizer.to_string()).unwrap();
    }

    #[test]
    fn a_folder_becomes_an_installed_model() {
        let (data, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        write_checkpoint(folder.path());
        let store = ModelStore::open(data.path()).unwrap();
        let names = || {
            let names = store.file_names().unwrap();
            names.into_iter().filter(|name| name != ".lock").collect::<Vec<_>>()
        };
        let import = |cancel: &CancellationToken| {
            let mut told = Vec::new();
            let show = |step| told.push(step);
            let result = store.import_checkpoint(folder.path(), Some("Tiny"), Quantize::Q8_0, show, cancel);
            (result, told)
        };
        let cancelled = CancellationToken::new();
        cancelled.cancel();
        assert_eq!(import(&cancelled).0.unwrap_err().kind, ModelsErrorKind::Cancelled);
        assert!(names().is_empty(), "{:?}", names());

        let (result, told) = import(&CancellationToken::new());
        let (added, report) = result.unwrap();
        assert_eq!(names(), ["Tiny.gguf", "Tiny.toml"]);
        let bytes = std::fs::read(&added.model.file).unwrap();
        let bytes_total = bytes.len() as u64;
        assert_eq!(told.last(), Some(&Progress::Converting { bytes: bytes_total, bytes_total }));
        let record = store.installed().unwrap().remove(0).record.unwrap();
        assert_eq!(record.sha256, Sha256Hash::of(Sha256::new_with_prefix(&bytes)));
        assert_eq!(record.conversion, conversion_lines(&report));
        assert_eq!(import(&CancellationToken::new()).0.unwrap_err().kind, ModelsErrorKind::AlreadyInstalled);
    }

    #[test]
    fn folders_of_a_download_cache_are_called_like_the_model() {
        for (folder, name) in [
            ("/x/models--org--Tiny-GPTQ/snapshots/0a1b2c", "Tiny-GPTQ"),
            ("/x/Tiny-GPTQ", "Tiny-GPTQ"),
            ("/models--a--b", "models--a--b"),
        ] {
            assert_eq!(folder_name(Path::new(folder)), name);
        }
    }
}
