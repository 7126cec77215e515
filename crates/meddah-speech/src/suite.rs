//! What every adapter of [`TextToSpeech`] keeps to. Panics where one does not; for tests.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::path::PathBuf;
use std::time::Duration;

use futures::StreamExt as _;

use crate::{
    Mark, MarkKind, Pcm, SpeechErrorKind, SpeechRequest, TEXT_BYTES_MAX, TextToSpeech, VoiceSettings,
};

/// Far longer than a piece of speech takes.
const PATIENCE: Duration = Duration::from_secs(60);
/// How exact the times of sounds are: less than a frame of a film.
const EXACT: f64 = 0.02;

/// The voice of the tests. A test without it fails rather than passes by doing nothing.
pub fn voice_file() -> PathBuf {
    let cached = || {
        let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
        let home = std::env::home_dir().unwrap_or_default().join(".cache");
        cache.unwrap_or(home).join("meddah/models/en_US-joe-medium.onnx")
    };
    let file = std::env::var_os("MEDDAH_TEST_VOICE").map_or_else(cached, PathBuf::from);
    assert!(file.exists(), "{file:?} is missing: run scripts/get-voice, or set MEDDAH_TEST_VOICE");
    file
}

/// A line put together from its pieces.
pub struct Spoken {
    /// Everything that is heard.
    pub pcm: Pcm,
    /// Everything that is known of it.
    pub marks: Vec<Mark>,
    /// In how many pieces it came.
    pub pieces: usize,
}

/// Runs the whole suite with these settings.
pub async fn all(speech: &dyn TextToSpeech, settings: &VoiceSettings) {
    assert!(!speech.voices().await.is_empty(), "there is always a voice");
    for text in ["Good evening. Was the road to Nargothil long, stranger?", "Yes!", "Nrk's 12 coins"] {
        let spoken = spoken(speech, request(text, settings)).await;
        check(text, &spoken);
    }
    let nothing = spoken(speech, request("... *", settings)).await;
    assert!(nothing.pcm.samples.is_empty() && nothing.marks.is_empty(), "where is no word is no sound");
    refuses(speech, settings).await;
    a_dropped_stream_ends_its_work(speech, settings).await;
}

fn request(text: &str, settings: &VoiceSettings) -> SpeechRequest {
    SpeechRequest { settings: settings.clone(), ..SpeechRequest::new(text) }
}

/// Speaks and takes everything.
pub async fn spoken(speech: &dyn TextToSpeech, request: SpeechRequest) -> Spoken {
    let mut stream = speech.speak(request).await.unwrap();
    let mut spoken = Spoken { pcm: Pcm::default(), marks: Vec::new(), pieces: 0 };
    while let Some(piece) = tokio::time::timeout(PATIENCE, stream.next()).await.unwrap() {
        let piece = piece.unwrap();
        assert!(spoken.pieces == 0 || spoken.pcm.sample_rate_hz == piece.pcm.sample_rate_hz, "one rate");
        spoken.pcm.sample_rate_hz = piece.pcm.sample_rate_hz;
        spoken.pcm.samples.extend(piece.pcm.samples);
        spoken.marks.extend(piece.marks);
        spoken.pieces += 1;
    }
    spoken
}

/// What holds for every line that is spoken.
pub fn check(text: &str, spoken: &Spoken) {
    let Spoken { pcm, marks, .. } = spoken;
    let seconds = pcm.duration().as_secs_f64();
    let phonemes: Vec<&Mark> =
        marks.iter().filter(|mark| matches!(mark.kind, MarkKind::Phoneme(_))).collect();
    let end = phonemes.last().map_or(0.0, |mark| (mark.at + mark.duration).as_secs_f64());
    assert!((end - seconds).abs() < EXACT, "{text}: marks end at {end} s, the sound at {seconds} s");
    for pair in phonemes.windows(2) {
        let gap = pair[1].at.as_secs_f64() - (pair[0].at + pair[0].duration).as_secs_f64();
        assert!(gap.abs() < 0.001, "{text}: a gap of {gap} s");
    }
    let words = marks.iter().filter_map(|mark| match &mark.kind {
        MarkKind::Word(bytes) => Some(bytes.clone()),
        MarkKind::Phoneme(_) => None,
    });
    let words: Vec<_> = words.collect();
    for (place, sign) in text.char_indices().filter(|(_, sign)| sign.is_alphanumeric()) {
        assert!(words.iter().any(|bytes| bytes.contains(&place)), "{text}: {sign:?} is in no word");
    }
    let count = words.len() as f64;
    assert!(seconds > 0.08 * count && seconds < 1.5 * count + 1.0, "{text}: {seconds} s");
    let power = pcm.samples.iter().map(|sample| sample * sample).sum::<f32>() / pcm.samples.len() as f32;
    assert!(power.sqrt() > 0.01, "{text}: it is silent");
    assert!(pcm.samples.iter().all(|sample| sample.abs() <= 1.0), "{text}: it is too loud");
}

async fn refuses(speech: &dyn TextToSpeech, settings: &VoiceSettings) {
    let long = request(&"a".repeat(TEXT_BYTES_MAX + 1), settings);
    let fast = request("Hail.", &VoiceSettings { speed: 9.0, ..settings.clone() });
    for refused in [long, fast] {
        let error = speech.speak(refused).await.err().unwrap();
        assert!(error.kind == SpeechErrorKind::BadRequest && !error.help.is_empty());
    }
}

async fn a_dropped_stream_ends_its_work(speech: &dyn TextToSpeech, settings: &VoiceSettings) {
    let long = "And then she told the whole story from the beginning. ".repeat(40);
    for _ in 0..3 {
        let mut stream = speech.speak(request(&long, settings)).await.unwrap();
        stream.next().await.unwrap().unwrap();
    }
    let after = tokio::time::timeout(PATIENCE / 2, spoken(speech, request("Stop.", settings))).await;
    assert!(after.is_ok(), "lines that nobody hears hold up those that somebody waits for");
}
