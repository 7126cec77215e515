//! A host, and players on the same machine with data folders of their own.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::Child;

use serde_json::{Value, json};

use crate::process::{PATIENCE, home, meddah, run, script};

/// `meddah host` on free ports. Killed when dropped.
struct Hosting {
    child: Child,
    url: String,
    admin: String,
    /// The first invite.
    link: String,
}

impl Hosting {
    fn start(data: &Path, model: &str) -> Hosting {
        let mut command = meddah(data);
        command.args(["host", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--model", model]);
        let mut child = command.spawn().unwrap();
        let (mut output, mut errors) =
            (BufReader::new(child.stdout.take().unwrap()), child.stderr.take().unwrap());
        let (mut line, mut told) = (String::new(), String::new());
        if output.read_line(&mut line).unwrap() == 0 {
            errors.read_to_string(&mut told).unwrap();
            panic!("the host does not start: {told}");
        }
        let ready: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"));
        let link = loop {
            told.clear();
            assert_ne!(output.read_line(&mut told).unwrap(), 0, "no invite");
            if let Some((_, link)) = told.split_once("meddah join ") {
                break link.trim().to_owned();
            }
        };
        // Kept open: a program that writes to a closed pipe may end.
        std::thread::spawn(move || output.read_to_end(&mut Vec::new()));
        std::thread::spawn(move || errors.read_to_end(&mut Vec::new()));
        let text = |name: &str| ready[name].as_str().unwrap().to_owned();
        Hosting { child, url: text("url"), admin: text("admin"), link }
    }
}

impl Drop for Hosting {
    fn drop(&mut self) {
        self.child.kill().ok(); // it may have ended
        self.child.wait().unwrap();
    }
}

fn ledger(data: &Path) -> Vec<Value> {
    let (code, lines, errors) = run(data, &["host", "ledger", "--json"]);
    assert_eq!(code, 0, "{errors}");
    lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_player_joins_by_a_link_and_talks_and_the_quota_counts_down() {
    let ((_one, data), (_two, player)) = (home(), home());
    let hosting = Hosting::start(&data, &script(&data, 1));
    std::fs::write(player.join("meddah.toml"), "keys = \"file\"\n").unwrap();
    let (code, said, errors) = run(&player, &["join", &hosting.link, "--name", "Ayla"]);
    assert_eq!(
        (code, said.starts_with(&format!("Joined {} as ", hosting.url))),
        (0, true),
        "{said} {errors}"
    );
    let settings = std::fs::read_to_string(player.join("meddah.toml")).unwrap();
    assert!(settings.contains(&format!("ladder = [\"host:{}\", \"local\"]", hosting.url)), "{settings}");
    assert!(!settings.contains("mdh_"), "the token is no setting");

    let (code, said, errors) = run(&player, &["talk", "--say", "Good evening."]);
    assert_eq!(code, 0, "{said} {errors}");
    assert!(said.contains("Sit down by the fire."), "{said} {errors}");
    let mut status = meddah(&data);
    status.env("MEDDAH_HOST_ADMIN_LISTEN", &hosting.admin).args(["host", "status", "--json"]);
    let status: Value = serde_json::from_slice(&status.output().unwrap().stdout).unwrap();
    assert_eq!((&status["url"], &status["state"]), (&hosting.url.clone().into(), &"open".into()), "{status}");
    let ledger = ledger(&data);
    assert!(ledger.iter().any(|line| line["class"] == "live" && line["ended"] == "answered"), "{ledger:?}");
    let (code, players, _) = run(&data, &["host", "players", "--json"]);
    let known: Value = serde_json::from_str(players.lines().next().unwrap()).unwrap();
    assert_eq!((code, &known["name"], &known["tier"]), (0, &"Ayla".into(), &"free".into()));

    let id = known["id"].as_str().unwrap();
    assert_eq!(run(&data, &["host", "players", "block", id]).0, 0);
    std::thread::sleep(2 * meddah_host::front::auth::KNOWN_FOR); // so long it is known as it was
    let (_, said, errors) = run(&player, &["talk", "--say", "Are you there?"]);
    assert!(errors.contains("blocked") || said.contains("blocked"), "{said} {errors}");
    let (code, _, errors) = run(&player, &["join", "https://nowhere.example/x"]);
    assert_eq!((code, errors.contains("no invite link")), (2, true), "{errors}");
}

#[test]
fn a_player_sees_what_is_left_and_hears_when_it_is_little() {
    let ((_one, data), (_two, player)) = (home(), home());
    std::fs::write(data.join("meddah.toml"), "[host.tiers.free]\nday = { turns = 2 }\n").unwrap();
    let hosting = Hosting::start(&data, &script(&data, 1));
    std::fs::write(player.join("meddah.toml"), "keys = \"file\"\n").unwrap();
    assert_eq!(run(&player, &["join", &hosting.link]).0, 0);
    let left = || {
        let (code, shown, errors) = run(&player, &["budget", "--json"]);
        assert_eq!(code, 0, "{errors}");
        let shown: Value = serde_json::from_str(&shown).unwrap();
        shown["hosts"][0]["account"]["left"]["day"]["turns"].clone()
    };
    assert_eq!(left(), 2);
    let talk = || run(&player, &["talk", "--say", "Good evening."]);
    let (_, said, errors) = talk();
    assert!(said.contains("Sit down") && !errors.contains("are left"), "{said} {errors}");
    assert_eq!(left(), 1);
    let (_, said, errors) = talk();
    assert!(said.contains("Sit down"), "{said} {errors}");
    assert!(errors.contains("0 of 2 turns of this day are left at the host"), "{errors}");
    let (_, shown, _) = run(&player, &["budget"]);
    assert!(shown.contains("this day: 0 of 2 turns left"), "{shown}");
    drop(hosting);
    let (code, _, errors) = run(&player, &["budget"]);
    assert!(code == 0 && errors.contains("warning: host:"), "{code} {errors}");
}

#[tokio::test]
async fn whole_characters_are_each_players_own() {
    let (_folder, data) = home();
    let world = crate::process::small_world(&data);
    std::fs::write(
        data.join("meddah.toml"),
        format!("[host]\nworlds = [{:?}]\n", world.display().to_string()),
    )
    .unwrap();
    let hosting = Hosting::start(&data, &script(&data, 1));
    rustls::crypto::ring::default_provider().install_default().ok(); // the first test of a process does it
    let client = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build().unwrap();
    let code = hosting.link.rsplit('/').next().unwrap();
    let join = async || -> String {
        let joined = client.post(format!("{}/v1/join", hosting.url)).json(&json!({"code": code}));
        let joined: Value = joined.send().await.unwrap().json().await.unwrap();
        joined["token"].as_str().unwrap().to_owned()
    };
    let (one, two) = (join().await, join().await);
    let ask = async |token: &str, method: reqwest::Method, path: &str, body: Value| -> (u16, Value) {
        let request = client.request(method, format!("{}{path}", hosting.url)).bearer_auth(token);
        let response = request.json(&body).send().await.unwrap();
        (response.status().as_u16(), response.json().await.unwrap_or_default())
    };
    let post = reqwest::Method::POST;
    let said = json!({"character": "bran", "player": "Ayla", "text": "Who are you?"});
    let (status, turn) = ask(&one, post.clone(), "/v1/talk", said.clone()).await;
    assert_eq!((status, &turn["finish"]), (200, &"complete".into()), "{turn}");
    assert_eq!(ask("mdh_0_0", post.clone(), "/v1/talk", said.clone()).await.0, 401);

    let hello = json!({"game": "g", "mod": "m", "world": "hut", "player": {"id": "ayla", "name": "Ayla"}});
    let (_, session) = ask(&one, post.clone(), "/v1/sessions", hello).await;
    let path = format!("/v1/sessions/{}", session["session"].as_str().unwrap());
    let ping = json!({"type": "ping"});
    assert_eq!(ask(&one, post.clone(), &format!("{path}/commands"), ping.clone()).await.0, 200);
    assert_eq!(ask(&two, post.clone(), &format!("{path}/commands"), ping).await.0, 404, "another player's");

    let smith = json!({"name": "Brok", "role": "smith", "description": "A secret of one player."});
    let character = "/v1/worlds/hut/characters/brok";
    assert_eq!(ask(&one, reqwest::Method::PUT, character, smith).await.0, 200);
    assert_eq!(ask(&one, reqwest::Method::GET, character, json!({})).await.0, 200);
    assert_eq!(ask(&two, reqwest::Method::GET, character, json!({})).await.0, 404);

    let players: Vec<_> = std::fs::read_dir(data.join("players")).unwrap().collect();
    assert_eq!(players.len(), 2);
    let (status, _) = ask(&one, reqwest::Method::DELETE, "/v1/me", json!({})).await;
    assert_eq!(status, 204);
    assert_eq!(std::fs::read_dir(data.join("players")).unwrap().count(), 1, "nothing of the player is left");
    let charged = ledger(&data);
    assert!(
        charged.iter().any(|line| line["ended"] == "answered" && line["amounts"]["turns"] == 1),
        "{charged:?}"
    );
}
