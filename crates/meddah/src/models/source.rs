//! From what a player types to what is downloaded.

use percent_encoding::percent_decode_str;
use reqwest::Url;

use super::catalogue::Description;
use super::{Kind, ModelsError, ModelsErrorKind, Sha256Hash, catalogue, files};

/// A longer address is not typed by anybody.
const URL_BYTES_MAX: usize = 4096;

/// One file to download.
#[derive(Clone, Debug)]
pub(super) struct Source {
    /// Where from, with everything that the server needs.
    pub url: Url,
    /// The model's name-to-be.
    pub name: String,
    /// What it does; an address whose end does not say is taken for a chat model.
    pub kind: Kind,
    /// Exact size, if known beforehand.
    pub bytes: Option<u64>,
    /// What its SHA-256 has to be.
    pub sha256: Option<Sha256Hash>,
    /// Of a voice: what its description has to be.
    pub description: Option<Description>,
    /// Its licence.
    pub licence: Option<String>,
    /// Its name in the catalogue.
    pub catalogue: Option<String>,
}

impl Source {
    /// A name of the catalogue or an address. A hash given by the player wins over the catalogue's.
    pub fn resolve(text: &str, sha256: Option<Sha256Hash>) -> Result<Source, ModelsError> {
        let text = text.trim();
        if text.contains("://") {
            let url = parse_url(text)?;
            let segment = url.path_segments().and_then(|mut all| all.next_back()).unwrap_or_default();
            let file = percent_decode_str(segment).decode_utf8_lossy();
            let (name, kind) = (files::model_name(&file)?, Kind::of(&file).unwrap_or_default());
            return Ok(Source {
                url,
                name,
                kind,
                bytes: None,
                sha256,
                description: None,
                licence: None,
                catalogue: None,
            });
        }
        let entry = catalogue::find(text).ok_or_else(|| unknown(text))?;
        Ok(Source {
            url: parse_url(&entry.url)?,
            name: files::model_name(&entry.file)?,
            kind: entry.kind,
            bytes: entry.bytes.filter(|_| sha256.is_none()),
            sha256: sha256.or(entry.sha256),
            description: entry.description.clone(),
            licence: Some(entry.licence.clone()),
            catalogue: Some(entry.name.clone()),
        })
    }

    /// The address without what may be secret: user, password, signed query.
    pub fn public_url(&self) -> String {
        public(&self.url)
    }
}

/// An address without user, password, query and fragment, for files and messages.
pub(super) fn public(url: &Url) -> String {
    let mut url = url.clone();
    url.set_username("").ok(); // an address without a host has none
    url.set_password(None).ok(); // likewise
    url.set_query(None);
    url.set_fragment(None);
    url.into()
}

fn parse_url(text: &str) -> Result<Url, ModelsError> {
    let refuse = |why: String| {
        ModelsError::new(
            ModelsErrorKind::BadInput,
            why,
            "Copy the download link of a .gguf file; it begins with https://. For a file on this PC: \
             `meddah models import FILE`.",
        )
    };
    if text.len() > URL_BYTES_MAX {
        return Err(refuse("the address is too long".into()));
    }
    let mut url = Url::parse(text).map_err(|error| refuse(format!("this is not an address: {error}")))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(refuse(format!("cannot download from a {}: address", url.scheme())));
    }
    // What the browser's address bar shows is the page about the file; the file is next to it.
    if url.domain() == Some("huggingface.co") && url.path().contains("/blob/") {
        let path = url.path().replacen("/blob/", "/resolve/", 1);
        url.set_path(&path);
    }
    Ok(url)
}

fn unknown(text: &str) -> ModelsError {
    let help = if std::path::Path::new(text).is_file() {
        format!("It is a file on this PC: `meddah models import {text}`.")
    } else if let Some(name) = catalogue::suggestion(text) {
        format!("Did you mean `{name}`?")
    } else {
        "`meddah models list` shows the names; an address that begins with https:// works too.".to_owned()
    };
    ModelsError::new(
        ModelsErrorKind::UnknownModel,
        format!("there is no model {text:?} in the catalogue"),
        help,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> Result<(String, String), String> {
        let source = Source::resolve(text, None).map_err(|e| format!("{} | {}", e.message, e.help))?;
        Ok((source.name.clone(), source.public_url()))
    }

    #[test]
    fn a_catalogue_name_brings_hash_size_and_licence() {
        let source = Source::resolve("SmolLM2-135M", None).unwrap();
        assert_eq!(source.name, "SmolLM2-135M-Instruct.Q4_1");
        assert_eq!((source.bytes, source.sha256.is_some()), (Some(98_362_432), true));
        assert_eq!(source.licence.as_deref(), Some("Apache-2.0"));
    }

    #[test]
    fn an_address_is_named_by_its_last_part_and_kept_without_secrets() {
        let got = check("https://me:pw@host.example/a/My%20Model.gguf?token=secret#x").unwrap();
        assert_eq!(got, ("My-Model".into(), "https://host.example/a/My%20Model.gguf".into()));
    }

    #[test]
    fn the_page_about_a_file_becomes_the_file() {
        let got = check("https://huggingface.co/a/b/blob/main/m.gguf").unwrap();
        assert_eq!(got.1, "https://huggingface.co/a/b/resolve/main/m.gguf");
    }

    #[test]
    fn other_schemes_and_misspelt_names_say_what_to_do() {
        assert!(check("file:///etc/passwd").unwrap_err().starts_with("cannot download from a file: address"));
        assert!(check("smollm2").unwrap_err().contains("Did you mean `smollm2-"));
        assert!(check("https://host.example/..%2f..%2fx").is_ok_and(|(name, _)| name == "x"));
    }
}
