//! Reads files in the form of LoCoMo: conversations of two people over many sessions, with questions.

use anyhow::Context as _;
use serde_json::Value;

use super::told::{Asked, Encounter, Talks, Utterance};

const MONTHS: [&str; 12] =
    ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// The conversations of a file.
pub(crate) fn read(path: &str) -> anyhow::Result<Vec<Talks>> {
    let text = std::fs::read_to_string(path).with_context(|| format!("{path} cannot be read"))?;
    let file: Value = serde_json::from_str(&text).with_context(|| format!("{path} is not JSON"))?;
    let items = file.as_array().context("a LoCoMo file is a list of conversations")?;
    items.iter().enumerate().map(|(number, item)| talks(number, item)).collect()
}

fn talks(number: usize, item: &Value) -> anyhow::Result<Talks> {
    let conversation = &item["conversation"];
    let mut names: Vec<String> = Vec::new();
    let mut encounters = Vec::new();
    for session in 1.. {
        let Some(turns) = conversation[format!("session_{session}")].as_array() else {
            // Dates may go on after the last session that was told.
            if conversation[format!("session_{session}_date_time")].is_null() { break } else { continue }
        };
        let time = text(&conversation[format!("session_{session}_date_time")]);
        let begun_ms = moment_ms(&time).unwrap_or(i64::from(session) * DAY_MS);
        let told: Vec<Utterance> = turns.iter().map(utterance).collect();
        for said in &told {
            if !names.contains(&said.speaker) {
                names.push(said.speaker.clone());
            }
        }
        encounters.push(Encounter { place: String::new(), time, begun_ms, told });
    }
    for said in encounters.iter_mut().flat_map(|encounter| &mut encounter.told) {
        said.heard_by = names.clone();
    }
    let [first, second] = &names[..] else {
        anyhow::bail!("conversation {number} has {} speakers, not two", names.len());
    };
    let known: std::collections::HashSet<&str> =
        encounters.iter().flat_map(|encounter| &encounter.told).map(|said| said.id.as_str()).collect();
    let listed = item["qa"].as_array().map_or(&[][..], Vec::as_slice);
    let questions = listed.iter().map(|qa| Asked {
        asker: first.clone(),
        asked: second.clone(),
        text: text(&qa["question"]),
        evidence: evidence(&qa["evidence"]).into_iter().filter(|id| known.contains(id.as_str())).collect(),
        category: qa["category"].to_string(),
    });
    let questions = questions.filter(|asked| !asked.evidence.is_empty()).collect();
    let people = names.iter().map(|name| (name.clone(), name.clone())).collect();
    let name = item["sample_id"].as_str().map_or(format!("conversation {number}"), str::to_owned);
    Ok(Talks { name, people, encounters, questions })
}

fn utterance(turn: &Value) -> Utterance {
    let said = text(&turn["text"]);
    let caption = text(&turn["blip_caption"]);
    let said = if caption.is_empty() { said } else { format!("{said} [shares a photo of {caption}]") };
    Utterance { id: text(&turn["dia_id"]), speaker: text(&turn["speaker"]), text: said, heard_by: Vec::new() }
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.trim().to_owned(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

/// The turns that are named: "D1:3", and what people made of it, such as "D1:3; D2:4" and "D:11:26".
fn evidence(value: &Value) -> Vec<String> {
    let texts: Vec<&str> = match value {
        Value::Array(list) => list.iter().filter_map(Value::as_str).collect(),
        Value::String(text) => vec![text],
        _ => Vec::new(),
    };
    let mut ids: Vec<String> = Vec::new();
    for word in texts.iter().flat_map(|text| text.split([';', ',', ' '])) {
        let numbers: Vec<u32> = word
            .split(|letter: char| !letter.is_ascii_digit())
            .filter_map(|part| part.parse().ok())
            .collect();
        let id = match numbers[..] {
            [session, turn] => format!("D{session}:{turn}"),
            _ => continue,
        };
        if !ids.contains(&id) {
            ids.push(id);
        }
    }
    ids
}

/// "1:56 pm on 8 May, 2023" in milliseconds since 1970.
fn moment_ms(time: &str) -> Option<i64> {
    let words: Vec<&str> =
        time.split(|letter: char| !letter.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
    let month_of = |word: &&str| MONTHS.iter().position(|name| word.to_lowercase().starts_with(name));
    let at = words.iter().position(|word| month_of(word).is_some())?;
    let month = i64::try_from(month_of(&words[at])?).ok()? + 1;
    let day: i64 = words.get(at.checked_sub(1)?)?.parse().ok()?;
    let year: i64 = words.get(at + 1)?.parse().ok()?;
    let hour: i64 = words.first()?.parse().ok()?;
    let minute: i64 = words.get(1)?.parse().ok()?;
    let afternoon = words.get(2).is_some_and(|half| half.eq_ignore_ascii_case("pm"));
    let hour = hour % 12 + if afternoon { 12 } else { 0 };
    Some(days_since_1970(year, month, day) * DAY_MS + (hour * 60 + minute) * 60_000)
}

/// Days of the Gregorian calendar: years begin in March, so that a leap day is the last.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let (era, year) = (year.div_euclid(400), year.rem_euclid(400));
    era * 146_097 + year * 365 + year / 4 - year / 100 + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn evidence_is_read_as_people_write_it() {
        assert_eq!(evidence(&json!(["D8:6; D9:17"])), ["D8:6", "D9:17"]);
        assert_eq!(evidence(&json!(["D:11:26", "D", "D1:03"])), ["D11:26", "D1:3"]);
        assert_eq!(evidence(&json!("D1:1 D1:2 D1:1")), ["D1:1", "D1:2"]);
        assert!(evidence(&json!(null)).is_empty());
    }

    #[test]
    fn dates_become_milliseconds() {
        assert_eq!(moment_ms("12:00 am on 1 January, 1970"), Some(0));
        assert_eq!(moment_ms("1:56 pm on 8 May, 2023"), Some(1_683_554_160_000));
        assert_eq!(moment_ms("some day"), None);
    }

    #[test]
    fn a_conversation_without_evidence_has_no_questions() {
        let item = json!({
            "conversation": {
                "session_1_date_time": "1:00 pm on 8 May, 2023",
                "session_1": [
                    {"speaker": "Ann", "dia_id": "D1:1", "text": "Hello"},
                    {"speaker": "Bo", "dia_id": "D1:2", "text": "Look", "blip_caption": "a boat"}
                ]
            },
            "qa": [
                {"question": "What did Bo show?", "evidence": ["D1:2"], "category": 4},
                {"question": "Where?", "evidence": ["D7:1"], "category": 4},
                {"question": "Why?", "category": 5}
            ]
        });
        let talks = talks(0, &item).expect("reads");
        assert_eq!(talks.questions.len(), 1);
        assert_eq!(talks.encounters[0].told[1].text, "Look [shares a photo of a boat]");
    }
}
