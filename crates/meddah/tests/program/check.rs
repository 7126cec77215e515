//! `meddah check` and `meddah new`, with a scripted model and with a real one.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::process::{home, model_path, run, script};

fn write(folder: &Path, path: &str, text: &str) {
    let file = folder.join(path);
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(file, text).unwrap();
}

/// What a newcomer writes as a first character, after reading one page of the guide: ten lines.
const FIRST_CHARACTER: &str = r#"name = "Tessa"
role = "fisherwoman"
description = "Tessa fishes off the old pier. She is cheerful and talks a lot about the weather."
knows = [
  "The best fish bite at dawn.",
  "Her boat is called Marigold.",
]
fallback_lines = ["Hold on, I have a bite."]
[speech]
words_max = 25
"#;

fn first_world(folder: &Path) -> PathBuf {
    let world = folder.join("pier");
    write(&world, "world.toml", "name = \"The Old Pier\"\n");
    write(&world, "characters/tessa.toml", FIRST_CHARACTER);
    world
}

#[test]
fn a_check_reports_what_does_not_go_well_and_says_so_by_its_exit_code() {
    let (folder, world) = home();
    let talk = |expected: &str| {
        format!(
            "[[check]]\nname = \"fire\"\ncharacter = \"bran\"\n[[check.line]]\nplayer = \"Hail!\"\nexpect_any = [{expected:?}]\nno_action = true\n"
        )
    };
    write(&world, "checks/bran.toml", &talk("by the FIRE"));
    let (data, world, model) =
        (folder.path().join("data"), world.to_str().unwrap().to_owned(), script(folder.path(), 0));
    let arguments = ["check", "--world", &world, "--model", &model, "--turns", "2"];
    let (code, table, err) = run(&data, &arguments);
    assert_eq!(code, 0, "{table}{err}");
    assert!(
        table.contains("bran") && table.contains("fire") && table.contains("an ordinary talk"),
        "{table}"
    );

    write(Path::new(&world), "checks/bran.toml", &talk("by the sea"));
    let (code, json, _) = run(&data, &[&arguments[..], &["--json"]].concat());
    assert_eq!(code, 1);
    let report: Value = serde_json::from_str(&json).unwrap();
    let problems = &report["talks"][1]["problems"];
    assert_eq!(
        (problems[0]["code"].as_str(), problems[0]["player"].as_str()),
        (Some("not_expected"), Some("Hail!"))
    );

    write(Path::new(&world), "checks/bran.toml", "[[check]]\ncharacter = \"bran\"\nline = []\n");
    let (code, _, err) = run(&data, &arguments);
    assert!(code == 3 && err.contains("bran.toml") && err.contains("help"), "{err}");
    write(Path::new(&world), "checks/bran.toml", &talk("x").replace("\"bran\"", "\"nobody\""));
    let (code, _, err) = run(&data, &arguments);
    assert!(code == 3 && err.contains("no such character: nobody"), "{err}");
}

#[test]
fn a_new_pack_can_be_talked_with_and_checked_at_once() {
    let (folder, _) = home();
    let (data, pack) = (folder.path().join("data"), folder.path().join("my-world"));
    let pack = pack.to_str().unwrap();
    let (code, out, err) = run(&data, &["new", pack, "--example"]);
    assert_eq!(code, 0, "{err}");
    assert!(out.contains("meddah talk --world") && out.contains("meddah check --world"), "{out}");
    let (code, _, err) = run(&data, &["new", pack, "--example"]);
    assert!(code == 2 && err.contains("is there already"), "{err}");
    let model = script(folder.path(), 0);
    let (code, table, _) = run(&data, &["check", "--world", pack, "--model", &model, "--turns", "1"]);
    assert!(code == 1 && table.contains("ada") && table.contains("not_expected"), "{table}");
}

#[test]
fn the_tavern_has_a_goal_that_is_reached_by_a_word() {
    let (folder, _) = home();
    let (data, pack) = (folder.path().join("data"), folder.path().join("inn"));
    let (pack, model) = (pack.to_str().unwrap(), script(folder.path(), 0));
    let (code, _, err) = run(&data, &["new", pack, "--tavern"]);
    assert_eq!(code, 0, "{err}");
    let check = ["check", "--world", pack, "--model", &model, "--turns", "0"];
    let (code, table, err) = run(&data, &check);
    assert_eq!(code, 0, "{table}{err}");
    assert!(table.contains("Osk learns what knocks"), "{table}");

    let talk = ["talk", "--world", pack, "--model", &model, "--character", "osk"];
    let (_, shown, err) =
        run(&data, &[&talk[..], &["--say", "There is a tunnel under your kitchen."]].concat());
    for part in ["[goal: wants knocking]", "[goal: reached knocking]", "[give_item", "lets the ladle sink"] {
        assert!(shown.contains(part), "{part} in {shown}{err}");
    }

    // Where nothing waits for the word, the check says so.
    let osk = Path::new(pack).join("characters/osk.toml");
    let text = std::fs::read_to_string(&osk).unwrap().replace("\"tunnel\", ", "");
    std::fs::write(&osk, text).unwrap();
    let (code, table, _) = run(&data, &check);
    assert!(code == 1 && table.contains("goal knocking was to be reached, none was"), "{table}");
}

#[test]
fn what_the_model_read_is_explained_beside_the_talk_and_nowhere_else() {
    let (folder, world) = home();
    let (data, model) = (folder.path().join("data"), script(folder.path(), 0));
    let arguments = [
        "talk",
        "--world",
        world.to_str().unwrap(),
        "--model",
        &model,
        "--say",
        "Hail!",
        "--json",
        "--explain",
    ];
    let (code, out, err) = run(&data, &arguments);
    assert_eq!(code, 0, "{err}");
    assert!(
        err.contains("Bran reads ") && err.contains("rules (") && err.contains("Bran shoes horses."),
        "{err}"
    );
    assert!(!out.contains("rules (") && !out.contains("shoes horses"), "{out}");
}

#[test]
fn real_model_a_first_character_holds_a_talk_of_twenty_turns() {
    let folder = tempfile::tempdir().unwrap();
    let (world, model) = (first_world(folder.path()), model_path());
    // Short replies: what is checked is their form, and a test has to end.
    write(&folder.path().join("data"), "meddah.toml", "[turn]\nreply_tokens_max = 30\nlines_max = 2\n");
    let arguments = [
        "check",
        "--world",
        world.to_str().unwrap(),
        "--model",
        model.to_str().unwrap(),
        "--json",
        "--seed",
        "3",
    ];
    let (code, json, err) = run(&folder.path().join("data"), &arguments);
    let report: Value = serde_json::from_str(&json).unwrap_or_else(|error| panic!("{error}: {json}{err}"));
    let talk = &report["talks"][0];
    assert_eq!(talk["turns"], 20, "{talk}");
    assert_eq!(talk["problems"], serde_json::json!([]), "{talk}");
    assert!(talk["canned"].as_u64().unwrap() <= 3, "the model itself has to speak: {talk}");
    assert_eq!(code, 0);
}
