//! Replies that break, stall, or never end.

use std::time::Duration;

use meddah_fakes::{Dialect, Fake, Play, Transcript};
use meddah_inference::{ErrorKind, StopReason};

use crate::kit::{WORDS, ask, model, request};

const SSE: &[(&str, &str)] = &[("content-type", "text/event-stream")];

#[tokio::test]
async fn a_slow_reply_is_only_slow() {
    let drip = |faults: &mut meddah_fakes::Faults| faults.drip = Some((64, Duration::from_millis(2)));
    let fake = Fake::start(Play::case(Dialect::Anthropic, "turn").with(drip)).await;
    let outcome = ask(&*model(Dialect::Anthropic, "turn", &fake), request()).await;
    assert_eq!(outcome.text, WORDS);
}

#[tokio::test]
async fn a_reply_cut_anywhere_is_never_taken_for_whole() {
    let play = Play::case(Dialect::OpenAi, "turn");
    let length = play.transcript.body().len();
    let finish = String::from_utf8(play.transcript.body()).unwrap().find("\"tool_calls\"}]").unwrap();
    let fake = Fake::start(play.clone()).await;
    let model = model(Dialect::OpenAi, "turn", &fake);
    for cut in (0..length).step_by(97) {
        fake.set_play(play.clone().with(|faults| faults.cut_after = Some(cut)));
        let outcome = ask(&*model, request()).await;
        assert!(WORDS.starts_with(&outcome.text), "{outcome:?}");
        if cut < finish {
            assert_eq!(outcome.error, Some(ErrorKind::Network), "{cut} {outcome:?}");
            assert!(outcome.text.is_empty() || outcome.usage.completion_tokens > 0, "{outcome:?}");
        } else {
            assert!(outcome.stop.is_some() || outcome.error == Some(ErrorKind::Network), "{outcome:?}");
        }
    }
}

#[tokio::test]
async fn a_model_that_does_not_obey_its_limit_is_stopped() {
    let frame = r#"data: {"choices":[{"index":0,"delta":{"content":"And on and on and on. "}}]}"#;
    let empty = Play::new(Dialect::Vllm, Transcript::answer("200 OK", SSE, ""));
    let endless = format!("{frame}\n\n").into_bytes();
    let fake = Fake::start(empty.with(|faults| faults.endless = Some(endless))).await;
    let outcome = ask(&*model(Dialect::Vllm, "lines", &fake), request()).await;
    assert_eq!(outcome.stop, Some(StopReason::Length), "{:?}", outcome.error);
    assert!(outcome.text.len() < 100_000);
    fake.wait_for_connections(0).await.unwrap();
}

#[tokio::test]
async fn a_line_of_ten_megabytes_is_an_error() {
    let line = format!("data: {{\"x\":\"{}\"}}\n\n", "y".repeat(10 << 20));
    let fake = Fake::start(Play::new(Dialect::OpenAi, Transcript::answer("200 OK", SSE, &line))).await;
    let outcome = ask(&*model(Dialect::OpenAi, "turn", &fake), request()).await;
    assert_eq!(outcome.error, Some(ErrorKind::Protocol));
}

#[tokio::test]
async fn a_huge_error_is_read_in_part() {
    let body = format!("{{\"error\":{{\"message\":\"{}\"}}}}", "y".repeat(4 << 20));
    let fake = Fake::start(Play::answer(Dialect::OpenAi, "400 Bad Request", &[], &body)).await;
    let outcome = ask(&*model(Dialect::OpenAi, "turn", &fake), request()).await;
    assert_eq!(outcome.error, Some(ErrorKind::BadRequest));
    assert!(outcome.error_text.len() < 4096);
}

#[tokio::test]
async fn heads_of_a_hundred_kilobytes_and_broken_heads_are_network_errors() {
    let huge = "z".repeat(900 << 10);
    let many = vec![("x-y", "z"); 300];
    for headers in [vec![("x-huge", huge.as_str())], many] {
        let fake = Fake::start(Play::answer(Dialect::OpenAi, "200 OK", &headers, "")).await;
        let outcome = ask(&*model(Dialect::OpenAi, "turn", &fake), request()).await;
        assert_eq!(outcome.error, Some(ErrorKind::Network), "{}", outcome.error_text);
    }
}

/// Bytes changed, left out and doubled, by a seed.
fn damaged(bytes: &[u8], seed: u64) -> Vec<u8> {
    let mut random = seed;
    let mut draw = |below: usize| {
        // Knuth's linear congruential generator, as in the fakes.
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) as usize % below
    };
    let mut damaged = bytes.to_vec();
    for _ in 0..=draw(2) {
        let start = draw(damaged.len() - 40);
        match draw(3) {
            0 => damaged[start] = draw(256) as u8,
            1 => drop(damaged.drain(start..start + draw(40))),
            _ => {
                let again = damaged[start..start + draw(40)].to_vec();
                damaged.splice(start..start, again);
            }
        }
    }
    damaged
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn damaged_replies_end_in_some_way_and_decide_everything_once() {
    const SEEDS: u64 = 40;
    let (mut turns, mut errors) = (0, 0);
    for (_, dialect) in meddah_fakes::check::DIALECTS {
        let play = Play::case(dialect, "turn");
        let body = play.transcript.body();
        let fake = Fake::start(play.clone()).await;
        let model = model(dialect, "turn", &fake);
        for seed in 0..SEEDS {
            let mut damaged_play = play.clone();
            damaged_play.transcript.steps = vec![meddah_fakes::Step::Send(damaged(&body, seed))];
            fake.set_play(damaged_play);
            let outcome = ask(&*model, request()).await;
            if outcome.error.is_none() {
                assert_eq!(outcome.moods.len(), 1, "{outcome:?}");
                assert!(outcome.mood_first && !outcome.actions.is_empty(), "{outcome:?}");
                turns += 1;
            } else {
                errors += 1;
            }
        }
    }
    assert!(turns > 20 && errors > 20, "{turns} turns, {errors} errors");
}
