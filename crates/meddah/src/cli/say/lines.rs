//! What a character says in `meddah talk`, in sound files beside the text.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use meddah_protocol::{Audio, Event, EventKind};

use super::cannot_write;
use crate::cli::{Failure, print};
use crate::voice::Voices;

/// Writes the sound of each line into a file of its own: `01-mira.wav`, `02-mira.wav`.
pub struct LineFiles {
    voices: Arc<Voices>,
    folder: PathBuf,
    character: String,
    /// Tells of each file on standard output.
    tells: bool,
    count: usize,
}

impl LineFiles {
    /// Files go into `folder`, which is made if it is not there; those of an earlier talk are replaced.
    ///
    /// # Errors
    /// The folder cannot be made.
    pub fn new(
        voices: Arc<Voices>,
        folder: &Path,
        character: &str,
        tells: bool,
    ) -> Result<LineFiles, Failure> {
        std::fs::create_dir_all(folder).map_err(|error| cannot_write(folder, &error))?;
        Ok(LineFiles { voices, folder: folder.to_owned(), character: character.to_owned(), tells, count: 0 })
    }

    /// Writes what an `audio` event tells of, and puts the path into the event. A file that cannot be written is told
    /// of and costs nothing but the sound.
    pub fn write(&mut self, event: &mut Event) {
        let EventKind::Audio(Audio { url: Some(url), path, duration_ms, .. }) = &mut event.kind else {
            return;
        };
        let Some((_, sound)) = self.voices.file_at(url) else { return };
        self.count += 1;
        let file = self.folder.join(format!("{:02}-{}.wav", self.count, self.character));
        if let Err(error) = std::fs::write(&file, &sound) {
            return print::failure(&cannot_write(&file, &error).message);
        }
        if self.tells {
            print::aside(&format!("  {}  {:.1} s", file.display(), f64::from(*duration_ms) / 1000.0));
        }
        *path = Some(file.display().to_string());
    }
}
