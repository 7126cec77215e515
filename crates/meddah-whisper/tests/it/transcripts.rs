//! What is understood of real sentences, and of no sentence at all.

use std::time::Duration;

use meddah_speech::{
    LISTEN_RATE_HZ, ListenRequest, Partial, Pcm, SpeechErrorKind, SpeechToText as _, Transcript,
};

use crate::support::{listener, live, request, spoken, transcripts, understood};

fn sound(samples: Vec<f32>) -> Pcm {
    Pcm { sample_rate_hz: LISTEN_RATE_HZ, samples }
}

/// The same every time: a simple generator of numbers that look random.
fn noise(seconds: f32, loudness: f32) -> Pcm {
    let mut state = 1_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 23) as f32 - 1.0
    };
    sound((0..(seconds * LISTEN_RATE_HZ as f32) as usize).map(|_| next() * loudness).collect())
}

#[tokio::test]
async fn a_sentence_is_understood_word_for_word() {
    let listener = listener();
    let sound = spoken("The road is not safe after dark.").await;
    assert_eq!(understood(&listener, request(&sound)).await, "The road is not safe after dark.");
    // The model is the same afterwards.
    assert_eq!(understood(&listener, request(&sound)).await, "The road is not safe after dark.");
    listener.shutdown().await;
}

#[tokio::test]
async fn while_it_is_spoken_the_beginning_is_understood() {
    let listener = listener();
    listener.warm_up().await.unwrap();
    let sound = spoken("The soldiers are looking for a woman with red hair, and they will not stop.").await;
    let said = transcripts(&listener, live(&sound, Duration::from_millis(100))).await;
    let said: Vec<_> = said.into_iter().map(Result::unwrap).collect();
    let (last, parts) = said.split_last().unwrap();
    assert!(last.is_final && parts.iter().all(|part| !part.is_final));
    assert!(last.text.contains("woman with red hair"), "{last:?}");
    assert!(parts.iter().any(|part| part.text.to_lowercase().starts_with("the soldiers")), "{parts:?}");
    listener.shutdown().await;
}

#[tokio::test]
async fn what_was_said_before_a_pause_is_known_before_the_end() {
    let listener = listener();
    listener.warm_up().await.unwrap();
    let mut said = spoken("The road is not safe after dark.").await;
    said.samples.extend(noise(2.5, 0.002).samples);
    let request = ListenRequest { partial: Partial::InPauses, ..live(&said, Duration::from_millis(100)) };
    let told: Vec<_> = transcripts(&listener, request).await.into_iter().map(Result::unwrap).collect();
    let text = "The road is not safe after dark.";
    assert_eq!(told, [Transcript::in_pause(text), Transcript::last(text)]);
    listener.shutdown().await;
}

#[tokio::test]
async fn silence_and_noise_are_no_words() {
    let listener = listener();
    for (what, sound) in [
        ("nothing", sound(Vec::new())),
        ("a moment", noise(0.05, 0.3)),
        ("silence", sound(vec![0.0; LISTEN_RATE_HZ as usize * 2])),
        ("a quiet room", noise(3.0, 0.002)),
        ("a fan", noise(3.0, 0.02)),
        ("a storm", noise(4.0, 0.3)),
        ("a hum", sound((0..48_000).map(|at| (at as f32 * 0.04).sin() * 0.1).collect())),
    ] {
        assert_eq!(understood(&listener, request(&sound)).await, "", "{what}");
    }
    listener.shutdown().await;
}

#[tokio::test]
async fn one_short_word_is_one_word() {
    let listener = listener();
    for word in ["Yes.", "No.", "Help!"] {
        let text = understood(&listener, request(&spoken(word).await)).await;
        assert!(text.split(' ').count() <= 2, "{word}: {text}");
    }
    listener.shutdown().await;
}

#[tokio::test]
async fn names_are_spelled_like_those_that_are_around() {
    let listener = listener();
    let sound = spoken("The road to Whiterun is not safe after dark.").await;
    let names = vec!["Whiterun".to_owned(), "Lydia".to_owned()];
    let text = understood(&listener, ListenRequest { names, ..request(&sound) }).await;
    assert!(text.contains("Whiterun"), "{text}");
    listener.shutdown().await;
}

#[tokio::test]
async fn what_cannot_be_understood_is_told() {
    let listener = listener();
    let sound = spoken("Yes.").await;
    let french = ListenRequest { language: Some("fr".into()), ..request(&sound) };
    let error = transcripts(&listener, french).await.pop().unwrap().unwrap_err();
    assert_eq!(error.kind, SpeechErrorKind::Language);
    let english = ListenRequest { language: Some("en-GB".into()), ..request(&sound) };
    assert!(!understood(&listener, english).await.is_empty());
    let other_rate = Pcm { sample_rate_hz: 44_100, ..sound };
    let error = transcripts(&listener, request(&other_rate)).await.pop().unwrap().unwrap_err();
    assert_eq!(error.kind, SpeechErrorKind::BadRequest);
    listener.shutdown().await;
}
