//! Takes newer rows into the player's own table of online models.
//!
//! The table says what models cost, so the budget depends on it: it is read whole and checked before anything
//! is written, what changes is told, and the file as it was stays beside it.

use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use meddah_inference::model_table::{ModelTable, Row, TABLE_BYTES_MAX};
use reqwest::Url;
use tokio_util::sync::CancellationToken;

use super::http::{Body, Client, Failure, Reply};
use super::part::Origin;
use super::pull::PullLimits;
use super::{ModelsError, ModelsErrorKind};
use crate::whole_file;

/// What came of it.
#[derive(Clone, Debug)]
pub struct Refreshed {
    /// What was known before.
    pub before: ModelTable,
    /// What is known now.
    pub now: ModelTable,
    /// Rows that were left out, because newer ones are known.
    pub older_rows: usize,
    /// The file that was replaced; `None` if there was nothing new.
    pub written: Option<PathBuf>,
}

/// Reads a table from a file or an https address and puts its rows over those of the player's `file`.
///
/// # Errors
/// It cannot be read or is no table; then everything is as before.
pub async fn refresh(
    file: &Path,
    source: &str,
    limits: PullLimits,
    cancel: &CancellationToken,
) -> Result<Refreshed, ModelsError> {
    let text = if source.contains("://") {
        download(source, limits, cancel).await?
    } else {
        read(Path::new(source)).map_err(|error| storage(Path::new(source), &error))?
    };
    let newer = parse(&text, source)?;
    let own = match read(file) {
        Ok(text) => parse(&text, &file.display().to_string())?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => ModelTable::default(),
        Err(error) => return Err(storage(file, &error)),
    };
    let before = ModelTable::embedded().merge(own.clone());
    let is_older = |row: &&Row| {
        let same = |known: &&Row| same_name(known, row);
        before.rows().iter().find(same).is_some_and(|known| known.date > row.date)
    };
    let older_rows = newer.rows().iter().filter(is_older).count();
    let merged = own.merge(newer);
    let now = ModelTable::embedded().merge(merged.clone());
    if now == before {
        return Ok(Refreshed { before, now, older_rows, written: None });
    }
    let text = merged.to_toml().map_err(|error| {
        ModelsError::new(ModelsErrorKind::BadInput, format!("{source}: {}", error.message), error.help)
    })?;
    write(file, &text).map_err(|error| storage(file, &error))?;
    Ok(Refreshed { before, now, older_rows, written: Some(file.to_owned()) })
}

fn same_name(one: &Row, other: &Row) -> bool {
    one.provider == other.provider && one.model == other.model
}

fn parse(text: &str, place: &str) -> Result<ModelTable, ModelsError> {
    ModelTable::parse(text).map_err(|error| {
        let message = format!("{place}: {}", error.message.trim_end());
        ModelsError::new(ModelsErrorKind::BadInput, message, error.help)
    })
}

fn read(file: &Path) -> io::Result<String> {
    let mut text = String::new();
    // One byte more than is allowed, so that the parser says that it is too much.
    std::fs::File::open(file)?.take(TABLE_BYTES_MAX as u64 + 1).read_to_string(&mut text)?;
    Ok(text)
}

/// The new file at once, and the old one beside it.
fn write(file: &Path, text: &str) -> io::Result<()> {
    let mut backup = file.as_os_str().to_owned();
    backup.push(".bak");
    match std::fs::read_to_string(file) {
        Ok(old) => whole_file::write(Path::new(&backup), old.as_bytes())?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let head =
        "# Written by `meddah models refresh`; what stood here before is in the file that ends in .bak.\n\n";
    whole_file::write(file, format!("{head}{text}").as_bytes())
}

async fn download(
    source: &str,
    limits: PullLimits,
    cancel: &CancellationToken,
) -> Result<String, ModelsError> {
    let bad = |why: String| {
        ModelsError::new(
            ModelsErrorKind::BadInput,
            why,
            "Give an address that begins with https://, or a file.",
        )
    };
    let url = Url::parse(source).map_err(|error| bad(format!("this is not an address: {error}")))?;
    let here = url.host_str().is_some_and(|host| matches!(host, "localhost" | "127.0.0.1" | "[::1]"));
    if url.scheme() != "https" && !(url.scheme() == "http" && here) {
        return Err(bad(format!("prices are not taken from a {}: address", url.scheme())));
    }
    let stall = limits.stall;
    let client = Client::new(&url, limits)?;
    let reply = client.get(&url, 0, &Origin::default(), cancel).await.map_err(failed)?;
    let Reply::Whole(mut body) = reply else { return Err(bad("the server sends a part of a file".into())) };
    if body.is_page {
        return Err(bad("the address is that of a web page, not of a table".into()));
    }
    let bytes = whole(&mut body, stall, cancel).await?;
    String::from_utf8(bytes).map_err(|_| bad("the table is no text".into()))
}

async fn whole(
    body: &mut Body,
    stall: std::time::Duration,
    cancel: &CancellationToken,
) -> Result<Vec<u8>, ModelsError> {
    let mut bytes = Vec::new();
    while let Some(piece) = body.next(stall, cancel).await.map_err(failed)? {
        bytes.extend_from_slice(&piece);
        if bytes.len() > TABLE_BYTES_MAX {
            let message = format!("the table has more than {TABLE_BYTES_MAX} bytes");
            return Err(ModelsError::new(ModelsErrorKind::TooLarge, message, "Check the address."));
        }
    }
    Ok(bytes)
}

fn failed(failure: Failure) -> ModelsError {
    match failure {
        Failure::Fatal(error) => error,
        Failure::Retry { reason, .. } | Failure::StartOver(reason) => ModelsError::new(
            ModelsErrorKind::Network,
            reason,
            "Try again later, or download it with a browser and give the file.",
        ),
    }
}

fn storage(file: &Path, error: &io::Error) -> ModelsError {
    ModelsError::new(
        ModelsErrorKind::Storage,
        format!("{}: {error}", file.display()),
        "It must be a text file that you may read, in a folder that you may write to.",
    )
}

#[cfg(test)]
mod tests {
    use meddah_inference::model_table::Change;

    use super::super::test_server::{Answer, Server, whole as whole_answer};
    use super::*;

    fn row(model: &str, input: u64, date: &str) -> String {
        format!(
            "[[model]]\nprovider = \"openai\"\nmodel = \"{model}\"\nprice = {{ input = {input}, cached_input = 1, \
             cache_write = 1, output = 2 }}\ndate = \"{date}\"\nsource = \"a page\"\n"
        )
    }

    async fn take(file: &Path, source: &str) -> Result<Refreshed, ModelsError> {
        refresh(file, source, PullLimits::default(), &CancellationToken::new()).await
    }

    #[tokio::test]
    async fn newer_rows_are_taken_from_a_file_and_the_old_file_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let (file, new) = (folder.path().join("online-models.toml"), folder.path().join("new.toml"));
        let old = row("my-model", 5, "2027-01-01");
        std::fs::write(&file, &old).unwrap();
        let text = [row("my-model", 4, "2026-01-01"), row("another", 7, "2027-02-01")].concat();
        std::fs::write(&new, &text).unwrap();
        let source = new.display().to_string();
        let done = take(&file, &source).await.unwrap();
        assert_eq!((done.older_rows, done.written.as_deref()), (1, Some(file.as_path())));
        assert!(
            matches!(done.before.changes_to(&done.now)[..], [Change::New(row)] if row.model == "another")
        );
        let written = ModelTable::parse(&std::fs::read_to_string(&file).unwrap()).unwrap();
        assert_eq!(written.lookup("openai", "my-model").price.input, 5);
        assert_eq!(written.lookup("openai", "another").price.input, 7);
        let kept = std::fs::read_to_string(folder.path().join("online-models.toml.bak")).unwrap();
        assert_eq!(kept, old);
        assert_eq!(take(&file, &source).await.unwrap().written, None, "nothing is new the second time");
    }

    #[tokio::test]
    async fn what_is_no_table_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let (file, new) = (folder.path().join("online-models.toml"), folder.path().join("new.toml"));
        let huge = format!("# {}", "x".repeat(TABLE_BYTES_MAX));
        for bad in ["model = 1", "[[model]]\nprovider = \"x\"", "<html>", huge.as_str()] {
            std::fs::write(&new, bad).unwrap();
            let error = take(&file, &new.display().to_string()).await.unwrap_err();
            assert!(!error.help.is_empty() && !file.exists(), "{error}");
        }
        for bad in ["http://example.org/x.toml", "ftp://example.org/x", "https://"] {
            assert_eq!(take(&file, bad).await.unwrap_err().kind, ModelsErrorKind::BadInput, "{bad}");
        }
        std::fs::write(&file, "not a table").unwrap();
        std::fs::write(&new, row("m", 1, "2027-01-01")).unwrap();
        take(&file, &new.display().to_string()).await.unwrap_err();
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "not a table");
    }

    #[tokio::test]
    async fn a_table_is_taken_from_an_address_within_its_bounds() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("online-models.toml");
        let table = row("m", 1, "2027-01-01");
        let server = Server::start(move |_, _| whole_answer(table.as_bytes(), "Content-Type: text/plain"));
        assert!(take(&file, &format!("{}/t.toml", server.url)).await.unwrap().written.is_some());
        let huge = vec![b'#'; TABLE_BYTES_MAX + 10];
        let server = Server::start(move |_, _| whole_answer(&huge, ""));
        assert_eq!(
            take(&file, &format!("{}/t.toml", server.url)).await.unwrap_err().kind,
            ModelsErrorKind::TooLarge
        );
        let server = Server::start(|_, _| Answer {
            head: "HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: file:///etc/passwd".into(),
            ..Answer::default()
        });
        let error = take(&file, &format!("{}/t.toml", server.url)).await.unwrap_err();
        assert_eq!(error.kind, ModelsErrorKind::UnsafeRedirect);
    }
}
