//! The program with models elsewhere: a ladder under faults, a budget that is off, and a key that stays where
//! it belongs. The models are made up, the connections are real.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use meddah_fakes::{Dialect, Fake, Play};
use serde_json::{Value, json};

use crate::process::{Serving, files_with, meddah, script, shows};

const SECRET: &str = "sk-live-4d81f0c2aa97e356";
/// Conversations at once.
const CONVERSATIONS: usize = 20;
/// How long a turn may take.
const TURN_MS: u64 = 6_000;

/// A data folder with a key, a world with a character that has lines of its own, and a made-up provider.
struct Home {
    folder: tempfile::TempDir,
    world: PathBuf,
    fake: Fake,
}

impl Home {
    async fn new(play: Play, settings: impl Fn(&str, &str) -> String) -> Home {
        let folder = tempfile::tempdir().unwrap();
        let world = folder.path().join("hut");
        std::fs::create_dir_all(world.join("characters")).unwrap();
        std::fs::write(world.join("world.toml"), "name = \"The Hut\"\n").unwrap();
        let bran = "name = \"Bran\"\nfallback_lines = [\"Hm.\"]\n";
        std::fs::write(world.join("characters/bran.toml"), bran).unwrap();
        let fake = Fake::start(play).await;
        let home = Home { folder, world, fake };
        std::fs::create_dir_all(home.data()).unwrap();
        let lower = script(home.folder.path(), 0);
        let text = format!("keys = \"file\"\n{}", settings(&home.fake.base_url, &lower));
        std::fs::write(home.data().join("meddah.toml"), text).unwrap();
        let mut set = meddah(&home.data());
        let mut child =
            set.args(["key", "set", "openai"]).stdin(std::process::Stdio::piped()).spawn().unwrap();
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), SECRET.as_bytes()).unwrap();
        assert!(child.wait().unwrap().success());
        home
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn serve(&self) -> Serving {
        Serving::of(meddah(&self.data()), &self.world)
    }
}

fn ladder(base_url: &str, lower: &str) -> String {
    format!(
        "ladder = [\"cloud\", '{lower}']\n[online]\nfirst_token_ms = 1500\nstall_ms = 1500\n\
         [rungs.cloud]\nprovider = \"openai\"\nmodel = \"m\"\nbase_url = \"{base_url}\"\n\
         price = {{ input = \"0.1\", output = \"0.1\" }}\n"
    )
}

fn turn() -> Play {
    Play::case(Dialect::OpenAi, "turn")
}

async fn talk(serving: &Serving, player: usize) -> Value {
    let actions = json!([{"name": "give_item", "description": "Hands something over.", "parameters":
        {"type": "object", "properties": {"item": {"type": "string"}}, "required": ["item"]}}]);
    let said = json!({"character": "bran", "player": format!("p{player}"), "text": "An ale!",
        "actions": actions, "timeout_ms": TURN_MS});
    let begun = Instant::now();
    let (status, reply) = serving.post("/v1/talk", &said).await.unwrap();
    assert_eq!((status, &reply["finish"]), (200, &json!("complete")), "{reply}");
    assert!(begun.elapsed() < Duration::from_millis(TURN_MS + 1_000), "{:?}", begun.elapsed());
    assert!(!reply["text"].as_str().unwrap().is_empty(), "{reply}");
    reply
}

fn noticed(reply: &Value, code: &str) -> bool {
    reply["events"].as_array().unwrap().iter().any(|event| event["type"] == "notice" && event["code"] == code)
}

#[tokio::test]
async fn an_online_model_speaks_feels_and_acts() {
    let home = Home::new(turn(), ladder).await;
    let serving = home.serve();
    let reply = talk(&serving, 0).await;
    assert!(reply["text"].as_str().unwrap().starts_with("Here is your ale, friend."), "{reply}");
    assert_eq!(reply["actions"][0]["name"], "give_item", "{reply}");
    assert_eq!(reply["actions"][0]["arguments"], json!({"item": "ale"}));
    assert!(reply["emotion"]["label"].is_string(), "{reply}");
    assert_eq!(reply["usage"]["prompt_tokens"], 120);
}

#[tokio::test]
async fn whatever_happens_to_the_first_rung_every_turn_is_answered_and_the_ladder_climbs_back() {
    let too_many = ("429 Too Many Requests", [("retry-after", "2"), ("content-type", "application/json")]);
    let faults: [(&str, Play); 6] = [
        ("hangs", turn().with(|faults| faults.hang_before_head = true)),
        ("hangs in the middle", turn().with(|faults| faults.hang_after = Some(500))),
        ("breaks off", turn().with(|faults| faults.cut_after = Some(500))),
        ("is slow", turn().with(|faults| faults.drip = Some((8, Duration::from_millis(200))))),
        ("is no model", Play::answer(Dialect::OpenAi, "200 OK", &[("content-type", "text/html")], "<html>")),
        ("is busy", Play::answer(Dialect::OpenAi, too_many.0, &too_many.1, "{}")),
    ];
    let home = Home::new(turn(), ladder).await;
    let serving = home.serve();
    talk(&serving, 0).await;
    for (what, play) in faults {
        home.fake.set_play(play);
        let turns = (0..CONVERSATIONS).map(|player| talk(&serving, player));
        let replies = futures::future::join_all(turns).await;
        assert!(replies.iter().any(|reply| noticed(reply, "stepped_down")), "{what}: {}", replies[0]);
        home.fake.set_play(turn());
        let begun = Instant::now();
        while talk(&serving, 0).await["timing"]["model"] != "cloud" {
            assert!(begun.elapsed() < Duration::from_secs(60), "{what}: it does not climb back");
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
    }
}

#[tokio::test]
async fn when_the_network_goes_away_the_lower_rung_answers_within_two_seconds() {
    let home = Home::new(turn(), ladder).await;
    let serving = home.serve();
    talk(&serving, 0).await;
    drop(home.fake);
    let begun = Instant::now();
    let reply = talk(&serving, 0).await;
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    assert!(noticed(&reply, "stepped_down") && reply["timing"]["model"] == "scripted", "{reply}");
}

#[tokio::test]
async fn after_off_nothing_paid_is_sent() {
    let home = Home::new(turn(), ladder).await;
    let serving = home.serve();
    talk(&serving, 0).await;
    let asked = home.fake.requests().len();
    assert!(meddah(&home.data()).args(["budget", "off"]).status().unwrap().success());
    for player in 0..200 {
        let reply = talk(&serving, player % CONVERSATIONS).await;
        assert_eq!(reply["timing"]["model"], "scripted", "{reply}");
    }
    assert_eq!(home.fake.requests().len(), asked);
    assert!(meddah(&home.data()).args(["budget", "on"]).status().unwrap().success());
    assert_eq!(talk(&serving, 0).await["timing"]["model"], "cloud");
}

#[tokio::test]
async fn a_key_is_shown_by_no_failure() {
    let home = Home::new(turn(), |base_url, _| {
        format!(
            "ladder = [\"cloud\"]\nlog = \"trace\"\n[online]\nfirst_token_ms = 500\nretries = 0\n[rungs.cloud]\n\
             provider = \"openai\"\nmodel = \"m\"\nbase_url = \"{base_url}\"\n"
        )
    })
    .await;
    let elsewhere = Fake::start(turn()).await;
    let echo = format!(
        "{{\"error\":{{\"message\":\"Incorrect API key provided: {SECRET}\",\"code\":\"invalid_api_key\"}}}}"
    );
    let mut plays: Vec<Play> =
        meddah_fakes::case_names("openai").iter().map(|case| Play::case(Dialect::OpenAi, case)).collect();
    plays.push(Play::redirect(Dialect::OpenAi, &elsewhere.base_url));
    plays.push(Play::answer(Dialect::OpenAi, "401 Unauthorized", &[], &echo));
    plays.push(turn().with(|faults| faults.hang_before_head = true));
    plays.push(turn().with(|faults| faults.garbage = 4096));
    let mut asked = Vec::new();
    for play in plays {
        home.fake.set_play(play);
        let mut command = meddah(&home.data());
        command.args(["talk", "--json", "--say", "An ale!", "--world"]).arg(&home.world);
        let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        for said in [&output.stdout, &output.stderr] {
            assert!(!shows(SECRET, said), "{}", String::from_utf8_lossy(said));
        }
        asked.extend(home.fake.requests());
    }
    assert!(asked.len() > 40, "{}", asked.len());
    assert!(asked.iter().all(|request| !request.path.contains(SECRET)));
    assert!(elsewhere.requests().is_empty(), "a redirect is not followed");
    assert_eq!(files_with(SECRET, &home.data()), ["keys.toml"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_model_whose_call_failed_is_asked_in_lines_before_the_next_rung() {
    for case in ["tool-use-failed", "tool-use-failed-midway"] {
        let plays = vec![Play::case(Dialect::Groq, case), Play::case(Dialect::Groq, "turn-lines")];
        let groq = Fake::start_sequence(plays).await;
        let rung = "provider = \"groq\"\nkey = \"openai\"";
        let settings =
            |_: &str, lower: &str| ladder(&groq.base_url, lower).replace("provider = \"openai\"", rung);
        let home = Home::new(turn(), settings).await;
        let serving = home.serve();
        let reply = talk(&serving, 0).await;
        assert_eq!(
            (&reply["timing"]["model"], &reply["actions"][0]["name"]),
            (&json!("cloud"), &json!("give_item"))
        );
        assert!(reply["text"].as_str().unwrap().starts_with("Here is your ale, friend."), "{case} {reply}");
        let has_tools: Vec<bool> =
            groq.requests().iter().map(|asked| !asked.json["tools"].is_null()).collect();
        assert_eq!(has_tools, [true, false], "{case}");
    }
}
