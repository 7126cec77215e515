//! Replies that are thought up before somebody asks for them.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use meddah_inference::{ChatModel, ChatRequest, ErrorKind, ModelError, TokenUsage};
use meddah_llama::{LocalConfig, LocalModel};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::decisions::ask;
use crate::support::{config, hear, lore, model, request, say};

const BRAN: &str = "You are Bran, the gruff blacksmith of Oakvale. Answer in one short sentence.";

async fn loaded() -> Arc<LocalModel> {
    let model = LocalModel::new(LocalConfig { context_tokens: 8192, ..config() });
    model.info().await.unwrap();
    model
}

/// So long that it is never read to its end here.
fn long() -> ChatRequest {
    request("bran", &lore(7, 4000), "Hail!")
}

/// Somebody reads it, and has come past the first steps.
async fn begun(model: &Arc<LocalModel>, ask: ChatRequest) -> JoinSet<Result<TokenUsage, ModelError>> {
    let steps = model.stats().await.unwrap().steps;
    let reader = Arc::clone(model);
    let mut reading = JoinSet::new();
    reading.spawn(async move { reader.read_ahead(ask).await });
    while model.stats().await.unwrap().steps < steps + 2 {
        tokio::task::yield_now().await;
    }
    reading
}

/// Why it was not read to its end.
async fn left(mut reading: JoinSet<Result<TokenUsage, ModelError>>) -> Option<ErrorKind> {
    reading.join_next().await.unwrap().unwrap().err().map(|error| error.kind)
}

#[tokio::test]
async fn what_was_read_ahead_is_not_read_again() {
    let model = loaded().await;
    let ask = request("bran", &lore(1, 200), "Tell me about the castle.");
    let read = model.read_ahead(ask.clone()).await.unwrap();
    assert!(read.prompt_tokens > 200 && read.cached_tokens == 0 && read.completion_tokens > 0, "{read:?}");
    let (again, steps) = steps_of(&model, model.read_ahead(ask.clone())).await;
    assert_eq!((again.unwrap(), steps), (read, 0), "it is known already");
    let (asked, steps) = steps_of(&model, say(&model, ask.clone())).await;
    assert_eq!(
        (asked.usage.prompt_tokens, asked.usage.cached_tokens),
        (read.prompt_tokens, read.prompt_tokens)
    );
    assert_eq!((asked.usage.completion_tokens, steps), (read.completion_tokens, 0), "it is told as it is");
    let again = say(&model, ask).await;
    assert_eq!(again.usage.cached_tokens + 1, read.prompt_tokens, "it is told once");
}

#[tokio::test]
async fn the_words_are_those_that_would_have_been_said() {
    let mut ask = ask("bran", "Give me a sword, smith!");
    ask.sampling.temperature = 1.2;
    for seed in 1..4 {
        ask.sampling.seed = seed;
        let alone = say(&*loaded().await, ask.clone()).await;
        let model = loaded().await;
        model.read_ahead(ask.clone()).await.unwrap();
        let asked = say(&model, ask.clone()).await;
        assert_eq!((&asked.text, &asked.decided), (&alone.text, &alone.decided));
    }
}

#[tokio::test]
async fn a_reply_that_is_being_thought_up_is_taken_up_where_it_is() {
    let model = loaded().await;
    let mut ask = request("bran", "You tell long tales.", "Tell me about the harbour.");
    ask.max_tokens = 100;
    let alone = say(&*loaded().await, ask.clone()).await;
    let reading = begun(&model, ask.clone()).await;
    let (asked, steps) = steps_of(&model, say(&model, ask)).await;
    assert_eq!((&asked.text, asked.usage.completion_tokens), (&alone.text, alone.usage.completion_tokens));
    assert!(steps <= u64::from(alone.usage.completion_tokens), "{steps} steps");
    assert!(matches!(left(reading).await, None | Some(ErrorKind::Cancelled)));
}

#[tokio::test]
async fn of_a_guess_that_was_wrong_the_beginning_is_of_use() {
    let model = loaded().await;
    let system = lore(2, 200);
    model.read_ahead(request("bran", &system, "Tell me about the")).await.unwrap();
    let asked = say(&model, request("bran", &system, "Tell me about the castle, and who keeps it.")).await;
    let left = asked.usage.prompt_tokens - asked.usage.cached_tokens;
    assert!(asked.usage.cached_tokens > 200 && (5..24).contains(&left), "{:?}", asked.usage);
}

/// The model's steps for this.
async fn steps_of<T>(model: &LocalModel, work: impl Future<Output = T>) -> (T, u64) {
    let before = model.stats().await.unwrap().steps;
    let done = work.await;
    (done, model.stats().await.unwrap().steps - before)
}

#[tokio::test]
async fn what_was_decided_ahead_is_not_asked_again() {
    let mut ask = ask("bran", "I will burn your forge down!");
    ask.neutral_text = "Hm.".into();
    ask.decide_aside = true;
    ask.max_tokens = 3;
    let alone = say(&*loaded().await, ask.clone()).await;
    let model = loaded().await;
    let read = model.read_ahead(ask.clone()).await.unwrap();
    // Of another seed only the words are others.
    ask.sampling.seed += 1;
    let (asked, steps) = steps_of(&model, say(&model, ask)).await;
    assert_eq!(asked.usage.cached_tokens + 1, read.prompt_tokens);
    assert_eq!(asked.decided, alone.decided);
    assert!(asked.decided.len() == 2 && steps <= 3, "{steps} steps for at most three words");
}

#[tokio::test]
async fn whoever_asks_goes_first_and_what_was_read_by_then_stays() {
    let model = loaded().await;
    let reading = begun(&model, long()).await;
    let asked = say(&model, request("ada", "You are Ada.", "Who are you?")).await;
    assert!(!asked.text.is_empty());
    assert_eq!(left(reading).await, Some(ErrorKind::Cancelled));
    // Nobody reads on.
    let steps = model.stats().await.unwrap().steps;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(model.stats().await.unwrap().steps, steps);
    let beginning = say(&model, request("bran", &lore(7, 40), "Hail!")).await;
    assert!(beginning.usage.cached_tokens >= 16, "{:?}", beginning.usage);
}

#[tokio::test]
async fn who_asks_what_is_being_read_goes_on_from_there() {
    let model = loaded().await;
    let ask = request("bran", &lore(8, 800), "Hail!");
    let reading = begun(&model, ask.clone()).await;
    let asked = say(&model, ask).await;
    assert!(asked.usage.cached_tokens >= 16, "{:?}", asked.usage);
    // On a machine that reads all of it at once there is nothing left to go on with.
    assert!(
        left(reading).await.is_none() || asked.usage.cached_tokens + 1 < asked.usage.prompt_tokens,
        "{:?}",
        asked.usage
    );
}

#[tokio::test]
async fn the_newest_guess_takes_the_place_of_the_one_before() {
    let model = loaded().await;
    let reading = begun(&model, long()).await;
    let read = model.read_ahead(request("ada", BRAN, "Hail!")).await.unwrap();
    assert!(read.prompt_tokens > 0);
    assert_eq!(left(reading).await, Some(ErrorKind::Cancelled));
}

#[tokio::test]
async fn reading_that_nobody_waits_for_any_more_ends() {
    let model = loaded().await;
    begun(&model, long()).await.shutdown().await;
    // The cancel goes before this question, and ends the step that is under way.
    let steps = model.stats().await.unwrap().steps;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(model.stats().await.unwrap().steps, steps);
}

#[tokio::test]
async fn nothing_is_read_ahead_while_somebody_is_answered() {
    let model = loaded().await;
    let mut ask = request("ada", "You tell long tales.", "Tell me about the harbour.");
    ask.max_tokens = 60;
    let mut speaking = model.stream(ask, CancellationToken::new()).await.unwrap();
    speaking.next().await.unwrap().unwrap();
    let refused = model.read_ahead(long()).await.unwrap_err();
    assert_eq!(refused.kind, ErrorKind::Cancelled);
    let heard = hear(speaking).await;
    assert!(heard.error.is_none(), "{:?}", heard.error);
}

#[tokio::test]
async fn only_a_model_that_is_loaded_reads_ahead_and_only_if_it_may() {
    let model = model();
    assert!(!model.reads_ahead());
    model.info().await.unwrap();
    assert!(model.reads_ahead());
    let model = LocalModel::new(LocalConfig { read_ahead: false, ..config() });
    model.info().await.unwrap();
    assert!(!model.reads_ahead());
}
