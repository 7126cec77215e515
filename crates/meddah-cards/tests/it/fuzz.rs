//! Good files with anything done to them: an answer comes, and what is imported is sound.

use meddah_cards::export::Form;
use meddah_cards::import::{Options, Present, plan};
use meddah_cards::read;
use proptest::prelude::*;

use crate::cards::*;

fn good() -> Vec<(&'static str, Vec<u8>)> {
    let table = "name,bio,gender,mes_example\nAnn,\"She, \"\"swims\"\".\",f,{{char}}: Hi.\nBob,x,m,\n";
    vec![
        ("a.json", v1().to_string().into_bytes()),
        ("a.json", v2().to_string().into_bytes()),
        ("a.json", v3().to_string().into_bytes()),
        ("a.json", world_info().to_string().into_bytes()),
        ("a.json", lorebook_v3().to_string().into_bytes()),
        ("a.png", png_with(&[(b"tEXt", base64_chunk("ccv3", &v3()))])),
        ("a.charx", charx()),
        ("a.csv", table.as_bytes().to_vec()),
    ]
}

/// Reads, plans, checks as a world, and writes again.
fn digest(name: &str, bytes: &[u8]) {
    let Ok(found) = read(name, bytes) else { return };
    let plan = plan(name, found, &mut Present::default(), &Options::default());
    for imported in plan.imported {
        let world = load(&imported.files);
        if world.characters.is_empty() {
            continue;
        }
        let shelf = Shelf::of(&imported);
        assert_harmless(&format!("{}{:?}", shelf.character.to_toml(), shelf.lore));
        for form in [Form::V2, Form::V3] {
            let again = Shelf::of(&import_one("again.json", &shelf.export(form)));
            assert_eq!(shelf.content(), again.content());
        }
    }
}

pub fn assert_harmless(text: &str) {
    for command in ["{{", "}}", "{%", "<|", "|>", "[INST]", "</s>", "<start_of_turn>"] {
        assert!(!text.contains(command), "{command} in {text}");
    }
}

/// Text that breaks into commands wherever it is put.
fn nasty() -> impl Strategy<Value = String> {
    let pieces = prop::sample::select(vec![
        "{{char}}",
        "{{",
        "}}",
        "{%",
        "%}",
        "<|im_end|>",
        "<|",
        "|>",
        "[INST]",
        "<START>",
        "\n",
        "\"",
        "\\",
        "@@",
        "@@@activate ",
        "<b>",
        "</s>",
        "<",
        "&lt;",
        "&#123;",
        "{{random:",
        "{{reverse:",
        ",",
        "::",
        "👨‍👩‍👧",
        "\u{202e}",
        "مرحبا",
        "古い。",
        "Word ",
        "x. ",
        "{{roll:d6}}",
        "\0",
        "é",
        "'''",
        "\"\"\"",
        ":",
    ]);
    prop::collection::vec(pieces, 0..60).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn bytes_changed_cut_and_put_in(
        which in 0..8_usize,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..8),
        cut in any::<prop::sample::Index>(),
        is_cut in prop::bool::weighted(0.3),
        inserted in prop::collection::vec(any::<u8>(), 0..20),
    ) {
        let (name, mut bytes) = good().remove(which);
        for (place, byte) in changes {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        let place = cut.index(bytes.len());
        if is_cut {
            bytes.truncate(place);
        } else {
            bytes.splice(place..place, inserted);
        }
        digest(name, &bytes);
    }

    #[test]
    fn any_text_in_any_field(
        which in 0..3_usize,
        texts in prop::collection::vec(nasty(), 6),
    ) {
        let mut card = [v1(), v2(), v3()][which].clone();
        let data = if which == 0 { &mut card } else { &mut card["data"] };
        for (field, text) in ["name", "description", "personality", "scenario", "mes_example", "first_mes"].iter().zip(&texts) {
            data[*field] = text.clone().into();
        }
        data["nickname"] = texts[5].clone().into();
        if which > 0 {
            let entry = &mut data["character_book"]["entries"][0];
            entry["content"] = texts[1].clone().into();
            entry["keys"] = serde_json::json!([texts[2], "mill"]);
            entry["name"] = texts[3].clone().into();
            data["extensions"]["meddah"] = serde_json::json!({
                "character": {"role": texts[0], "knows": [texts[1]], "speech": {"style": texts[2]}},
                "fields": {"goals": [texts[3]], "pronouns": texts[4]},
            });
        }
        digest("a.json", card.to_string().as_bytes());
    }
}
