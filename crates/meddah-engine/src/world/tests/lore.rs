//! Which lore comes up, for whom.

use super::*;
use crate::condition::GameState;

const LORE: &str = r#"
[[lore]]
id = "mill"
text = "The mill burned down last winter."
keys = ["mill", "fire"]

[[lore]]
id = "tunnel"
text = "A tunnel leads from the cellar to the river."
keys = ["tunnel", "cellar"]
audience = ["bram"]

[[lore]]
id = "well"
text = "The well is dry."
keys = ["well", "water"]

[[lore]]
id = "heir"
text = "The miller's heir is alive."
keys = ["heir", "mill"]
condition = "heir_found"
"#;

fn ids(text: &str, character: &str, conditions: &[&str], entries_max: usize, chars_max: usize) -> String {
    let world = world(&[
        ("world.toml", "name = \"Test\""),
        ("characters/mira.toml", "name = \"Mira\""),
        ("characters/bram.toml", "name = \"Bram\""),
        ("lore/town.toml", LORE),
    ]);
    let state = GameState::of_facts(conditions);
    let query = LoreQuery {
        said: &[text],
        character,
        state: &state,
        told: &[],
        timers: &LoreTimers::default(),
        dice: 0,
        entries_max,
        chars_max,
    };
    let found = world.lore_for(&query).entries;
    found.iter().map(|entry| entry.id.as_str()).collect::<Vec<_>>().join(" ")
}

#[test]
fn an_entry_comes_up_when_a_key_is_said() {
    assert_eq!(ids("Tell me about the MILLS.", "mira", &[], 4, 1000), "mill");
    assert_eq!(ids("Nice weather.", "mira", &[], 4, 1000), "");
    assert_eq!(ids("Farewell!", "mira", &[], 4, 1000), "");
}

#[test]
fn only_the_audience_gets_it() {
    assert_eq!(ids("Is there a tunnel?", "mira", &[], 4, 1000), "");
    assert_eq!(ids("Is there a tunnel?", "bram", &[], 4, 1000), "tunnel");
    assert_eq!(ids("Is there a tunnel?", "stranger", &[], 4, 1000), "");
}

#[test]
fn a_condition_must_hold() {
    assert_eq!(ids("the heir", "mira", &[], 4, 1000), "");
    assert_eq!(ids("the heir", "mira", &["heir"], 4, 1000), "");
    assert_eq!(ids("the heir", "mira", &["heir_found"], 4, 1000), "heir");
}

#[test]
fn more_keys_come_first_and_then_what_was_said_last() {
    assert_eq!(ids("water! the fire at the mill!", "mira", &[], 4, 1000), "mill well");
    assert_eq!(ids("the mill, then the well", "mira", &[], 4, 1000), "well mill");
}

#[test]
fn the_limits_hold() {
    assert_eq!(ids("the mill, then the well", "mira", &[], 1, 1000), "well");
    assert_eq!(ids("the mill, then the well", "mira", &[], 0, 1000), "");
    assert_eq!(ids("the well, then the mill", "mira", &[], 4, 20), "well");
    assert_eq!(ids("the well, then the mill", "mira", &[], 4, 0), "");
}
