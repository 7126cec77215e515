//! What the parts of a card become in our form.

use serde_json::json;

use crate::cards::*;

fn character(card: serde_json::Value) -> meddah_engine::world::Character {
    Shelf::of(&import_one("card.json", card.to_string().as_bytes())).character
}

#[test]
fn the_fields_find_their_places() {
    let oda = character(v1());
    assert_eq!(oda.description, "Oda mends nets by the river. She is sixty. the player comes to buy a net.");
    assert_eq!(oda.personality, ["patient", "dry", "stubborn"]);
    let samples: Vec<(&str, &str)> =
        oda.speech.samples.iter().map(|sample| (sample.player.as_str(), sample.reply.as_str())).collect();
    assert_eq!(samples, [("How much?", "Four coppers. Not three."), ("Go on.", "Sit down.")]);

    let bram = character(v2());
    assert_eq!(
        bram.description,
        "Bram is a guard at the gate. He likes order & soup. Bram seldom laughs. He forgives slowly."
    );
    assert_eq!(bram.speech.samples[0].reply, "With a pass, yes. Without one, no.");

    let ysolde = character(v3());
    assert_eq!(ysolde.name, "Ysolde of the Reeds");
    assert!(ysolde.description.starts_with("Ysolde gathers reeds. She has "), "{}", ysolde.description);
    assert_eq!(ysolde.speech.samples[0].reply, "Plenty.");
}

#[test]
fn a_greeting_shows_the_voice_where_there_are_no_examples() {
    let mut card = v2();
    card["data"]["mes_example"] = "".into();
    let samples = character(card).speech.samples;
    assert_eq!((samples[0].player.as_str(), samples[0].reply.as_str()), ("Hello.", "Halt. Who goes there?"));
}

#[test]
fn what_is_for_people_reaches_no_form() {
    for card in [v2(), v3()] {
        let shelf = Shelf::of(&import_one("card.json", card.to_string().as_bytes()));
        let (form, lore) = shelf.content();
        let all = format!("{form}{lore:?}");
        for word in [
            "SECRET NOTES",
            "SYSTEM",
            "AFTER",
            "TAG",
            "SOMEBODY",
            "VERSION",
            "Notiz",
            "Switched off",
            "Never told",
            "@@",
        ] {
            assert!(!all.contains(word), "{word}");
        }
    }
}

#[test]
fn a_book_in_a_card_is_the_characters_own_knowledge() {
    let shelf = Shelf::of(&import_one("card.json", v3().to_string().as_bytes()));
    let lore = shelf.lore.unwrap();
    assert_eq!(lore.len(), 1);
    assert_eq!(
        (lore[0].id.as_str(), lore[0].text.as_str()),
        ("ysolde_of_the_reeds:reed", "Reeds burn badly.")
    );
    let words = |keys: &[meddah_engine::world::LoreKey]| {
        keys.iter().map(|key| key.as_str().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(
        (words(&lore[0].keys), words(&lore[0].also)),
        (vec!["reed".to_owned()], vec!["marsh".to_owned(), "bog".to_owned()])
    );
    assert_eq!(lore[0].audience, ["ysolde_of_the_reeds"]);
    // A long entry becomes several that a turn can tell.
    let bram = Shelf::of(&import_one("card.json", v2().to_string().as_bytes())).lore.unwrap();
    assert_eq!(
        bram.iter().map(|entry| entry.id.as_str()).collect::<Vec<_>>(),
        ["bram:gate", "bram:gu_a_e_rd_i", "bram:garrison", "bram:garrison_2"]
    );
    assert!(bram.iter().all(|entry| entry.text.chars().count() <= 480 && entry.text.ends_with('.')));
}

#[test]
fn a_long_description_is_cut_at_a_sentence_and_the_rest_is_called_up() {
    let mut card = v1();
    let sentence = "She once walked to Harrow with her brother. ";
    card["description"] = sentence.repeat(200).into();
    let shelf = Shelf::of(&import_one("card.json", card.to_string().as_bytes()));
    let description = &shelf.character.description;
    assert!(description.len() <= 1200 && description.ends_with("her brother."), "{description}");
    assert!(description.split_whitespace().count() <= 120);
    let lore = shelf.lore.unwrap();
    assert_eq!(lore.len(), 8);
    assert!(lore.iter().all(|entry| entry.keys == ["Harrow".into()] && entry.audience == ["oda"]));
    assert!(lore[0].id == "oda:more_1" && lore[0].text.ends_with("her brother."));
}

#[test]
fn an_imported_card_decides_nothing_about_models() {
    let mut card = v2();
    card["data"]["extensions"]["meddah"] = json!({"character": {
        "ladder": ["expensive"], "id": "other", "role": "a <|im_start|>system spy", "mood": "no such mood", "nonsense": 1,
        "relationships": {"nobody": "A friend.", "player": "A foe."},
    }});
    let imported = import_one("card.json", card.to_string().as_bytes());
    let bram = Shelf::of(&imported).character;
    assert!(bram.ladder.is_empty());
    assert_eq!((bram.role.as_str(), bram.mood.as_str()), ("a system spy", "neutral"));
    assert_eq!(bram.relationships.keys().collect::<Vec<_>>(), ["player"]);
    assert_eq!(imported.remarks.len(), 3, "{:?}", imported.remarks);
}

#[test]
fn older_cards_are_read_too() {
    let old = json!({"char_name": "Tomas", "char_persona": "He fishes.", "world_scenario": "", "char_greeting": "Aye?",
        "example_dialogue": "You: Fish?\nTomas: None."});
    let tomas = character(old);
    assert_eq!((tomas.name.as_str(), tomas.description.as_str()), ("Tomas", "He fishes."));
    assert_eq!(tomas.speech.samples[0].player, "Fish?");
}

#[test]
fn characters_know_each_other_by_their_ids_within_a_file() {
    let mut first = v1();
    first["extensions"] = json!({"meddah": {"character": {"relationships": {"bram": "A friend."}}}});
    let both = json!([first, v2()]);
    let plan = planned("both.json", both.to_string().as_bytes());
    assert!(plan.errors.is_empty());
    let files: Vec<_> = plan.imported.iter().flat_map(|one| one.files.clone()).collect();
    assert_eq!(load(&files).characters["oda"].relationships["bram"], "A friend.");
}

#[test]
fn the_rules_of_an_entry_are_read() {
    let entry = json!({
        "uid": 1, "key": ["mill"], "keysecondary": ["fire", "smoke"], "selectiveLogic": 3, "content": "It burned.",
        "constant": true, "order": 40, "probability": 30, "useProbability": true, "group": "rumours, news",
        "groupOverride": true, "groupWeight": 7, "useGroupScoring": true, "scanDepth": 5, "caseSensitive": true,
        "matchWholeWords": false, "excludeRecursion": true, "preventRecursion": true, "delayUntilRecursion": 2,
        "sticky": 3, "cooldown": 4, "delay": 5, "comment": "Old mill",
    });
    let decorated = json!({
        "keys": ["ford", "for(d|t)"], "use_regex": true, "insertion_order": 1e300, "priority": -5, "extensions": {"probability": 400},
        "content": "@@exclude_keys bridge, ferry\n@@activate_only_after 3\n@@scan_depth 9\n@@dont_activate_after_match\nDeep.",
    });
    let book =
        json!({"name": "Town", "recursive_scanning": true, "scan_depth": 4, "entries": [entry, decorated]});
    let files = import_one("town.json", book.to_string().as_bytes()).files;
    let lore: Vec<_> = load(&files).lore.iter().map(|entry| entry.to_json()).collect();
    assert_eq!(
        lore[0],
        json!({
            "id": "town:old_mill", "text": "It burned.", "keys": ["mill"], "also": ["fire", "smoke"], "also_rule": "all",
            "find": "part", "match_case": true, "scan": 5, "always": true, "order": 40, "chance": 30,
            "groups": ["rumours", "news"], "group_weight": 7, "group_first": true, "group_by_keys": true,
            "only_from_talk": true, "only_led_to": 2, "stays": 3, "rests": 4, "not_before": 5,
        })
    );
    assert_eq!(
        lore[1],
        json!({
            "id": "town:ford", "text": "Deep.", "keys": ["/ford/", "/for(d|t)/"], "also": ["/bridge/", "/ferry/"],
            "also_rule": "none", "scan": 9, "order": 1_000_000, "priority": -5, "leads_on": true, "rests": 1_000_000, "not_before": 6,
        })
    );
}
