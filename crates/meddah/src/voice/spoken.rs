//! Lines that were spoken, for games to fetch.
//!
//! The oldest make room: a game fetches a line once, right after the event. (A cache that keeps what is asked for
//! most would drop the newest line first.)

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use meddah_speech::{AudioFormat, FormatError, Pcm, encode};

/// The sound of a line, or of a part of one.
pub struct Sound {
    /// As the voice made it.
    pub pcm: Pcm,
    /// The file that the game asked for, once it is made.
    file: OnceLock<(AudioFormat, u32, Arc<[u8]>)>,
}

impl Sound {
    /// Sound that was just made.
    pub fn new(pcm: Pcm) -> Sound {
        Sound { pcm, file: OnceLock::new() }
    }

    /// The file in this format, at this rate or as the voice has it. Takes a while the first time.
    pub fn file(&self, format: AudioFormat, rate_hz: Option<u32>) -> Result<Arc<[u8]>, FormatError> {
        let rate_hz = rate_hz.unwrap_or(self.pcm.sample_rate_hz);
        let made = |(known, rate, _): &&(AudioFormat, u32, Arc<[u8]>)| (*known, *rate) == (format, rate_hz);
        if let Some((_, _, file)) = self.file.get().filter(made) {
            return Ok(file.clone());
        }
        let file: Arc<[u8]> = encode(&self.pcm, format, rate_hz)?.into();
        self.file.set((format, rate_hz, file.clone())).ok(); // another form of it is kept already
        Ok(file)
    }

    fn bytes(&self) -> usize {
        let file = self.file.get().map_or(0, |(_, _, file)| file.len());
        self.pcm.samples.len() * size_of::<f32>() + file
    }
}

/// What was spoken lately.
pub struct SpokenLines {
    bytes_max: usize,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    sounds: HashMap<String, (Arc<Sound>, usize)>,
    order: VecDeque<String>,
    bytes: usize,
}

impl SpokenLines {
    /// Keeps as much as this, and the newest line in any case.
    pub fn new(bytes_max: usize) -> SpokenLines {
        SpokenLines { bytes_max, kept: Mutex::default() }
    }

    /// Keeps a sound under this id.
    pub fn keep(&self, id: String, sound: Arc<Sound>) {
        let bytes = sound.bytes();
        let mut kept = self.lock();
        kept.bytes += bytes;
        kept.order.push_back(id.clone());
        kept.sounds.insert(id, (sound, bytes));
        while kept.bytes > self.bytes_max && kept.order.len() > 1 {
            let oldest = kept.order.pop_front().unwrap_or_default();
            let bytes = kept.sounds.remove(&oldest).map_or(0, |(_, bytes)| bytes);
            kept.bytes -= bytes;
        }
    }

    /// The sound of this id, if it is still kept.
    pub fn find(&self, id: &str) -> Option<Arc<Sound>> {
        self.lock().sounds.get(id).map(|(sound, _)| sound.clone())
    }

    /// Forgets one: it was taken back before anybody heard it.
    pub fn forget(&self, id: &str) {
        let mut kept = self.lock();
        if let Some((_, bytes)) = kept.sounds.remove(id) {
            kept.bytes -= bytes;
            kept.order.retain(|other| other != id);
        }
    }

    /// How much is kept.
    pub fn bytes(&self) -> usize {
        self.lock().bytes
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sound(samples: usize) -> Arc<Sound> {
        Arc::new(Sound::new(Pcm { sample_rate_hz: 16_000, samples: vec![0.1; samples] }))
    }

    #[test]
    fn the_oldest_line_makes_room_and_the_newest_stays() {
        let spoken = SpokenLines::new(1000 * 4);
        for id in ["a", "b", "c"] {
            spoken.keep(id.into(), sound(400));
        }
        assert!(spoken.find("a").is_none() && spoken.find("b").is_some() && spoken.find("c").is_some());
        assert_eq!(spoken.bytes(), 800 * 4);
        spoken.keep("long".into(), sound(5000));
        assert!(spoken.find("long").is_some() && spoken.find("c").is_none());
        spoken.forget("long");
        assert_eq!(spoken.bytes(), 0);
    }

    #[test]
    fn a_file_is_made_once_and_other_forms_of_it_on_request() {
        let sound = sound(1600);
        let wav = sound.file(AudioFormat::Wav, None).unwrap();
        assert_eq!(wav.len(), 44 + 2 * 1600);
        assert!(Arc::ptr_eq(&wav, &sound.file(AudioFormat::Wav, None).unwrap()));
        assert_eq!(sound.file(AudioFormat::Pcm, None).unwrap().len(), 2 * 1600);
    }
}
