//! Voices on this PC: what is in the folder, and what is in memory.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rten::ThreadPool;

use super::robot::{ROBOT, Robot, robot_voice};
use crate::piper::{PiperVoice, describe};
use crate::synthesiser::Synthesiser;
use crate::{SpeechError, SpeechErrorKind, Voice, VoiceSettings};

/// Files looked at in the folder; one with more is not for voices.
const FILES_MAX: usize = 10_000;
/// Voices kept in memory, each about 100 MB; characters of a scene take turns.
const LOADED_MAX: usize = 3;

/// The voices of a folder by name, and the robotic one last. A folder that is not there has none.
pub fn voices(folder: &Path) -> Vec<Voice> {
    files(folder).into_iter().map(|(voice, _)| voice).chain([robot_voice()]).collect()
}

fn files(folder: &Path) -> Vec<(Voice, PathBuf)> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let paths = entries.take(FILES_MAX).filter_map(|entry| Some(entry.ok()?.path()));
    let models = paths.filter(|path| path.extension().is_some_and(|end| end.eq_ignore_ascii_case("onnx")));
    let mut found: Vec<(Voice, PathBuf)> = models
        .filter_map(|path| Some((describe(&path)?, path)))
        .filter(|(voice, _)| voice.name != ROBOT)
        .collect();
    // English first: it is what can be spoken without more.
    found.sort_by_key(|(voice, _)| (!is_english(&voice.language), voice.name.to_lowercase()));
    found
}

/// Whether texts can be read for a voice of this language.
pub fn is_english(language: &str) -> bool {
    language.get(..2).is_some_and(|code| code.eq_ignore_ascii_case("en"))
}

/// Voices in memory, the one that was used last at the end.
pub struct Shelf {
    folder: PathBuf,
    threads: Arc<ThreadPool>,
    loaded: Vec<(String, Box<dyn Synthesiser>)>,
}

impl Shelf {
    /// None is loaded.
    pub fn new(folder: PathBuf, threads: Arc<ThreadPool>) -> Shelf {
        Shelf { folder, threads, loaded: Vec::new() }
    }

    /// The voice that is asked for, read from disk if need be.
    pub fn take(&mut self, settings: &VoiceSettings) -> Result<&mut dyn Synthesiser, SpeechError> {
        let (voice, file) = self.choose(settings.voice.as_deref())?;
        let speaker = settings.speaker.unwrap_or(0);
        if speaker >= voice.speakers {
            return Err(SpeechError::bad_request(
                format!("{:?} has no speaker {speaker}", voice.name),
                format!("Give a number from 0 to {}.", voice.speakers - 1),
            ));
        }
        let synthesiser = match self.loaded.iter().position(|(name, _)| *name == voice.name) {
            Some(place) => self.loaded.remove(place).1,
            None => self.load(file)?,
        };
        if self.loaded.len() >= LOADED_MAX {
            self.loaded.remove(0);
        }
        self.loaded.push((voice.name, synthesiser));
        let (_, synthesiser) = self.loaded.last_mut().expect("it was pushed");
        Ok(synthesiser.as_mut())
    }

    fn load(&self, file: Option<PathBuf>) -> Result<Box<dyn Synthesiser>, SpeechError> {
        Ok(match file {
            Some(file) => Box::new(PiperVoice::open(&file, Arc::clone(&self.threads))?),
            None => Box::new(Robot::default()),
        })
    }

    /// By name, or the first that can speak.
    fn choose(&self, name: Option<&str>) -> Result<(Voice, Option<PathBuf>), SpeechError> {
        let mut files = files(&self.folder);
        let Some(name) = name else {
            let first = files.into_iter().next().filter(|(voice, _)| is_english(&voice.language));
            return Ok(first.map_or((robot_voice(), None), |(voice, file)| (voice, Some(file))));
        };
        if name.eq_ignore_ascii_case(ROBOT) {
            return Ok((robot_voice(), None));
        }
        let Some(place) = files.iter().position(|(voice, _)| voice.name.eq_ignore_ascii_case(name)) else {
            let names = files.into_iter().map(|(voice, _)| voice.name).chain([ROBOT.to_owned()]);
            return Err(SpeechError::new(
                SpeechErrorKind::UnknownVoice,
                format!("there is no voice {name:?}"),
                format!("Installed are: {}.", names.collect::<Vec<_>>().join(", ")),
            ));
        };
        let (voice, file) = files.swap_remove(place);
        if !is_english(&voice.language) {
            return Err(SpeechError::new(
                SpeechErrorKind::Language,
                format!("{name:?} speaks {:?}, and only English can be read so far", voice.language),
                "Choose a voice whose language begins with `en`.",
            ));
        }
        Ok((voice, Some(file)))
    }
}
