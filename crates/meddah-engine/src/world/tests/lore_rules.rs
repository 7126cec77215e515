//! The finer rules of lore: what calls an entry up, what keeps it out, and who gives way.

use serde_json::{Value, json};

use super::*;
use crate::condition::GameState;

/// Entries by short forms: the id is the first word of the text.
fn lore(entries: Value) -> Vec<LoreEntry> {
    let entry = |entry: &Value| LoreEntry::from_json(entry["id"].as_str().unwrap(), entry.clone());
    entries.as_array().unwrap().iter().map(|value| entry(value).unwrap()).collect()
}

struct Moment<'m> {
    said: &'m [&'m str],
    told: &'m [&'m str],
    timers: LoreTimers,
    dice: u64,
    entries_max: usize,
    chars_max: usize,
}

impl Default for Moment<'_> {
    fn default() -> Self {
        let timers = LoreTimers { utterances: 1, ..LoreTimers::default() };
        Moment { said: &[], told: &[], timers, dice: 1, entries_max: 10, chars_max: 1000 }
    }
}

impl Moment<'_> {
    fn call<'l>(&self, lore: &'l [LoreEntry]) -> CalledUp<'l> {
        let Moment { said, told, timers, dice, entries_max, chars_max } = self;
        call_up(
            lore,
            &LoreQuery {
                said,
                character: "mira",
                state: &GameState::default(),
                told,
                timers,
                dice: *dice,
                entries_max: *entries_max,
                chars_max: *chars_max,
            },
        )
    }

    fn ids(&self, lore: &[LoreEntry]) -> String {
        self.call(lore).entries.iter().map(|entry| entry.id.as_str()).collect::<Vec<_>>().join(" ")
    }
}

fn check(entries: Value, said: &str, expected: &str) {
    let lore = lore(entries);
    assert_eq!(Moment { said: &[said], ..Moment::default() }.ids(&lore), expected, "{said}");
}

#[test]
fn further_words_count_by_their_rule() {
    let entries = || {
        json!([
            {"id": "any", "text": ".", "keys": ["mill"], "also": ["fire", "storm"]},
            {"id": "all", "text": ".", "keys": ["mill"], "also": ["fire", "storm"], "also_rule": "all"},
            {"id": "none", "text": ".", "keys": ["mill"], "also": ["fire", "storm"], "also_rule": "none"},
            {"id": "not_all", "text": ".", "keys": ["mill"], "also": ["fire", "storm"], "also_rule": "not_all"},
        ])
    };
    let sorted = |said: &str, expected: &str| {
        let lore = lore(entries());
        let found = Moment { said: &[said], ..Moment::default() }.ids(&lore);
        let mut ids: Vec<&str> = found.split(' ').collect();
        ids.sort_unstable();
        assert_eq!(ids.join(" "), expected, "{said}");
    };
    sorted("the mill", "none not_all");
    sorted("the mill and the fire", "any not_all");
    sorted("the mill, the fire, the storm", "all any");
    sorted("the fire and the storm", "");
}

#[test]
fn keys_are_found_in_the_way_that_the_entry_says() {
    let entry = |find: &str, key: &str| json!([{"id": "x", "text": ".", "keys": [key], "find": find}]);
    check(entry("words", "mill"), "two mills", "x");
    check(entry("exact", "mill"), "two mills", "");
    check(entry("exact", "mill"), "a MILL!", "x");
    check(entry("exact", "mill*"), "a miller", "x");
    check(entry("part", "mill"), "a windmill", "x");
    check(entry("words", "mill"), "a windmill", "");
    let case = json!([{"id": "x", "text": ".", "keys": ["Rose"], "match_case": true, "find": "exact"}]);
    check(case.clone(), "a rose", "");
    check(case, "ask Rose", "x");
    check(entry("words", "/wind-?mills?/i"), "a WIND-MILL", "x");
    check(entry("words", "/Mill/"), "a mill", "");
    check(entry("words", "/a\\/b/"), "a/b", "x");
    check(entry("words", "/(a+)+$/"), &"a".repeat(30_000), "x");
}

#[test]
fn a_regular_expression_has_its_limits() {
    for (key, expected) in [
        ("/(?<=a)b/", "looks ahead or behind"),
        ("/(/", "not a regular expression"),
        ("/(((a{1,200}){1,200}){1,200})/", "too large"),
    ] {
        let error = LoreEntry::from_json("x", json!({"text": ".", "keys": [key]})).expect_err(key);
        assert!(error.to_string().contains(expected), "{error}");
    }
}

#[test]
fn what_was_said_is_searched_as_deep_as_the_entry_says() {
    let lore = lore(json!([
        {"id": "usual", "text": ".", "keys": ["mill"]},
        {"id": "last", "text": ".", "keys": ["mill"], "scan": 1},
        {"id": "deep", "text": ".", "keys": ["mill"], "scan": 3},
        {"id": "never", "text": ".", "keys": ["mill"], "scan": 0},
    ]));
    let ids = |said: &[&str]| Moment { said, ..Moment::default() }.ids(&lore);
    assert_eq!(ids(&["the mill"]), "usual last deep");
    assert_eq!(ids(&["the mill", "so?"]), "usual deep");
    assert_eq!(ids(&["the mill", "so?", "hm"]), "deep");
    assert_eq!(ids(&["the mill", "so?", "hm", "eh"]), "");
}

#[test]
fn entries_lead_to_others_as_far_as_they_may() {
    let entries = json!([
        {"id": "mill", "text": "It belongs to the abbot.", "keys": ["mill"], "leads_on": true},
        {"id": "abbot", "text": "He fears the well.", "keys": ["abbot"], "leads_on": true},
        {"id": "well", "text": "It is dry.", "keys": ["well"], "leads_on": true},
        {"id": "talk", "text": "Of abbots.", "keys": ["abbot"], "only_from_talk": true},
        {"id": "led", "text": "The first level.", "keys": ["well"], "only_led_to": 1, "leads_on": true},
        {"id": "later", "text": "The second level.", "keys": ["abbot"], "only_led_to": 2},
        {"id": "loop", "text": "The loop of the loop.", "keys": ["loop", "dry"], "leads_on": true},
    ]);
    check(entries.clone(), "the mill", "mill abbot well led loop later");
    check(entries.clone(), "the abbot", "abbot talk well led loop");
    check(entries, "the loop", "loop");
}

#[test]
fn room_goes_to_the_constant_then_by_priority_then_to_what_was_said() {
    let entries = lore(json!([
        {"id": "said", "text": "12345", "keys": ["mill"], "leads_on": true},
        {"id": "first", "text": "12345", "keys": ["mill"], "order": 50, "priority": 300},
        {"id": "high", "text": "12345", "keys": ["mill"], "order": 200},
        {"id": "always", "text": "12345", "always": true, "order": 1},
        {"id": "long", "text": "12345678", "keys": ["mill"], "order": 150},
    ]));
    let ids = |entries_max, chars_max| {
        Moment { said: &["mill"], entries_max, chars_max, ..Moment::default() }.ids(&entries)
    };
    // Told in their order, the highest last.
    assert_eq!(ids(10, 100), "always first said long high");
    assert_eq!(ids(1, 100), "always");
    assert_eq!(ids(2, 100), "always first");
    assert_eq!(ids(3, 100), "always first high");
    assert_eq!(ids(10, 20), "always first said high", "what is too long gives way to a shorter one");
}

#[test]
fn what_was_told_a_moment_ago_takes_no_room() {
    let entries = lore(json!([
        {"id": "old", "text": "Old.", "keys": ["mill"], "order": 200},
        {"id": "new", "text": "New.", "keys": ["mill"]},
    ]));
    let moment = Moment { said: &["mill"], told: &["Old."], entries_max: 1, ..Moment::default() };
    assert_eq!(moment.ids(&entries), "new");
}

#[test]
fn chances_follow_from_the_dice_alone() {
    let entries = lore(json!([
        {"id": "half", "text": ".", "keys": ["mill"], "chance": 50},
        {"id": "never", "text": ".", "keys": ["mill"], "chance": 0},
    ]));
    let come_up = |dice| Moment { said: &["mill"], dice, ..Moment::default() }.ids(&entries);
    let count = (0..1000).filter(|dice| come_up(*dice) == "half").count();
    assert!((420..=580).contains(&count), "{count}");
    assert!((0..1000).all(|dice| come_up(dice) == come_up(dice) && !come_up(dice).contains("never")));
}

#[test]
fn one_of_a_group_comes_up() {
    let entries = lore(json!([
        {"id": "a", "text": ".", "keys": ["mill"], "groups": ["g"], "group_weight": 300},
        {"id": "b", "text": ".", "keys": ["mill"], "groups": ["g"], "group_weight": 100},
        {"id": "c", "text": ".", "keys": ["mill"]},
    ]));
    let ids = |dice| Moment { said: &["mill"], dice, ..Moment::default() }.ids(&entries);
    let count = (0..1000).filter(|dice| ids(*dice) == "a c").count();
    assert!((680..=820).contains(&count), "{count}");
    assert!((0..1000).all(|dice| ["a c", "b c"].contains(&ids(dice).as_str())));

    let first = json!([
        {"id": "a", "text": ".", "keys": ["mill"], "groups": ["g"], "group_weight": 100_000},
        {"id": "b", "text": ".", "keys": ["mill"], "groups": ["g"], "group_first": true, "order": 1},
        {"id": "c", "text": ".", "keys": ["mill"], "groups": ["g"], "group_first": true, "order": 2},
    ]);
    check(first, "the mill", "c");
    let by_keys = json!([
        {"id": "a", "text": ".", "keys": ["mill"], "groups": ["g"], "group_by_keys": true, "group_weight": 1_000_000},
        {"id": "b", "text": ".", "keys": ["mill", "fire"], "groups": ["g"], "group_by_keys": true},
    ]);
    check(by_keys, "fire at the mill", "b");
}

#[test]
fn an_entry_stays_then_rests_and_may_have_to_wait() {
    let entries = lore(json!([
        {"id": "stays", "text": ".", "keys": ["mill"], "stays": 3, "rests": 4},
        {"id": "waits", "text": "!", "always": true, "not_before": 5},
    ]));
    let mut timers = LoreTimers::default();
    let mut came_up = Vec::new();
    for utterance in 1..=12 {
        timers.utterances = utterance;
        let said: &[&str] = if [1, 2, 5, 8].contains(&utterance) { &["the mill"] } else { &["hm"] };
        let moment = Moment { said, timers: timers.clone(), ..Moment::default() };
        came_up.push(format!("{utterance}: {}", moment.ids(&entries)));
        timers = moment.call(&entries).timers;
    }
    let expected = [
        "1: stays",
        "2: stays",
        "3: stays",
        "4: ",
        "5: waits",
        "6: waits",
        "7: waits",
        "8: waits stays",
        "9: waits stays",
        "10: waits stays",
        "11: waits",
        "12: waits",
    ];
    assert_eq!(came_up, expected);
}

#[test]
fn who_is_there_and_who_is_not_meant() {
    let entries = lore(json!([
        {"id": "here", "text": ".", "keys": ["mill"], "audience": ["present"]},
        {"id": "except", "text": ".", "keys": ["mill"], "except": ["mira"]},
        {"id": "off", "text": ".", "keys": ["mill"], "enabled": false},
    ]));
    let scene = meddah_protocol::Scene { present: vec!["mira".into()], ..Default::default() };
    assert!(
        entries[0].open_to("mira", &GameState::of(&scene))
            && !entries[0].open_to("bram", &GameState::of(&scene))
    );
    assert_eq!(Moment { said: &["mill"], ..Moment::default() }.ids(&entries), "");
    assert!(
        !entries[1].open_to("mira", &GameState::default())
            && entries[1].open_to("bram", &GameState::default())
    );
}

#[test]
fn a_large_lore_is_looked_through_quickly() {
    const FINDS: [&str; 3] = ["words", "exact", "part"];
    let entry = |n: usize| {
        let value = json!({"text": format!("Fact {n} about word{n}."), "find": FINDS[n % 3], "leads_on": true,
            "keys": [format!("word{n}"), format!("river{n} bank"), format!("the {n}th mill"), "mill*er"]});
        LoreEntry::from_json(&format!("e{n}"), value).unwrap()
    };
    let entries: Vec<LoreEntry> = (0..LORE_MAX).map(entry).collect();
    let said = "The miller said that word17 and word4000 are by the mill on the river. ".repeat(10);
    let moment = Moment { said: &[&said, "And what of word99?"], ..Moment::default() };
    let begun = std::time::Instant::now();
    let found = moment.ids(&entries);
    let took = begun.elapsed();
    assert!(["e17", "e99", "e4000"].iter().all(|id| found.split(' ').any(|found| found == *id)), "{found}");
    assert!(took.as_secs() < 5, "{took:?}");
}

#[test]
fn all_fields_survive_both_forms() {
    let value = json!({"id": "x", "text": "T.", "keys": ["/a/i"], "also": ["b"], "also_rule": "not_all", "find": "part",
        "match_case": true, "scan": 5, "always": true, "enabled": false, "audience": ["mira"], "except": ["bram"],
        "condition": "gold >= 40", "order": -3, "priority": 7, "chance": 20, "groups": ["g"], "group_weight": 9,
        "group_first": true, "group_by_keys": true, "leads_on": true, "only_from_talk": true, "only_led_to": 2,
        "stays": 1, "rests": 2, "not_before": 3});
    let entry = LoreEntry::from_json("x", value.clone()).unwrap();
    assert_eq!(entry.to_json(), value);
}

#[test]
fn conditions_goals_and_keys_are_checked_with_their_lines() {
    check_file(
        "characters/mira.toml",
        r#"name = "Mira"
description = "Runs the inn."
knows = ["One.", { text = "Two.", condition = "a b_c" }]

[[secrets]]
text = "S."
condition = "bell_found &&"

[[goal]]
id = "a"
wants = "to sleep"
when = "gold >"
then.next = "bb"
"#,
        expect_test::expect![[r#"
            characters/mira.toml, line 3, column 47: there is no `and` or `or` between `a` and `b_c`
              help: write: a and b_c
            characters/mira.toml, line 7, column 13: `&&` is not understood
              help: write `and`
            characters/mira.toml, line 12, column 8: there is no value behind `>`
              help: write it like this: gold > 40
            characters/mira.toml, line 13, column 13: there is no goal `bb`
              help: add a goal with this id, or delete the line
        "#]],
    );
    check_file(
        "lore/town.toml",
        "[[lore]]\nid = \"x\"\ntext = \"T.\"\nkeys = [\"mill\", \"/(/\"]\ncondition = \"(\"",
        expect_test::expect![[r#"
            lore/town.toml, line 4, column 17: the key between slashes is not a regular expression that Meddah understands
              help: use plain words, which find the plural too, or `mill*`
            lore/town.toml, line 5, column 13: a `(` is not closed
              help: put a ) where its part ends
        "#]],
    );
}

#[test]
fn a_character_with_all_of_it_survives_as_toml() {
    let value = json!({"name": "Mira", "knows": ["One.", {"text": "Two.", "condition": "a"}],
        "secrets": [{"text": "S.", "condition": "b and c"}],
        "goal": [{"id": "g", "wants": "to rest", "hears": ["bed"], "then": {"action": "sleep", "arguments": {"hours": 8}}}]});
    let mira = Character::from_json("mira", value).unwrap();
    let toml = mira.to_toml();
    let read = world(&[("world.toml", "name = \"T\""), ("characters/mira.toml", &toml)]);
    assert_eq!(read.characters["mira"], mira, "{toml}");
    let open = mira.as_open(&GameState::default());
    assert_eq!((open.knows.len(), open.secrets.len(), open.goal.len()), (1, 0, 0));
    assert_eq!(mira.as_open(&GameState::of_facts(["a"])).knows.len(), 2);
}
