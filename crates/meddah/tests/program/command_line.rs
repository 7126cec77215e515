//! What the commands print and how they end.

use serde_json::Value;

use crate::process::{home, model_path, run, script};

fn events(text: &str) -> Vec<Value> {
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect()
}

#[test]
fn a_scripted_talk_prints_events_and_ends() {
    let (folder, world) = home();
    let model = script(folder.path(), 0);
    let world = world.to_str().unwrap();
    let arguments =
        ["talk", "--world", world, "--model", &model, "--say", "Hail!", "--say", "Who are you?", "--json"];
    let (code, out, err) = run(&folder.path().join("data"), &arguments);
    assert_eq!((code, err.as_str()), (0, ""));
    let events = events(&out);
    let ends: Vec<&Value> = events.iter().filter(|event| event["type"] == "turn_ended").collect();
    assert_eq!(ends.len(), 2);
    assert_eq!(events.last(), ends.last().copied());
    let (code, plain, _) = run(&folder.path().join("data"), &arguments[..arguments.len() - 1]);
    assert_eq!(code, 0);
    assert!(plain.contains("Bran: Good evening.") && !plain.contains('\u{1b}'), "{plain}");
}

#[test]
fn characters_of_a_mod_are_imported_and_listed_where_they_are() {
    let (folder, world) = home();
    let file = folder.path().join("characters.json");
    let anwen = r#"{"characters": [{"name": "workspaces/x/characters/anwen",
        "defaultCharacterDescription": {"givenName": "Anwen"}}]}"#;
    std::fs::write(&file, anwen).unwrap();
    let data = folder.path().join("data");
    let (code, out, err) = run(&data, &["import", "--into", "a-land", file.to_str().unwrap()]);
    assert_eq!((code, err.as_str()), (0, ""));
    assert!(out.starts_with("Anwen\n") && out.contains("`a-land` has 1 more characters"), "{out}");
    assert!(data.join("worlds/a-land/characters/anwen.json").exists());
    let model = script(folder.path(), 0);
    let talk = ["talk", "--world", world.to_str().unwrap(), "--model", &model, "--say", "Hail!"];
    let (code, out, _) = run(&data, &talk);
    assert!(code == 0 && out.contains("Bran: "), "the world that was asked for is used: {out}");
}

#[test]
fn real_model_a_talk_in_the_tavern_says_what_it_cost() {
    let (folder, _) = home();
    // A prompt of some length: the form for models of this size leaves little to come back to.
    let data = folder.path().join("data");
    std::fs::create_dir_all(&data).unwrap();
    std::fs::write(data.join("meddah.toml"), "[turn]\nprompt = \"medium\"\n").unwrap();
    let (model, tavern) = (model_path(), concat!(env!("CARGO_MANIFEST_DIR"), "/../../worlds/tavern"));
    let arguments = [
        "talk",
        "--world",
        tavern,
        "--character",
        "mira",
        "--model",
        model.to_str().unwrap(),
        "--json",
        "--say",
    ];
    let talk = |text: &'static str| [&arguments[..], &[text]].concat();
    let (code, out, err) =
        run(&folder.path().join("data"), &talk("Good evening. Do you have an ale for me?"));
    assert_eq!(code, 0, "{err}");
    let events = events(&out);
    let ends: Vec<&Value> = events.iter().filter(|event| event["type"] == "turn_ended").collect();
    assert_eq!(ends.len(), 1);
    let end = ends[0];
    assert_eq!(end["finish"], "complete", "{end}");
    let (usage, timing) = (&end["usage"], &end["timing"]);
    let of = |value: &Value, key: &str| value[key].as_f64().unwrap_or_else(|| panic!("{key} in {value}"));
    assert!(of(usage, "prompt_tokens") > 300.0 && of(usage, "completion_tokens") > 3.0, "{usage}");
    assert_eq!(usage["prompt_tokens"], timing["prompt_tokens"]);
    assert!(of(timing, "recall_ms") <= of(timing, "first_token_ms"), "{timing}");
    assert!(of(timing, "first_token_ms") <= of(timing, "first_line_ms"), "{timing}");
    assert!(of(timing, "first_line_ms") <= of(timing, "total_ms"), "{timing}");
    let place = |kind: &str| events.iter().position(|event| event["type"] == kind);
    assert!(place("emotion").unwrap() < place("line").unwrap(), "{events:?}");

    // The next program finds what was read on disk, and what was said in the timeline.
    let (_, out, _) = run(&folder.path().join("data"), &talk("What did I just ask you for?"));
    let end: Value = serde_json::from_str(out.lines().last().unwrap()).unwrap();
    assert!(of(&end["usage"], "cached_tokens") > 300.0, "{end}");
    assert!(of(&end["usage"], "prompt_tokens") > of(usage, "prompt_tokens"), "{end}");
}

#[test]
fn what_is_remembered_is_listed_taken_out_and_in_and_compacted() {
    let (folder, world) = home();
    let (data, copy) = (folder.path().join("data"), folder.path().join("copy"));
    let model = script(folder.path(), 0);
    let talk =
        ["talk", "--world", world.to_str().unwrap(), "--model", &model, "--player", "Ann", "--say", "Hail!"];
    assert_eq!(run(&data, &talk).0, 0);
    let (code, out, _) = run(&data, &["world", "list"]);
    assert!(code == 0 && out.contains("remembered of player Ann in hut: 3 entries"), "{out}");
    let (code, out, _) = run(&data, &["world", "tree", "--world", "hut", "--json"]);
    let tree: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &tree["timelines"][0]["branches"][0]["branch"]), (0, &0.into()), "{tree}");
    let (code, _, err) = run(&data, &["world", "tree", "--world", "hat"]);
    assert!(code == 2 && err.contains("Remembered are: hut."), "{err}");
    let (code, out, _) = run(&data, &["world", "export", "--readable"]);
    assert!(code == 0 && out.contains("## bran\nAnn: Hail!\nbran: Good evening. Sit down"), "{out}");

    let file = folder.path().join("memory.jsonl");
    let file = file.to_str().unwrap();
    assert_eq!(run(&data, &["world", "export", "--out", file]).0, 0);
    assert_eq!(run(&data, &["world", "export", "--out", file]).0, 2, "nothing is overwritten");
    let (code, out, err) = run(&copy, &["world", "import", file]);
    assert!(code == 0 && out.contains("world hut, player Ann: 3 entries"), "{out}{err}");
    let (one, two) = (run(&data, &["world", "export"]).1, run(&copy, &["world", "export"]).1);
    assert!(!one.is_empty() && one == two);
    let (code, _, err) = run(&copy, &["world", "import", file]);
    assert!(code == 3 && err.contains("already"), "{err}");

    assert_eq!(run(&copy, &["world", "compact"]).0, 2);
    let (code, out, _) = run(&copy, &["world", "compact", "--keep-saves"]);
    assert!(code == 0 && out.contains("would delete 0 of 3 entries") && out.contains("--yes"), "{out}");
    let (code, out, _) = run(&copy, &["world", "compact", "--keep-saves", "--yes", "--json"]);
    let done: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &done["timelines"][0]["deleted"]), (0, &true.into()), "{done}");
}
