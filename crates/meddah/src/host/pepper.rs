//! The host's own secret in front of every hash. It lies apart from the database, so that who has only the database can
//! use none of its tokens.

use std::io::Write as _;
use std::path::Path;

use meddah_host::storage::Pepper;
use zeroize::Zeroizing;

use crate::paths::Paths;

/// Several hosts of one database need the same pepper: they get it from here.
const VARIABLE: &str = "MEDDAH_KEY_HOST_PEPPER";
const FILE: &str = "host-pepper";

/// The pepper cannot be read or made.
#[derive(Debug, thiserror::Error)]
#[error(
    "the host's pepper cannot be used: {message}\nIt is the file {FILE} in the data folder, or the variable {VARIABLE}, of 16 letters or more. Without it nobody's token works."
)]
pub struct PepperError {
    message: String,
}

/// The pepper of this data folder; made at the first start, in a file for the operator alone.
///
/// # Errors
/// The file cannot be read or written, or is no pepper.
pub fn pepper(paths: &Paths) -> Result<Pepper, PepperError> {
    let fail = |message: String| PepperError { message };
    let made =
        |text: &str| Pepper::new(text.trim().as_bytes().to_vec()).map_err(|error| fail(error.to_string()));
    if let Some(text) = std::env::var(VARIABLE).ok().map(Zeroizing::new) {
        return made(&text);
    }
    let file = paths.data.join(FILE);
    match std::fs::read_to_string(&file).map(Zeroizing::new) {
        Ok(text) => made(&text),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let (_, text) = Pepper::generate().map_err(|error| fail(error.to_string()))?;
            let text = Zeroizing::new(text);
            write_once(&file, &text).map_err(|error| fail(error.to_string()))?;
            // Another host may have been faster; both read what is there.
            made(&Zeroizing::new(std::fs::read_to_string(&file).map_err(|error| fail(error.to_string()))?))
        }
        Err(error) => Err(fail(error.to_string())),
    }
}

/// Never over another one. Temporary files are for the user alone.
fn write_once(file: &Path, text: &str) -> std::io::Result<()> {
    let mut draft = tempfile::NamedTempFile::new_in(file.parent().unwrap_or(Path::new(".")))?;
    draft.write_all(text.as_bytes())?;
    draft.as_file().sync_all()?;
    match draft.persist_noclobber(file) {
        Err(error) if error.error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        other => other.map(|_| ()).map_err(|error| error.error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_made_once() {
        let folder = tempfile::tempdir().unwrap();
        let paths = Paths { data: folder.path().to_owned() };
        pepper(&paths).unwrap();
        let first = std::fs::read_to_string(folder.path().join(FILE)).unwrap();
        pepper(&paths).unwrap();
        assert_eq!(std::fs::read_to_string(folder.path().join(FILE)).unwrap(), first);
        std::fs::write(folder.path().join(FILE), "short").unwrap();
        assert!(pepper(&paths).unwrap_err().to_string().contains("16"));
    }
}
