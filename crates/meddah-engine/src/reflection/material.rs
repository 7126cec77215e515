//! What a character perceived of a talk, told simply.

use super::words::one_line;
use crate::timeline::{Recalled, RecentTurn};

/// One line of the transcript, in characters; who reads out a book is cut.
const LINE_CHARS_MAX: usize = 500;
/// Fewer characters than this are not worth a memory of their own.
const ENOUGH_CHARS: usize = 60;

/// Somebody, by id and by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Being {
    /// The id.
    pub id: String,
    /// What others say.
    pub name: String,
}

/// Something said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// Who said it.
    pub by: Being,
    /// To whom; without a name if to nobody in particular.
    pub to: Being,
    /// The words that were heard.
    pub text: String,
}

/// One thing that was perceived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Moment {
    /// Words.
    Said(Said),
    /// Something that happened, as a sentence.
    Happened(String),
}

/// What a character perceived, in order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Material {
    /// Who remembers.
    pub who: Being,
    /// What was perceived.
    pub moments: Vec<Moment>,
    /// What the character felt last.
    pub emotion: Option<String>,
    /// Where it was, if the game said so.
    pub place: Option<String>,
    /// The game's clock at the end.
    pub game_time: Option<i64>,
}

impl Material {
    /// From what a character recalls, oldest first. `names` gives the name of a character by its id.
    pub fn gather(recalled: &[Recalled<'_>], who: Being, names: impl Fn(&str) -> String) -> Material {
        let mut material = Material { who, ..Material::default() };
        for recalled in recalled {
            let game_time = match recalled {
                Recalled::Turn(turn) => {
                    material.add_turn(turn, &names);
                    turn.game_time
                }
                Recalled::Event { text, game_time } => {
                    material.moments.push(Moment::Happened(one_line(text, LINE_CHARS_MAX)));
                    *game_time
                }
                Recalled::Hearsay { text, told_by, game_time } => {
                    let by = Being { id: (*told_by).to_owned(), name: names(told_by) };
                    let to = material.who.clone();
                    material.say(by, to, text);
                    *game_time
                }
            };
            material.game_time = game_time.or(material.game_time);
        }
        material
    }

    fn add_turn(&mut self, turn: &RecentTurn<'_>, names: impl Fn(&str) -> String) {
        let record = turn.record;
        let own = turn.character == self.who.id;
        let answering = match own {
            true => self.who.clone(),
            false => Being { id: turn.character.to_owned(), name: names(turn.character) },
        };
        let speaker = Being { id: record.speaker.clone(), name: record.speaker_name.clone() };
        if record.speaker.is_empty() {
            self.moments.push(Moment::Happened(one_line(&record.text, LINE_CHARS_MAX)));
        } else {
            self.say(speaker.clone(), answering.clone(), &record.text);
        }
        for line in turn.lines.iter().filter(|line| !line.narration) {
            self.say(answering.clone(), speaker.clone(), &line.text);
        }
        if own && let Some(emotion) = &record.emotion {
            self.emotion = Some(emotion.label.clone());
        }
    }

    fn say(&mut self, by: Being, to: Being, text: &str) {
        let text = one_line(text, LINE_CHARS_MAX);
        if !text.is_empty() {
            self.moments.push(Moment::Said(Said { by, to, text }));
        }
    }

    /// Whether there is enough to remember.
    pub fn is_enough(&self) -> bool {
        let chars = |moment: &Moment| match moment {
            Moment::Said(said) => said.text.chars().count(),
            Moment::Happened(text) => text.chars().count(),
        };
        self.moments.iter().map(chars).sum::<usize>() >= ENOUGH_CHARS
    }

    /// Everybody else who spoke or was spoken to, each once, in order.
    pub fn others(&self) -> Vec<&Being> {
        let mut others: Vec<&Being> = Vec::new();
        for moment in &self.moments {
            let Moment::Said(said) = moment else { continue };
            for being in [&said.by, &said.to] {
                let new = !others.iter().any(|other| other.id == being.id);
                if new && being.id != self.who.id && !being.name.is_empty() {
                    others.push(being);
                }
            }
        }
        others
    }

    /// The newest of it as lines of a play, at most so many characters.
    pub fn transcript(&self, chars_max: usize) -> String {
        let mut lines = Vec::new();
        let mut left = chars_max;
        for moment in self.moments.iter().rev() {
            let line = match moment {
                Moment::Said(said) => format!("{}: {}", said.by.name, said.text),
                Moment::Happened(text) => format!("({text})"),
            };
            let chars = line.chars().count() + 1;
            if chars > left {
                break;
            }
            left -= chars;
            lines.push(line);
        }
        lines.reverse();
        lines.join("\n")
    }
}
