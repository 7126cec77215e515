//! What the words of a moment call to mind from longer ago than the recent turns.

use meddah_engine::memory::{Part, Words};
use meddah_engine::prompt::{Memory, Past, is_question};
use meddah_engine::timeline::{Cursor, Entry, EntryKind, MemoryKind, MemoryRecord, RecentTurn, TurnRecord};
use meddah_store::{StoreError, StoredEntry};
use tracing::debug;

use crate::memory::{Asking, CATCH_UP_MAX, Remembered, names};
use crate::turn::{Cause, Ports, Turn};

/// Memories of one turn that no prompt shows anyhow. How many of them a model is told depends on its size; the last
/// ones are told first of all.
const MEMORIES_MAX: usize = 15;
/// Memories that are looked through for these.
const LOOKED_AT_MAX: usize = 40;
/// Characters of one memory.
const MEMORY_CHARS_MAX: usize = 320;
/// Characters of all.
const MEMORIES_CHARS_MAX: usize = 4000;
/// What speaks most for a memory, in an explanation.
const PARTS_SHOWN_MAX: usize = 4;
/// Recent turns that most prompts show, and need not be told of. They take no place from others.
const TURNS_IN_PROMPT: usize = 16;
/// A line with fewer words that matter is about what was said before it.
const WORDS_OF_ITS_OWN: usize = 3;
/// What has less in common with the question, as a share of the best, is not what is meant.
const WORDS_MIN: f32 = 0.25;
/// As above, by meaning, if there is an embedder.
const MEANING_MIN: f32 = 0.6;

/// What a search gave; a store that fails costs the memories, not the turn.
pub(super) type Search = Result<Vec<Remembered>, StoreError>;

/// What the words themselves call to mind, as seen from where the past was read.
pub(super) async fn at_once(turn: &Turn, ports: &Ports, at: Option<Cursor>) -> Search {
    search(turn, ports, &Words::of(&turn.world.language), turn.cause.text().to_owned(), at).await
}

/// The memories, and why they came to mind; what answers best comes last, right before what was said. `found` is what [`at_once`] gave.
pub(super) async fn called_up(turn: &Turn, ports: &Ports, past: &Past<'_>, found: Search) -> Vec<Memory> {
    match choose(turn, ports, past, found).await {
        Ok(found) => found,
        Err(error) => {
            debug!(turn = turn.id, error = error.message, "nothing is recalled");
            Vec::new()
        }
    }
}

async fn search(turn: &Turn, ports: &Ports, words: &Words, text: String, at: Option<Cursor>) -> Search {
    match words.stems(&text).is_empty() {
        true => Ok(Vec::new()),
        false => ports.memories.recall(Asking { at, ..asking(turn, text) }).await,
    }
}

async fn choose(
    turn: &Turn,
    ports: &Ports,
    past: &Past<'_>,
    found: Search,
) -> Result<Vec<Memory>, StoreError> {
    let near = |memory: &&Remembered| memory.words >= WORDS_MIN || memory.meaning >= MEANING_MIN;
    let mut found = found?;
    if !found.iter().any(|memory| near(&memory)) {
        let words = Words::of(&turn.world.language);
        if needs_the_past(turn, &words) {
            found = search(turn, ports, &words, question(turn, past), None).await?;
        }
    }
    let recent: Vec<&str> =
        past.turns.iter().rev().take(TURNS_IN_PROMPT).map(|recent| recent.record.turn.as_str()).collect();
    // Somebody began to say something else at once: no prompt shows it, and nobody has to remember it yet.
    let silent = |turn: &&RecentTurn<'_>| turn.lines.is_empty() && turn.actions.is_empty();
    let cut_short: Vec<&str> = past
        .turns
        .iter()
        .rev()
        .take(TURNS_IN_PROMPT)
        .filter(silent)
        .map(|turn| turn.record.turn.as_str())
        .collect();
    // Notes are told in any case.
    let noted = |text: &str| past.notes.iter().any(|note| note.contains(text));
    let mut chosen: Vec<Memory> = Vec::new();
    let (mut count, mut chars) = (0, 0);
    let mut seen = Vec::new();
    let near: Vec<&Remembered> = found.iter().filter(near).collect();
    let places = near.iter().map(|memory| memory.cursor).collect();
    let entries = ports.store.entries_at(&turn.key, places).await?;
    for (memory, entry) in near.into_iter().zip(entries) {
        if seen.contains(&memory.cursor) || count >= MEMORIES_MAX {
            continue;
        }
        seen.push(memory.cursor);
        let Some(StoredEntry { entry, .. }) = entry else { continue };
        let both = |part| found.iter().find(|other| other.cursor == memory.cursor && other.part == part);
        let Some(memory) = tell(turn, &entry, memory, both(Part::Answered)) else { continue };
        if !memory.brief.is_empty() && noted(&memory.brief) || chars > MEMORIES_CHARS_MAX {
            continue;
        }
        if cut_short.contains(&memory.turn.as_str()) {
            continue;
        }
        if !recent.contains(&memory.turn.as_str()) {
            (count, chars) = (count + 1, chars + memory.text.chars().count());
        }
        chosen.push(memory);
    }
    chosen.reverse();
    Ok(chosen)
}

/// "remembered for 7.3: near words 3.1, scene 1.2". Empty where nobody wants to know.
fn why(turn: &Turn, memory: &Remembered) -> String {
    if turn.settings.explain.is_none() {
        return String::new();
    }
    let mut parts = memory.parts.clone();
    parts.sort_by(|a, b| b.1.abs().total_cmp(&a.1.abs()));
    let shown: Vec<String> =
        parts.iter().take(PARTS_SHOWN_MAX).map(|(name, added)| format!("{name} {added:.1}")).collect();
    format!("remembered for {:.1}: {}", memory.score, shown.join(", "))
}

fn asking(turn: &Turn, text: String) -> Asking {
    Asking {
        key: turn.key.clone(),
        at: None,
        language: turn.world.language.clone(),
        names: names(&turn.world, &turn.player),
        asker: turn.cause.speaker().to_owned(),
        asked: turn.character.id.clone(),
        text,
        limit: LOOKED_AT_MAX,
        wait: CATCH_UP_MAX,
    }
}

/// Whether what was said says little by itself ("And then?").
fn needs_the_past(turn: &Turn, words: &Words) -> bool {
    matches!(turn.cause, Cause::Said { .. }) && words.stems(turn.cause.text()).len() < WORDS_OF_ITS_OWN
}

/// What was just said, with what was said before it.
fn question(turn: &Turn, past: &Past<'_>) -> String {
    let said = turn.cause.text();
    past.turns.last().map_or_else(|| said.to_owned(), |before| format!("{said} {}", before.record.text))
}

/// A memory as the character is told of it. `answer` is what it found of the same entry's answer, if it did.
fn tell(turn: &Turn, entry: &Entry, memory: &Remembered, answer: Option<&Remembered>) -> Option<Memory> {
    let moment = moment(memory);
    let told = match &entry.kind {
        EntryKind::Turn(record) => {
            let heard = match memory.part {
                Part::Answered => memory.heard.clone(),
                Part::Told => answer.and_then(|answer| answer.heard.clone()),
            };
            let answered = heard.unwrap_or_else(|| heard_of(record));
            Memory {
                text: format!("You remember{moment}: {}", exchange(turn, entry, record, &answered)),
                brief: briefly(turn, record),
                words: record.text.clone(),
                turn: record.turn.clone(),
                why: why(turn, memory),
            }
        }
        EntryKind::Event { text } => plain(turn, format!("You remember{moment}: {text}"), text, memory),
        EntryKind::Memory(record) => {
            let text = match record.kind {
                // Where it was told says nothing of where it was.
                MemoryKind::Hearsay => {
                    format!("You remember that {} told you: {}", teller(turn, record), record.text)
                }
                _ => format!("You remember{moment}: {}", record.text),
            };
            plain(turn, text, &record.text, memory)
        }
        _ => return None,
    };
    Some(Memory { text: clipped(told.text), brief: clipped(told.brief), ..told })
}

/// What is no turn: in brief it is what it says.
fn plain(turn: &Turn, text: String, words: &str, memory: &Remembered) -> Memory {
    Memory {
        text,
        brief: words.to_owned(),
        words: words.to_owned(),
        why: why(turn, memory),
        ..Memory::default()
    }
}

fn teller<'t>(turn: &'t Turn, record: &'t MemoryRecord) -> &'t str {
    match record.told_by.as_deref() {
        Some(by) if by == turn.player.id => &turn.player.name,
        Some(by) => turn.world.name_of(by),
        None => "somebody",
    }
}

/// What was said to whoever answered, without the answer. Nothing of a question: it tells nothing by itself.
fn briefly(turn: &Turn, record: &TurnRecord) -> String {
    match record.speaker.as_str() {
        _ if is_question(&record.text) => String::new(),
        "" => record.text.clone(),
        speaker if *speaker == turn.character.id => format!("Earlier, you said: {}", record.text),
        _ => format!("Earlier, {}: {}", record.speaker_name, record.text),
    }
}

/// Who said what to whom, seen by the character.
fn exchange(turn: &Turn, entry: &Entry, record: &TurnRecord, answered: &str) -> String {
    let me = &turn.character.id;
    let who = entry.character.as_deref().unwrap_or_default();
    let name = turn.world.name_of(who);
    let (said_by, said_to) = (&record.speaker == me, who == me);
    let mut sentence = match (said_by, said_to) {
        _ if record.speaker.is_empty() => record.text.clone(),
        (true, _) => format!("you said to {name}: \"{}\"", record.text),
        (_, true) => format!("{} said to you: \"{}\"", record.speaker_name, record.text),
        _ => format!("{} said to {name}: \"{}\"", record.speaker_name, record.text),
    };
    if !answered.is_empty() {
        let answerer = if said_to { "You" } else { name };
        sentence.push_str(&format!(" {answerer} answered: \"{answered}\""));
    }
    sentence
}

fn heard_of(record: &TurnRecord) -> String {
    let lines = record.lines.iter().map(|line| meddah_engine::timeline::heard_text(&line.text, line.heard));
    lines.filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
}

/// " (2 Seedfall, evening, at the mill)", as far as the game said.
fn moment(memory: &Remembered) -> String {
    let place = Some(&memory.place).filter(|place| !place.is_empty()).map(|place| format!("at {place}"));
    let time = Some(&memory.time).filter(|time| !time.is_empty()).cloned();
    let parts: Vec<String> = time.into_iter().chain(place).collect();
    if parts.is_empty() { String::new() } else { format!(" ({})", parts.join(", ")) }
}

fn clipped(mut sentence: String) -> String {
    if let Some((end, _)) = sentence.char_indices().nth(MEMORY_CHARS_MAX) {
        sentence.truncate(end);
        sentence.push('…');
    }
    sentence
}
