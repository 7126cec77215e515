//! What a character says in `meddah talk`, spoken into sound files beside the text.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use meddah_engine::world::Character;
use meddah_speech::{Lexicon, LocalSpeech, SpeechRequest, VoiceSettings};

use super::{cannot_write, failure, speak, write};
use crate::cli::{Failure, print};
use crate::paths::Paths;

/// The model needs the other cores.
const THREADS: usize = 1;

/// Speaks line after line, each into a file of its own: `01-mira.wav`, `02-mira.wav`.
pub struct SpokenLines {
    speech: LocalSpeech,
    settings: VoiceSettings,
    folder: PathBuf,
    character: String,
    count: usize,
}

impl SpokenLines {
    /// Files go into `folder`, which is made if it is not there; those of an earlier talk are replaced.
    ///
    /// # Errors
    /// The folder cannot be made.
    pub fn new(paths: &Paths, folder: &Path, character: &Character) -> Result<SpokenLines, Failure> {
        std::fs::create_dir_all(folder).map_err(|error| cannot_write(folder, &error))?;
        let speech = LocalSpeech::new(paths.models(), THREADS).map_err(failure)?;
        let settings = settings(paths, character);
        let (folder, character) = (folder.to_owned(), character.id.clone());
        Ok(SpokenLines { speech, settings, folder, character, count: 0 })
    }

    /// Speaks a line. A voice that fails is told of and costs nothing but the sound.
    pub async fn say(&mut self, text: &str) {
        if let Err(error) = self.write(text).await {
            print::failure(&error.message);
        }
    }

    async fn write(&mut self, text: &str) -> Result<(), Failure> {
        let request = SpeechRequest {
            text: text.to_owned(),
            settings: self.settings.clone(),
            lexicon: Arc::new(Lexicon::default()),
        };
        let spoken = speak(&self.speech, request).await?;
        if spoken.pcm.samples.is_empty() {
            return Ok(());
        }
        self.count += 1;
        let file = self.folder.join(format!("{:02}-{}.wav", self.count, self.character));
        write(&file, &spoken.pcm)?;
        print::aside(&format!("  {}  {:.1} s", file.display(), spoken.pcm.duration().as_secs_f64()));
        Ok(())
    }
}

/// The voice of the character's file, if it is installed.
fn settings(paths: &Paths, character: &Character) -> VoiceSettings {
    let wanted = &character.voice;
    let mut settings = VoiceSettings::default();
    if let Some(speed) = wanted.speed {
        settings.speed = speed as f32;
    }
    let Some(name) = &wanted.name else { return settings };
    match LocalSpeech::voices_in(&paths.models()).iter().any(|voice| voice.name == *name) {
        true => VoiceSettings { voice: Some(name.clone()), speaker: wanted.speaker, ..settings },
        false => {
            print::aside(&format!(
                "the voice {name} of {} is not installed, another one speaks",
                character.name
            ));
            settings
        }
    }
}
