//! What a model file is for, by how its name ends and what lies beside it.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// What a model does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Talks: a GGUF file.
    #[default]
    Chat,
    /// Turns text into vectors, so that memories are found by what they mean: an ONNX file.
    Embedder,
    /// Speaks: an ONNX file, and beside it a description whose name ends in `.onnx.json`.
    Voice,
    /// Listens: a Whisper model as a ggml file of whisper.cpp.
    Listener,
}

impl Kind {
    /// Those that a name tells apart. A voice takes its description, too.
    pub(super) const ALL: [Kind; 3] = [Kind::Chat, Kind::Embedder, Kind::Listener];

    /// How the names of its files end.
    pub(super) fn suffix(self) -> &'static str {
        match self {
            Kind::Chat => ".gguf",
            Kind::Embedder | Kind::Voice => ".onnx",
            Kind::Listener => ".bin",
        }
    }

    /// What its files begin with. ONNX has no mark of its own: the first field of the message is its version.
    pub(super) fn magic(self) -> &'static [u8] {
        match self {
            Kind::Chat => b"GGUF",
            Kind::Embedder | Kind::Voice => b"\x08",
            Kind::Listener => &meddah_whisper::MAGIC,
        }
    }

    /// What its files are, for people.
    pub(super) fn format(self) -> &'static str {
        match self {
            Kind::Chat => "a GGUF file",
            Kind::Embedder | Kind::Voice => "an ONNX file",
            Kind::Listener => "a ggml file of Whisper",
        }
    }

    /// The kind of a file by its name; upper and lower case are the same.
    pub fn of(file_name: &str) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| kind.stem(file_name).is_some())
    }

    /// The kind of a file on disk.
    pub fn of_file(file: &Path) -> Option<Kind> {
        match Kind::of(file.file_name()?.to_str()?)? {
            Kind::Embedder if description(file).is_file() => Some(Kind::Voice),
            kind => Some(kind),
        }
    }

    /// The name without the suffix, if it is of this kind.
    pub(super) fn stem(self, file_name: &str) -> Option<&str> {
        let (stem, suffix) = file_name.split_at_checked(file_name.len().checked_sub(self.suffix().len())?)?;
        suffix.eq_ignore_ascii_case(self.suffix()).then_some(stem)
    }
}

/// Where a voice's description is: `NAME.onnx.json` beside `NAME.onnx`.
pub(super) fn description(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".json");
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_known_by_the_end_of_the_name() {
        assert_eq!(Kind::of("m.Q4.GGUF"), Some(Kind::Chat));
        assert_eq!(Kind::of("minilm.onnx"), Some(Kind::Embedder));
        assert_eq!(Kind::of("ggml-tiny.en.bin"), Some(Kind::Listener));
        assert_eq!(Kind::of("ä"), None);
        assert_eq!(Kind::of("m.gguf.part"), None);
        assert_eq!(Kind::Chat.stem("m.onnx"), None);
    }

    #[test]
    fn a_voice_is_known_by_its_description() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("joe.onnx");
        assert_eq!(Kind::of_file(&file), Some(Kind::Embedder));
        std::fs::write(description(&file), "{}").unwrap();
        assert_eq!(Kind::of_file(&file), Some(Kind::Voice));
        assert_eq!(Kind::of_file(&description(&file)), None);
    }
}
