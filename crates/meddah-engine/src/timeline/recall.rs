//! What a character can tell of the past: entries folded into turns as they were heard.
//!
//! A turn is written when it ends, but what was heard of it and how its actions went is reported
//! later, in entries of their own. Folding them here, on reading, keeps the log append-only and
//! gives every reader (prompt, memory, studio) the same view.

use std::borrow::Cow;
use std::collections::HashMap;

use meddah_protocol::ActionResult;

use super::{CalledAction, Entry, EntryKind, MemoryKind, TurnRecord, heard_text};

/// One thing that a character remembers. It borrows from the entries that tell of it: a prompt has a hundred of them.
#[derive(Clone, Debug, PartialEq)]
pub enum Recalled<'e> {
    /// An exchange.
    Turn(RecentTurn<'e>),
    /// Something that happened.
    Event {
        /// What, as a sentence.
        text: &'e str,
        /// The game's clock.
        game_time: Option<i64>,
    },
    /// Something that somebody told without having been there, or that the character had not seen.
    Hearsay {
        /// What was told.
        text: &'e str,
        /// Who told it; may be empty.
        told_by: &'e str,
        /// The game's clock.
        game_time: Option<i64>,
    },
}

/// An exchange as it was heard.
#[derive(Clone, Debug, PartialEq)]
pub struct RecentTurn<'e> {
    /// The exchange as it was written when it ended. Its lines and actions know nothing of what was noted later.
    pub record: &'e TurnRecord,
    /// Who answered; empty if the entry did not say.
    pub character: &'e str,
    /// What the model was told, word for word, as far as it may still read it; may be empty.
    pub told: Cow<'e, str>,
    /// The answer. Each line ends where it was cut; a line of which nothing was heard is left out.
    pub lines: Vec<HeardLine<'e>>,
    /// The actions that reached the game.
    pub actions: Vec<RecalledAction<'e>>,
    /// The game's clock.
    pub game_time: Option<i64>,
}

/// One sentence of an answer, as far as it was heard.
#[derive(Clone, Debug, PartialEq)]
pub struct HeardLine<'e> {
    /// What was heard.
    pub text: Cow<'e, str>,
    /// It is told, not spoken.
    pub narration: bool,
}

/// An action and what came of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RecalledAction<'e> {
    /// As it reached the game.
    pub called: &'e CalledAction,
    /// What the game reported, if it did.
    pub result: Option<&'e ActionResult>,
}

impl RecentTurn<'_> {
    /// All that was heard of the answer, joined by a space.
    pub fn answer(&self) -> Cow<'_, str> {
        match &self.lines[..] {
            [line] => Cow::Borrowed(&line.text),
            lines => lines.iter().map(|line| &*line.text).collect::<Vec<_>>().join(" ").into(),
        }
    }
}

/// What the character perceived of these entries (oldest first), notes folded into their turns.
pub fn recall<'e>(entries: impl IntoIterator<Item = &'e Entry>, character: &str) -> Vec<Recalled<'e>> {
    let perceived: Vec<&Entry> = entries.into_iter().filter(|entry| entry.perceived_by(character)).collect();
    let notes = Notes::gather(&perceived);
    perceived.iter().filter_map(|entry| notes.tell(entry)).collect()
}

/// The turns of [`recall`], without the events.
pub fn project<'e>(entries: impl IntoIterator<Item = &'e Entry>, character: &str) -> Vec<RecentTurn<'e>> {
    let turns = recall(entries, character).into_iter().filter_map(|recalled| match recalled {
        Recalled::Turn(turn) => Some(turn),
        Recalled::Event { .. } | Recalled::Hearsay { .. } => None,
    });
    turns.collect()
}

/// The latest note on each line and each call.
#[derive(Default)]
struct Notes<'a> {
    heard: HashMap<(&'a str, u32), f32>,
    results: HashMap<(&'a str, &'a str), &'a ActionResult>,
}

impl<'a> Notes<'a> {
    fn gather(entries: &[&'a Entry]) -> Self {
        let mut notes = Notes::default();
        for entry in entries {
            match &entry.kind {
                EntryKind::Heard { turn, line, fraction } => {
                    notes.heard.insert((turn, *line), *fraction);
                }
                EntryKind::ActionResult { turn, result } => {
                    notes.results.insert((turn, &result.call_id), result);
                }
                _ => {}
            }
        }
        notes
    }

    fn tell(&self, entry: &'a Entry) -> Option<Recalled<'a>> {
        let game_time = entry.game_time;
        match &entry.kind {
            EntryKind::Turn(record) => Some(Recalled::Turn(self.turn(entry, record))),
            EntryKind::Event { text } => Some(Recalled::Event { text, game_time }),
            EntryKind::Memory(record) if record.kind == MemoryKind::Hearsay => {
                let told_by = record.told_by.as_deref().unwrap_or_default();
                Some(Recalled::Hearsay { text: &record.text, told_by, game_time })
            }
            _ => None,
        }
    }

    fn turn(&self, entry: &'a Entry, record: &'a TurnRecord) -> RecentTurn<'a> {
        RecentTurn {
            record,
            character: entry.character.as_deref().unwrap_or_default(),
            told: Cow::Borrowed(&record.told),
            lines: self.lines(record),
            actions: self.actions(record),
            game_time: entry.game_time,
        }
    }

    fn lines(&self, record: &'a TurnRecord) -> Vec<HeardLine<'a>> {
        let mut lines = Vec::with_capacity(record.lines.len());
        for (number, line) in (0u32..).zip(&record.lines) {
            let heard = self.heard.get(&(record.turn.as_str(), number)).copied().unwrap_or(line.heard);
            let text = heard_text(&line.text, heard);
            if !text.is_empty() {
                lines.push(HeardLine { text, narration: line.narration });
            }
        }
        lines
    }

    fn actions(&self, record: &'a TurnRecord) -> Vec<RecalledAction<'a>> {
        let recalled = record
            .actions
            .iter()
            .map(|called| RecalledAction { called, result: self.result(&record.turn, &called.call_id) });
        recalled.collect()
    }

    /// A game may report a result without naming the turn.
    fn result(&self, turn: &str, call_id: &str) -> Option<&'a ActionResult> {
        self.results.get(&(turn, call_id)).or_else(|| self.results.get(&("", call_id))).copied()
    }
}

#[cfg(test)]
mod tests {
    use meddah_protocol::Finish;
    use serde_json::Map;

    use super::*;
    use crate::timeline::SpokenLine;

    fn entry(kind: EntryKind, witnesses: &[&str]) -> Entry {
        Entry {
            id: "e".into(),
            kind,
            character: Some("mira".into()),
            witnesses: witnesses.iter().map(|&id| id.into()).collect(),
            game_time: None,
            wall_time_ms: 0,
        }
    }

    fn turn(id: &str, lines: &[&str]) -> EntryKind {
        let action = CalledAction {
            call_id: format!("call-{id}"),
            name: "give".into(),
            arguments: Map::new(),
            target: None,
        };
        EntryKind::Turn(TurnRecord {
            turn: id.into(),
            req_id: String::new(),
            speaker: "ann".into(),
            speaker_name: "Ann".into(),
            text: "Where is it?".into(),
            told: String::new(),
            lines: lines.iter().copied().map(SpokenLine::spoken).collect(),
            emotion: None,
            decisions: Vec::new(),
            actions: vec![action],
            finish: Finish::Complete,
        })
    }

    fn heard(turn: &str, line: u32, fraction: f32) -> EntryKind {
        EntryKind::Heard { turn: turn.into(), line, fraction }
    }

    #[test]
    fn a_cut_turn_ends_where_playback_stopped() {
        let all = ["mira", "ann"];
        let entries = [
            entry(turn("t1", &["I know.", "It is under the mat.", "Do not tell."]), &[]),
            entry(heard("t1", 1, 0.9), &all),
            entry(heard("t1", 1, 0.5), &all),
            entry(heard("t1", 2, 0.0), &all),
        ];
        let turns = project(&entries, "mira");
        assert_eq!(turns.len(), 1);
        assert_eq!(turns[0].answer(), "I know. It is—", "the last report counts");
    }

    #[test]
    fn a_result_stands_with_its_action() {
        let result =
            ActionResult { call_id: "call-t2".into(), ok: false, text: Some("Too far.".into()), data: None };
        let entries = [
            entry(turn("t1", &["One."]), &[]),
            entry(turn("t2", &["Two."]), &[]),
            entry(EntryKind::ActionResult { turn: "t2".into(), result: result.clone() }, &["mira"]),
        ];
        let turns = project(&entries, "mira");
        assert_eq!(turns[0].actions[0].result, None);
        assert_eq!(turns[1].actions[0].result, Some(&result));
    }

    #[test]
    fn a_character_who_was_not_there_knows_nothing() {
        let entries = [
            entry(turn("t1", &["A secret."]), &["cleo"]),
            entry(EntryKind::Event { text: "Rain.".into() }, &["bert"]),
        ];
        assert_eq!(recall(&entries, "cleo").len(), 1);
        assert_eq!(recall(&entries, "bert"), [Recalled::Event { text: "Rain.", game_time: None }]);
        assert!(recall(&entries, "dan").is_empty());
        assert!(recall(&entries, "").is_empty());
    }
}
