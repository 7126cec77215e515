//! Leaves out choices that the words have made already: "give me the rusty key" names the item and, by
//! "me", the target, so a model that guesses cannot guess wrong.

use serde_json::{Value, json};

use super::language::{ENGLISH, Word, words};
use super::offer::{SPEAKER, stems};
use super::schema::TARGET;

/// Numbers up to twelve are written as words. "One" is left out: it is a number in few sentences.
const NUMBERS: &[&str] =
    &["two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"];

/// Narrows each list of the schema to the one value that the text names, and a number to the one it says.
pub(super) fn narrow(schema: &mut Value, text: &str, speaker: &str, character: &str) {
    let said = words(text);
    let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) else { return };
    for (name, property) in properties.iter_mut() {
        if let Some(number) = the_number(property, &said) {
            property["enum"] = json!([number]);
            continue;
        }
        let Some(listed) = property.get("enum").and_then(Value::as_array) else { continue };
        let values: Vec<&str> = listed.iter().filter_map(Value::as_str).collect();
        let named = the_named(&values, &said)
            .or_else(|| if name == TARGET { by_pronoun(&values, &said, speaker, character) } else { None });
        if let Some(value) = named {
            property["enum"] = json!([value]);
        }
    }
}

/// The one value that is named, all its words before some of them.
fn the_named(values: &[&str], said: &[Word]) -> Option<String> {
    let is_said = |stem: &String| said.iter().any(|word| word.stem == *stem);
    let whole: Vec<&&str> = values
        .iter()
        .filter(|value| {
            let stems = stems(value);
            !stems.is_empty() && stems.iter().all(is_said)
        })
        .collect();
    let part =
        |value: &&&str| stems(value).iter().any(|stem| is_said(stem) && !ENGLISH.ordinary.contains(stem));
    match whole.as_slice() {
        [only] => Some((**only).to_owned()),
        [] => {
            let parts: Vec<&&str> = values.iter().filter(part).collect();
            match parts.as_slice() {
                [only] => Some((**only).to_owned()),
                _ => None,
            }
        }
        _ => None,
    }
}

fn by_pronoun(values: &[&str], said: &[Word], speaker: &str, character: &str) -> Option<String> {
    let listed = |id: &str| values.contains(&id).then(|| id.to_owned());
    if said.iter().any(|word| word.text == "yourself") {
        return listed(character);
    }
    let first_person = said.iter().any(|word| ENGLISH.speaker.contains(&word.text));
    if first_person { listed(speaker).or_else(|| listed(SPEAKER)) } else { None }
}

/// The one number that is said, if the property is a whole number that may have it.
fn the_number(property: &Value, said: &[Word]) -> Option<i64> {
    if property.get("type")? != "integer" || property.get("enum").is_some() {
        return None;
    }
    let number = |word: &Word| match NUMBERS.iter().position(|number| *number == word.text) {
        Some(index) => i64::try_from(index + 2).ok(),
        None => word.text.parse().ok(),
    };
    let mut numbers = said.iter().filter_map(number);
    let only = numbers.next().filter(|_| numbers.next().is_none())?;
    let bound = |key: &str| property.get(key).and_then(Value::as_i64);
    let fits =
        bound("minimum").is_none_or(|min| only >= min) && bound("maximum").is_none_or(|max| only <= max);
    fits.then_some(only)
}
