//! Every service's ears over a real socket, and whatever odd they send.

use std::time::Duration;

use meddah_fakes::speech::FakeSpeech;
use meddah_fakes::transcript;
use meddah_inference::Key;
use meddah_inference::http::Http;

use super::super::{OnlineSpeechConfig, open_listener};
use super::*;

const LISTENERS: [&str; 5] = ["openai", "groq", "elevenlabs", "inworld", "deepgram"];

fn ears(service: &str, fake: &FakeSpeech) -> Arc<dyn SpeechToText> {
    let base =
        if service == "inworld" { fake.base_url().to_owned() } else { format!("{}/v1", fake.base_url()) };
    let config = OnlineSpeechConfig {
        service: service.into(),
        base_url: Some(base),
        key: Some(Key::new(FakeSpeech::KEY)),
        ..OnlineSpeechConfig::default()
    };
    open_listener(config, Http::new().unwrap()).unwrap()
}

/// Tenths of a second of a tone.
fn sound(pieces: usize) -> SoundStream {
    let piece = Pcm { sample_rate_hz: LISTEN_RATE_HZ, samples: vec![0.1; LISTEN_RATE_HZ as usize / 10] };
    stream::iter(vec![piece; pieces]).boxed()
}

fn request(sound: SoundStream) -> ListenRequest {
    let names = vec!["Mirela".to_owned(), String::new(), "Castle Brann".to_owned()];
    ListenRequest { sound, language: Some("en-US".into()), names, partial: Partial::Always }
}

async fn heard(ears: &dyn SpeechToText, request: ListenRequest) -> Result<Vec<Transcript>, SpeechError> {
    let mut transcripts = ears.listen(request).await?;
    let mut heard = Vec::new();
    while let Some(transcript) = transcripts.next().await {
        heard.push(transcript?);
    }
    Ok(heard)
}

#[tokio::test]
async fn every_service_understands_and_says_when_it_is_done() {
    for service in LISTENERS {
        let fake = FakeSpeech::start().await;
        let heard = heard(&*ears(service, &fake), request(sound(10))).await.unwrap();
        let last = heard.last().unwrap();
        assert!(
            last.is_final && heard.iter().filter(|told| told.is_final).count() == 1,
            "{service}: {heard:?}"
        );
        let expected = match service {
            "openai" | "groq" => "hail Mirela, Castle Brann",
            "deepgram" => "word1 word2 word3 word4 word5 Mirela Castle Brann",
            _ => "hail to you",
        };
        assert_eq!(last.text, expected, "{service}");
        assert!(fake.wait_for_open(0).await.is_ok(), "{service}");
        let asked = fake.requests().pop().unwrap();
        assert!(!asked.path.contains(FakeSpeech::KEY));
        let body = String::from_utf8_lossy(&asked.body);
        let language = match service {
            "deepgram" => asked.path.contains("language=en-US"),
            "inworld" => asked.json["transcribeConfig"]["language"] == "en-US",
            _ => body.contains("\r\n\r\nen\r\n"),
        };
        assert!(language, "{service}: {}", asked.path);
    }
}

#[tokio::test]
async fn nothing_is_asked_where_nothing_was_said() {
    for service in LISTENERS {
        let fake = FakeSpeech::start().await;
        let mut request = request(sound(0));
        request.names.clear();
        let heard = heard(&*ears(service, &fake), request).await.unwrap();
        assert_eq!(heard, [Transcript::last("")], "{service}");
        assert!(service == "deepgram" || fake.requests().is_empty(), "{service}");
    }
}

#[tokio::test]
async fn what_is_understood_on_the_way_grows() {
    let fake = FakeSpeech::start().await;
    let told = heard(&*ears("openai", &fake), request(sound(10))).await.unwrap();
    let told: Vec<&str> = told.iter().map(|told| told.text.as_str()).collect();
    assert_eq!(
        told,
        [
            "hail",
            "hail Mirela,",
            "hail Mirela, Castle",
            "hail Mirela, Castle Brann",
            "hail Mirela, Castle Brann"
        ]
    );
    // Deepgram tells while the sound still comes in.
    let (piece, sound) = tokio::sync::mpsc::channel(4);
    let sound = stream::unfold(sound, |mut sound| async { Some((sound.recv().await?, sound)) }).boxed();
    let mut transcripts = ears("deepgram", &fake).listen(request(sound)).await.unwrap();
    for word in 1..=3 {
        let half = Pcm { sample_rate_hz: LISTEN_RATE_HZ, samples: vec![0.1; 3200] };
        piece.send(half).await.unwrap();
        let told = transcripts.next().await.unwrap().unwrap();
        let expected: Vec<String> = (1..=word).map(|word| format!("word{word}")).collect();
        assert_eq!(told, Transcript::so_far(expected.join(" ")));
    }
    drop(piece);
    let rest: Vec<Transcript> = transcripts.map(Result::unwrap).collect().await;
    assert_eq!(rest.last().unwrap().text, "word1 word2 word3 Mirela Castle Brann");
    assert!(fake.frames().iter().any(|frame| frame.contains("CloseStream")));
}

#[tokio::test]
async fn refusals_and_odd_answers_are_told_apart() {
    use SpeechErrorKind as Kind;
    for (service, case, expected) in [
        ("openai", "quota", Err(Kind::Quota)),
        ("openai", "page", Err(Kind::Protocol)),
        ("openai", "transcript-whole", Ok("Hail to you.")),
        ("openai", "transcript-cut", Err(Kind::Network)),
        ("openai", "transcript-error", Err(Kind::RateLimited)),
        ("elevenlabs", "quota", Err(Kind::Quota)),
        ("inworld", "error-midway", Err(Kind::Protocol)),
        ("deepgram", "no-credit", Err(Kind::Quota)),
        ("deepgram", "busy", Err(Kind::RateLimited)),
        ("deepgram", "timed-out", Err(Kind::Overloaded)),
        ("deepgram", "garbage", Err(Kind::Protocol)),
        ("deepgram", "cut", Err(Kind::Network)),
        ("deepgram", "odd", Ok("hail to you")),
    ] {
        let fake = FakeSpeech::start().await;
        fake.next(transcript(&format!("speech-{service}"), case));
        let got = heard(&*ears(service, &fake), request(sound(10))).await;
        let got = got.map(|heard| heard.last().unwrap().text.clone());
        match (got, expected) {
            (Ok(text), Ok(expected)) => assert_eq!(text, expected, "{service} {case}"),
            (Err(error), Err(kind)) => assert_eq!(error.kind, kind, "{service} {case}: {error:?}"),
            (got, _) => panic!("{service} {case}: {got:?}"),
        }
    }
    let fake = FakeSpeech::start().await;
    fake.next(transcript("speech-deepgram", "busy"));
    let error = heard(&*ears("deepgram", &fake), request(sound(10))).await.unwrap_err();
    assert_eq!(error.retry_after, Some(Duration::from_secs(2)));
}

#[tokio::test]
async fn who_goes_away_ends_the_talk() {
    for service in LISTENERS {
        let fake = FakeSpeech::start().await;
        let silent = sound(5).chain(stream::pending()).boxed();
        let mut transcripts = ears(service, &fake).listen(request(silent)).await.unwrap();
        let waited = tokio::time::timeout(Duration::from_millis(50), async {
            while let Some(told) = transcripts.next().await {
                assert!(!told.unwrap().is_final, "{service}: the sound has not ended");
            }
        });
        assert!(waited.await.is_err(), "{service}");
        drop(transcripts);
        assert!(fake.wait_for_open(0).await.is_ok(), "{service}");
    }
}

#[tokio::test]
async fn more_than_an_utterance_is_not_listened_to() {
    let samples = collect(sound(400)).await.unwrap();
    assert_eq!(samples.len(), 30 * LISTEN_RATE_HZ as usize);
    let wrong = Pcm { sample_rate_hz: 8000, samples: vec![0.0] };
    let error = collect(stream::iter([wrong]).boxed()).await.unwrap_err();
    assert_eq!(error.kind, SpeechErrorKind::BadRequest);
    let fake = FakeSpeech::start().await;
    let heard = heard(&*ears("deepgram", &fake), request(sound(400))).await.unwrap();
    assert!(heard.last().unwrap().is_final);
    let sent: usize = fake
        .frames()
        .iter()
        .filter_map(|frame| frame.strip_prefix('<')?.trim_end_matches('>').parse::<usize>().ok())
        .sum();
    assert_eq!(sent, 30 * 2 * LISTEN_RATE_HZ as usize);
}
