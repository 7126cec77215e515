//! Thinking that a chat template began and a server sends among the words.

use futures::StreamExt as _;
use meddah_fakes::{Dialect, Fake, Play};
use meddah_inference::model_table::ModelTable;
use meddah_inference::providers::{self, ProviderConfig};
use meddah_inference::{ChatModel, Chunk};
use tokio_util::sync::CancellationToken;

use crate::kit::{WORDS, ask, config, model, open, request};

fn called(name: &str, fake: &Fake) -> std::sync::Arc<dyn ChatModel> {
    open(ProviderConfig { model: name.into(), ..config(Dialect::Vllm, &fake.base_url) })
}

#[tokio::test]
async fn a_model_that_was_seen_to_think_is_held_back_from_then_on() {
    let fake = Fake::start(Play::case(Dialect::Vllm, "think-end-tools")).await;
    let model = called("my-own-model", &fake);
    let first = ask(&*model, request()).await;
    assert!(first.text.contains("Okay, the player") && first.text.ends_with(WORDS), "{}", first.text);
    let second = ask(&*model, request()).await;
    assert_eq!((second.text.as_str(), second.moods), (WORDS, vec!["joy".to_owned()]));
    let limit = |place: usize| fake.requests()[place].json["max_tokens"].as_u64().unwrap();
    assert_eq!(limit(1), limit(0) + 1024);
    // It does not always think.
    fake.set_play(Play::case(Dialect::Vllm, "turn-tools"));
    assert_eq!(ask(&*model, request()).await.text, WORDS);
}

#[tokio::test]
async fn the_table_knows_better_than_the_name() {
    let row = |thinks| {
        let price = "{ input = 0, cached_input = 0, cache_write = 0, output = 0 }";
        let text = format!(
            "[[model]]\nprovider = \"vllm\"\nmodel = \"*\"\nthinks = {thinks}\nprice = {price}\n\
             date = \"2026-11-23\"\nsource = \"here\""
        );
        ModelTable::parse(&text).unwrap()
    };
    for (name, thinks, held) in [("plain", true, true), ("deepseek-r1", false, false)] {
        let fake = Fake::start(Play::case(Dialect::Vllm, "think-end-tools")).await;
        let config = ProviderConfig { model: name.into(), ..config(Dialect::Vllm, &fake.base_url) };
        let http = meddah_inference::http::Http::new().unwrap();
        let model = providers::open(config, http, &row(thinks)).unwrap();
        assert_eq!(ask(&*model, request()).await.text == WORDS, held, "{name}");
    }
}

/// The first words must be there though the reply never ends.
#[tokio::test]
async fn a_reply_in_the_form_that_was_asked_for_waits_for_nothing() {
    let play = Play::case(Dialect::Vllm, "turn-tools");
    let body = String::from_utf8(play.transcript.body()).unwrap();
    let after = body.find(" ale, friend").unwrap() - 60;
    for name in ["plain", "deepseek-r1"] {
        let fake = Fake::start(play.clone().with(|faults| faults.hang_after = Some(after))).await;
        let mut stream = called(name, &fake).stream(request(), CancellationToken::new()).await.unwrap();
        let mut words = String::new();
        while !words.contains("Here is your") {
            if let Chunk::Text(text) = stream.next().await.unwrap().unwrap() {
                words.push_str(&text);
            }
        }
    }
}

#[tokio::test]
async fn an_action_before_an_error_stands_and_nothing_is_said() {
    for dialect in [Dialect::Vllm, Dialect::LlamaServer, Dialect::Ollama, Dialect::KoboldCpp] {
        let fake = Fake::start(Play::case(dialect, "error-after-action")).await;
        let outcome = ask(&*model(dialect, "auto", &fake), request()).await;
        let ale = ("give_item".to_owned(), Some(serde_json::json!({"item": "ale"})));
        assert_eq!((outcome.actions, outcome.text.as_str()), (vec![ale], ""), "{}", dialect.name());
        assert!(outcome.error.is_some());
    }
}

#[tokio::test]
async fn a_model_whose_call_failed_is_asked_for_lines_for_a_while() {
    for case in ["tool-use-failed", "tool-use-failed-midway"] {
        let plays = vec![Play::case(Dialect::Groq, case), Play::case(Dialect::Groq, "turn-lines")];
        let fake = Fake::start_sequence(plays).await;
        let model = model(Dialect::Groq, "auto", &fake);
        assert_eq!(ask(&*model, request()).await.error, Some(meddah_inference::ErrorKind::ToolsFailed));
        for _ in 0..2 {
            assert_eq!(ask(&*model, request()).await.text, WORDS);
        }
        let has_tools: Vec<bool> =
            fake.requests().iter().map(|asked| !asked.json["tools"].is_null()).collect();
        assert_eq!(has_tools, [true, false, false], "{case}");
    }
}
