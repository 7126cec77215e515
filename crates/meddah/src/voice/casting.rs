//! Which voice a character has: the one that its author named, else one that suits its description.
//!
//! The same character always gets the same voice from the same list, and characters of one kind differ.

use meddah_engine::world::Character;
use meddah_speech::{PITCH, SPEED, Voice, VoiceSettings};

/// What a voice or a character sounds like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Timbre {
    High,
    Low,
}

/// Datasets of Piper voices, which their names begin with after the language, by how their speaker sounds.
const HIGH_VOICES: &[&str] = &[
    "alba",
    "amy",
    "cori",
    "hfc_female",
    "jenny_dioco",
    "kathleen",
    "kristin",
    "lessac",
    "ljspeech",
    "southern_english_female",
];
const LOW_VOICES: &[&str] = &[
    "alan",
    "bryce",
    "danny",
    "hfc_male",
    "joe",
    "john",
    "kusal",
    "norman",
    "northern_english_male",
    "reza_ibrahim",
    "ryan",
    "sam",
];

/// Words of a description that tell who speaks. Pronouns count before them.
const HIGH_WORDS: &[&str] = &[
    "woman",
    "girl",
    "lady",
    "queen",
    "princess",
    "mother",
    "daughter",
    "sister",
    "wife",
    "widow",
    "witch",
    "priestess",
    "goddess",
    "maid",
    "aunt",
    "female",
    "sorceress",
    "barmaid",
    "she",
    "her",
];
const LOW_WORDS: &[&str] = &[
    "man", "boy", "lord", "king", "prince", "father", "son", "brother", "husband", "widower", "wizard",
    "priest", "god", "uncle", "male", "sorcerer", "he", "his", "him",
];
/// Words that move the pitch, in semitones, and the speed.
const WORDS: &[(&[&str], f32, f32)] = &[
    (&["child", "boy", "girl", "kid", "fairy", "pixie", "imp"], 3.0, 1.06),
    (&["young", "youth", "apprentice", "goblin", "halfling", "gnome"], 1.0, 1.04),
    (&["old", "aged", "elder", "ancient", "elderly", "grandfather", "grandmother", "wise"], -0.7, 0.9),
    (&["giant", "troll", "ogre", "orc", "dragon", "demon", "golem", "huge", "hulking"], -3.0, 0.9),
    (&["dwarf", "gruff", "burly", "blacksmith", "warrior", "guard", "soldier"], -1.5, 0.97),
    (&["nervous", "hasty", "quick", "excited", "cheerful"], 0.3, 1.07),
    (&["tired", "slow", "calm", "sleepy", "solemn", "melancholy"], -0.3, 0.93),
];
/// How far a voice is moved that belongs to a person of the other timbre.
const OTHER_TIMBRE: f32 = 3.5;
/// How much two characters with one voice may differ by chance, semitones and part of the speed.
const VARIETY_PITCH: f32 = 0.8;
const VARIETY_SPEED: f32 = 0.04;

/// The voice of this character among these, of which the first is the usual one.
pub fn cast(character: &Character, voices: &[Voice], language: &str) -> VoiceSettings {
    let wanted = &character.voice;
    let mut settings = match wanted.name.as_ref().and_then(|name| voices.iter().find(|it| it.name == *name)) {
        Some(voice) => VoiceSettings {
            voice: Some(voice.name.clone()),
            speaker: wanted.speaker,
            ..VoiceSettings::default()
        },
        None => by_description(character, voices, language),
    };
    let given = |number: Option<f64>, otherwise: f32| number.map_or(otherwise, |number| number as f32);
    settings.speed = given(wanted.speed, settings.speed).clamp(*SPEED.start(), *SPEED.end());
    settings.pitch = given(wanted.pitch, settings.pitch).clamp(*PITCH.start(), *PITCH.end());
    settings.volume = given(wanted.volume, settings.volume);
    settings.elsewhere = wanted.services.clone();
    settings
}

fn by_description(character: &Character, voices: &[Voice], language: &str) -> VoiceSettings {
    let seed = hash(&character.id);
    let looks = words_of(character);
    let timbre = timbre_of(character, &looks);
    let fits: Vec<&Voice> = suitable(voices, language);
    let of_timbre = |voice: &&&Voice| timbre.is_some() && of_voice(&voice.name) == timbre;
    let closest: Vec<&&Voice> = fits.iter().filter(of_timbre).collect();
    let chosen = match (closest.is_empty(), fits.is_empty()) {
        (false, _) => *closest[pick(seed, closest.len())],
        (true, false) => fits[pick(seed, fits.len())],
        (true, true) => return VoiceSettings::default(),
    };
    let (mut pitch, mut speed) = (spread(seed, VARIETY_PITCH), 1.0 + spread(seed >> 16, VARIETY_SPEED));
    match (timbre, of_voice(&chosen.name)) {
        (Some(Timbre::High), Some(Timbre::Low)) => pitch += OTHER_TIMBRE,
        (Some(Timbre::Low), Some(Timbre::High)) => pitch -= OTHER_TIMBRE,
        _ => {}
    }
    for (words, by, times) in WORDS {
        if words.iter().any(|word| looks.iter().any(|look| look == word)) {
            (pitch, speed) = (pitch + by, speed * times);
        }
    }
    let speaker = (chosen.speakers > 1).then(|| pick(seed >> 8, chosen.speakers as usize) as u32);
    VoiceSettings { voice: Some(chosen.name.clone()), speaker, speed, pitch, ..VoiceSettings::default() }
}

/// Voices of the language, of people if there are any.
fn suitable<'v>(voices: &'v [Voice], language: &str) -> Vec<&'v Voice> {
    let code = |language: &str| language.get(..2).unwrap_or_default().to_ascii_lowercase();
    let of_language: Vec<&Voice> =
        voices.iter().filter(|voice| code(&voice.language) == code(language)).collect();
    let people: Vec<&Voice> = of_language.iter().copied().filter(|voice| !voice.robotic).collect();
    if people.is_empty() { of_language } else { people }
}

fn words_of(character: &Character) -> Vec<String> {
    let personality = character.personality.join(" ");
    let text = format!("{} {} {personality}", character.role, character.description).to_lowercase();
    text.split(|sign: char| !sign.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect()
}

fn timbre_of(character: &Character, looks: &[String]) -> Option<Timbre> {
    let pronouns = character.pronouns.to_lowercase();
    let named = |list: &[&str], word: &str| list.contains(&word);
    let by = |word: &str| match word {
        word if named(HIGH_WORDS, word) => Some(Timbre::High),
        word if named(LOW_WORDS, word) => Some(Timbre::Low),
        _ => None,
    };
    let mut pronouns = pronouns.split(|sign: char| !sign.is_alphanumeric());
    // The first word that tells: what comes later is often about others.
    pronouns.find_map(by).or_else(|| looks.iter().find_map(|word| by(word)))
}

/// `en_US-joe-medium` is of the dataset `joe`.
fn of_voice(name: &str) -> Option<Timbre> {
    let dataset = name.split('-').nth(1)?;
    let known = |list: &[&str]| list.contains(&dataset);
    match dataset {
        _ if known(HIGH_VOICES) => Some(Timbre::High),
        _ if known(LOW_VOICES) => Some(Timbre::Low),
        _ => None,
    }
}

/// `female`, `male`, or nothing where the name of the voice does not tell.
pub fn gender_of(name: &str) -> &'static str {
    match of_voice(name) {
        Some(Timbre::High) => "female",
        Some(Timbre::Low) => "male",
        None => "",
    }
}

fn pick(seed: u64, count: usize) -> usize {
    usize::try_from(seed % count.max(1) as u64).unwrap_or_default()
}

/// A number from `-width` to `width`.
fn spread(seed: u64, width: f32) -> f32 {
    ((seed % 1000) as f32 / 999.0 * 2.0 - 1.0) * width
}

/// FNV-1a: the same on every machine and in every version, unlike the standard library's.
fn hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn voice(name: &str, speakers: u32) -> Voice {
        let robotic = name == "robot";
        Voice { name: name.into(), language: "en_US".into(), speakers, sample_rate_hz: 22_050, robotic }
    }

    fn character(id: &str, pronouns: &str, description: &str) -> Character {
        let (id, pronouns, description) = (id.to_owned(), pronouns.to_owned(), description.to_owned());
        Character { id, pronouns, description, ..Character::default() }
    }

    #[test]
    fn what_the_author_named_counts_if_it_is_there() {
        let mut mira = character("mira", "she/her", "");
        mira.voice.name = Some("en_US-joe-medium".into());
        mira.voice.speed = Some(0.9);
        let voices = [voice("en_US-amy-medium", 1), voice("en_US-joe-medium", 1)];
        let settings = cast(&mira, &voices, "en");
        assert_eq!(settings.voice.as_deref(), Some("en_US-joe-medium"));
        assert_eq!((settings.speed, settings.pitch), (0.9, 0.0));
        assert_eq!(cast(&mira, &voices[..1], "en").voice.as_deref(), Some("en_US-amy-medium"));
    }

    #[test]
    fn a_voice_follows_the_description() {
        let voices = [voice("en_US-amy-medium", 1), voice("en_US-joe-medium", 1), voice("robot", 1)];
        let name = |who: &Character| cast(who, &voices, "en").voice.unwrap();
        assert_eq!(name(&character("a", "she/her", "The king's cook.")), "en_US-amy-medium");
        assert_eq!(name(&character("b", "", "An old man who lost his wife.")), "en_US-joe-medium");
        assert_eq!(name(&character("c", "", "A young queen.")), "en_US-amy-medium");
    }

    #[test]
    fn one_voice_serves_many_and_they_differ() {
        let joe = [voice("en_US-joe-medium", 1), voice("robot", 1)];
        let pitch =
            |id: &str, pronouns: &str, text: &str| cast(&character(id, pronouns, text), &joe, "en").pitch;
        assert!(pitch("a", "she/her", "A baker.") > pitch("a", "he/him", "A baker.") + 3.0);
        assert!(pitch("a", "he/him", "A huge troll.") < pitch("a", "he/him", "A baker.") - 2.0);
        assert_ne!(pitch("a", "he/him", "A guard."), pitch("b", "he/him", "A guard."));
        assert!(PITCH.contains(&pitch("a", "she/her", "A fairy child, a young girl.")));
    }

    #[test]
    fn speakers_of_one_voice_are_shared_out() {
        let many = [voice("en_US-libritts-high", 900)];
        let speaker = |id: &str| cast(&character(id, "", ""), &many, "en").speaker.unwrap();
        let speakers: std::collections::BTreeSet<u32> =
            ["anna", "bram", "cora", "dan", "eve"].into_iter().map(speaker).collect();
        assert!(speakers.len() >= 4 && speakers.iter().all(|speaker| *speaker < 900));
    }

    #[test]
    fn another_language_has_its_own_voices() {
        let mut german = voice("de_DE-thorsten-medium", 1);
        german.language = "de_DE".into();
        let voices = [voice("en_US-joe-medium", 1), german];
        assert_eq!(
            cast(&character("a", "", ""), &voices, "de-AT").voice.as_deref(),
            Some("de_DE-thorsten-medium")
        );
        assert_eq!(cast(&character("a", "", ""), &voices, "tr").voice, None);
    }
}
