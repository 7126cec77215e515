//! Reads what a model wrote. It never fails: what cannot be read is left out.

use serde_json::{Deserializer, Value};

use super::material::{Being, Material};
use super::words::one_line;
use super::{FACT_CHARS_MAX, FACTS_MAX, Fact, Kept, RELATIONS, SUMMARY_CHARS_MAX, importance};

/// The summary and facts of a reply: a JSON object as it was asked for, with anything before and after it, cut
/// off or loosely typed; else plain words, which are the summary.
pub fn read(reply: &str, material: &Material) -> Kept {
    let Some(start) = reply.find('{') else { return plain(reply, material) };
    let json = &reply[start..];
    if let Some(Ok(Value::Object(object))) = Deserializer::from_str(json).into_iter::<Value>().next() {
        let summary = object.get("summary").and_then(Value::as_str).unwrap_or_default();
        let facts = object.get("facts").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let facts = facts.iter().filter_map(|fact| fact_of(fact, material)).take(FACTS_MAX).collect();
        return Kept { summary: one_line(summary, SUMMARY_CHARS_MAX), facts };
    }
    // Cut off in the middle: the summary comes first and is mostly whole.
    Kept { summary: one_line(&string_after(json, "\"summary\""), SUMMARY_CHARS_MAX), facts: Vec::new() }
}

fn plain(reply: &str, material: &Material) -> Kept {
    let unmarked: Vec<&str> = reply.lines().filter(|line| !line.trim_start().starts_with("```")).collect();
    let mut text = one_line(&unmarked.join(" "), SUMMARY_CHARS_MAX);
    for label in ["Summary", "Memory", material.who.name.as_str()] {
        if let Some(rest) = text.strip_prefix(label).and_then(|rest| rest.trim_start().strip_prefix(':')) {
            text = rest.trim_start().to_owned();
        }
    }
    let text = text.trim_matches(|c: char| matches!(c, '"' | '“' | '”' | '*') || c.is_whitespace());
    Kept { summary: text.to_owned(), facts: Vec::new() }
}

fn fact_of(value: &Value, material: &Material) -> Option<Fact> {
    let field = |name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default();
    let text = one_line(value.as_str().unwrap_or(field("text")), FACT_CHARS_MAX);
    let relation = RELATIONS.iter().map(|(name, _)| *name).find(|name| *name == field("relation"));
    let relation = relation.unwrap_or_default();
    let about = Some(field("subject")).filter(|subject| !subject.is_empty());
    let about = about.map(|subject| id_of(subject, material)).into_iter().collect();
    let stated = value.get("importance").and_then(number).unwrap_or_else(|| importance(relation));
    (!text.is_empty()).then(|| Fact { text, relation: relation.to_owned(), about, importance: stated })
}

/// 0 to 1; some models think in tens.
fn number(value: &Value) -> Option<f32> {
    let number = value.as_f64().or_else(|| value.as_str()?.trim().parse().ok())?;
    let number = if number > 1.0 { number / 10.0 } else { number };
    number.is_finite().then_some(number.clamp(0.0, 1.0) as f32)
}

fn id_of(name: &str, material: &Material) -> String {
    let wanted = name.trim().to_lowercase();
    let own = ["i", "me", "myself"].contains(&wanted.as_str());
    let is = |being: &&Being| being.name.to_lowercase() == wanted || being.id.to_lowercase() == wanted;
    let found = material.others().into_iter().chain([&material.who]).find(is);
    match found {
        Some(being) => being.id.clone(),
        None if own => material.who.id.clone(),
        None => one_line(name, 60),
    }
}

/// The JSON string behind a key, as far as it goes.
fn string_after(json: &str, key: &str) -> String {
    let Some((_, rest)) = json.split_once(key) else { return String::new() };
    let Some((_, rest)) = rest.split_once('"') else { return String::new() };
    let mut text = String::new();
    let mut escaped = false;
    for c in rest.chars() {
        match (escaped, c) {
            (false, '"') => break,
            (false, '\\') => escaped = true,
            (true, 'n' | 't' | 'r') => (escaped, text) = (false, text + " "),
            (true, '"' | '\\' | '/') => {
                escaped = false;
                text.push(c);
            }
            (true, _) => escaped = false,
            (false, c) => text.push(c),
        }
    }
    text
}
