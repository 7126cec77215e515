//! A worker that is killed costs the running turn at most, and leaves nothing behind.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::chance::Chance;
use crate::process::{PATIENCE, SIDECAR_KEY, Serving, home, model_path};

const KILLS: usize = 50;

/// The worker of a sidecar: its only child.
fn worker_of(sidecar: u32) -> Option<u32> {
    let processes = std::fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok());
    processes.into_iter().find(|pid: &u32| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let mut after_name = stat.rsplit(") ").next().unwrap_or_default().split(' ');
        after_name.next() != Some("Z") && after_name.next() == Some(&sidecar.to_string())
    })
}

fn is_alive(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    !stat.is_empty() && !stat.contains(") Z ")
}

fn kill(pid: u32) {
    // It may be between two lives; then there is nothing to kill.
    std::process::Command::new("kill").args(["-9", &pid.to_string()]).status().unwrap();
}

/// Whether a process was started with the sidecar's key.
fn has_key(pid: u32) -> bool {
    let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap();
    environment.windows(SIDECAR_KEY.len()).any(|part| part == SIDECAR_KEY.as_bytes())
}

/// Begins a turn and waits until the model is at work on it.
async fn begin(serving: &Serving, session: &str, req_id: &str, cursor: &mut u64) {
    // Words that call nothing to mind: what is read stays the same, and turns stay short.
    let said = json!({"type": "say", "req_id": req_id, "to": "bran", "text": "And then what did you do?"});
    let (_, answer) = serving.post(&format!("/v1/sessions/{session}/commands"), &said).await.unwrap();
    assert_eq!(answer["accepted"][0]["req_id"], req_id, "{answer}");
    until(serving, session, cursor, |event| event["type"] == "turn_started").await;
}

/// Polls until an event fits.
async fn until(serving: &Serving, session: &str, cursor: &mut u64, fits: impl Fn(&Value) -> bool) -> Value {
    let begun = Instant::now();
    while begun.elapsed() < PATIENCE {
        let path = format!("/v1/sessions/{session}/events?cursor={cursor}&wait=2");
        let (status, body) = serving.get(&path).await.unwrap();
        assert_eq!(status, 200, "{body}");
        for event in body["events"].as_array().unwrap() {
            *cursor = event["seq"].as_u64().unwrap();
            if fits(event) {
                return event.clone();
            }
        }
    }
    panic!("no such event within {PATIENCE:?}");
}

async fn end_of(serving: &Serving, session: &str, req_id: &str, cursor: &mut u64) -> Value {
    until(serving, session, cursor, |event| event["type"] == "turn_ended" && event["req_id"] == req_id).await
}

#[tokio::test]
async fn real_model_fifty_kills_of_the_worker_cost_fifty_turns_at_most() {
    let (folder, world) = home();
    let data = folder.path().join("data");
    std::fs::create_dir_all(&data).unwrap();
    // What the guard of replies leaves out is answered by the character's own line.
    let bran = world.join("characters/bran.toml");
    let form = std::fs::read_to_string(&bran).unwrap();
    std::fs::write(&bran, format!("fallback_lines = [\"Hm.\"]\n{form}")).unwrap();
    // Short turns, and words that do not change: it is the kills that are tested.
    std::fs::write(
        data.join("meddah.toml"),
        "[turn]\nrecent_turns_max = 1\nreply_tokens_max = 48\nseed = 9\n",
    )
    .unwrap();
    let serving = Serving::start(&data, &world, model_path().to_str().unwrap());
    let (_, opened) = serving
        .post("/v1/sessions", &json!({"player": "Ayla", "capabilities": {"deltas": true}}))
        .await
        .unwrap();
    let session = opened["session"].as_str().unwrap().to_owned();
    let (mut cursor, mut chance, mut failed, mut silent) = (0, Chance(9), 0, 0);
    begin(&serving, &session, "first", &mut cursor).await;
    assert_eq!(end_of(&serving, &session, "first", &mut cursor).await["finish"], "complete");
    let mut whole_turn = Duration::from_secs(1);
    for number in 0..KILLS {
        let (cut, next) = (format!("cut {number}"), format!("next {number}"));
        begin(&serving, &session, &cut, &mut cursor).await;
        // Every other kill falls anywhere in a turn; of one of which nothing was heard nobody learns that it was
        // asked twice. The others fall while the character speaks.
        if number % 2 == 0 {
            chance.moment(whole_turn).await;
        } else {
            until(&serving, &session, &mut cursor, |event| {
                event["type"] == "delta" || event["type"] == "line"
            })
            .await;
        }
        let worker = worker_of(serving.pid);
        worker.into_iter().for_each(kill);
        let end = end_of(&serving, &session, &cut, &mut cursor).await;
        // A turn of which a line was heard ends with what was said, and with the reason.
        assert!(end["finish"] == "complete" || end["text"] == "", "{end}");
        if !end["error"].is_null() {
            failed += 1;
            assert_eq!(end["error"]["code"], "model_failed", "{end}");
            assert!(!end["error"]["help"].as_str().unwrap().is_empty(), "{end}");
        }
        let begun = Instant::now();
        begin(&serving, &session, &next, &mut cursor).await;
        let end = end_of(&serving, &session, &next, &mut cursor).await;
        assert_eq!(end["finish"], "complete", "after kill {number}: {end}");
        whole_turn = begun.elapsed();
        silent += usize::from(end["text"] == "");
        assert!(worker.is_none_or(|worker| !is_alive(worker)), "the killed worker is gone");
    }
    // The smallest model now and then says only what is not for ears.
    assert!(silent <= KILLS / 10, "{silent} of {KILLS} answers were silent");
    assert!(failed >= KILLS / 5, "only {failed} of {KILLS} kills met a running turn");

    // And the other way round: no worker outlives its sidecar.
    begin(&serving, &session, "last", &mut cursor).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    let worker = worker_of(serving.pid).expect("a worker runs");
    assert!(has_key(serving.pid) && !has_key(worker), "keys of online models are not for a local one");
    serving.kill();
    let begun = Instant::now();
    while is_alive(worker) {
        assert!(begun.elapsed() < Duration::from_secs(5), "the worker lives on");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
