//! Reads the worlds of `evals/memory/`: talk that was written for this, with questions about it.

use std::collections::HashMap;
use std::path::Path;

use anyhow::{Context as _, bail, ensure};
use serde::Deserialize;

use super::told::{Asked, Encounter, Talks, Utterance};

/// Between two encounters, in milliseconds of the real clock: players play an evening and come back.
const ENCOUNTERS_MS: i64 = 3 * 60 * 60 * 1000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WorldFile {
    player: String,
    held_out: bool,
    people: toml::Table,
    encounter: Vec<EncounterFile>,
    asked: AskedFile,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EncounterFile {
    place: String,
    time: String,
    there: Vec<String>,
    talk: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AskedFile {
    list: String,
}

/// The talks of a world, and whether nothing may be fitted to it.
pub(crate) struct World {
    pub talks: Talks,
    pub held_out: bool,
}

/// All worlds of a folder, by name.
pub(crate) fn read_all(folder: &Path) -> anyhow::Result<Vec<World>> {
    let files = std::fs::read_dir(folder).with_context(|| format!("{} cannot be read", folder.display()))?;
    let mut paths: Vec<_> = files.filter_map(|file| Some(file.ok()?.path())).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    paths.sort();
    paths.iter().map(|path| read(path).with_context(|| path.display().to_string())).collect()
}

fn read(path: &Path) -> anyhow::Result<World> {
    let file: WorldFile = toml::from_str(&std::fs::read_to_string(path)?)?;
    let people =
        file.people.iter().map(|(id, name)| (id.clone(), name.as_str().unwrap_or(id).to_owned())).collect();
    let mut heard: HashMap<String, Vec<String>> = HashMap::new();
    let mut encounters = Vec::new();
    for (number, encounter) in file.encounter.into_iter().enumerate() {
        let told = told(number, &encounter)?;
        heard.extend(told.iter().map(|said| (said.id.clone(), said.heard_by.clone())));
        let begun_ms = (number as i64 + 1) * ENCOUNTERS_MS;
        encounters.push(Encounter { place: encounter.place, time: encounter.time, begun_ms, told });
    }
    let questions: anyhow::Result<Vec<Asked>> =
        file.asked.list.trim().lines().map(|line| asked(line, &file.player, &heard)).collect();
    let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    Ok(World { talks: Talks { name, people, encounters, questions: questions? }, held_out: file.held_out })
}

/// Lines such as `ann: I hid it. {hidden}` and `* The door falls shut.`; a label names a line for questions.
fn told(number: usize, encounter: &EncounterFile) -> anyhow::Result<Vec<Utterance>> {
    let mut told = Vec::new();
    for (at, line) in encounter.talk.trim().lines().enumerate() {
        let (line, label) = match line.strip_suffix('}').and_then(|line| line.rsplit_once(" {")) {
            Some((line, label)) => (line, label.to_owned()),
            None => (line, format!("{number}.{at}")),
        };
        let (speaker, text) = match line.strip_prefix("* ") {
            Some(text) => ("", text),
            None => line.split_once(": ").with_context(|| format!("who says {line:?}?"))?,
        };
        ensure!(
            speaker.is_empty() || encounter.there.iter().any(|id| id == speaker),
            "{speaker} is not there"
        );
        told.push(Utterance {
            id: label,
            speaker: speaker.to_owned(),
            text: text.to_owned(),
            heard_by: encounter.there.clone(),
        });
    }
    Ok(told)
}

/// `bryn | where | Where did I hide it? | hidden,key`; what `bryn` did not witness is not evidence.
fn asked(line: &str, player: &str, heard: &HashMap<String, Vec<String>>) -> anyhow::Result<Asked> {
    let parts: Vec<&str> = line.split(" | ").collect();
    let [to, kind, text, labels] = parts[..] else { bail!("a question has four parts: {line:?}") };
    let mut evidence = Vec::new();
    for label in labels.split(',') {
        let by = heard.get(label).with_context(|| format!("no line is labelled {label:?}"))?;
        if by.iter().any(|id| id == to) {
            evidence.push(label.to_owned());
        }
    }
    ensure!(!evidence.is_empty(), "{to} witnessed nothing that answers {text:?}");
    Ok(Asked {
        asker: player.to_owned(),
        asked: to.to_owned(),
        text: text.to_owned(),
        evidence,
        category: kind.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worlds_are_sound_and_two_are_held_out() {
        let worlds = read_all(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/memory"))).expect("read");
        assert!(worlds.len() >= 8);
        assert_eq!(worlds.iter().filter(|world| world.held_out).count(), 2);
        for World { talks, .. } in &worlds {
            assert!(talks.questions.len() >= 20, "{}", talks.name);
            let told: usize = talks.encounters.iter().map(|encounter| encounter.told.len()).sum();
            assert!(told >= 70, "{}: {told}", talks.name);
        }
    }
}
