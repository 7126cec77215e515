//! Servers that do not know a parameter are asked again without it, and later requests leave it out at once.

use meddah_fakes::{Dialect, Fake, Play};
use meddah_inference::ErrorKind;

use crate::kit::{WORDS, ask, model, request};

async fn check(dialect: Dialect, refusal: &str, reply: &str, parameter: &str) {
    let plays = vec![Play::case(dialect, refusal), Play::case(dialect, reply)];
    let fake = Fake::start_sequence(plays).await;
    // Named after neither, so that the way to ask is chosen by itself.
    let model = model(dialect, "auto", &fake);
    for _ in 0..2 {
        let outcome = ask(&*model, request()).await;
        assert_eq!((outcome.error, outcome.text.trim_end()), (None, WORDS), "{refusal}");
        assert_eq!(outcome.moods, ["joy"]);
    }
    let asked = fake.requests();
    assert_eq!(asked.len(), 3, "{refusal}");
    let has = |place: usize| !asked[place].json[parameter].is_null();
    assert_eq!([has(0), has(1), has(2)], [true, false, false], "{refusal} {parameter}");
}

#[tokio::test]
async fn parameters_are_left_out_and_stay_out() {
    check(Dialect::OpenAi, "no-stream-options", "turn", "stream_options").await;
    check(Dialect::OpenAi, "no-temperature", "turn", "temperature").await;
    check(Dialect::Ollama, "no-thinking", "turn", "think").await;
}

#[tokio::test]
async fn models_without_tools_are_asked_for_lines() {
    check(Dialect::OpenAi, "no-tools", "turn-lines", "tools").await;
    check(Dialect::OpenRouter, "no-tools", "turn", "tools").await;
}

#[tokio::test]
async fn the_limit_is_called_by_its_other_name() {
    let fake = Fake::start(Play::case(Dialect::OpenAi, "turn")).await;
    // A server that says it is like OpenAI's, and takes only the new name.
    let mut config = crate::kit::config(Dialect::OpenAi, &fake.base_url);
    config.provider = "openai-compatible".into();
    let model = crate::kit::open(config);
    for _ in 0..2 {
        assert_eq!(ask(&*model, request()).await.error, None);
    }
    let asked = fake.requests();
    assert_eq!(asked.len(), 3);
    assert!(asked[0].json["max_completion_tokens"].is_null());
    assert!(asked[1].json["max_tokens"].is_null());
    assert_eq!(asked[2].json["max_completion_tokens"], asked[0].json["max_tokens"]);
}

#[tokio::test]
async fn a_refusal_for_another_reason_is_not_asked_again() {
    for case in ["odd-request", "context", "wrong-key", "no-credit", "no-such-model"] {
        let fake = Fake::start(Play::case(Dialect::OpenAi, case)).await;
        assert!(ask(&*model(Dialect::OpenAi, case, &fake), request()).await.error.is_some());
        assert_eq!(fake.requests().len(), 1, "{case}");
    }
}

#[tokio::test]
async fn a_model_that_thinks_gets_room_for_it_from_then_on() {
    let fake = Fake::start(Play::case(Dialect::LlamaServer, "turn-reasoning")).await;
    let model = model(Dialect::LlamaServer, "auto", &fake);
    for _ in 0..2 {
        assert_eq!(ask(&*model, request()).await.error, None);
    }
    let limit = |place: usize| fake.requests()[place].json["max_tokens"].as_u64().unwrap();
    assert_eq!(limit(1), limit(0) + 1024);
}

#[tokio::test]
async fn what_did_not_help_is_not_remembered() {
    let plays = vec![
        Play::case(Dialect::OpenAi, "no-temperature"),
        Play::case(Dialect::OpenAi, "no-temperature"),
        Play::case(Dialect::OpenAi, "turn"),
    ];
    let fake = Fake::start_sequence(plays).await;
    let model = model(Dialect::OpenAi, "turn", &fake);
    assert_eq!(ask(&*model, request()).await.error, Some(ErrorKind::BadRequest));
    assert_eq!(ask(&*model, request()).await.error, None);
    assert!(!fake.requests()[2].json["temperature"].is_null());
}
