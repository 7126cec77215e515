//! A reply that nobody wants any more ends on the other side too.

use std::time::{Duration, Instant};

use futures::StreamExt;
use meddah_fakes::{Dialect, Fake, Play};
use meddah_inference::{Chunk, ErrorKind};
use tokio_util::sync::CancellationToken;

use crate::kit::{ask, ask_with, model, request};

#[tokio::test]
async fn koboldcpp_is_told_which_reply_to_end() {
    let fake = Fake::start(Play::case(Dialect::KoboldCpp, "hang")).await;
    let model = model(Dialect::KoboldCpp, "hang", &fake);
    let mut stream = model.stream(request(), CancellationToken::new()).await.unwrap();
    while !matches!(stream.next().await, Some(Ok(Chunk::Decided { .. }))) {}
    drop(stream);
    fake.wait_for_requests(2).await.unwrap();
    let asked = fake.requests();
    assert_eq!(asked[1].path, "/api/extra/abort");
    assert_eq!(asked[1].json["genkey"], asked[0].json["genkey"]);
    assert!(asked[0].json["genkey"].as_str().unwrap().len() > 4);

    fake.set_play(Play::case(Dialect::KoboldCpp, "turn"));
    ask(&*model, request()).await;
    assert_eq!(fake.requests().len(), 3, "a reply that ended by itself is not aborted");
    assert_ne!(fake.requests()[2].json["genkey"], asked[0].json["genkey"]);
}

#[tokio::test]
async fn koboldcpp_is_told_even_before_it_answers() {
    let play = Play::case(Dialect::KoboldCpp, "turn").with(|faults| faults.hang_before_head = true);
    let fake = Fake::start(play).await;
    let model = model(Dialect::KoboldCpp, "turn", &fake);
    let cancel = CancellationToken::new();
    let (outcome, ()) = tokio::join!(ask_with(&*model, request(), cancel.clone()), async {
        fake.wait_for_requests(1).await.unwrap();
        cancel.cancel();
    });
    assert_eq!(outcome.error, Some(ErrorKind::Cancelled));
    fake.wait_for_requests(2).await.unwrap();
    assert_eq!(fake.requests()[1].path, "/api/extra/abort");
}

#[tokio::test]
async fn a_cancelled_request_is_not_even_sent() {
    let fake = Fake::start(Play::case(Dialect::OpenAi, "turn")).await;
    let model = model(Dialect::OpenAi, "turn", &fake);
    let cancel = CancellationToken::new();
    cancel.cancel();
    assert_eq!(ask_with(&*model, request(), cancel).await.error, Some(ErrorKind::Cancelled));
    assert_eq!(fake.requests().len(), 0);
}

#[tokio::test]
async fn cancelling_is_quick() {
    let fake =
        Fake::start(Play::case(Dialect::OpenAi, "turn").with(|faults| faults.hang_after = Some(900))).await;
    let model = model(Dialect::OpenAi, "turn", &fake);
    let cancel = CancellationToken::new();
    let mut stream = model.stream(request(), cancel.clone()).await.unwrap();
    while !matches!(stream.next().await, Some(Ok(Chunk::Text(_)))) {}
    cancel.cancel();
    let before = Instant::now();
    while stream.next().await.is_some() {}
    assert!(before.elapsed() < Duration::from_secs(1), "{:?}", before.elapsed());
    fake.wait_for_connections(0).await.unwrap();
}
