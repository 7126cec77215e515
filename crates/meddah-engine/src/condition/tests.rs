//! What conditions say, and what their authors are told about slips.

use expect_test::{Expect, expect};
use meddah_protocol::Scene;
use proptest::prelude::*;

use super::*;

fn state() -> GameState {
    let scene = Scene {
        place: Some("The Mill".into()),
        time: Some("21:30".into()),
        present: vec!["mira".into(), "ayla".into()],
        facts: ["bell_found", "gold = 40", "The river is high.", "door=open", "guard_sleeps = no"]
            .map(str::to_owned)
            .to_vec(),
        game_time: Some(7),
        ..Scene::default()
    };
    let mut state = GameState::of(&scene);
    state.set("trust", Value::Number(0.5));
    state.set("mood", Value::text("joy"));
    state.set("gold", Value::Number(-1.0)); // the game knows better
    state
}

fn check(holds: &[&str], fails: &[&str]) {
    let state = state();
    for (sources, expected) in [(holds, true), (fails, false)] {
        for source in sources {
            let condition = Condition::new(*source);
            assert_eq!(condition.problem(), None, "{source}");
            assert_eq!(condition.holds(&state), expected, "{source}");
        }
    }
}

#[test]
fn facts_hold_while_the_game_says_so() {
    check(
        &["bell_found", "Bell_Found", "the river is high", "not mira_trusts_player", "gold", "door"],
        &["bell", "mira_trusts_player", "not bell_found", "the river", "guard_sleeps", "not gold"],
    );
}

#[test]
fn values_are_compared() {
    check(
        &["gold >= 40", "gold = 40", "gold<41", "gold != 39", "trust >= 0.5", "mood = joy", "door = open"],
        &[
            "gold > 40",
            "gold = 4",
            "trust > 0.5",
            "mood = 'anger'",
            "door = closed",
            "silver >= 0",
            "silver = 1",
        ],
    );
    check(
        &["bell_found = yes", "guard_sleeps = false", "silver != 1"],
        &["bell_found = no", "silver = true"],
    );
}

#[test]
fn place_time_and_who_is_there_are_known() {
    check(
        &["place = \"the mill\"", "place contains mill", "present = mira", "game_time >= 7"],
        &["place = mill", "place contains inn", "present = borin"],
    );
    check(&["time >= 20:00 or time < 6:00", "time = 21:30"], &["time < 6:00", "time >= 22:00"]);
}

#[test]
fn conditions_are_joined() {
    check(
        &[
            "bell_found and gold >= 40",
            "silver or bell_found",
            "not (silver or copper) and bell_found",
            "silver and copper or bell_found",
            "the river is high and not silver",
            "NOT silver AND NOT copper",
        ],
        &["bell_found and silver", "bell_found and (silver or copper)", "not bell_found or silver"],
    );
}

#[test]
fn who_reports_nothing_opens_nothing() {
    for source in ["secret", "gold >= 0", "gold < 1000", "trust >= -1", "place = mill", "a contains a"] {
        assert!(!Condition::new(source).holds(&GameState::default()), "{source}");
    }
    assert!(!Condition::default().holds(&state()));
}

fn told(source: &str, expect: Expect) {
    let condition = Condition::new(source);
    let problem = condition.problem().expect("it is wrong");
    expect.assert_eq(&format!("{}; {}", problem.message, problem.help));
    assert!(!condition.holds(&state()), "what is not understood does not hold");
}

#[test]
fn slips_are_told_with_the_way_out() {
    told("", expect!["the condition is empty; write it like this: bell_found and gold >= 40"]);
    told("a && b", expect!["`&&` is not understood; write `and`"]);
    told("!a", expect!["`!` is not understood; write `not`"]);
    told("gold => 4", expect!["`=>` is not understood; write `>=`"]);
    told(
        "bell_found and",
        expect!["there is nothing behind `and`; write it like this: bell_found and gold >= 40"],
    );
    told("or a", expect!["a name is missing; write it like this: bell_found and gold >= 40"]);
    told(">= 4", expect!["there is no name in front of `>=`; write it like this: bell_found and gold >= 40"]);
    told("gold >=", expect!["there is no value behind `>=`; write it like this: gold >= 40"]);
    told("(a or b", expect!["a `(` is not closed; put a ) where its part ends"]);
    told("a)", expect!["there is a `)` too many; delete it, or put a ( in front"]);
    told("()", expect!["there is nothing between ( and ); write it like this: bell_found and gold >= 40"]);
    told("place = 'mill", expect!["a text has no closing quote; put a ' at its end"]);
    told(
        "place > mill",
        expect![[
            r#"`>` compares numbers and times of day, and "mill" is neither; write a number: place > 40"#
        ]],
    );
    told(
        "bell_found mira_trusts",
        expect![
            "there is no `and` or `or` between `bell_found` and `mira_trusts`; write: bell_found and mira_trusts"
        ],
    );
    told("a (b)", expect!["two conditions stand side by side; put `and` or `or` between them"]);
    told(&"(".repeat(60), expect!["the condition is nested too deep; let the game report a fact of its own"]);
    told(
        &"not ".repeat(60),
        expect!["the condition is nested too deep; let the game report a fact of its own"],
    );
    told(
        &"a".repeat(501),
        expect![
            "a condition has at most 500 characters, this has 501; split it: let the game report a fact of its own"
        ],
    );
}

#[test]
fn what_is_for_conditions_alone_is_told_from_sentences() {
    for fact in ["bell_found", "gold = 40", "gold=40", " x ", "quest.stage = the second"] {
        assert!(is_for_conditions(fact), "{fact}");
    }
    for fact in ["It rains.", "Two plus two = four.", "a == b c", "= 4 b"] {
        assert!(!is_for_conditions(fact), "{fact}");
    }
}

#[test]
fn the_names_of_a_condition_are_listed() {
    let condition = Condition::new("trust >= 0.5 and (not bell_found or gold = 3) and trust < 1");
    assert_eq!(condition.names().into_iter().collect::<Vec<_>>(), ["bell_found", "gold", "trust"]);
}

proptest! {
    #[test]
    fn any_text_is_understood_or_refused(source in "(\\PC|[()=<>!&|\"' a-b]|not |and |or ){0,80}", fact in "\\PC{0,40}") {
        let mut state = state();
        state.tell(&fact);
        let condition = Condition::new(source);
        if condition.problem().is_some() {
            prop_assert!(!condition.holds(&state));
        }
        condition.names();
    }
}
