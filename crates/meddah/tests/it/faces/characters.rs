//! Whole characters behind the protocols of others.

use std::sync::Arc;

use meddah::worlds::Worlds;
use meddah_engine::world::Character;
use meddah_inference::scripted::{Script, ScriptedModel, ScriptedReply};
use serde_json::{Value, json};

use super::{Faces, model, tavern, text, words};
use crate::rig::answer;

fn say(model: &str, user: &str, said: &str) -> Value {
    let messages = json!([
        {"role": "system", "content": "You are a pirate."}, {"role": "user", "content": "Earlier words."},
        {"role": "assistant", "content": "Arr!"}, {"role": "user", "content": said},
    ]);
    json!({"model": model, "user": user, "messages": messages})
}

#[tokio::test]
async fn a_character_remembers_who_talks_and_takes_no_persona_from_the_mod() {
    let model = model();
    let faces = Faces::start(model.clone()).await;
    let ask = |body: Value| answer(faces.post("openai", "/v1/chat/completions").json(&body));
    let (status, reply) = ask(say("character:mira", "ayla", "I lost my lantern.")).await;
    assert_eq!((status, words(&reply)), (200, "Welcome to the Lantern."), "{reply}");
    assert_eq!(reply["choices"][0]["message"]["meddah"]["emotion"], "joy");
    assert!(reply["usage"]["prompt_tokens"].as_u64().unwrap() > 0);
    ask(say("character:tavern/mira", "ayla", "Did you find it?")).await;
    ask(say("character:mira", "somebody else", "Good evening.")).await;

    let prompts: Vec<String> = model
        .seen()
        .iter()
        .map(|request| {
            request.messages.iter().map(|message| message.text.as_str()).collect::<Vec<_>>().join("\n")
        })
        .collect();
    assert!(prompts[1].contains("I lost my lantern."), "{}", prompts[1]);
    assert!(!prompts[2].contains("I lost my lantern."), "another player has another memory: {}", prompts[2]);
    assert!(prompts.iter().all(|prompt| prompt.contains("Mira") && !prompt.contains("pirate")));
    faces.stop().await;
}

#[tokio::test]
async fn a_characters_action_is_a_call_and_its_result_is_told() {
    let model = model();
    let faces = Faces::start(model.clone()).await;
    let tools =
        json!([{"type": "function", "function": {"name": "open_door", "description": "Opens the door."}}]);
    let mut body = say("character:mira", "ayla", "Open the door, please.");
    body["tools"] = tools.clone();
    let (_, reply) = answer(faces.post("openai", "/v1/chat/completions").json(&body)).await;
    let choice = &reply["choices"][0];
    let call = &choice["message"]["tool_calls"][0];
    assert_eq!(
        (&choice["finish_reason"], &call["function"]["name"]),
        (&json!("tool_calls"), &json!("open_door"))
    );

    let result = json!({"role": "tool", "tool_call_id": call["id"], "content": "The door is stuck."});
    let messages = json!([{"role": "user", "content": "Open it."}, choice["message"], result]);
    let body = json!({"model": "character:mira", "user": "ayla", "messages": messages, "tools": tools});
    let (status, reply) = answer(faces.post("openai", "/v1/chat/completions").json(&body)).await;
    assert_eq!(status, 200, "{reply}");
    let seen = model.seen();
    let last = seen.last().unwrap().messages.iter().map(|message| message.text.as_str()).collect::<Vec<_>>();
    assert!(last.join("\n").contains("The door is stuck."), "{last:?}");

    // Without tools in the request the mod cannot carry out anything, so nothing is offered.
    answer(faces.post("openai", "/v1/chat/completions").json(&say("character:mira", "ayla", "The door?")))
        .await;
    assert!(model.seen().last().unwrap().decisions.iter().all(|decision| decision.name != "action"));
    faces.stop().await;
}

#[tokio::test]
async fn a_spawned_character_outlives_the_sidecar_and_keeps_its_id() {
    let folder = tempfile::tempdir().unwrap();
    let worlds = || Worlds::new(vec![tavern()]).with_overlay(folder.path().join("worlds")).unwrap();
    let spawn = json!({"name": "Steve", "short_name": "Steve", "character_description": "Digs.", "system_prompt": "",
        "commands": null});
    let faces = Faces::with_worlds(model(), worlds()).await;
    let request = faces.post("player2", "/v1/npc/games/java game/npcs/spawn").header("accept", "text/plain");
    let (status, npc) = text(request.json(&spawn)).await;
    assert_eq!((status, npc.len(), npc.matches('-').count()), (200, 36, 4), "{npc}");
    faces.stop().await;

    let faces = Faces::with_worlds(model(), worlds()).await;
    let base = "/v1/npc/games/java game/npcs";
    let stream =
        faces.get("player2", &format!("{base}/responses")).header("accept", "application/x-json-stream");
    let mut stream = stream.send().await.unwrap();
    let said = json!({"sender_name": "Alex", "sender_message": "Hello!", "game_state_info": "It rains.\nIt is night."});
    let (status, body) = text(faces.post("player2", &format!("{base}/{npc}/chat")).json(&said)).await;
    assert_eq!(status, 200, "{body}");
    let line: Value = serde_json::from_slice(&stream.chunk().await.unwrap().unwrap()).unwrap();
    assert_eq!((&line["npc_id"], &line["message"]), (&json!(npc), &json!("Welcome to the Lantern.")));

    // An open stream does not keep the sidecar from ending.
    faces.stop().await;
    assert!(stream.chunk().await.unwrap().is_none());
}

#[tokio::test]
async fn two_spawned_with_one_name_are_two_and_other_games_reach_neither() {
    let faces = Faces::start(model()).await;
    let spawn = |game: &'static str| {
        let request = faces.post("player2", "/v1/npcs/spawn").header("player2-game-key", game);
        answer(request.json(&json!({"name": "Zombie", "character_description": "Groans."})))
    };
    let id = |(status, body): (u16, Value)| {
        assert_eq!(status, 200, "{body}");
        body.as_str().unwrap().to_owned()
    };
    let (first, second) = (id(spawn("mine").await), id(spawn("mine").await));
    assert_ne!(first, second);
    let post = |game: &'static str, npc: &str, what: &str, body: Value| {
        let request = faces.post("player2", &format!("/v1/npcs/{npc}/{what}"));
        answer(request.header("player2-game-key", game).json(&body))
    };
    let history = |game: &'static str, npc: &str| {
        let request = faces.get("player2", &format!("/v1/npcs/{npc}/history"));
        answer(request.header("player2-game-key", game))
    };
    let said = json!({"sender_name": "Alex", "sender_message": "Hello!"});

    // The key of another game, in the header or as a part of the path.
    assert_eq!(post("other", &first, "kill", json!({})).await.0, 404);
    assert_eq!(post("other", &first, "chat", said.clone()).await.0, 404);
    assert_eq!(history("other", &first).await.0, 404);
    let local = format!("/v1/npc/games/other/npcs/{first}");
    assert_eq!(answer(faces.post("player2", &format!("{local}/chat")).json(&said)).await.0, 404);
    assert_eq!(answer(faces.post("player2", &format!("{local}/kill"))).await.0, 404);
    assert_eq!(answer(faces.get("player2", &format!("{local}/history"))).await.0, 404);

    let (status, refused) = post("mine", &first, "chat", json!({"sender_name": "Alex"})).await;
    assert!(status == 400 && refused["message"].as_str().unwrap().contains("`sender_message`"), "{refused}");
    let stream = faces.get("player2", "/v1/npcs/responses").header("player2-game-key", "mine");
    // A number that an earlier start of the sidecar gave out.
    let stream = stream.header("accept", "application/json").header("last-event-id", "3");
    assert_eq!(post("mine", &first, "chat", said).await.0, 200);
    let line = stream.send().await.unwrap().chunk().await.unwrap().unwrap();
    let line: Value = serde_json::from_slice(&line).unwrap();
    assert_eq!((&line["npc_id"], &line["message"]), (&json!(first), &json!("Welcome to the Lantern.")));
    let turns = |answer: (u16, Value)| answer.1["history"].as_array().unwrap().len();
    assert_eq!((turns(history("mine", &first).await), turns(history("mine", &second).await)), (2, 0));

    assert_eq!(post("mine", &first, "kill", json!({})).await.0, 200);
    assert_eq!(id(spawn("mine").await), first, "killed, it is known again by its name");
    assert_eq!(turns(history("mine", &first).await), 2);
    faces.stop().await;
}

#[tokio::test]
async fn long_names_of_players_that_begin_alike_are_two_players() {
    let model = model();
    let faces = Faces::start(model.clone()).await;
    let user = |end: &str| format!("{}{end}", "u".repeat(200));
    for (user, said) in
        [(user("1"), "I lost my lantern."), (user("2"), "Good evening."), (user("1"), "Well?")]
    {
        let body = say("character:mira", &user, said);
        assert_eq!(answer(faces.post("openai", "/v1/chat/completions").json(&body)).await.0, 200);
    }
    let knows: Vec<bool> = model
        .seen()
        .iter()
        .map(|request| request.messages.iter().any(|message| message.text.contains("I lost my lantern.")))
        .collect();
    assert_eq!(knows, [true, false, true]);
    faces.stop().await;
}

#[tokio::test]
async fn an_answer_that_no_model_brought_to_its_end_says_so() {
    let broken = ScriptedReply {
        text: "Welcome to the Lantern. Sit down and".into(),
        fail: "the model broke".into(),
        ..ScriptedReply::default()
    };
    let script = Script { reply: vec![broken], chunk_chars: 5, delay_ms: 0 };
    let faces = Faces::start(Arc::new(ScriptedModel::new(script))).await;
    let mut body = say("character:mira", "ayla", "Good evening.");
    let (status, reply) = answer(faces.post("openai", "/v1/chat/completions").json(&body)).await;
    assert_eq!(status, 200, "{reply}");
    let check = |extra: &Value| {
        assert_eq!((&extra["finish"], &extra["error"]["code"]), (&json!("complete"), &json!("model_failed")));
        assert!(extra["error"]["message"].as_str().is_some_and(|text| !text.is_empty()), "{extra}");
    };
    check(&reply["choices"][0]["message"]["meddah"]);
    body["stream"] = json!(true);
    let (_, stream) = text(faces.post("openai", "/v1/chat/completions").json(&body)).await;
    let last = stream.lines().rfind(|line| line.contains("\"finish_reason\":\"stop\"")).unwrap();
    let last: Value = serde_json::from_str(last.strip_prefix("data: ").unwrap()).unwrap();
    check(&last["choices"][0]["delta"]["meddah"]);
    let (_, lines) = text(faces.post("ollama", "/api/chat").json(&body)).await;
    let last: Value = serde_json::from_str(lines.lines().last().unwrap()).unwrap();
    check(&last["meddah"]);
    faces.stop().await;
}

#[tokio::test]
async fn a_line_of_the_characters_own_file_says_that_it_is_one() {
    let mut world = tavern();
    let mira = json!({"name": "Mira", "description": "Keeps an inn.", "fallback_lines": ["Hm."]});
    world.characters.insert("mira".into(), Character::from_json("mira", mira).unwrap());
    let script = Script {
        reply: vec![ScriptedReply { fail: "the model broke".into(), ..ScriptedReply::default() }],
        ..Script::default()
    };
    let faces = Faces::with_worlds(Arc::new(ScriptedModel::new(script)), Worlds::new(vec![world])).await;
    let body = say("character:mira", "ayla", "Good evening.");
    let (status, reply) = answer(faces.post("openai", "/v1/chat/completions").json(&body)).await;
    assert_eq!((status, words(&reply)), (200, "Hm."), "{reply}");
    let extra = &reply["choices"][0]["message"]["meddah"];
    assert_eq!((&extra["finish"], &extra["error"]["code"]), (&json!("complete"), &json!("model_failed")));
    faces.stop().await;
}

#[tokio::test]
async fn spawned_characters_are_listed_as_models_but_not_offered_to_other_mods() {
    let faces = Faces::start(model()).await;
    let spawn = faces
        .post("player2", "/v1/npcs/spawn")
        .header("player2-game-key", "mine")
        .json(&json!({"name": "Steve"}));
    assert_eq!(text(spawn).await.0, 200);
    let (_, models) = answer(faces.get("openai", "/v1/models")).await;
    let names: Vec<&str> =
        models["data"].as_array().unwrap().iter().filter_map(|one| one["id"].as_str()).collect();
    assert_eq!(
        names,
        ["scripted", "character:player2-mine/Steve", "character:tavern/borin", "character:tavern/mira"]
    );
    let (_, offered) = answer(faces.get("player2", "/v1/selected_characters")).await;
    let offered: Vec<&Value> =
        offered["characters"].as_array().unwrap().iter().map(|one| &one["id"]).collect();
    assert_eq!(offered, ["borin", "mira"]);
    faces.stop().await;
}
