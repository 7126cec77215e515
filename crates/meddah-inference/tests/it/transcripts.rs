//! Every transcript of every dialect, and what has to come of it; however its bytes are cut.

use std::time::Duration;

use meddah_fakes::check::DIALECTS;
use meddah_fakes::{Dialect, Fake, Play, case_names};
use meddah_inference::{ErrorKind, StopReason};
use serde_json::{Value, json};

use crate::kit::{Outcome, WORDS, ask, model, request};

/// What has to come of a transcript.
#[derive(Clone, Debug, PartialEq)]
enum Expected {
    /// Mood, words and these actions.
    Turn { mood: &'static str, actions: Vec<(&'static str, Option<Value>)>, stop: StopReason },
    /// An error.
    Fails(ErrorKind),
}

use Expected::{Fails, Turn};

/// What is expected of a case by its name; several dialects have the same.
fn expected(dialect: &str, case: &str) -> Expected {
    let ale = || vec![("give_item", Some(json!({"item": "ale"})))];
    let turn = |actions, stop| Turn { mood: "joy", actions, stop };
    let nothing = || vec![("nothing", None)];
    let end = StopReason::End;
    match (dialect, case) {
        ("openai", "five-calls") => turn([ale(), ale(), ale(), ale()].concat(), end),
        ("openai", "same-index") => turn([ale(), ale()].concat(), end),
        ("openai", "no-heads") => Turn { mood: "", actions: nothing(), stop: end },
        // Without its arguments the gate lets nothing through.
        ("openai", "cut-arguments") => turn(vec![("give_item", None)], StopReason::Length),
        ("anthropic", "no-input") => turn(vec![("give_item", Some(json!({})))], end),
        ("anthropic", "stop-sequence") => turn(nothing(), StopReason::Stop),
        ("koboldcpp" | "ollama", "length") => turn(ale(), StopReason::Length),
        (_, "length" | "model-length") => turn(nothing(), StopReason::Length),
        ("openai", "bold-heads" | "call-first" | "object-arguments" | "not-streamed") => turn(ale(), end),
        (_, case) if case.starts_with("turn") => turn(ale(), end),
        (_, case) if ["think-end", "harmony", "json"].iter().any(|odd| case.starts_with(odd)) => {
            turn(ale(), end)
        }
        (_, "not-streamed" | "empty-lines" | "call-whole" | "reason-in-every-frame" | "list") => {
            turn(ale(), end)
        }
        ("gemini", "crlf") | ("ollama", "thinking") => turn(ale(), end),
        (_, "malformed-call" | "unknown-tool" | "talk-only" | "think-tag" | "comments" | "crlf" | "cr") => {
            turn(nothing(), end)
        }
        ("openai", "byte-order-mark" | "done-without-blank" | "no-end-mark" | "no-usage" | "no-reason") => {
            turn(nothing(), end)
        }
        ("openai", "stalled-tail") => turn(nothing(), end),
        _ => Fails(failure(dialect, case)),
    }
}

fn failure(dialect: &str, case: &str) -> ErrorKind {
    use ErrorKind as K;
    match (dialect, case) {
        ("openai", "error-midway") => K::Overloaded,
        ("openai-responses", "error-midway") | (_, "rate-limit-midway") => K::RateLimited,
        ("ollama", "error-midway") | ("lmstudio", "error-midway") => K::Broken,
        ("ollama" | "koboldcpp", "error-after-action") => K::Broken,
        ("vllm", "error-after-action") => K::Overloaded,
        ("llama-server", "error-midway" | "error-after-action") => K::ContextFull,
        ("vllm" | "groq" | "openrouter" | "gemini", "error-midway") => K::Overloaded,
        ("gemini", "ends-early") | (_, "cut" | "ends-early") => K::Network,
        ("koboldcpp", "finish-error") => K::Broken,
        (_, "refusal" | "content-filter" | "filtered" | "flagged" | "blocked-prompt" | "safety") => {
            K::Refused
        }
        (_, "garbage-frame" | "web-page" | "empty") => K::Protocol,
        (_, "wrong-key" | "permission") => K::Unauthorized,
        (_, "rate-limit" | "rate-limit-ms" | "tokens-per-minute" | "upstream-rate-limit") => K::RateLimited,
        (_, "no-credit" | "billing" | "no-joules" | "no-quota") => K::Quota,
        (_, "context" | "context-midway") => K::ContextFull,
        ("text-generation-webui", "no-model") => K::Overloaded,
        (_, "no-such-model" | "no-model") => K::UnknownModel,
        (_, "broken" | "overloaded" | "gateway-page" | "busy" | "loading" | "capacity") => K::Overloaded,
        (_, "overloaded-midway" | "no-resources" | "finish-error" | "failed") => K::Overloaded,
        (_, "timeout") => K::Timeout,
        // The server refuses them again and again, whatever is left out.
        (_, "no-stream-options" | "no-temperature" | "no-thinking" | "odd-request") => K::BadRequest,
        (_, "tool-use-failed" | "tool-use-failed-midway") => K::ToolsFailed,
        (_, "validation") => K::BadRequest,
        ("openrouter", "no-tools") => K::UnknownModel,
        (_, "no-tools") => K::BadRequest,
        _ => panic!("nobody says what has to come of {dialect}/{case}"),
    }
}

fn check(dialect: Dialect, case: &str, outcome: &Outcome) {
    let place = format!("{}/{case}: {outcome:#?}", dialect.name());
    match expected(dialect.name(), case) {
        Turn { mood, actions, stop } => {
            assert_eq!(outcome.error, None, "{place}");
            assert_eq!(outcome.moods, [mood], "{place}");
            assert!(outcome.mood_first, "{place}");
            let actions: Vec<_> = actions.into_iter().map(|(id, args)| (id.to_owned(), args)).collect();
            assert_eq!(outcome.actions, actions, "{place}");
            assert_eq!(outcome.text.trim_end(), WORDS, "{place}");
            assert_eq!(outcome.stop, Some(stop), "{place}");
            assert!(outcome.usage.prompt_tokens > 0 && outcome.usage.completion_tokens > 0, "{place}");
        }
        Fails(kind) => assert_eq!(outcome.error, Some(kind), "{place}"),
    }
}

/// Cases that wait on purpose are played once and not over and over.
fn is_slow(dialect: Dialect, case: &str) -> bool {
    matches!((dialect.name(), case), ("openai", "stalled-tail") | ("koboldcpp", "hang"))
}

fn cases() -> impl Iterator<Item = (Dialect, String)> {
    let all = DIALECTS.iter().flat_map(|(name, dialect)| {
        let cases = case_names(name);
        assert!(cases.iter().any(|case| case == "turn"), "{name} has no turn");
        cases.into_iter().map(|case| (*dialect, case))
    });
    all.filter(|(dialect, case)| !is_slow(*dialect, case))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_transcript_gives_a_clean_turn_or_the_right_error() {
    for (dialect, case) in cases() {
        let fake = Fake::start(Play::case(dialect, &case)).await;
        let outcome = ask(&*model(dialect, &case, &fake), request()).await;
        check(dialect, &case, &outcome);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_chunking_of_a_transcript_gives_the_same() {
    for (dialect, case) in cases() {
        let fake = Fake::start(Play::case(dialect, &case)).await;
        let whole = ask(&*model(dialect, &case, &fake), request()).await;
        for seed in [7, 77] {
            fake.set_play(Play::case(dialect, &case).with(|faults| faults.rechunk = Some(seed)));
            let cut = ask(&*model(dialect, &case, &fake), request()).await;
            assert_eq!(unlike_bytes(cut), unlike_bytes(whole.clone()), "{} {case} {seed}", dialect.name());
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_byte_at_a_time_gives_the_same() {
    for (name, dialect) in DIALECTS {
        let drip = |faults: &mut meddah_fakes::Faults| faults.drip = Some((1, Duration::ZERO));
        let fake = Fake::start(Play::case(dialect, "turn").with(drip)).await;
        let outcome = ask(&*model(dialect, "turn", &fake), request()).await;
        check(dialect, "turn", &outcome);
        assert!(!name.is_empty());
    }
}

/// Where a connection breaks, what was estimated of the cost may differ.
fn unlike_bytes(outcome: Outcome) -> Outcome {
    if outcome.error.is_some() { Outcome { usage: Default::default(), ..outcome } } else { outcome }
}

#[tokio::test]
async fn silence_after_the_last_word_does_not_hold_up_the_turn() {
    let fake = Fake::start(Play::case(Dialect::OpenAi, "stalled-tail")).await;
    let outcome = ask(&*model(Dialect::OpenAi, "stalled-tail", &fake), request()).await;
    check(Dialect::OpenAi, "stalled-tail", &outcome);
}

#[tokio::test]
async fn what_a_reply_cost_is_read_in_every_dialect() {
    for (dialect, cached, written) in [
        (Dialect::OpenAi, 100, 0),
        (Dialect::Responses, 100, 0),
        (Dialect::Anthropic, 100, 7),
        (Dialect::Gemini, 100, 0),
        (Dialect::OpenRouter, 100, 7),
        (Dialect::DeepSeek, 100, 0),
        (Dialect::LlamaServer, 100, 0),
        (Dialect::Xai, 0, 0),
        (Dialect::Groq, 0, 0),
        (Dialect::Ollama, 0, 0),
    ] {
        let fake = Fake::start(Play::case(dialect, "turn")).await;
        let usage = ask(&*model(dialect, "turn", &fake), request()).await.usage;
        let got =
            (usage.prompt_tokens, usage.completion_tokens, usage.cached_tokens, usage.cache_write_tokens);
        assert_eq!(got, (120, 30, cached, written), "{}", dialect.name());
        // 0.00012345 dollars, rounded up.
        let charged = (dialect == Dialect::OpenRouter).then_some(124);
        assert_eq!(usage.charged_micro, charged, "{}", dialect.name());
    }
}

#[tokio::test]
async fn when_to_come_back_is_read_from_headers_and_bodies() {
    for (dialect, case, wait) in [
        (Dialect::OpenAi, "rate-limit", 3000),
        (Dialect::OpenAi, "rate-limit-ms", 250),
        (Dialect::OpenAi, "overloaded", 1000),
        (Dialect::Groq, "tokens-per-minute", 7000),
        (Dialect::Anthropic, "rate-limit", 12_000),
        (Dialect::Gemini, "rate-limit", 3500),
    ] {
        let fake = Fake::start(Play::case(dialect, case)).await;
        let outcome = ask(&*model(dialect, case, &fake), request()).await;
        assert_eq!(outcome.retry_after, Some(Duration::from_millis(wait)), "{} {case}", dialect.name());
    }
}
