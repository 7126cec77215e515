//! Every service over a real socket: the suite of the port, and whatever odd they send.

use std::time::Duration;

use futures::StreamExt as _;
use meddah_fakes::speech::FakeSpeech;
use meddah_fakes::{Transcript, transcript};
use meddah_inference::Key;
use meddah_inference::http::Http;
use serde_json::{Map, Value, json};

use super::*;
use crate::suite::{self, Spoken, check, spoken};
use crate::{MarkKind, SpeechErrorKind, SpeechPiece, SpeechRequest, TextToSpeech as _, VoiceSettings};

/// Services that speak, with the voice of their fake.
const SPEAKERS: [(&str, &str); 8] = [
    ("openai", "coral"),
    ("openai-compatible", "af_heart"),
    ("kokoro", "af_heart"),
    ("elevenlabs", "Rachel"),
    ("elevenlabs-socket", FakeSpeech::ELEVENLABS_VOICE),
    ("inworld", "Ashley"),
    ("cartesia", "sage"),
    ("xtts", "female"),
];

fn options(options: Value) -> Map<String, Value> {
    options.as_object().cloned().unwrap_or_default()
}

fn config(service: &str, fake: &FakeSpeech) -> OnlineSpeechConfig {
    let rooted = ["kokoro", "inworld", "cartesia", "xtts", "player2"].contains(&service);
    OnlineSpeechConfig {
        service: service.into(),
        base_url: Some(if rooted { fake.base_url().into() } else { format!("{}/v1", fake.base_url()) }),
        key: (!["kokoro", "xtts", "player2"].contains(&service)).then(|| Key::new(FakeSpeech::KEY)),
        model: if service == "openai-compatible" { "kokoro".into() } else { String::new() },
        options: if service == "player2" { options(json!({"game_id": "game-1"})) } else { Map::new() },
        ..OnlineSpeechConfig::default()
    }
}

fn voice(service: &str, fake: &FakeSpeech) -> OnlineVoice {
    open_voice(config(service, fake), Http::new().unwrap()).unwrap()
}

fn said(text: &str, voice: &str) -> SpeechRequest {
    let settings = VoiceSettings { voice: Some(voice.into()), ..VoiceSettings::default() };
    SpeechRequest { settings, ..SpeechRequest::new(text) }
}

/// What comes of a line, up to its error.
async fn pieces(
    voice: &OnlineVoice,
    request: SpeechRequest,
) -> (Vec<SpeechPiece>, Option<crate::SpeechError>) {
    let mut stream = match voice.speak(request).await {
        Ok(stream) => stream,
        Err(error) => return (Vec::new(), Some(error)),
    };
    let mut pieces = Vec::new();
    while let Some(piece) = stream.next().await {
        match piece {
            Ok(piece) => pieces.push(piece),
            Err(error) => {
                assert!(stream.next().await.is_none(), "nothing comes after an error");
                return (pieces, Some(error));
            }
        }
    }
    (pieces, None)
}

/// The line of this transcript.
async fn odd(service: &str, case: Transcript, text: &str) -> (Vec<SpeechPiece>, Option<crate::SpeechError>) {
    let fake = FakeSpeech::start().await;
    fake.next(case);
    let name = SPEAKERS.iter().find(|(name, _)| *name == service).map_or("any", |(_, voice)| voice);
    let got = pieces(&voice(service, &fake), said(text, name)).await;
    assert!(
        tokio::time::timeout(Duration::from_secs(5), fake.wait_for_open(0)).await.is_ok(),
        "{service}: the connection stays open"
    );
    got
}

async fn kind_of(service: &str, case: &str) -> SpeechErrorKind {
    let (_, error) = odd(service, transcript(&format!("speech-{service}"), case), "Hi you").await;
    let error = error.unwrap_or_else(|| panic!("{service} {case}: no error"));
    assert!(!error.help.is_empty() && !error.message.contains(FakeSpeech::KEY), "{error:?}");
    error.kind
}

fn words(pieces: &[SpeechPiece]) -> Vec<(usize, u128, u128)> {
    let marks = pieces.iter().flat_map(|piece| &piece.marks);
    let words = marks.filter_map(|mark| match &mark.kind {
        MarkKind::Word(bytes) => Some((bytes.start, mark.at.as_millis(), mark.duration.as_millis())),
        MarkKind::Phoneme(_) => None,
    });
    words.collect()
}

#[tokio::test]
async fn every_service_passes_the_suite() {
    for (service, name) in SPEAKERS.into_iter().chain([("player2", "Mirela")]) {
        let fake = FakeSpeech::start().await;
        let settings = VoiceSettings { voice: Some(name.into()), ..VoiceSettings::default() };
        suite::all(&voice(service, &fake), &settings).await;
        assert!(fake.wait_for_open(0).await.is_ok(), "{service}");
        assert!(fake.requests().iter().all(|asked| !asked.path.contains(FakeSpeech::KEY)), "{service}");
    }
}

#[tokio::test]
async fn any_chunking_of_an_answer_gives_the_same_line() {
    for (service, name) in SPEAKERS.into_iter().chain([("player2", "Mirela")]) {
        let fake = FakeSpeech::start().await;
        let voice = voice(service, &fake);
        let text = "Good evening, Ölgür. Two coins.";
        let whole = spoken(&voice, said(text, name)).await;
        for bytes in [997, 61] {
            fake.in_pieces(bytes);
            let cut = spoken(&voice, said(text, name)).await;
            assert!(cut.pcm == whole.pcm, "{service} in pieces of {bytes}: the sound differs");
            assert_eq!(cut.marks, whole.marks, "{service} in pieces of {bytes}");
        }
    }
}

#[tokio::test]
async fn speed_pitch_and_volume_are_kept() {
    for (service, name) in SPEAKERS.into_iter().chain([("player2", "Mirela")]) {
        let fake = FakeSpeech::start().await;
        let voice = voice(service, &fake);
        let settings = VoiceSettings {
            voice: Some(name.into()),
            speed: 1.1,
            pitch: 3.0,
            volume: 0.5,
            ..VoiceSettings::default()
        };
        let request = SpeechRequest { settings, ..SpeechRequest::new("Two words.") };
        let spoken = spoken(&voice, request).await;
        check("Two words.", &spoken);
        let loudest = spoken.pcm.samples.iter().fold(0.0_f32, |most, sample| most.max(sample.abs()));
        assert!((loudest - 9000.0 / 32768.0 / 2.0).abs() < 0.02, "{service}: {loudest}");
        let asked = fake.requests().pop().unwrap().json.to_string();
        // 1.1 divided by three semitones.
        let told = asked.contains("0.92") || fake.frames().iter().any(|frame| frame.contains("0.92"));
        assert!(told != (service == "xtts"), "{service}: {asked}");
    }
}

#[tokio::test]
async fn times_of_services_become_marks() {
    for service in ["kokoro", "elevenlabs", "elevenlabs-socket", "inworld", "cartesia"] {
        let fake = FakeSpeech::start().await;
        let name = SPEAKERS.iter().find(|(name, _)| *name == service).unwrap().1;
        let text = "Good evening, stranger, sit down.";
        let Spoken { pcm, marks, pieces: count } = spoken(&voice(service, &fake), said(text, name)).await;
        let pieces = [SpeechPiece { pcm, marks }];
        let expected: Vec<(usize, u128)> =
            [0, 5, 14, 24, 28].into_iter().zip([0, 310, 620, 930, 1240]).collect();
        let got = words(&pieces);
        for ((place, at), (expected_place, expected_at)) in
            got.iter().map(|(p, at, _)| (*p, *at)).zip(expected)
        {
            assert_eq!(place, expected_place, "{service}");
            assert!(at.abs_diff(expected_at) <= 6, "{service}: {got:?}");
        }
        assert_eq!(got.len(), 5, "{service}: {got:?}");
        assert!(count > 1 || service == "kokoro", "{service} comes in pieces");
        let sounds = |ipa: &str| {
            pieces[0].marks.iter().filter(|mark| mark.kind == MarkKind::Phoneme(ipa.into())).count()
        };
        // The service's own sounds where they are of the IPA.
        match service {
            "inworld" => assert_eq!((sounds("h"), sounds("HH")), (3, 0)),
            "cartesia" => assert_eq!((sounds("b"), sounds("oʊ")), (1, 1)),
            _ => {}
        }
    }
}

#[tokio::test]
async fn refusals_are_told_apart() {
    use SpeechErrorKind as Kind;
    for (service, case, kind) in [
        ("openai", "quota", Kind::Quota),
        ("openai", "rate-limit", Kind::RateLimited),
        ("openai", "rate-limit-untimed", Kind::RateLimited),
        ("openai", "moderation", Kind::Refused),
        ("openai", "no-such-model", Kind::NotFound),
        ("openai", "error-200", Kind::Overloaded),
        ("openai", "mp3", Kind::Protocol),
        ("openai", "page", Kind::Protocol),
        ("openai", "gateway", Kind::Overloaded),
        ("openai", "empty", Kind::Protocol),
        ("openai", "cut", Kind::Network),
        ("openai", "endless", Kind::Protocol),
        ("openai", "redirect", Kind::BadRequest),
        ("elevenlabs", "quota", Kind::Quota),
        ("elevenlabs", "busy", Kind::Overloaded),
        ("elevenlabs", "concurrent", Kind::RateLimited),
        ("elevenlabs", "unprocessable", Kind::BadRequest),
        ("elevenlabs", "garbage", Kind::Protocol),
        ("elevenlabs", "bad-base64", Kind::Protocol),
        ("elevenlabs", "cut", Kind::Network),
        ("elevenlabs", "error-midway", Kind::Quota),
        ("elevenlabs-socket", "quota", Kind::Quota),
        ("elevenlabs-socket", "hang-up", Kind::Unauthorized),
        ("elevenlabs-socket", "unfinished", Kind::Network),
        ("elevenlabs-socket", "cut", Kind::Network),
        ("elevenlabs-socket", "refused", Kind::Quota),
        ("inworld", "error-midway", Kind::RateLimited),
        ("inworld", "two-rates", Kind::Protocol),
        ("cartesia", "error-midway", Kind::Quota),
        ("cartesia", "unfinished", Kind::Network),
        ("player2", "no-joules", Kind::Quota),
        ("player2", "no-sound", Kind::Protocol),
    ] {
        assert_eq!(kind_of(service, case).await, kind, "{service} {case}");
    }
}

#[tokio::test]
async fn a_pause_that_is_asked_for_is_told() {
    let (_, error) = odd("openai", transcript("speech-openai", "rate-limit"), "Hi").await;
    assert_eq!(error.unwrap().retry_after, Some(Duration::from_secs(7)));
    let (_, error) = odd("openai", transcript("speech-openai", "rate-limit-untimed"), "Hi").await;
    assert_eq!(error.unwrap().retry_after, None);
}

#[tokio::test]
async fn odd_answers_are_clean_sound() {
    for (service, case, expected) in [
        ("elevenlabs", "nulls", vec![(0, 0, 100), (3, 100, 108)]),
        ("elevenlabs-socket", "nulls", vec![(0, 0, 100), (3, 100, 108)]),
    ] {
        let (pieces, error) = odd(service, transcript(&format!("speech-{service}"), case), "Hi you").await;
        assert!(error.is_none(), "{service} {case}: {error:?}");
        assert_eq!(words(&pieces), expected, "{service} {case}");
        assert_eq!(pieces.iter().map(|piece| piece.pcm.samples.len()).sum::<usize>(), 4800);
    }
    for (service, case) in [
        ("elevenlabs", "wild-times"),
        ("inworld", "no-heads"),
        ("cartesia", "odd-events"),
        ("player2", "data-address"),
        ("openai", "silence"),
    ] {
        let (pieces, error) = odd(service, transcript(&format!("speech-{service}"), case), "Hi you").await;
        assert!(error.is_none(), "{service} {case}: {error:?}");
        assert_eq!(words(&pieces).len(), 2, "{service} {case}");
        let marks: Vec<_> = pieces.iter().flat_map(|piece| &piece.marks).collect();
        let sounds: Vec<_> = marks.iter().filter(|mark| matches!(mark.kind, MarkKind::Phoneme(_))).collect();
        for pair in sounds.windows(2) {
            let end = pair[0].at + pair[0].duration;
            assert!(pair[1].at.abs_diff(end) < Duration::from_millis(1), "{service} {case}: {marks:?}");
        }
        let total: Duration = pieces.iter().map(|piece| piece.pcm.duration()).sum();
        let last = sounds.last().unwrap();
        assert!((last.at + last.duration).abs_diff(total) < Duration::from_millis(1), "{service} {case}");
    }
}

#[tokio::test]
async fn a_server_that_cannot_stream_is_asked_for_files_from_then_on() {
    let fake = FakeSpeech::start().await;
    fake.next(transcript("speech-xtts", "no-stream"));
    let voice = voice("xtts", &fake);
    for _ in 0..2 {
        assert!(pieces(&voice, said("Hi you", "female")).await.1.is_none());
    }
    let paths: Vec<String> = fake.requests().into_iter().map(|asked| asked.path).collect();
    assert!(paths[0].starts_with("/tts_stream?") && paths[1..] == ["/tts_to_audio/", "/tts_to_audio/"]);
    fake.next(transcript("speech-xtts", "no-speaker"));
    let error = pieces(&voice, said("Hi you", "nobody")).await.1.unwrap();
    assert!(matches!(error.kind, SpeechErrorKind::UnknownVoice | SpeechErrorKind::Overloaded), "{error:?}");
}

#[tokio::test]
async fn voices_are_found_by_their_names() {
    let fake = FakeSpeech::start().await;
    let mut config = config("elevenlabs", &fake);
    config.voices = [("innkeeper".to_owned(), "rachel".to_owned())].into();
    let voice = open_voice(config, Http::new().unwrap()).unwrap();
    assert!(pieces(&voice, said("Hail", "innkeeper")).await.1.is_none());
    let names: Vec<String> = voice.voices().await.into_iter().map(|voice| voice.name).collect();
    assert_eq!(names, ["innkeeper", "Rachel - calm"]);
    let error = pieces(&voice, said("Hail", "nobody")).await.1.unwrap();
    assert_eq!(error.kind, SpeechErrorKind::UnknownVoice);
    let lists = fake.requests().iter().filter(|asked| asked.path == "/v1/voices").count();
    assert_eq!(lists, 1, "the list is asked for once");
    let (_, error) = pieces(&voice, SpeechRequest::new("Hail")).await;
    assert_eq!(error.unwrap().kind, SpeechErrorKind::UnknownVoice, "none is chosen");
}

#[tokio::test]
async fn a_key_goes_nowhere_in_the_open_and_is_missed_before_anything_is_asked() {
    let http = Http::new().unwrap();
    let config = |service: &str, base_url: Option<&str>, key: Option<&str>| OnlineSpeechConfig {
        service: service.into(),
        base_url: base_url.map(str::to_owned),
        key: key.map(Key::new),
        ..OnlineSpeechConfig::default()
    };
    let kind = |config: OnlineSpeechConfig| open_voice(config, http.clone()).err().map(|error| error.kind);
    assert_eq!(kind(config("elevenlabs", None, None)), Some(SpeechErrorKind::Unauthorized));
    assert_eq!(
        kind(config("openai", Some("http://example.com"), Some("k"))),
        Some(SpeechErrorKind::BadRequest)
    );
    assert_eq!(kind(config("openai", Some("wss://example.com/v1"), Some("k"))), None);
    assert_eq!(kind(config("deepgram", None, Some("k"))), Some(SpeechErrorKind::NotFound));
    assert_eq!(kind(config("nobody", None, None)), Some(SpeechErrorKind::NotFound));
    assert_eq!(kind(config("nobody", Some("http://127.0.0.1:1"), None)), None);
    assert_eq!(kind(config("player2", None, None)), Some(SpeechErrorKind::BadRequest));
    let listener = open_listener(config("cartesia", None, Some("k")), http.clone()).err().unwrap();
    assert_eq!(listener.kind, SpeechErrorKind::NotFound);
    let nobody = open_voice(config("openai", Some("http://127.0.0.1:9"), None), http.clone()).unwrap();
    let (_, error) = pieces(&nobody, said("Hail", "coral")).await;
    assert_eq!(error.unwrap().kind, SpeechErrorKind::Network);
    let debug = format!("{:?}", config("openai", None, Some("sk-secret")));
    assert!(!debug.contains("sk-secret"));
}

#[tokio::test]
async fn a_service_that_says_nothing_is_left_for_a_voice_of_this_pc() {
    use crate::ladder::{SpeechLadder, SpeechRung};
    let fake = FakeSpeech::start().await;
    let rungs = vec![
        SpeechRung::new("openai", Arc::new(voice("openai", &fake)), Duration::from_secs(1)),
        SpeechRung::new("robot", Arc::new(crate::ScriptedSpeech::default()), Duration::ZERO),
    ];
    let ladder = SpeechLadder::new(rungs);
    fake.next(transcript("speech-openai", "hang"));
    for (place, told) in [(1, true), (0, true), (0, false)] {
        let spoken = ladder.speak_with(said("Hi you", "coral")).await.unwrap();
        assert_eq!((spoken.rung, spoken.notice.is_some()), (place, told));
        assert!(spoken.stream.all(|piece| std::future::ready(piece.is_ok())).await);
        assert!(fake.wait_for_open(0).await.is_ok(), "nothing is asked on");
    }
}
