//! A turn as the timeline keeps it.

use std::collections::BTreeSet;

use meddah_engine::timeline::{CalledAction, EntryKind, FeltEmotion, TurnRecord};
use meddah_protocol::Finish;

use super::heart::Felt;
use super::reply::Reply;
use super::{Cause, Turn};

/// The turn as the timeline keeps it.
pub(super) fn record(turn: &Turn, reply: &Reply, finish: Finish) -> EntryKind {
    let (speaker, speaker_name, text) = match &turn.cause {
        Cause::Said { speaker, speaker_name, text } => (speaker.clone(), speaker_name.clone(), text.clone()),
        Cause::Happened { text, .. } => (String::new(), String::new(), text.clone()),
    };
    let calls = reply.actions.iter().map(|(call_id, action)| CalledAction {
        call_id: format!("{}.{}", turn.record_id, call_id.rsplit('.').next().unwrap_or_default()),
        name: action.name.clone(),
        arguments: action.arguments.clone(),
        target: action.target.clone(),
    });
    EntryKind::Turn(TurnRecord {
        turn: turn.record_id.clone(),
        req_id: turn.req_id.clone().unwrap_or_default(),
        speaker,
        speaker_name,
        text,
        told: reply.told.clone(),
        lines: reply.lines.iter().map(|(_, line)| line.clone()).collect(),
        emotion: reply.felt.as_ref().map(felt_emotion),
        decisions: reply.decisions.clone(),
        actions: calls.collect(),
        finish,
    })
}

fn felt_emotion(felt: &Felt) -> FeltEmotion {
    FeltEmotion { label: felt.shown.label.name().to_owned(), intensity: felt.shown.intensity }
}

/// Who perceived the turn: the two who talk, and whoever the game said can hear.
pub(super) fn witnesses(turn: &Turn) -> Vec<String> {
    let scene = &turn.scene;
    let near = if scene.hearing.is_empty() { &scene.present } else { &scene.hearing };
    let mut all: BTreeSet<String> = near.iter().cloned().collect();
    all.insert(turn.character.id.clone());
    match &turn.cause {
        Cause::Said { speaker, .. } => {
            all.insert(speaker.clone());
        }
        Cause::Happened { witnesses, .. } => all.extend(witnesses.iter().cloned()),
    }
    all.into_iter().collect()
}
