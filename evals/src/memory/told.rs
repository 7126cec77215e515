//! Talks with questions about them, and how they get into a store: as entries, the way a game's talks do.

use std::collections::HashMap;

use anyhow::Context as _;
use meddah_engine::memory::Part;
use meddah_engine::timeline::{Entry, EntryKind, SpokenLine, TimelineKey, TurnRecord};
use meddah_protocol::{Finish, Scene};
use meddah_store::TimelineStore;

/// Between two utterances, in milliseconds.
const PAUSE_MS: i64 = 20_000;

/// What some people talked about over time, and what can be asked about it.
pub(crate) struct Talks {
    /// Its name.
    pub name: String,
    /// Id to name.
    pub people: Vec<(String, String)>,
    pub encounters: Vec<Encounter>,
    pub questions: Vec<Asked>,
}

/// A talk at one place and time.
pub(crate) struct Encounter {
    pub place: String,
    pub time: String,
    pub begun_ms: i64,
    pub told: Vec<Utterance>,
}

/// One thing said, or one that happened.
pub(crate) struct Utterance {
    pub id: String,
    /// Id of who says it; empty if it happened.
    pub speaker: String,
    pub text: String,
    /// Ids of those who perceive it, the speaker among them.
    pub heard_by: Vec<String>,
}

/// A question whose answer was told.
pub(crate) struct Asked {
    /// Id of who asks.
    pub asker: String,
    /// Id of who is to remember.
    pub asked: String,
    pub text: String,
    /// Ids of the utterances that hold the answer.
    pub evidence: Vec<String>,
    pub category: String,
}

/// Where each utterance stands: the number of its entry, and which part of it.
pub(crate) type Places = HashMap<(u64, Part), String>;

impl Talks {
    /// Who perceived each utterance, by its id.
    pub(crate) fn heard_by(&self) -> HashMap<&str, &[String]> {
        let told = self.encounters.iter().flat_map(|encounter| &encounter.told);
        told.map(|said| (said.id.as_str(), said.heard_by.as_slice())).collect()
    }
}

/// All talks as one world with all their people, in the order of time.
pub(crate) fn in_one_world(all: Vec<Talks>) -> Talks {
    let mut one =
        Talks { name: "all".into(), people: Vec::new(), encounters: Vec::new(), questions: Vec::new() };
    for talks in all {
        let here = |id: &str| if id.is_empty() { String::new() } else { format!("{}/{id}", talks.name) };
        one.people.extend(talks.people.into_iter().map(|(id, name)| (here(&id), name)));
        one.encounters.extend(talks.encounters.into_iter().map(|mut encounter| {
            for said in &mut encounter.told {
                said.id = here(&said.id);
                said.speaker = here(&said.speaker);
                said.heard_by.iter_mut().for_each(|id| *id = here(id));
            }
            encounter
        }));
        one.questions.extend(talks.questions.into_iter().map(|question| Asked {
            asker: here(&question.asker),
            asked: here(&question.asked),
            evidence: question.evidence.iter().map(|id| here(id)).collect(),
            ..question
        }));
    }
    one.encounters.sort_by_key(|encounter| encounter.begun_ms);
    one
}

/// Appends talks to a timeline and gives where each utterance stands.
pub(crate) async fn tell(
    store: &dyn TimelineStore,
    key: &TimelineKey,
    talks: &Talks,
) -> anyhow::Result<Places> {
    store.open(key).await?;
    let mut places = Places::new();
    for encounter in &talks.encounters {
        append(store, key, encounter, &talks.people, &mut places)
            .await
            .context("an encounter cannot be appended")?;
    }
    Ok(places)
}

async fn append(
    store: &dyn TimelineStore,
    key: &TimelineKey,
    encounter: &Encounter,
    people: &[(String, String)],
    places: &mut Places,
) -> anyhow::Result<()> {
    let some = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
    let scene = Scene { place: some(&encounter.place), time: some(&encounter.time), ..Scene::default() };
    let mut entries = vec![entry(EntryKind::Scene(scene), None, &[], encounter.begun_ms)];
    let mut told: Vec<(usize, Part, &str)> = Vec::new();
    let mut at = 0;
    while let Some(first) = encounter.told.get(at) {
        let at_ms = encounter.begun_ms + at as i64 * PAUSE_MS;
        told.push((entries.len(), Part::Told, &first.id));
        at += 1;
        if first.speaker.is_empty() {
            entries.push(entry(EntryKind::Event { text: first.text.clone() }, None, &first.heard_by, at_ms));
            continue;
        }
        // Who speaks next within the same hearing has answered.
        let answer = encounter.told.get(at).filter(|next| {
            !next.speaker.is_empty() && next.speaker != first.speaker && next.heard_by == first.heard_by
        });
        if let Some(answer) = answer {
            told.push((entries.len(), Part::Answered, &answer.id));
            at += 1;
        }
        let other = first.heard_by.iter().find(|id| **id != first.speaker);
        let character = answer.map(|answer| &answer.speaker).or(other).unwrap_or(&first.speaker);
        let kind = turn(entries.len(), encounter, first, answer, people);
        entries.push(entry(kind, Some(character), &first.heard_by, at_ms));
    }
    let count = entries.len() as u64;
    let last = store.append(key, entries).await?;
    for (number, part, id) in told {
        places.insert((last.seq - (count - 1) + number as u64, part), id.to_owned());
    }
    Ok(())
}

fn turn(
    number: usize,
    encounter: &Encounter,
    said: &Utterance,
    answer: Option<&Utterance>,
    people: &[(String, String)],
) -> EntryKind {
    let name = people.iter().find(|(id, _)| *id == said.speaker).map(|(_, name)| name.clone());
    EntryKind::Turn(TurnRecord {
        turn: format!("{}/{number}", encounter.begun_ms),
        req_id: String::new(),
        speaker: said.speaker.clone(),
        speaker_name: name.unwrap_or_default(),
        text: said.text.clone(),
        told: String::new(),
        lines: answer.map(|answer| SpokenLine::spoken(answer.text.clone())).into_iter().collect(),
        emotion: None,
        decisions: Vec::new(),
        actions: Vec::new(),
        finish: Finish::Complete,
    })
}

fn entry(kind: EntryKind, character: Option<&str>, heard_by: &[String], at_ms: i64) -> Entry {
    Entry {
        id: format!("e{at_ms}"),
        kind,
        character: character.map(str::to_owned),
        witnesses: heard_by.to_vec(),
        game_time: None,
        wall_time_ms: at_ms,
    }
}
