//! Cards in and out, by the command line.

use std::path::Path;

use meddah::world_files::load;
use serde_json::{Value, json};

use crate::process::run;

fn card() -> Value {
    json!({"spec": "chara_card_v2", "spec_version": "2.0", "x_unknown": 1, "data": {
        "name": "Oda", "description": "{{char}} mends nets.", "personality": "dry, patient", "first_mes": "Hm?",
        "extensions": {"other": true},
        "character_book": {"extensions": {}, "entries": [
            {"keys": ["net"], "content": "A net costs four coppers.", "enabled": true, "insertion_order": 1, "extensions": {}}]},
    }})
}

fn path(folder: &Path, name: &str) -> String {
    folder.join(name).to_str().unwrap().to_owned()
}

#[test]
fn a_card_comes_in_is_changed_and_goes_out() {
    let data = tempfile::tempdir().unwrap();
    let at = |name: &str| path(data.path(), name);
    std::fs::write(at("oda.json"), card().to_string()).unwrap();
    let (code, out, error) = run(data.path(), &["import", &at("oda.json"), "--world", &at("river")]);
    assert_eq!(code, 0, "{out}{error}");
    assert!(out.contains("oda: Oda, 1 pieces of lore") && out.contains("--character oda"), "{out}");
    // Twice is once.
    let (code, out, _) = run(data.path(), &["import", &at("oda.json"), "--world", &at("river")]);
    assert!(code == 0 && out.contains("0 more characters") && out.contains("1 were there already"), "{out}");

    let export = |form: &str, name: &str| {
        let (code, out, error) =
            run(data.path(), &["export", "oda", "--world", &at("river"), "--as", form, "--out", &at(name)]);
        assert_eq!(code, 0, "{out}{error}");
    };
    export("png", "first.png");
    let file = data.path().join("river/characters/oda.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(
        &file,
        text.replace("mends nets", "sells nets") + "\n[relationships]\nplayer = \"A customer.\"\n",
    )
    .unwrap();
    for (form, name) in [("v2", "out.json"), ("v3", "out3.json"), ("png", "out.png"), ("charx", "out.charx")]
    {
        export(form, name);
        let world = at(&format!("world-{form}"));
        assert_eq!(run(data.path(), &["import", &at(name), "--world", &world, "--id", "sela"]).0, 0);
        let sela = &load(Path::new(&world)).unwrap().0.characters["sela"];
        assert_eq!(
            (sela.description.as_str(), sela.relationships["player"].text.as_str()),
            ("Oda sells nets.", "A customer.")
        );
    }
    let out: Value = serde_json::from_slice(&std::fs::read(at("out.json")).unwrap()).unwrap();
    assert!(
        out["x_unknown"] == 1
            && out["data"]["extensions"]["other"] == true
            && out["data"]["first_mes"] == "Hm?",
        "{out}"
    );

    let (code, _, error) =
        run(data.path(), &["export", "oda", "--world", &at("river"), "--out", &at("out.json")]);
    assert!(code == 2 && error.contains("is there already"), "{error}");
    let (code, _, error) =
        run(data.path(), &["export", "nobody", "--world", &at("river"), "--out", &at("x.json")]);
    assert!(code == 2 && error.contains("no character `nobody`"), "{error}");
    let (code, _, error) =
        run(data.path(), &["import", &at("out.json"), "--world", &at("river"), "--id", "oda"]);
    assert!(code == 3 && error.contains("--replace"), "{error}");
    let replaced =
        run(data.path(), &["import", &at("out.json"), "--world", &at("river"), "--id", "oda", "--replace"]);
    assert_eq!(replaced.0, 0, "{}", replaced.2);
    assert_eq!(load(&data.path().join("river")).unwrap().0.characters.len(), 1);
}

#[test]
fn a_folder_of_good_and_bad_files_is_imported_as_far_as_it_goes() {
    let data = tempfile::tempdir().unwrap();
    let cards = data.path().join("cards");
    std::fs::create_dir(&cards).unwrap();
    std::fs::write(cards.join("a.json"), card().to_string()).unwrap();
    std::fs::write(cards.join("b.png"), b"\x89PNG\r\n\x1a\nbroken").unwrap();
    std::fs::write(
        cards.join("c.csv"),
        "name;bio\r\n../../evil;\"He \"\"hides\"\".\"\r\nGuard;x\r\nGuard;y\r\n",
    )
    .unwrap();
    std::fs::write(
        cards.join("d.json"),
        json!({"entries": {"0": {"key": ["mill"], "content": "It burned."}}}).to_string(),
    )
    .unwrap();
    let (code, out, error) = run(data.path(), &["import", cards.to_str().unwrap()]);
    assert_eq!(code, 3, "{out}");
    assert!(error.contains("b.png: the picture ends before its end") && error.contains("help: "), "{error}");
    assert!(out.contains("4 more characters and 1 more lorebooks"), "{out}");
    let (world, _) = load(&data.path().join("imported")).unwrap();
    assert_eq!(world.characters.keys().collect::<Vec<_>>(), ["evil", "guard", "guard_2", "oda"]);
    assert_eq!(world.lore.len(), 2);
    let book = path(data.path(), "book.json");
    let folder = path(data.path(), "imported");
    let (code, _, error) =
        run(data.path(), &["export", "d", "--world", &folder, "--as", "book", "--out", &book]);
    assert_eq!(code, 0, "{error}");
    assert!(std::fs::read_to_string(&book).unwrap().contains("It burned."));
    // A folder that is no world is left alone.
    let (code, _, error) = run(
        data.path(),
        &["import", cards.join("a.json").to_str().unwrap(), "--world", cards.to_str().unwrap()],
    );
    assert!(code == 3 && error.contains("has no world.toml"), "{error}");
}
