//! Sound files by name: in addresses, and in a folder for games that can only open files.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use meddah_speech::AudioFormat;

/// Files that are kept; a game has opened the oldest long ago.
const FILES_MAX: usize = 256;
/// Where sounds are fetched.
const ROUTE: &str = "/v1/audio/";

/// A sound and the format in which it is asked for: `ID.wav`.
pub(crate) struct AudioId {
    pub id: String,
    pub format: AudioFormat,
}

impl AudioId {
    /// From the name of a file. Ids hold letters, digits and hyphens only.
    pub fn of_file(name: &str) -> Option<AudioId> {
        let (id, extension) = name.rsplit_once('.')?;
        let plain = id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        let format = extension.parse().ok()?;
        plain.then(|| AudioId { id: id.to_owned(), format })
    }

    pub fn url(&self) -> String {
        format!("{ROUTE}{}.{}", self.id, self.format.extension())
    }

    /// The name of the file at the end of an address.
    pub fn name_in(url: &str) -> &str {
        url.strip_prefix(ROUTE).unwrap_or_default()
    }
}

/// A folder with the newest sounds.
pub(crate) struct AudioFiles {
    folder: PathBuf,
    written: Arc<Mutex<VecDeque<PathBuf>>>,
}

impl AudioFiles {
    /// In this folder, which is made when it is needed.
    pub fn new(folder: PathBuf) -> AudioFiles {
        AudioFiles { folder, written: Arc::default() }
    }

    /// Writes a sound and returns its path. The oldest file makes room.
    pub async fn write(&self, id: &str, format: AudioFormat, file: Arc<[u8]>) -> std::io::Result<String> {
        let path = self.folder.join(format!("{id}.{}", format.extension()));
        let (folder, shown) = (self.folder.clone(), path.display().to_string());
        let written = self.written.clone();
        let write = tokio::task::spawn_blocking(move || {
            let mut written = written.lock().unwrap_or_else(PoisonError::into_inner);
            if written.is_empty() {
                *written = left_over(&folder)?;
            }
            // A game that looks into the folder sees whole files only.
            let unfinished = path.with_extension("part");
            std::fs::write(&unfinished, &file)?;
            std::fs::rename(&unfinished, &path)?;
            written.push_back(path);
            while written.len() > FILES_MAX {
                let oldest = written.pop_front();
                oldest.map(std::fs::remove_file).transpose().ok(); // a game may hold it open
            }
            Ok(())
        });
        write.await.unwrap_or_else(|error| Err(std::io::Error::other(error))).map(|()| shown)
    }
}

/// Files of an earlier run: they go first. Makes the folder if it is not there.
fn left_over(folder: &std::path::Path) -> std::io::Result<VecDeque<PathBuf>> {
    std::fs::create_dir_all(folder)?;
    Ok(std::fs::read_dir(folder)?.filter_map(|entry| Some(entry.ok()?.path())).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_an_id_and_a_format_and_nothing_else() {
        let found = AudioId::of_file("0af3-1.wav").unwrap();
        assert_eq!((found.id.as_str(), found.url().as_str()), ("0af3-1", "/v1/audio/0af3-1.wav"));
        assert_eq!(AudioId::name_in("/v1/audio/0af3-1.wav"), "0af3-1.wav");
        for name in ["../x.wav", "a/b.wav", "a.exe", "a", ".wav/..", "a.b.wav"] {
            assert!(AudioId::of_file(name).is_none(), "{name}");
        }
    }

    #[tokio::test]
    async fn the_folder_holds_the_newest_files_whole() {
        let folder = tempfile::tempdir().unwrap();
        let files = AudioFiles::new(folder.path().join("audio"));
        for number in 0..FILES_MAX + 3 {
            let path =
                files.write(&format!("a-{number}"), AudioFormat::Pcm, Arc::from([1, 2])).await.unwrap();
            assert_eq!(std::fs::read(path).unwrap(), [1, 2]);
        }
        let count = std::fs::read_dir(folder.path().join("audio")).unwrap().count();
        assert_eq!(count, FILES_MAX);
    }
}
