//! A cancel takes effect at once, whatever the model is doing.

use std::time::{Duration, Instant};

use futures::StreamExt;
use meddah_inference::ChatModel;
use meddah_llama::{LocalConfig, LocalModel};
use tokio_util::sync::CancellationToken;

use crate::support::{config, lore, model, request, say};

/// Waits until the worker has no reply left: how long that takes after a cancel is what counts for the game.
async fn until_free(model: &LocalModel) -> Duration {
    let begun = Instant::now();
    // Answered between two steps: if the cancelled step went on, this would wait for its end.
    model.stats().await.unwrap();
    begun.elapsed()
}

fn summary(name: &str, mut times: Vec<Duration>) {
    times.sort();
    let (middle, most) = (times[times.len() / 2], times[times.len() - 1]);
    println!("cancel {name}: p50 {middle:?}, max {most:?} of {}", times.len());
    assert!(most < Duration::from_millis(250), "{times:?}");
}

#[tokio::test]
async fn reading_a_long_prompt_is_left_at_once() {
    for background in [false, true] {
        let model = LocalModel::new(LocalConfig { background, ..config() });
        read_and_cancel(
            &model,
            if background { "while reading, in the background" } else { "while reading" },
        )
        .await;
    }
}

async fn read_and_cancel(model: &LocalModel, name: &str) {
    model.info().await.unwrap();
    let mut times = Vec::new();
    for round in 0..12_u64 {
        let cancel = CancellationToken::new();
        let ask = request("bran", &lore(100 + round, 1200), "Hail!");
        let stream = model.stream(ask, cancel.clone()).await.unwrap();
        tokio::time::sleep(Duration::from_millis(150 + 37 * round)).await;
        cancel.cancel();
        times.push(until_free(model).await);
        drop(stream);
    }
    let stats = model.stats().await.unwrap();
    println!("{} of {} steps were aborted", stats.aborted_steps, stats.steps);
    assert!(stats.aborted_steps >= 3, "{stats:?}");
    summary(name, times);
    say(model, request("bran", "Be brief.", "Hail!")).await;
}

#[tokio::test]
async fn speaking_is_left_at_once_when_the_stream_is_dropped() {
    let model = model();
    let mut times = Vec::new();
    for round in 0..8_u64 {
        let mut ask = request("bran", "Tell long tales.", "Tell me about the dragon.");
        ask.max_tokens = 400;
        let mut stream = model.stream(ask, CancellationToken::new()).await.unwrap();
        stream.next().await.unwrap().unwrap();
        tokio::time::sleep(Duration::from_millis(20 + 7 * round)).await;
        drop(stream);
        times.push(until_free(&model).await);
    }
    summary("while speaking", times);
}

#[tokio::test]
async fn somebody_who_speaks_is_not_stalled_by_a_long_prompt_beside() {
    let model = model();
    model.info().await.unwrap();
    let mut ask = request("ada", "You are Ada.", "Tell me a long tale about the harbour.");
    ask.max_tokens = 400;
    let mut speaking = model.stream(ask, CancellationToken::new()).await.unwrap();
    speaking.next().await.unwrap().unwrap();
    let reading = say(&model, request("bran", &lore(77, 900), "Hail!"));
    tokio::pin!(reading);
    let mut gaps = Vec::new();
    loop {
        let begun = Instant::now();
        tokio::select! {
            piece = speaking.next() => match piece {
                Some(_) => gaps.push(begun.elapsed()),
                None => break,
            },
            read = &mut reading => {
                assert!(read.usage.prompt_tokens > 900);
                break;
            }
        }
    }
    let count = gaps.len() as u32;
    let (sum, most) = (gaps.iter().sum::<Duration>(), gaps.iter().max().copied().unwrap_or_default());
    println!("between words beside a long prompt: mean {:?}, max {most:?} of {count}", sum / count.max(1));
    assert!(count >= 8 && most < Duration::from_millis(1500), "{gaps:?}");
}

#[tokio::test]
async fn the_others_speak_on_when_one_is_cancelled() {
    let model = model();
    let mut ask = request("ada", "You are Ada.", "Tell me about the harbour.");
    ask.max_tokens = 60;
    let alone = say(&model, ask.clone()).await;
    ask.conversation = "ada again".into();
    let spoken = say(&model, ask);
    let cancelled = async {
        for round in 0..4 {
            let cancel = CancellationToken::new();
            let stream = model.stream(request("bran", &lore(round, 900), "Hail!"), cancel.clone()).await;
            tokio::time::sleep(Duration::from_millis(120)).await;
            cancel.cancel();
            drop(stream);
        }
    };
    let (spoken, ()) = tokio::join!(spoken, cancelled);
    assert_eq!(spoken.usage.completion_tokens, alone.usage.completion_tokens);
    assert!(!spoken.text.is_empty());
}
