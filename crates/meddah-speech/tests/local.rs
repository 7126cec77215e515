//! Voices of this PC as a caller meets them: the robotic one everywhere, and a real one from a file.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::path::{Path, PathBuf};
use std::time::Duration;

use futures::StreamExt as _;
use meddah_speech::visemes::{Viseme, visemes};
use meddah_speech::{
    LocalSpeech, Mark, MarkKind, Pcm, ROBOT, SpeechErrorKind, SpeechRequest, TextToSpeech as _, VoiceSettings,
};

/// Far longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// The folder of the voice that the tests speak with, and its name.
fn voice() -> (PathBuf, String) {
    let cached = || {
        let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
        let home = std::env::home_dir().unwrap_or_default().join(".cache");
        cache.unwrap_or(home).join("meddah/models/en_US-joe-medium.onnx")
    };
    let file = std::env::var_os("MEDDAH_TEST_VOICE").map_or_else(cached, PathBuf::from);
    assert!(file.exists(), "{file:?} is missing: run scripts/get-voice, or set MEDDAH_TEST_VOICE");
    let name = file.file_stem().unwrap().to_string_lossy().into_owned();
    (file.parent().unwrap().to_owned(), name)
}

fn with(name: &str) -> VoiceSettings {
    VoiceSettings { voice: Some(name.into()), ..VoiceSettings::default() }
}

/// Everything that is spoken, put together.
async fn spoken(speech: &LocalSpeech, text: &str, settings: VoiceSettings) -> (Pcm, Vec<Mark>, usize) {
    let request = SpeechRequest { settings, ..SpeechRequest::new(text) };
    let mut stream = speech.speak(request).await.unwrap();
    let (mut whole, mut marks, mut pieces) = (Pcm::default(), Vec::new(), 0);
    while let Some(piece) = tokio::time::timeout(PATIENCE, stream.next()).await.unwrap() {
        let piece = piece.unwrap();
        whole.sample_rate_hz = piece.pcm.sample_rate_hz;
        whole.samples.extend(piece.pcm.samples);
        marks.extend(piece.marks);
        pieces += 1;
    }
    (whole, marks, pieces)
}

fn loudness(samples: &[f32]) -> f32 {
    (samples.iter().map(|sample| sample * sample).sum::<f32>() / samples.len().max(1) as f32).sqrt()
}

/// What every voice has to keep.
fn check(text: &str, pcm: &Pcm, marks: &[Mark]) {
    let seconds = pcm.duration().as_secs_f64();
    let phonemes: Vec<&Mark> =
        marks.iter().filter(|mark| matches!(mark.kind, MarkKind::Phoneme(_))).collect();
    let end = phonemes.last().map_or(0.0, |mark| (mark.at + mark.duration).as_secs_f64());
    assert!((end - seconds).abs() < 0.02, "{text}: marks end at {end}, the sound at {seconds}");
    for pair in phonemes.windows(2) {
        let gap = pair[1].at.as_secs_f64() - (pair[0].at + pair[0].duration).as_secs_f64();
        assert!(gap.abs() < 0.001, "{text}: a gap of {gap} s");
    }
    let words: Vec<&str> = marks
        .iter()
        .filter_map(|mark| match &mark.kind {
            MarkKind::Word(bytes) => Some(&text[bytes.clone()]),
            MarkKind::Phoneme(_) => None,
        })
        .collect();
    let written: Vec<&str> =
        text.split(|sign: char| !sign.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
    assert_eq!(words, written);
    assert!(
        seconds > 0.08 * written.len() as f64 && seconds < 1.5 * written.len() as f64 + 1.0,
        "{seconds} s"
    );
    assert!(loudness(&pcm.samples) > 0.01, "{text}: it is silent");
    assert!(pcm.samples.iter().all(|sample| sample.abs() <= 1.0));
}

const TEXT: &str = "Good evening. Was the road to Nargothil long, stranger?";

#[tokio::test]
async fn without_any_voice_there_is_still_the_robot() {
    let empty = tempfile::tempdir().unwrap();
    let speech = LocalSpeech::new(empty.path().to_owned(), 1).unwrap();
    let names: Vec<String> = speech.voices().await.into_iter().map(|voice| voice.name).collect();
    assert_eq!(names, [ROBOT]);
    let (pcm, marks, _) = spoken(&speech, TEXT, VoiceSettings::default()).await;
    check(TEXT, &pcm, &marks);
    let (nothing, marks, pieces) = spoken(&speech, "... *", VoiceSettings::default()).await;
    assert_eq!((nothing.samples.len(), marks.len(), pieces), (0, 0, 0));
}

#[tokio::test]
async fn settings_change_what_they_name_and_nothing_else() {
    let speech = LocalSpeech::new(PathBuf::from("/nowhere"), 1).unwrap();
    let (usual, ..) = spoken(&speech, TEXT, with(ROBOT)).await;
    let seconds = |pcm: &Pcm| pcm.duration().as_secs_f64();
    let (fast, ..) = spoken(&speech, TEXT, VoiceSettings { speed: 2.0, ..with(ROBOT) }).await;
    assert!((seconds(&fast) * 2.0 - seconds(&usual)).abs() < 0.05);
    let (quiet, ..) = spoken(&speech, TEXT, VoiceSettings { volume: 0.5, ..with(ROBOT) }).await;
    assert!((loudness(&quiet.samples) / loudness(&usual.samples) - 0.5).abs() < 0.05);
    let (high, marks, _) = spoken(&speech, TEXT, VoiceSettings { pitch: 4.0, ..with(ROBOT) }).await;
    check(TEXT, &high, &marks);
    assert!((seconds(&high) - seconds(&usual)).abs() < 0.05);
}

#[tokio::test]
async fn a_real_voice_speaks_in_pieces_with_exact_times() {
    let (folder, name) = voice();
    let speech = LocalSpeech::new(folder, 2).unwrap();
    let found = speech.voices().await.into_iter().find(|voice| voice.name == name).unwrap();
    assert!(!found.robotic && found.language.starts_with("en"), "{found:?}");
    for text in
        [TEXT, "Yes!", "At ten, Ulfric and Aela rode from Whiterun to Solitude, and nobody saw them again."]
    {
        let (pcm, marks, pieces) = spoken(&speech, text, with(&name.to_uppercase())).await;
        check(text, &pcm, &marks);
        assert!(pieces > 1, "{text}: {pieces}");
    }
    let (pcm, marks, _) =
        spoken(&speech, TEXT, VoiceSettings { pitch: -3.0, volume: 0.8, ..with(&name) }).await;
    check(TEXT, &pcm, &marks);
}

#[tokio::test]
async fn a_dropped_stream_of_a_real_voice_ends_the_work_and_the_next_line_comes_at_once() {
    let (folder, name) = voice();
    let speech = LocalSpeech::new(folder, 2).unwrap();
    spoken(&speech, "Hello.", with(&name)).await;
    let long = "And then she told the whole story from the beginning, slowly. ".repeat(40);
    for _ in 0..3 {
        let request = SpeechRequest { settings: with(&name), ..SpeechRequest::new(long.as_str()) };
        let mut stream = speech.speak(request).await.unwrap();
        stream.next().await.unwrap().unwrap();
    }
    let began = std::time::Instant::now();
    spoken(&speech, "Stop.", with(&name)).await;
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
}

/// Two hundred lines with names that no list knows.
fn lines() -> impl Iterator<Item = String> {
    const NAMES: [&str; 20] = [
        "Dovahkiin",
        "Whiterun",
        "Ulfric",
        "Nargothil",
        "Elyria",
        "Thorgrim",
        "Xanathar",
        "Yennefer",
        "Aerith",
        "Drizzt",
        "Khajiit",
        "Azeroth",
        "Llewellyn",
        "Zhao",
        "Ahri",
        "Melisandre",
        "Kvothe",
        "Brannoc",
        "Ysolda",
        "Qarth",
    ];
    const SENTENCES: [&str; 10] = [
        "NAME!",
        "Where is NAME?",
        "I saw NAME at 10:30.",
        "No, NAME.",
        "NAME owes me 12 coins.",
        "Ask NAME.",
        "It was NAME's.",
        "NAME, NAME, NAME.",
        "Well... NAME knows.",
        "Beyond NAME, nothing.",
    ];
    NAMES.into_iter().flat_map(|name| SENTENCES.map(|sentence| sentence.replace("NAME", name)))
}

/// Visemes end where the sound ends, within 20 ms.
async fn check_lines(speech: &LocalSpeech, name: &str) {
    let mut count = 0;
    for text in lines() {
        let (pcm, marks, _) = spoken(speech, &text, with(name)).await;
        let shapes = visemes(&marks);
        let together: Duration = shapes.iter().map(|shape| shape.duration).sum();
        let off = together.as_secs_f64() - pcm.duration().as_secs_f64();
        assert!(off.abs() < 0.02, "{text}: visemes differ by {off} s");
        assert!(shapes.iter().any(|shape| shape.viseme != Viseme::Sil), "{text}: the mouth stays closed");
        count += 1;
    }
    assert_eq!(count, 200);
}

#[tokio::test]
async fn visemes_of_the_robot_are_as_long_as_its_sound() {
    check_lines(&LocalSpeech::new(PathBuf::from("/nowhere"), 1).unwrap(), ROBOT).await;
}

#[tokio::test]
async fn visemes_of_a_real_voice_are_as_long_as_its_sound() {
    let (folder, name) = voice();
    check_lines(&LocalSpeech::new(folder, 2).unwrap(), &name).await;
}

async fn refused(folder: &Path, settings: VoiceSettings) -> meddah_speech::SpeechError {
    let speech = LocalSpeech::new(folder.to_owned(), 1).unwrap();
    match speech.speak(SpeechRequest { settings, ..SpeechRequest::new("Hello.") }).await {
        Err(error) => error,
        Ok(mut stream) => stream.next().await.unwrap().unwrap_err(),
    }
}

#[tokio::test]
async fn what_cannot_be_spoken_is_told_with_a_way_out() {
    let folder = tempfile::tempdir().unwrap();
    let describe = |name: &str, language: &str| {
        let description = serde_json::json!({
            "audio": {"sample_rate": 22050},
            "language": {"code": language},
            "phoneme_id_map": {"_": [0], "^": [1], "$": [2]},
        });
        std::fs::write(folder.path().join(format!("{name}.onnx.json")), description.to_string()).unwrap();
        std::fs::write(folder.path().join(format!("{name}.onnx")), "no model").unwrap();
    };
    describe("broken", "en_GB");
    describe("thorsten", "de_DE");
    let error = refused(folder.path(), with("../joe")).await;
    assert_eq!(error.kind, SpeechErrorKind::UnknownVoice);
    assert_eq!(error.help, "Installed are: broken, thorsten, robot.");
    assert_eq!(refused(folder.path(), with("thorsten")).await.kind, SpeechErrorKind::Language);
    assert_eq!(refused(folder.path(), with("broken")).await.kind, SpeechErrorKind::BadVoice);
    let speaker = refused(folder.path(), VoiceSettings { speaker: Some(3), ..with(ROBOT) }).await;
    assert_eq!(
        (speaker.kind, speaker.help.as_str()),
        (SpeechErrorKind::BadRequest, "Give a number from 0 to 0.")
    );
    assert_eq!(
        refused(folder.path(), VoiceSettings { speed: 3.0, ..with(ROBOT) }).await.kind,
        SpeechErrorKind::BadRequest
    );
}
