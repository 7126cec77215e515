//! One message of a story: who speaks, what, how they feel, and what the author attached to it.

use serde::Deserialize;
use serde_json::{Map, Value};

/// A message, whatever of it is there. Anything may be absent or null.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Message {
    message: Option<Body>,
    pub(super) event_id: Value,
    end_story: Option<bool>,
    tap_to_continue: Option<bool>,
    emotions: Option<Vec<Mood>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Body {
    text: Option<String>,
    character: Option<Character>,
    metadata: Option<Map<String, Value>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Character {
    id: Option<u64>,
    name: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Mood {
    id: Option<u64>,
    name: Option<String>,
    active_effects: Option<Vec<Feeling>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Feeling {
    feeling: Option<String>,
    intensity: Option<f64>,
}

/// Who speaks a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Speaker {
    /// The character that was spoken to.
    This,
    /// Nobody: it is told.
    Narrator,
    /// Somebody else of the story.
    Other(String),
}

/// Which of the story's characters ours is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// All of them.
    Everybody,
    /// The one with this number.
    Number(u64),
    /// The one with this name.
    Name(String),
}

impl Message {
    /// Reads a message; what makes no sense is an empty one.
    pub(super) fn read(payload: &Value) -> Message {
        Message::deserialize(payload).unwrap_or_default()
    }

    /// The words; empty for a panel or a picture.
    pub(super) fn text(&self) -> &str {
        self.message.as_ref().and_then(|body| body.text.as_deref()).unwrap_or_default().trim()
    }

    pub(super) fn ends_story(&self) -> bool {
        self.end_story == Some(true)
    }

    pub(super) fn wants_tap(&self) -> bool {
        self.tap_to_continue == Some(true)
    }

    fn character(&self) -> Option<&Character> {
        self.message.as_ref()?.character.as_ref()
    }

    pub(super) fn speaker(&self, part: &Part, narrator: &str) -> Speaker {
        let Some(character) = self.character() else { return Speaker::Narrator };
        let name = character.name.as_deref().unwrap_or_default();
        let same = |other: &str| name.trim().to_lowercase() == other.trim().to_lowercase();
        if same(narrator) {
            return Speaker::Narrator;
        }
        let is_this = match part {
            Part::Everybody => true,
            Part::Number(number) => character.id == Some(*number),
            Part::Name(name) => same(name),
        };
        if is_this { Speaker::This } else { Speaker::Other(name.trim().to_owned()) }
    }

    /// The strongest feeling of whoever speaks, in Charisma's word.
    pub(super) fn feeling(&self) -> Option<&str> {
        let speaker = self.character()?;
        let moods = self.emotions.as_deref().unwrap_or_default();
        let of_speaker = |mood: &&Mood| match (mood.id, speaker.id) {
            (Some(mood), Some(speaker)) => mood == speaker,
            _ => mood.name.is_some() && mood.name == speaker.name,
        };
        let feelings = moods.iter().find(of_speaker)?.active_effects.as_deref()?;
        let strength = |feeling: &&Feeling| feeling.intensity.unwrap_or_default();
        let strongest = feelings.iter().max_by(|a, b| strength(a).total_cmp(&strength(b)))?;
        strongest.feeling.as_deref()
    }

    /// What the author attached under this name.
    pub(super) fn attached(&self, name: &str) -> Option<&str> {
        self.message.as_ref()?.metadata.as_ref()?.get(name)?.as_str()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn message() -> Message {
        Message::read(&json!({
            "type": "character",
            "message": {
                "text": " Greetings. ", "character": {"id": 20, "name": "Ted Baker", "avatar": null},
                "speech": null, "metadata": {"action": "Give Map"}, "impact": null,
            },
            "eventId": "17", "timestamp": 1, "endStory": false, "tapToContinue": true, "path": [],
            "emotions": [
                {"id": 3, "name": "Ann", "activeEffects": [{"feeling": "fear", "intensity": 9}]},
                {"id": 20, "name": "Ted Baker", "moodPositivity": 10, "activeEffects": [
                    {"feeling": "interest", "intensity": 1}, {"feeling": "joy", "intensity": 2, "duration": 3},
                ]},
            ],
            "memories": [],
        }))
    }

    #[test]
    fn a_message_tells_who_says_what_and_how_they_feel() {
        let message = message();
        assert_eq!((message.text(), message.feeling()), ("Greetings.", Some("joy")));
        assert_eq!(message.attached("action"), Some("Give Map"));
        assert!(message.wants_tap() && !message.ends_story());
        assert_eq!(message.speaker(&Part::Number(20), "Narrator"), Speaker::This);
        assert_eq!(message.speaker(&Part::Name("ted baker".into()), "Narrator"), Speaker::This);
        assert_eq!(message.speaker(&Part::Number(3), "Narrator"), Speaker::Other("Ted Baker".into()));
        assert_eq!(message.speaker(&Part::Everybody, "TED BAKER"), Speaker::Narrator);
    }

    #[test]
    fn whatever_is_absent_null_or_wrong_is_nothing() {
        for payload in [
            json!(null),
            json!({}),
            json!({"message": null, "emotions": null}),
            json!({"message": {"text": null, "character": null, "metadata": null}}),
            json!({"message": {"text": 3}}),
            json!({"type": "panel", "message": {"media": {}}, "emotions": [{"activeEffects": null}]}),
        ] {
            let message = Message::read(&payload);
            assert_eq!((message.text(), message.feeling(), message.attached("action")), ("", None, None));
            assert_eq!(message.speaker(&Part::Number(1), "Narrator"), Speaker::Narrator);
        }
    }
}
