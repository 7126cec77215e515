//! Voices of this PC as a caller meets them: the robotic one everywhere, and a real one from a file.

use std::path::Path;
use std::time::Duration;

use futures::StreamExt as _;

use super::*;
use crate::suite::{self, Spoken, check};
use crate::visemes::{Viseme, visemes};
use crate::{SpeechErrorKind, VoiceSettings};

/// The folder of the voice that the tests speak with, and its name.
fn voice() -> (PathBuf, String) {
    let file = suite::voice_file();
    (file.parent().unwrap().to_owned(), file.file_stem().unwrap().to_string_lossy().into_owned())
}

fn with(name: &str) -> VoiceSettings {
    VoiceSettings { voice: Some(name.into()), ..VoiceSettings::default() }
}

async fn spoken(speech: &LocalSpeech, text: &str, settings: VoiceSettings) -> Spoken {
    suite::spoken(speech, SpeechRequest { settings, ..SpeechRequest::new(text) }).await
}

fn loudness(samples: &[f32]) -> f32 {
    (samples.iter().map(|sample| sample * sample).sum::<f32>() / samples.len().max(1) as f32).sqrt()
}

const TEXT: &str = "Good evening. Was the road to Nargothil long, stranger?";

#[tokio::test]
async fn without_any_voice_there_is_still_the_robot() {
    let empty = tempfile::tempdir().unwrap();
    let speech = LocalSpeech::new(empty.path().to_owned(), 1).unwrap();
    let names: Vec<String> = speech.voices().await.into_iter().map(|voice| voice.name).collect();
    assert_eq!(names, [ROBOT]);
    suite::all(&speech, &VoiceSettings::default()).await;
}

#[tokio::test]
async fn settings_change_what_they_name_and_nothing_else() {
    let speech = LocalSpeech::new(PathBuf::from("/nowhere"), 1).unwrap();
    let usual = spoken(&speech, TEXT, with(ROBOT)).await.pcm;
    let seconds = |pcm: &crate::Pcm| pcm.duration().as_secs_f64();
    let fast = spoken(&speech, TEXT, VoiceSettings { speed: 2.0, ..with(ROBOT) }).await.pcm;
    assert!((seconds(&fast) * 2.0 - seconds(&usual)).abs() < 0.05);
    let quiet = spoken(&speech, TEXT, VoiceSettings { volume: 0.5, ..with(ROBOT) }).await.pcm;
    assert!((loudness(&quiet.samples) / loudness(&usual.samples) - 0.5).abs() < 0.05);
    let high = spoken(&speech, TEXT, VoiceSettings { pitch: 4.0, ..with(ROBOT) }).await;
    check(TEXT, &high);
    assert!((seconds(&high.pcm) - seconds(&usual)).abs() < 0.05);
}

#[tokio::test]
async fn a_real_voice_passes_the_suite_and_speaks_in_pieces() {
    let (folder, name) = voice();
    let speech = LocalSpeech::new(folder, 2).unwrap();
    let found = speech.voices().await.into_iter().find(|voice| voice.name == name).unwrap();
    assert!(!found.robotic && found.language.starts_with("en"), "{found:?}");
    suite::all(&speech, &with(&name)).await;
    let deep = VoiceSettings { pitch: -3.0, volume: 0.8, ..with(&name.to_uppercase()) };
    let line = spoken(&speech, TEXT, deep).await;
    check(TEXT, &line);
    assert!(line.pieces > 2, "{}", line.pieces);
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
        let Spoken { pcm, marks, .. } = spoken(speech, &text, with(name)).await;
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

async fn refused(folder: &Path, settings: VoiceSettings) -> SpeechError {
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
