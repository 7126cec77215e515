//! Goals begin, are reached, and lead on.

use serde_json::json;

use super::*;

fn mira() -> Character {
    let goals = json!([
        {"id": "find-bell", "wants": "to find the bell", "when": "bell_stolen", "reached": "bell_found",
            "failed": "bell_melted", "then": {"next": "thank", "facts": ["mira_trusts_player"], "event": "Mira smiles."}},
        {"id": "thank", "wants": "to thank the stranger.", "reached_by": "give_item", "then": {"action": "wave"}},
        {"id": "password", "wants": "to hear the password", "hears": ["raven"], "then": {"facts": ["door_open"]}},
        {"id": "second", "wants": "to hear it again", "when": "door_open", "hears": ["raven"]},
    ]);
    Character::from_json("mira", json!({"name": "Mira", "goal": goals})).expect("good goals")
}

fn states(step: &Step<'_>) -> Vec<String> {
    step.states.goals.iter().map(|(id, progress)| format!("{id} {progress:?}")).collect()
}

fn reached<'g>(step: &Step<'g>) -> Vec<&'g GoalOutcome> {
    let reached = step.changes.iter().filter(|(_, progress)| *progress == GoalProgress::Reached);
    reached.map(|(goal, _)| &goal.then).collect()
}

#[test]
fn a_goal_begins_and_is_reached_and_the_next_one_begins() {
    let mira = mira();
    let go = |before: &GoalStates, facts: &[&str], moment: Moment<'_>| {
        step(&mira, before, &GameState::of_facts(facts), &moment)
    };
    let first = go(&GoalStates::default(), &[], Moment::default());
    assert_eq!(states(&first), ["password Active"]);
    let stolen = go(&first.states, &["bell_stolen"], Moment::default());
    assert_eq!(states(&stolen), ["find-bell Active", "password Active"]);
    // It is pursued on, whether the game repeats the fact or not.
    let found = go(&stolen.states, &["bell_found"], Moment::default());
    assert_eq!(states(&found), ["find-bell Reached", "password Active", "thank Active"]);
    let changes = found.changes.iter().map(|(goal, progress)| format!("{} {progress:?}", goal.id));
    assert_eq!(changes.collect::<Vec<_>>(), ["find-bell Reached", "thank Active"]);
    assert_eq!(reached(&found)[0].event.as_deref(), Some("Mira smiles."));
    assert_eq!(found.states.facts, ["mira_trusts_player"]);
    let again = go(&found.states, &["bell_found"], Moment::default());
    assert_eq!((again.changes.len(), &again.states), (0, &found.states), "what is reached follows once");
    let thanked = go(&found.states, &[], Moment { done: "give_item", ..Moment::default() });
    assert_eq!(reached(&thanked)[0].action.as_deref(), Some("wave"));
    let active: Vec<String> = found.states.active(&mira.goal).into_iter().map(sentence).collect();
    assert_eq!(active, ["You want to thank the stranger.", "You want to hear the password."]);
}

#[test]
fn several_are_pursued_at_once_and_each_is_reached_on_its_own() {
    let goals = json!([
        {"id": "rest", "wants": "to rest", "reached": "night", "then": {"event": "She sleeps."}},
        {"id": "pay", "wants": "to be paid", "priority": 1, "reached": "paid", "then": {"event": "She counts."}},
        {"id": "flee", "wants": "to flee", "priority": 5, "when": "fire", "failed": "rescued"},
        {"id": "sing", "wants": "to sing", "priority": -1},
    ]);
    let mira = Character::from_json("mira", json!({"name": "Mira", "goal": goals})).expect("good goals");
    let go = |before: &GoalStates, facts: &[&str]| {
        let step = step(&mira, before, &GameState::of_facts(facts), &Moment::default());
        let pursued: Vec<&str> = step.states.active(&mira.goal).iter().map(|goal| goal.id.as_str()).collect();
        let events: Vec<&str> = reached(&step).iter().filter_map(|then| then.event.as_deref()).collect();
        (pursued.join(" "), events.join(" "), step.states)
    };
    let (pursued, _, calm) = go(&GoalStates::default(), &[]);
    assert_eq!(pursued, "pay rest sing");
    let (pursued, events, paid) = go(&calm, &["paid", "fire"]);
    assert_eq!((pursued.as_str(), events.as_str()), ("flee rest sing", "She counts."));
    let (pursued, events, _) = go(&paid, &["rescued", "night"]);
    assert_eq!((pursued.as_str(), events.as_str()), ("sing", "She sleeps."), "one is given up, one reached");
    // From the same moment on, another way: what was reached there is not reached here.
    let (pursued, events, _) = go(&calm, &["paid", "night"]);
    assert_eq!((pursued.as_str(), events.as_str()), ("sing", "She counts. She sleeps."));
}

#[test]
fn a_goal_is_given_up() {
    let mira = mira();
    let state = |facts: &[&str]| GameState::of_facts(facts);
    let begun = step(&mira, &GoalStates::default(), &state(&["bell_stolen"]), &Moment::default());
    let failed = step(&mira, &begun.states, &state(&["bell_melted"]), &Moment::default());
    assert_eq!(failed.states.goals["find-bell"], GoalProgress::Failed);
    assert!(!failed.states.goals.contains_key("thank"), "what comes after it does not begin");
}

#[test]
fn one_word_opens_one_door() {
    let mira = mira();
    let heard = Moment { heard: "The RAVENS fly.", ..Moment::default() };
    let opened = step(&mira, &GoalStates::default(), &GameState::default(), &heard);
    assert_eq!(states(&opened), ["password Reached", "second Active"]);
    let again = step(&mira, &opened.states, &GameState::default(), &heard);
    assert_eq!(states(&again), ["password Reached", "second Reached"]);
}

#[test]
fn the_name_of_what_happened_is_a_fact_for_that_moment() {
    let mira = mira();
    let stolen = Moment { happened: "bell_stolen", ..Moment::default() };
    let begun = step(&mira, &GoalStates::default(), &GameState::default(), &stolen);
    assert_eq!(begun.states.goals["find-bell"], GoalProgress::Active);
    assert_eq!(begun.states.facts, Vec::<String>::new());
}

#[test]
fn what_is_said_is_no_condition() {
    let mira = mira();
    let said = Moment { heard: "bell_stolen bell_found bell_stolen = yes", ..Moment::default() };
    let after = step(&mira, &GoalStates::default(), &GameState::default(), &said);
    assert_eq!(states(&after), ["password Active"]);
}

#[test]
fn states_survive_their_json_form() {
    let mira = mira();
    let after = step(
        &mira,
        &GoalStates::default(),
        &GameState::of_facts(["bell_stolen", "bell_found"]),
        &Moment::default(),
    );
    let text = serde_json::to_string(&after.states).expect("serialises");
    assert_eq!(serde_json::from_str::<GoalStates>(&text).expect("reads"), after.states);
    assert_eq!(serde_json::from_str::<GoalStates>("{}").expect("reads"), GoalStates::default());
}
