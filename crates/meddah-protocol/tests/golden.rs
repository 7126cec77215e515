//! The contract as it stands on the wire: one example of every command and event. A change of a name here
//! breaks games, so these files only grow. Client libraries are tested with the same files.

#![expect(clippy::unwrap_used, reason = "a test stops where something is not as it has to be")]

use std::collections::BTreeSet;

use meddah_protocol::{COMMAND_TYPES, Command, Event};
use serde_json::Value;

fn golden(text: &str) -> Vec<Value> {
    serde_json::from_str(text).unwrap()
}

fn kinds(all: &[Value]) -> BTreeSet<&str> {
    all.iter().map(|one| one["type"].as_str().unwrap()).collect()
}

fn has_null(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.iter().any(has_null),
        Value::Object(fields) => fields.values().any(has_null),
        _ => false,
    }
}

#[test]
fn every_command_reads_and_writes_as_it_always_did() {
    let all = golden(include_str!("../fixtures/commands.json"));
    assert_eq!(kinds(&all), COMMAND_TYPES.iter().copied().collect());
    for expected in all {
        let command =
            Command::from_value(expected.clone()).unwrap_or_else(|error| panic!("{error}: {expected}"));
        assert_eq!(serde_json::to_value(&command).unwrap(), expected);
    }
}

#[test]
fn every_event_reads_and_writes_as_it_always_did() {
    let all = golden(include_str!("../fixtures/events.json"));
    for expected in &all {
        let event: Event =
            serde_json::from_value(expected.clone()).unwrap_or_else(|error| panic!("{error}: {expected}"));
        let written = serde_json::to_value(&event).unwrap();
        assert_eq!(&written, expected);
        assert!(!has_null(&written), "{written}");
    }
    let named = [
        "ready",
        "turn_started",
        "delta",
        "line",
        "audio",
        "emotion",
        "relationship",
        "action",
        "goal",
        "transcript",
        "notice",
        "turn_ended",
        "saved",
        "loaded",
        "error",
        "ping",
    ];
    assert_eq!(kinds(&all), named.into_iter().collect());
}

#[test]
fn unknown_fields_are_ignored_and_unknown_types_are_told_the_known_ones() {
    let command = serde_json::json!({"type": "ping", "mood": 3});
    assert_eq!(Command::from_value(command).unwrap(), Command::Ping);
    let error = Command::from_value(serde_json::json!({"type": "sing"})).unwrap_err();
    assert!(COMMAND_TYPES.iter().all(|known| error.help.contains(known)), "{}", error.help);
}
