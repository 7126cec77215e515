use serde_json::json;

use super::*;
use crate::Choice;

fn decision(name: &str, ids: &[&str]) -> Decision {
    let choice = |id: &&str| Choice {
        id: (*id).to_owned(),
        text: format!(" {id}"),
        description: String::new(),
        bias: 0.0,
        arguments: None,
    };
    Decision { name: name.into(), lead: String::new(), choices: ids.iter().map(choice).collect() }
}

fn names(ids: &[&str]) -> Vec<(String, String)> {
    ids.iter().map(|id| (id.replace('.', "_"), (*id).to_owned())).collect()
}

fn reading(style: ActionStyle) -> Reading {
    let mood = decision("emotion", &["calm", "calm-ish", "in love", "angry"]);
    let action = decision("action", &["nothing", "give", "door.open"]);
    Reading::new(Some(mood), Some(action), names(&["give", "door.open"]), style, Begin::Outside)
}

/// Decisions as `name=choice arguments`, words as they are.
fn shown(chunks: Vec<Chunk>) -> Vec<String> {
    let mut shown: Vec<String> = Vec::new();
    let mut words = false;
    for chunk in chunks {
        match chunk {
            Chunk::Text(text) if words => shown.last_mut().unwrap().push_str(&text),
            Chunk::Text(text) => {
                words = true;
                shown.push(text);
            }
            Chunk::Decided { decision, choice, arguments } => {
                words = false;
                let arguments = arguments.map(|arguments| format!(" {arguments}")).unwrap_or_default();
                shown.push(format!("{decision}={choice}{arguments}"));
            }
            other => panic!("{other:?}"),
        }
    }
    shown
}

fn read(style: ActionStyle, text: &str) -> Vec<String> {
    let mut whole = Vec::new();
    for size in [1, 3, 1000] {
        let (mut reading, mut chunks) = (reading(style), Vec::new());
        for piece in text.chars().collect::<Vec<_>>().chunks(size) {
            reading.text(&piece.iter().collect::<String>(), &mut chunks);
        }
        reading.finish(StopReason::End, &mut chunks);
        reading.finish(StopReason::End, &mut chunks);
        let shown = shown(chunks);
        assert!(whole.is_empty() || whole == shown, "{whole:?} {shown:?}");
        whole = shown;
    }
    whole
}

#[test]
fn each_decision_is_settled_once_and_the_mood_before_the_words() {
    let lines = |text| read(ActionStyle::Lines, text);
    assert_eq!(lines("Mood: angry\nDoes: nothing\nSays: No."), ["emotion=angry", "No.", "action=nothing"]);
    assert_eq!(lines("No."), ["emotion=", "No.", "action=nothing"]);
    assert_eq!(lines(""), ["emotion=", "action=nothing"]);
    assert_eq!(lines("Says: No.\nMood: angry"), ["emotion=", "No.\n", "action=nothing"]);
    assert_eq!(
        lines("Does: give {\"item\":\"ale\"}\nMood: angry\nSays: No."),
        ["emotion=", "action=give {\"item\":\"ale\"}", "No."]
    );
}

#[test]
fn moods_are_recognised_by_their_longest_word() {
    let mood = |word: &str| read(ActionStyle::Lines, &format!("Mood: {word}\nSays: x")).swap_remove(0);
    assert_eq!(mood("Angry!"), "emotion=angry");
    assert_eq!(mood("calm-ish"), "emotion=calm-ish");
    assert_eq!(mood("in love, deeply"), "emotion=in love");
    assert_eq!(mood("**angry** (at you)"), "emotion=angry");
    assert_eq!(mood("furious"), "emotion=furious");
    assert_eq!(mood("angrybird"), "emotion=angrybird");
}

#[test]
fn actions_that_nobody_offered_are_none() {
    let lines = |text| read(ActionStyle::Lines, text);
    assert_eq!(lines("Mood: calm\nDoes: fly\nSays: x"), ["emotion=calm", "x", "action=nothing"]);
    assert_eq!(lines("Does: GIVE\nSays: x"), ["emotion=", "action=give {}", "x"]);
    assert_eq!(lines("Does: door.open\nSays: x"), ["emotion=", "action=door.open {}", "x"]);
    let many = "Does: give\n".repeat(9);
    assert_eq!(lines(&many).iter().filter(|shown| shown.starts_with("action")).count(), CALLS_MAX);
}

#[test]
fn a_call_in_the_text_counts_only_without_a_real_one() {
    let text = "Mood: calm\nDoes: give {\"item\":\"ale\"}\nSays: x";
    assert_eq!(read(ActionStyle::Tools, text), ["emotion=calm", "x", "action=give {\"item\":\"ale\"}"]);
    let (mut reading, mut chunks) = (reading(ActionStyle::Tools), Vec::new());
    reading.text(text, &mut chunks);
    reading.call(0, "door_open", "{\"way\":");
    reading.call(0, "", "\"in\"}");
    reading.finish(StopReason::End, &mut chunks);
    assert_eq!(shown(chunks), ["emotion=calm", "x", "action=door.open {\"way\":\"in\"}"]);
}

#[test]
fn one_json_value_is_read_in_any_order() {
    let schema = |text| read(ActionStyle::Schema, text);
    let expected = ["emotion=angry", "action=give {\"item\":\"ale\"}", "No."];
    assert_eq!(
        schema(r#"{"mood":"angry","action":"give","arguments":{"item":"ale"},"says":"No."}"#),
        expected
    );
    assert_eq!(
        schema(r#"{"mood":"angry","action":"give","arguments":"{\"item\":\"ale\"}","says":"No."}"#),
        expected
    );
    assert_eq!(
        schema(r#"{"says":"No.","mood":"angry","action":"give"}"#),
        ["emotion=", "No.", "action=give {}"]
    );
    assert_eq!(schema("Mood: angry\nDoes: give\nSays: No."), ["emotion=angry", "action=give {}", "No."]);
    assert_eq!(schema("<think>{}</think>{\"says\":\"No.\"}"), ["emotion=", "No.", "action=nothing"]);
}

/// What models send in JSON though nobody asked for it, or not like this.
#[test]
fn json_of_any_kind_is_read_whatever_was_asked_for() {
    let expected = ["emotion=angry", "No.", "action=give {\"item\":\"ale\"}"];
    for text in [
        r#"{"mood":"angry","says":"No.","action":"give","arguments":{"item":"ale"}}"#,
        r#"{"emotion": "angry", "speech": "No.", "action": {"name": "give", "arguments": {"item": "ale"}}}"#,
        r#"{"Mood":"angry","Says":"No.","Does":"give {\"item\":\"ale\"}"}"#,
        r#"{"mood":"angry","text":"No.","actions":[{"type":"give","args":{"item":"ale"}}]}"#,
        r#"[{"mood":"angry","says":"No.","tool_calls":[{"function":{"name":"give","arguments":"{\"item\":\"ale\"}"}}]}]"#,
    ] {
        for text in [text.to_owned(), format!("```json\n{text}\n```"), format!("```\n{text}\n```\n")] {
            for style in [ActionStyle::Lines, ActionStyle::Tools, ActionStyle::Schema] {
                assert_eq!(read(style, &text), expected, "{style:?} {text}");
            }
        }
    }
    let tools = |text| read(ActionStyle::Tools, text);
    assert_eq!(tools(r#"{"mood":"angry","greeting":"Go away, you."}"#)[1], "Go away, you.");
    assert_eq!(tools("{\"mood\":\"angry\"}\nSays: No.")[..2], ["emotion=angry", "No."]);
    assert_eq!(tools(r#"{"name":"give","parameters":{}}"#), ["emotion=", "action=give {}"]);
}

#[test]
fn a_reply_in_curly_brackets_is_no_json() {
    let lines = |text| read(ActionStyle::Lines, text)[1].clone();
    for text in [
        "{smiles} No.",
        "{\"No.\" she says}",
        "{ \"a very, very long name that nobody gives to anything",
        "{",
    ] {
        assert_eq!(lines(text), text);
    }
}

#[test]
fn thinking_that_only_ends_is_not_read() {
    let text = "Does: give\nHe wants ale.\n</think>\nMood: angry\nSays: No.";
    let mut reading = reading(ActionStyle::Lines);
    reading.thinking = Thinking::new(Begin::Inside, |_| Some(false));
    let mut chunks = Vec::new();
    reading.text(text, &mut chunks);
    reading.finish(StopReason::End, &mut chunks);
    assert_eq!(shown(chunks), ["emotion=angry", "No.", "action=nothing"]);
    assert!(reading.began_inside());
}

#[test]
fn a_callers_own_tools_have_no_mood_and_no_heads() {
    let tools = decision("tool", &["search", "read"]);
    let mut reading =
        Reading::new(None, Some(tools), names(&["search", "read"]), ActionStyle::Tools, Begin::Outside);
    let mut chunks = Vec::new();
    reading.text("Mood: calm\nLet me see.", &mut chunks);
    reading.call(3, "read", "");
    reading.finish(StopReason::End, &mut chunks);
    assert_eq!(shown(chunks), ["Mood: calm\nLet me see.", "tool=read {}"]);
}

#[test]
fn arguments_that_make_no_sense_are_left_to_the_gate() {
    let (mut reading, mut chunks) = (reading(ActionStyle::Tools), Vec::new());
    reading.call(0, "give", "oops");
    reading.finish(StopReason::End, &mut chunks);
    let decided = chunks.into_iter().find_map(|chunk| match chunk {
        Chunk::Decided { decision, arguments, .. } if decision == "action" => Some(arguments),
        _ => None,
    });
    assert_eq!(decided, Some(None));
    assert_eq!(arguments::read("{}"), Some(json!({})));
}

#[test]
fn calls_without_end_are_bounded() {
    let (mut reading, mut chunks) = (reading(ActionStyle::Tools), Vec::new());
    for slot in 0..10_000 {
        reading.call(slot, "give", &"x".repeat(100));
        reading.call(0, "", &"x".repeat(100));
    }
    assert!(reading.calls.len() <= SLOTS_MAX);
    assert!(reading.calls[0].arguments.len() <= ARGUMENT_BYTES_MAX);
    reading.finish(StopReason::End, &mut chunks);
    assert_eq!(chunks.len(), 1 + CALLS_MAX);
}
