//! The worker process: when it lives, what its death costs, and how soon it stops.

use std::time::{Duration, Instant};

use futures::StreamExt as _;
use meddah_speech::{SpeechErrorKind, SpeechToText as _};
use meddah_whisper::{WhisperConfig, WhisperListener};

use crate::support::{config, listener, live, request, spoken, transcripts, understood};

#[cfg(unix)]
fn kill(pid: u32) {
    assert!(std::process::Command::new("kill").args(["-9", &pid.to_string()]).status().unwrap().success());
}

#[tokio::test]
async fn it_lives_while_it_is_needed() {
    let listener = WhisperListener::new(WhisperConfig { idle: Duration::from_millis(300), ..config() });
    assert_eq!(listener.worker_pid(), None);
    listener.warm_up().await.unwrap();
    assert!(listener.worker_pid().is_some());
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(listener.worker_pid(), None);
    assert_eq!(understood(&listener, request(&spoken("Who is there?").await)).await, "Who is there?");
    listener.shutdown().await;
    assert_eq!(listener.worker_pid(), None);
    assert!(listener.warm_up().await.is_err());
}

#[cfg(unix)]
#[tokio::test]
async fn its_death_costs_nothing_but_time() {
    let listener = listener();
    let sound = spoken("Give me the key and nobody will be hurt.").await;
    listener.warm_up().await.unwrap();
    let first = listener.worker_pid().unwrap();
    kill(first);
    assert_eq!(understood(&listener, request(&sound)).await, "Give me the key and nobody will be hurt.");
    assert_ne!(listener.worker_pid(), Some(first));
    listener.shutdown().await;
}

#[tokio::test]
async fn a_model_that_cannot_be_loaded_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("not-whisper.bin");
    std::fs::write(&file, b"lmgg and nothing else").unwrap();
    for (file, command, kind) in [
        (file, config().worker_command, SpeechErrorKind::BadModel),
        (folder.path().join("missing.bin"), config().worker_command, SpeechErrorKind::BadModel),
        (config().model_path, vec!["/no/such/program".into()], SpeechErrorKind::Broken),
    ] {
        let listener = WhisperListener::new(WhisperConfig::new(file, command));
        assert_eq!(listener.warm_up().await.unwrap_err().kind, kind);
        listener.shutdown().await;
    }
}

/// How long a listener takes that was in the middle of something else.
#[tokio::test]
async fn a_cancel_takes_effect_at_once() {
    let listener = listener();
    let long = spoken(&"The soldiers are looking for a woman with red hair. ".repeat(8)).await;
    let short = spoken("Yes.").await;
    listener.warm_up().await.unwrap();
    let alone = Instant::now();
    transcripts(&listener, request(&short)).await;
    let alone = alone.elapsed();
    let mut waits = Vec::new();
    for wait_ms in [30, 120, 300, 500, 700] {
        let mut stream = listener.listen(request(&long)).await.unwrap();
        let waited = tokio::time::timeout(Duration::from_millis(wait_ms), stream.next()).await;
        assert!(waited.is_err(), "half a minute of sound takes longer than that");
        drop(stream);
        let begun = Instant::now();
        transcripts(&listener, request(&short)).await;
        waits.push(begun.elapsed().saturating_sub(alone));
    }
    waits.sort();
    assert!(waits[2] < Duration::from_millis(50), "{waits:?}");
    listener.shutdown().await;
}

#[tokio::test]
async fn a_cancel_of_a_part_lets_the_whole_come_sooner() {
    let listener = listener();
    listener.warm_up().await.unwrap();
    let sound =
        spoken("Tell him that the bridge has fallen into the river, and that nobody can cross.").await;
    let alone = Instant::now();
    let whole = understood(&listener, request(&sound)).await;
    let alone = alone.elapsed();
    // All of it comes at once: a part is begun and at once of no use.
    let begun = Instant::now();
    assert_eq!(understood(&listener, live(&sound, Duration::ZERO)).await, whole);
    let extra = begun.elapsed().saturating_sub(alone);
    assert!(extra < alone / 2 + Duration::from_millis(150), "{extra:?} more than {alone:?}");
    listener.shutdown().await;
}
