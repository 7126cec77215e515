//! Well-known models, as data: which file, how large, under which licence, for which PC.
//!
//! The list is embedded, so that the first run can offer something before there is any connection.

use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use super::Kind;
use super::hash::Sha256Hash;
use crate::suggestion::nearest;

const CATALOGUE: &str = include_str!("catalogue.toml");

/// A model that can be pulled by name. `catalogue.toml` says what each field is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// What people type.
    pub name: String,
    /// What it does.
    #[serde(default)]
    pub kind: Kind,
    /// Its name in full.
    pub title: String,
    /// Name of the file in the models folder.
    pub file: String,
    /// Where it is downloaded from.
    pub url: String,
    /// Exact size, if the file was examined.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// Size of the download, MB (millions of bytes).
    pub download_mb: u64,
    /// Estimated memory while talking, MB.
    pub memory_mb: u64,
    /// Its hash, if the file was examined.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<Sha256Hash>,
    /// Of a voice: what lies beside it, at the same address with `.json` behind it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<Description>,
    /// SPDX name, or the licence's own.
    pub licence: String,
    /// What to expect.
    pub note: String,
}

/// The description of a voice, a file of its own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Description {
    /// Exact size.
    pub bytes: u64,
    /// Its hash.
    pub sha256: Sha256Hash,
}

impl Entry {
    /// Whether it runs within this much free memory, bytes.
    pub fn fits(&self, memory_available_bytes: u64) -> bool {
        self.memory_mb.saturating_mul(1_000_000) <= memory_available_bytes
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    model: Vec<Entry>,
}

/// All models that can be pulled by name, smallest first.
pub fn catalogue() -> &'static [Entry] {
    static ENTRIES: LazyLock<Vec<Entry>> = LazyLock::new(|| {
        toml::from_str::<File>(CATALOGUE).expect("a test reads the embedded catalogue").model
    });
    &ENTRIES
}

/// The entry of this name; upper and lower case are the same.
pub fn find(name: &str) -> Option<&'static Entry> {
    catalogue().iter().find(|entry| entry.name.eq_ignore_ascii_case(name))
}

/// The name that was probably meant.
pub fn suggestion(name: &str) -> Option<&'static str> {
    nearest(&name.to_lowercase(), catalogue().iter().map(|entry| entry.name.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_catalogue_is_sound() {
        let mut names = std::collections::HashSet::new();
        for entry in catalogue() {
            let url = reqwest::Url::parse(&entry.url).unwrap();
            assert_eq!(url.scheme(), "https", "{}", entry.name);
            // A voice is an ONNX file like an embedder; its description makes the difference.
            let by_name = if entry.kind == Kind::Voice { Kind::Embedder } else { entry.kind };
            assert_eq!(Kind::of(&entry.file), Some(by_name), "{}", entry.name);
            assert_eq!(entry.description.is_some(), entry.kind == Kind::Voice, "{}", entry.name);
            // Whoever publishes embedders calls all of their files the same.
            let same = url.path().ends_with(&format!("/{}", entry.file));
            assert!(same || entry.kind == Kind::Embedder, "{}", entry.name);
            assert!(entry.memory_mb > entry.download_mb, "{}", entry.name);
            assert!(names.insert(entry.name.to_lowercase()), "{} is there twice", entry.name);
            assert_eq!(entry.bytes.is_some(), entry.sha256.is_some(), "{}", entry.name);
            assert!(entry.bytes.is_none_or(|bytes| bytes / 1_000_000 == entry.download_mb));
        }
        assert!(catalogue().is_sorted_by_key(|entry| entry.download_mb));
    }

    #[test]
    fn a_misspelt_name_gets_a_suggestion() {
        assert_eq!(suggestion("SmolLM2-135"), Some("smollm2-135m"));
        assert_eq!(suggestion("tavern"), None);
        assert_eq!(find("QWEN3-4b").unwrap().title, "Qwen3 4B Instruct 2507");
    }

    #[test]
    fn a_model_fits_or_it_does_not() {
        let entry = find("smollm2-135m").unwrap();
        assert!(entry.fits(400_000_000));
        assert!(!entry.fits(399_999_999));
    }
}
