//! How a game finds a running sidecar: one line on standard output, and a file with the token in it.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::Ready;

/// The file while it is ours.
pub(super) struct RuntimeFile {
    file: PathBuf,
    token: String,
    /// Held as long as we run, so that a second sidecar leaves the file alone.
    _lock: Option<File>,
}

#[derive(Serialize)]
struct Content<'c> {
    #[serde(flatten)]
    ready: &'c Ready,
    token: &'c str,
}

impl RuntimeFile {
    /// Puts the file in place as a whole, readable by the user alone from its first byte on. If a sidecar that
    /// runs holds the place, ours is beside it with the process id in its name.
    pub fn write(file: PathBuf, ready: &Ready, token: &str) -> io::Result<RuntimeFile> {
        let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let lock = File::create(file.with_extension("lock")).ok().filter(|lock| lock.try_lock().is_ok());
        let file = match &lock {
            Some(_) => file.clone(),
            None => {
                let own = file.with_file_name(format!("runtime-{}.json", ready.pid));
                tracing::warn!(file = %own.display(), "another sidecar has this data folder, port and token are in");
                own
            }
        };
        // Temporary files are the user's own: mode 0600 on Unix, the profile's rights on Windows.
        let mut draft = tempfile::NamedTempFile::new_in(folder)?;
        serde_json::to_writer(&mut draft, &Content { ready, token })?;
        draft.write_all(b"\n")?;
        draft.flush()?;
        draft.persist(&file).map_err(|error| error.error)?;
        Ok(RuntimeFile { file, token: token.to_owned(), _lock: lock })
    }

    /// Removes the file, unless a sidecar that started later has replaced it.
    pub fn remove(self) {
        #[derive(Deserialize)]
        struct Owner {
            token: String,
        }
        let owner =
            std::fs::read(&self.file).ok().and_then(|text| serde_json::from_slice::<Owner>(&text).ok());
        if owner.is_some_and(|owner| owner.token == self.token) {
            std::fs::remove_file(&self.file).ok(); // a stale file is found out by its dead port
        }
    }
}

/// Prints the ready line. Nobody may be reading: a game can also look into the file.
pub(super) fn announce(ready: &Ready) {
    let mut out = io::stdout().lock();
    if let Ok(line) = serde_json::to_string(ready) {
        writeln!(out, "{line}").and_then(|()| out.flush()).ok();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ready(port: u16) -> Ready {
        Ready { ready: true, port, pid: 1, version: "0", protocol: 1, faces: Vec::new() }
    }

    #[test]
    fn the_file_has_port_and_token_and_goes_away_with_its_owner() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("runtime.json");
        let written = RuntimeFile::write(file.clone(), &ready(7), "secret").unwrap();
        let content: serde_json::Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
        assert_eq!((&content["port"], &content["token"]), (&7.into(), &"secret".into()));
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        }
        let later = RuntimeFile::write(file.clone(), &ready(8), "other").unwrap();
        let beside = folder.path().join("runtime-1.json");
        assert!(beside.exists());
        later.remove();
        assert!(file.exists() && !beside.exists(), "the first one still runs");
        written.remove();
        assert!(!file.exists());
        RuntimeFile::write(file, &ready(9), "third").unwrap().remove();
        assert!(!beside.exists());
    }
}
