//! A sidecar that is killed loses no turn that it reported ended.

use std::time::Duration;

use meddah_engine::timeline::{EntryKind, TimelineKey};
use meddah_store::{SqliteStore, TimelineStore as _};

use crate::chance::Chance;
use crate::process::{Serving, home, script};

const KILLS: u64 = 50;
const GAMES: u64 = 3;

/// Talks until the sidecar is gone; returns the requests whose turns were reported ended.
async fn talk_until_gone(serving: &Serving, life: u64, game: u64) -> Vec<(String, String)> {
    let mut ended = Vec::new();
    for number in 0.. {
        let req_id = format!("life {life} game {game} number {number}");
        match serving.talk(&req_id, "Good evening!").await {
            Ok((200, reply)) if reply["finish"] == "complete" => {
                ended.push((req_id, reply["text"].as_str().unwrap().to_owned()));
            }
            Ok(answer) => panic!("{answer:?}"),
            Err(_) => break, // it was killed
        }
    }
    ended
}

#[tokio::test]
async fn no_turn_that_was_reported_ended_is_lost() {
    let (folder, world) = home();
    let model = script(folder.path(), 1);
    let data = folder.path().join("data");
    let mut chance = Chance(20);
    let mut all = Vec::new();
    for life in 0..KILLS {
        let serving = Serving::start(&data, &world, &model);
        let games = (0..GAMES).map(|game| talk_until_gone(&serving, life, game));
        let killed = async {
            chance.moment(Duration::from_millis(150)).await;
            serving.kill();
        };
        let (ended, ()) = tokio::join!(futures::future::join_all(games), killed);
        all.extend(ended.concat());
    }
    assert!(all.len() > 30, "{} turns ended, too few to show anything", all.len());

    let store = SqliteStore::open(&data.join("timeline.sqlite3")).unwrap();
    let key = TimelineKey { world: "hut".into(), player: "Ayla".into() };
    for (req_id, text) in &all {
        let found =
            store.find_request(&key, req_id).await.unwrap().unwrap_or_else(|| panic!("{req_id} is lost"));
        let EntryKind::Turn(turn) = &found.entry.kind else { panic!("{req_id} is no turn") };
        let lines: Vec<&str> = turn.lines.iter().map(|line| line.text.as_str()).collect();
        assert_eq!(&lines.join(" "), text, "{req_id}");
    }
}
