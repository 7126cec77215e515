//! From what a mod says of a character to a character of ours.

use serde_json::{Value, json};

use super::sheet::Sheet;
use super::wording;

/// What a character knows at any moment, in sentences and in characters: more than this and a small model loses
/// the thread. The rest is called up by what is being talked about.
const KNOWS_MAX: usize = 24;
const KNOWS_CHARS_MAX: usize = 3000;
/// A sentence of a list, in characters.
const SENTENCE_CHARS_MAX: usize = 500;
/// A character's own limit for its description.
const TEXT_CHARS_MAX: usize = 4000;
/// The description, in characters.
const DESCRIPTION_CHARS_MAX: usize = 2500;
/// Characters of a short field.
const SHORT_CHARS_MAX: usize = 80;
/// Goals, traits.
const LIST_MAX: usize = 12;
/// Exchanges of a sample dialogue.
const SAMPLES_MAX: usize = 6;

/// How the names of styles begin; others are words.
const STYLE: &str = "EXAMPLE_DIALOG_STYLE_";

/// What is said when no model can answer.
const FALLBACK_LINES: [&str; 3] = [
    "Forgive me, my thoughts are elsewhere. Ask me again in a moment.",
    "Hm. Give me a moment, will you?",
    "I have no answer to that now.",
];

/// The character as data, and what it knows beyond that.
pub(super) struct Portrait {
    pub character: Value,
    pub rest: Vec<String>,
}

/// `player` is what the character calls the player.
pub(super) fn paint(sheet: &Sheet, player: &str) -> Portrait {
    let name: String = match wording::plain(&sheet.name, "", player) {
        name if name.is_empty() => sheet.id.clone(),
        name => name,
    };
    let name: String = name.chars().take(SHORT_CHARS_MAX).collect();
    let plain = |text: &str| wording::plain(text, &name, player);
    let sentences = |texts: &[String]| -> Vec<String> {
        let plain = texts.iter().map(|text| wording::cut(&plain(text), SENTENCE_CHARS_MAX));
        plain.filter(|text| !text.is_empty()).collect()
    };
    let (knows, rest) = knowledge(sentences(&sheet.temporary_facts), sentences(&sheet.facts));
    let goals: Vec<String> = sheet.motivation.lines().map(str::to_owned).collect();
    let [joy, fear, trust, surprise] = sheet.mood.unwrap_or_default();
    let mut character = json!({
        "name": name,
        "description": description(sheet, &name, &plain),
        "personality": personality(sheet, &plain),
        "knows": knows,
        "goals": sentences(&goals).into_iter().take(LIST_MAX).collect::<Vec<_>>(),
        "mood": wording::mood(joy, fear, trust, surprise),
        "fallback_lines": FALLBACK_LINES,
        "speech": speech(sheet, &plain),
    });
    if let Some(pronouns) = pronouns(sheet) {
        character["pronouns"] = pronouns.into();
    }
    if !sheet.role.trim().is_empty() {
        character["role"] = wording::cut(&plain(&sheet.role), SENTENCE_CHARS_MAX).into();
    }
    if let Some(stance) = wording::stance(trust) {
        character["relationships"] = json!({"player": stance});
    }
    Portrait { character, rest }
}

/// What holds now has the first claim to a place, and stands last: what stays the same is read once. What does
/// not fit is the rest.
fn knowledge(now: Vec<String>, always: Vec<String>) -> (Vec<String>, Vec<String>) {
    let (mut places, mut chars_left) = (KNOWS_MAX, KNOWS_CHARS_MAX);
    let mut fits = |fact: &String| {
        let chars = fact.chars().count();
        let fits = places > 0 && chars <= chars_left;
        if fits {
            (places, chars_left) = (places - 1, chars_left - chars);
        }
        fits
    };
    let (now, mut rest): (Vec<String>, Vec<String>) = now.into_iter().partition(&mut fits);
    let (mut knows, more): (Vec<String>, Vec<String>) = always.into_iter().partition(&mut fits);
    knows.extend(now);
    rest.extend(more);
    (knows, rest)
}

fn description(sheet: &Sheet, name: &str, plain: &dyn Fn(&str) -> String) -> String {
    let mut parts = vec![plain(&sheet.description)];
    // Some mods call everybody under 20 a toddler; the number is right.
    let stage = wording::constant(&sheet.life_stage, "LIFE_STAGE_");
    match sheet.age.filter(|age| *age > 0) {
        Some(age) => parts.push(format!("{name} is {age} years old.")),
        None if !stage.is_empty() => parts.push(format!("{name} is in {stage}.")),
        None => {}
    }
    let hobbies: Vec<String> = sheet.hobbies.iter().map(|hobby| plain(hobby)).collect();
    if !hobbies.is_empty() {
        parts.push(format!("{name} cares about {}.", wording::joined(&hobbies)));
    }
    parts.push(plain(&sheet.flaws));
    parts.retain(|part| !part.is_empty());
    // The parts after the first are short, and the ones a mod means to be known.
    let rest: usize = parts.iter().skip(1).map(|part| part.chars().count() + 1).sum();
    if let Some(first) = parts.first_mut() {
        *first = wording::cut(first, DESCRIPTION_CHARS_MAX.saturating_sub(rest).max(SENTENCE_CHARS_MAX));
    }
    wording::cut(&parts.join(" "), TEXT_CHARS_MAX)
}

fn personality(sheet: &Sheet, plain: &dyn Fn(&str) -> String) -> Vec<String> {
    let [positive, peaceful, open, extravert] = sheet.personality.unwrap_or_default();
    let adjectives =
        sheet.adjectives.iter().map(|word| wording::cut(&plain(word).to_lowercase(), SHORT_CHARS_MAX));
    let all = adjectives.chain(wording::traits(positive, peaceful, open, extravert));
    all.filter(|word| !word.is_empty()).take(LIST_MAX).collect()
}

fn pronouns(sheet: &Sheet) -> Option<String> {
    let pronoun = wording::constant(&sheet.pronoun, "PRONOUN_");
    let known = match (pronoun.as_str(), sheet.gender.to_lowercase().as_str()) {
        ("female", _) => "she/her",
        ("male", _) => "he/him",
        ("other", _) => "they/them",
        ("", "female") => "she/her",
        ("", "male") => "he/him",
        ("", _) => return None,
        (other, _) => other,
    };
    Some(known.chars().take(SHORT_CHARS_MAX).collect())
}

fn speech(sheet: &Sheet, plain: &dyn Fn(&str) -> String) -> Value {
    let mut style = match sheet.dialog_style.starts_with(STYLE) {
        true => wording::constant(&sheet.dialog_style, STYLE),
        false => plain(&sheet.dialog_style).trim_end_matches('.').to_owned(),
    };
    if let Some(first) = style.chars().next() {
        style.replace_range(..first.len_utf8(), &first.to_uppercase().to_string());
        style.push('.');
    }
    let (samples, said) = dialogue(&sheet.example_dialog, plain);
    for line in said {
        let longer = format!("{style} Says for example: \"{line}\"");
        let more = format!("{style} \"{line}\"");
        let next = if style.contains("for example") { more } else { longer };
        if next.chars().count() > SENTENCE_CHARS_MAX {
            break;
        }
        style = next.trim_start().to_owned();
    }
    let mut speech = json!({});
    if !style.is_empty() {
        speech["style"] = wording::cut(&style, SENTENCE_CHARS_MAX).into();
    }
    if !samples.is_empty() {
        speech["samples"] = samples.into();
    }
    speech
}

/// Exchanges, and lines that stand alone. `Player:` and `Character:` (or `{Player}`, `{Character}`) name who
/// speaks; without a name it is the character.
fn dialogue(text: &str, plain: &dyn Fn(&str) -> String) -> (Vec<Value>, Vec<String>) {
    let (mut samples, mut alone) = (Vec::new(), Vec::new());
    let mut asked: Option<String> = None;
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let of = |names: [&str; 2]| {
            let mut spoken = names.iter().filter_map(|name| line.strip_prefix(name));
            spoken.next().map(|rest| rest.trim_start_matches(':').trim())
        };
        if let Some(rest) = of(["{Player}", "Player:"]) {
            asked = Some(wording::cut(&plain(rest), SENTENCE_CHARS_MAX)).filter(|text| !text.is_empty());
            continue;
        }
        let said = of(["{Character}", "Character:"]).unwrap_or(line);
        let said = wording::cut(&plain(said.trim_matches('"')), SENTENCE_CHARS_MAX);
        if said.is_empty() {
            continue;
        }
        match asked.take() {
            Some(player) if samples.len() < SAMPLES_MAX => {
                samples.push(json!({"player": player, "reply": said}));
            }
            _ => alone.push(said),
        }
    }
    (samples, alone)
}

#[cfg(test)]
mod tests {
    use super::*;
    use meddah_engine::world::Character;

    fn painted(sheet: &Sheet) -> Character {
        Character::from_json("x", paint(sheet, "Ayla").character).unwrap()
    }

    #[test]
    fn every_field_finds_its_place() {
        let mut sheet = Sheet { id: "x".into(), ..Sheet::default() };
        sheet.update(&json!({
            "name": "Eadric", "description": "Born in {Player}s village.", "pronoun": "PRONOUN_MALE", "age": "18",
            "motivation": "{Character} wants peace.\nNo war.", "facts": ["{Character} owns a mill."],
            "temporaryFacts": ["It is noon."], "exampleDialogStyle": "EXAMPLE_DIALOG_STYLE_BLUNT",
            "exampleDialog": "Player: Hello!\nCharacter: Wot?\nCharacter: Aye.", "lifeStage": "LIFE_STAGE_TODDLERHOOD",
            "hobbyOrInterests": ["farming", "songs"], "characterRole": "villager",
            "personality": {"positive": -40, "peaceful": 0, "open": 0, "extravert": 70},
            "initialMood": {"joy": 0, "fear": 40, "trust": -30, "surprise": 0},
        }));
        let eadric = painted(&sheet);
        assert_eq!((eadric.name.as_str(), eadric.pronouns.as_str()), ("Eadric", "he/him"));
        assert_eq!(
            eadric.description,
            "Born in Aylas village. Eadric is 18 years old. Eadric cares about farming and songs."
        );
        assert_eq!((eadric.role.as_str(), eadric.mood.as_str()), ("villager", "fear"));
        assert_eq!(eadric.knows, ["Eadric owns a mill.", "It is noon."]);
        assert_eq!(eadric.goals, ["Eadric wants peace.", "No war."]);
        assert_eq!(eadric.personality, ["gloomy", "very outgoing"]);
        assert_eq!(eadric.relationships["player"], "You do not trust them.");
        assert_eq!(eadric.speech.style, "Blunt. Says for example: \"Aye.\"");
        assert_eq!((eadric.speech.samples[0].player.as_str(), eadric.speech.samples.len()), ("Hello!", 1));
        assert!(!eadric.fallback_lines.is_empty());
    }

    #[test]
    fn too_much_and_nothing_are_characters_too() {
        assert_eq!(painted(&Sheet { id: "x".into(), ..Sheet::default() }).name, "x");
        let long = "Ünlü bir söz. ".repeat(600);
        let sheet = Sheet {
            id: "x".into(),
            name: long.clone(),
            description: long.clone(),
            flaws: long.clone(),
            role: long.clone(),
            pronoun: long.clone(),
            motivation: long.clone(),
            dialog_style: long.clone(),
            example_dialog: long.clone(),
            hobbies: vec![long.clone(); 100],
            adjectives: vec![long.clone(); 100],
            facts: vec![long.clone(); 100],
            ..Sheet::default()
        };
        let portrait = paint(&sheet, &long);
        let character = Character::from_json("x", portrait.character).unwrap();
        assert!(character.knows.len() < 24 && portrait.rest.len() > 76);
    }
}
