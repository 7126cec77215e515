//! What a model file is for, by how its name ends.

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
}

impl Kind {
    /// All of them.
    pub(super) const ALL: [Kind; 2] = [Kind::Chat, Kind::Embedder];

    /// How the names of its files end.
    pub(super) fn suffix(self) -> &'static str {
        match self {
            Kind::Chat => ".gguf",
            Kind::Embedder => ".onnx",
        }
    }

    /// What its files begin with. ONNX has no mark of its own: the first field of the message is its version.
    pub(super) fn magic(self) -> &'static [u8] {
        match self {
            Kind::Chat => b"GGUF",
            Kind::Embedder => b"\x08",
        }
    }

    /// What its files are, for people.
    pub(super) fn format(self) -> &'static str {
        match self {
            Kind::Chat => "a GGUF file",
            Kind::Embedder => "an ONNX file",
        }
    }

    /// The kind of a file by its name; upper and lower case are the same.
    pub fn of(file_name: &str) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| kind.stem(file_name).is_some())
    }

    /// The name without the suffix, if it is of this kind.
    pub(super) fn stem(self, file_name: &str) -> Option<&str> {
        let (stem, suffix) = file_name.split_at_checked(file_name.len().checked_sub(self.suffix().len())?)?;
        suffix.eq_ignore_ascii_case(self.suffix()).then_some(stem)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_known_by_the_end_of_the_name() {
        assert_eq!(Kind::of("m.Q4.GGUF"), Some(Kind::Chat));
        assert_eq!(Kind::of("minilm.onnx"), Some(Kind::Embedder));
        assert_eq!(Kind::of("ä"), None);
        assert_eq!(Kind::of("m.gguf.part"), None);
        assert_eq!(Kind::Chat.stem("m.onnx"), None);
    }
}
