//! What the tests share: the model file, a listener, and sentences as sound.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures::{StreamExt as _, stream};
use meddah_speech::{
    LISTEN_RATE_HZ, Lexicon, ListenRequest, LocalSpeech, Partial, Pcm, SpeechError, SpeechPiece,
    SpeechRequest, SpeechToText as _, TextToSpeech as _, Transcript, VoiceSettings,
};
use meddah_whisper::{WhisperConfig, WhisperListener};

/// The model of the tests. A test without it fails rather than passes by doing nothing.
pub fn model_file() -> PathBuf {
    let cached = || {
        let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
        let home = std::env::home_dir().unwrap_or_default().join(".cache");
        cache.unwrap_or(home).join("meddah/models/whisper-tiny.en.bin")
    };
    let file = std::env::var_os("MEDDAH_TEST_WHISPER").map_or_else(cached, PathBuf::from);
    assert!(file.exists(), "{file:?} is missing: run scripts/get-whisper, or set MEDDAH_TEST_WHISPER");
    file
}

pub fn config() -> WhisperConfig {
    WhisperConfig::new(model_file(), vec![env!("CARGO_BIN_EXE_meddah-whisper-worker").into()])
}

pub fn listener() -> WhisperListener {
    WhisperListener::new(config())
}

/// A folder with the voice of the tests, which says the same text the same way every time: a voice varies what it says,
/// and a test that compares words must not.
fn even_voice() -> tempfile::TempDir {
    let voice = meddah_speech::suite::voice_file();
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join(voice.file_name().unwrap());
    if std::fs::hard_link(&voice, &copy).is_err() {
        std::fs::copy(&voice, &copy).unwrap(); // on another disk
    }
    let described = std::fs::read_to_string(voice.with_extension("onnx.json")).unwrap();
    let mut described: serde_json::Value = serde_json::from_str(&described).unwrap();
    described["inference"]["noise_scale"] = 0.0.into();
    described["inference"]["noise_w"] = 0.0.into();
    std::fs::write(copy.with_extension("onnx.json"), described.to_string()).unwrap();
    folder
}

/// A text as somebody says it.
pub async fn spoken(text: &str) -> Pcm {
    let folder = even_voice();
    let voice = meddah_speech::suite::voice_file();
    let name = voice.file_stem().unwrap();
    let speech = LocalSpeech::new(folder.path().to_owned(), 1).unwrap();
    let request = SpeechRequest {
        settings: VoiceSettings {
            voice: Some(name.to_str().unwrap().to_owned()),
            ..VoiceSettings::default()
        },
        lexicon: Arc::new(Lexicon::default()),
        ..SpeechRequest::new(text)
    };
    SpeechPiece::whole(speech.speak(request).await.unwrap()).await.unwrap().pcm.resampled(LISTEN_RATE_HZ)
}

/// All at once.
pub fn request(sound: &Pcm) -> ListenRequest {
    let sound = stream::iter([sound.clone()]).boxed();
    ListenRequest { sound, language: None, names: Vec::new(), partial: Partial::No }
}

/// Piece by piece, with pauses between them.
pub fn live(sound: &Pcm, pause: Duration) -> ListenRequest {
    let rate = sound.sample_rate_hz;
    let piece = |samples: &[f32]| Pcm { sample_rate_hz: rate, samples: samples.to_vec() };
    let pieces: Vec<Pcm> = sound.samples.chunks(rate as usize / 10).map(piece).collect();
    let sound = stream::iter(pieces).then(move |piece| async move {
        tokio::time::sleep(pause).await;
        piece
    });
    ListenRequest { sound: sound.boxed(), language: None, names: Vec::new(), partial: Partial::Always }
}

pub async fn transcripts(
    listener: &WhisperListener,
    request: ListenRequest,
) -> Vec<Result<Transcript, SpeechError>> {
    listener.listen(request).await.unwrap().collect().await
}

/// What was understood in the end.
pub async fn understood(listener: &WhisperListener, request: ListenRequest) -> String {
    let last = transcripts(listener, request).await.pop().unwrap().unwrap();
    assert!(last.is_final);
    last.text
}
