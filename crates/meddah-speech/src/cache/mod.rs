//! Lines that were spoken before, kept on disk: a greeting is heard at once, and paid for once.
//!
//! [`CachedSpeech`] stands around any voice. What it keeps is a line that came to its end: one that was cut or failed is
//! asked for again. Only [`authored`](crate::SpeechRequest::authored) lines are kept (greetings, barks): what a model says to
//! one player is hardly ever said twice, and somebody's talk has no place on a disk without need. Names of files tell
//! nothing of what is in them, and the files hold sound and times, but no text.

mod file;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use futures::{StreamExt as _, stream};
use sha2::{Digest as _, Sha256};
use tokio::sync::Mutex;

use crate::{SpeechError, SpeechPiece, SpeechRequest, SpeechStream, TextToSpeech, Voice, samples_as_time};

/// So much is kept if nobody says otherwise: about an hour and a half of speech.
pub const CACHE_BYTES_DEFAULT: u64 = 256 << 20;
/// A longer line is not kept.
const LINE_MAX: Duration = Duration::from_secs(60);
/// Files that are looked at when room is made, at most.
const FILES_MAX: usize = 100_000;
/// The ending of files; others in the folder are left alone.
const ENDING: &str = "speech";
/// The form of keys and files. Another number and everything is spoken anew.
const FORM: u8 = 1;

/// The folder that lines are kept in.
pub struct SpeechCache {
    folder: PathBuf,
    bytes_max: u64,
    /// One makes room at a time.
    making_room: Mutex<()>,
}

impl SpeechCache {
    /// Keeps lines in this folder, which is made when the first one is kept; the least recently spoken go when they are
    /// more than `bytes_max` together.
    pub fn new(folder: PathBuf, bytes_max: u64) -> SpeechCache {
        SpeechCache { folder, bytes_max, making_room: Mutex::new(()) }
    }

    fn path(&self, key: &str) -> PathBuf {
        self.folder.join(format!("{key}.{ENDING}"))
    }

    /// A line that was kept, if it is whole.
    async fn find(&self, key: &str) -> Option<SpeechPiece> {
        let path = self.path(key);
        tokio::task::spawn_blocking(move || file::read(&path)).await.ok().flatten()
    }

    /// Keeps a line. One that cannot be written is spoken anew the next time.
    async fn keep(&self, key: &str, line: SpeechPiece) {
        let (path, folder, bytes_max) = (self.path(key), self.folder.clone(), self.bytes_max);
        let _one = self.making_room.lock().await;
        let kept = tokio::task::spawn_blocking(move || {
            std::fs::create_dir_all(&folder)?;
            file::write(&folder, &path, &line)?;
            make_room(&folder, bytes_max)
        });
        kept.await.ok();
    }
}

/// Removes the least recently used until what is left fits.
fn make_room(folder: &Path, bytes_max: u64) -> std::io::Result<()> {
    let mut files: Vec<(SystemTime, u64, PathBuf)> = Vec::new();
    for entry in std::fs::read_dir(folder)?.take(FILES_MAX).flatten() {
        let path = entry.path();
        let Ok(about) = entry.metadata() else { continue };
        if path.extension().is_some_and(|ending| ending == ENDING) && about.is_file() {
            files.push((about.modified().unwrap_or(SystemTime::UNIX_EPOCH), about.len(), path));
        }
    }
    files.sort();
    let mut kept: u64 = files.iter().map(|(_, bytes, _)| bytes).sum();
    for (_, bytes, path) in files {
        if kept <= bytes_max {
            break;
        }
        // What another program reads at the moment goes the next time.
        if std::fs::remove_file(path).is_ok() {
            kept -= bytes;
        }
    }
    Ok(())
}

/// Speaks lines that were spoken before from the cache, and the others with the voice behind it. It belongs directly around
/// one service, inside of ladders: what a voice of last resort said in its place is not to be heard again.
pub struct CachedSpeech {
    inner: Arc<dyn TextToSpeech>,
    cache: Arc<SpeechCache>,
    /// Who speaks: another service or model says the same in another way.
    speaker: String,
}

impl CachedSpeech {
    /// Around a voice. `speaker` names the service and the model.
    pub fn new(
        inner: Arc<dyn TextToSpeech>,
        cache: Arc<SpeechCache>,
        speaker: impl Into<String>,
    ) -> CachedSpeech {
        CachedSpeech { inner, cache, speaker: speaker.into() }
    }

    /// What stands for a line: the same only where everything that is heard is the same.
    fn key(&self, request: &SpeechRequest) -> String {
        let SpeechRequest { text, settings, lexicon, .. } = request;
        let mut hash = Sha256::new();
        let mut add = |bytes: &[u8]| {
            hash.update((bytes.len() as u64).to_le_bytes());
            hash.update(bytes);
        };
        add(&[FORM]);
        add(self.speaker.as_bytes());
        add(settings.voice.as_deref().unwrap_or_default().as_bytes());
        add(&settings.elsewhere.len().to_le_bytes());
        for (service, voice) in &settings.elsewhere {
            add(service.as_bytes());
            add(voice.as_bytes());
        }
        add(&[u8::from(settings.voice.is_some()), u8::from(settings.speaker.is_some())]);
        add(&settings.speaker.unwrap_or_default().to_le_bytes());
        for number in [settings.speed, settings.pitch, settings.volume] {
            add(&number.to_le_bytes());
        }
        for (word, ipa) in lexicon.of(text) {
            add(word.as_bytes());
            add(ipa.as_bytes());
        }
        add(text.as_bytes());
        hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

#[async_trait]
impl TextToSpeech for CachedSpeech {
    async fn voices(&self) -> Vec<Voice> {
        self.inner.voices().await
    }

    async fn speak(&self, request: SpeechRequest) -> Result<SpeechStream, SpeechError> {
        request.check()?;
        if !request.authored {
            return self.inner.speak(request).await;
        }
        let key = self.key(&request);
        if let Some(line) = self.cache.find(&key).await {
            return Ok(stream::iter([Ok(line)]).boxed());
        }
        let inner = self.inner.speak(request).await?;
        let keeping = Keeping { inner, cache: self.cache.clone(), key, line: Some(SpeechPiece::default()) };
        Ok(stream::unfold(keeping, |mut keeping| async { Some((keeping.next().await?, keeping)) }).boxed())
    }
}

/// A line that is spoken and gathered.
struct Keeping {
    inner: SpeechStream,
    cache: Arc<SpeechCache>,
    key: String,
    /// None if it will not be kept.
    line: Option<SpeechPiece>,
}

impl Keeping {
    async fn next(&mut self) -> Option<Result<SpeechPiece, SpeechError>> {
        let piece = self.inner.next().await;
        match &piece {
            Some(Ok(piece)) => self.gather(piece),
            Some(Err(_)) => self.line = None,
            None => {
                let line = self.line.take().filter(|line| !line.pcm.samples.is_empty());
                if let Some(line) = line {
                    self.cache.keep(&self.key, line).await;
                }
            }
        }
        piece
    }

    fn gather(&mut self, piece: &SpeechPiece) {
        let Some(line) = &mut self.line else { return };
        line.add(piece);
        if samples_as_time(line.pcm.samples.len(), line.pcm.sample_rate_hz) > LINE_MAX {
            self.line = None;
        }
    }
}

#[cfg(test)]
mod tests;
