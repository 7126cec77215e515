//! What the game says of the moment, as conditions ask for it.

use std::collections::{HashMap, HashSet};
use std::fmt;

use meddah_protocol::Scene;

use super::Comparison;

/// The names that have a meaning without the game's help. A fact of the same name comes first.
pub const STATE_NAMES: [&str; 10] = [
    "place",
    "time",
    "game_time",
    "present",
    "trust",
    "respect",
    "familiarity",
    "affection",
    "mood",
    "met_player",
];
/// The longest name of a value in a fact, in characters.
const NAME_CHARS_MAX: usize = 80;
const MINUTES_PER_HOUR: u32 = 60;

/// What a name stands for.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// 40, 0.5, -3.
    Number(f64),
    /// yes or no, true or false.
    Flag(bool),
    /// Anything else, in small letters.
    Text(String),
}

/// What holds at a moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GameState {
    facts: HashSet<String>,
    values: HashMap<String, Value>,
    present: Vec<String>,
}

impl GameState {
    /// What the scene says.
    pub fn of(scene: &Scene) -> GameState {
        let mut state = GameState { present: scene.present.clone(), ..GameState::default() };
        scene.facts.iter().for_each(|fact| state.tell(fact));
        for (name, text) in [("place", &scene.place), ("time", &scene.time)] {
            if let Some(text) = text {
                state.set(name, Value::text(text));
            }
        }
        if let Some(game_time) = scene.game_time {
            state.set("game_time", Value::Number(game_time as f64));
        }
        state
    }

    /// Only these facts, as games write them.
    pub fn of_facts<T: AsRef<str>>(facts: impl IntoIterator<Item = T>) -> GameState {
        let mut state = GameState::default();
        facts.into_iter().for_each(|fact| state.tell(fact.as_ref()));
        state
    }

    /// A fact as a game writes it: `bell_found`, `gold = 40`, or a sentence.
    pub fn tell(&mut self, fact: &str) {
        match name_and_value(fact) {
            Some((name, value)) => {
                self.values.insert(folded(name), Value::read(value));
            }
            None => {
                self.facts.insert(folded(fact));
            }
        }
    }

    /// What the program knows by itself; what the game says of the same name comes first.
    pub fn set(&mut self, name: &str, value: Value) {
        self.values.entry(name.to_owned()).or_insert(value);
    }

    /// Whether somebody is in the scene.
    pub fn is_present(&self, id: &str) -> bool {
        self.present.iter().any(|present| present == id)
    }

    pub(super) fn holds(&self, name: &str) -> bool {
        self.facts.contains(name) || self.values.get(name).is_some_and(Value::is_so)
    }

    pub(super) fn compares(&self, name: &str, comparison: Comparison, right: &Value) -> bool {
        if comparison == Comparison::Unequal {
            return !self.compares(name, Comparison::Equal, right);
        }
        if let Value::Flag(wanted) = right {
            return comparison == Comparison::Equal && self.holds(name) == *wanted;
        }
        match self.values.get(name) {
            Some(left) => left.compares(comparison, right),
            // `present` is a list: anybody of it will do.
            None if name == "present" => {
                self.present.iter().any(|id| Value::text(id).compares(comparison, right))
            }
            None => false,
        }
    }
}

impl Value {
    /// A word of the game or of an author.
    pub fn read(text: &str) -> Value {
        let text = text.trim();
        let quoted = ['"', '\''].iter().find_map(|quote| text.strip_prefix(*quote)?.strip_suffix(*quote));
        if let Some(text) = quoted {
            return Value::text(text);
        }
        match (text.parse::<f64>(), folded(text).as_str()) {
            (Ok(number), _) if number.is_finite() => Value::Number(number),
            (_, "yes" | "true") => Value::Flag(true),
            (_, "no" | "false") => Value::Flag(false),
            (_, text) => Value::Text(text.to_owned()),
        }
    }

    /// A text, whatever it looks like.
    pub fn text(text: &str) -> Value {
        Value::Text(folded(text))
    }

    /// Whether smaller and larger mean something.
    pub(super) fn has_order(&self) -> bool {
        self.order().is_some()
    }

    fn is_so(&self) -> bool {
        match self {
            Value::Number(number) => *number != 0.0,
            Value::Flag(flag) => *flag,
            Value::Text(text) => !text.is_empty(),
        }
    }

    /// A number as it is, a time of day in minutes.
    fn order(&self) -> Option<f64> {
        match self {
            Value::Number(number) => Some(*number),
            Value::Flag(_) => None,
            Value::Text(text) => text.parse().ok().filter(|n: &f64| n.is_finite()).or_else(|| clock(text)),
        }
    }

    fn compares(&self, comparison: Comparison, right: &Value) -> bool {
        if comparison == Comparison::Contains {
            return self.to_string().contains(&right.to_string());
        }
        match (self.order(), right.order()) {
            (Some(left), Some(right)) => match comparison {
                Comparison::Equal => left == right,
                Comparison::Less => left < right,
                Comparison::LessOrEqual => left <= right,
                Comparison::More => left > right,
                Comparison::MoreOrEqual => left >= right,
                Comparison::Unequal | Comparison::Contains => false, // settled above
            },
            _ => comparison == Comparison::Equal && self == right,
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Number(number) => number.fmt(formatter),
            Value::Flag(flag) => formatter.write_str(if *flag { "yes" } else { "no" }),
            Value::Text(text) => formatter.write_str(text),
        }
    }
}

/// Whether a fact is meant for conditions alone: one word, or a name and its value. Nobody says such a thing.
pub fn is_for_conditions(fact: &str) -> bool {
    !fact.trim().contains(char::is_whitespace) || name_and_value(fact).is_some()
}

/// `gold = 40`.
fn name_and_value(fact: &str) -> Option<(&str, &str)> {
    let (name, value) = fact.split_once('=')?;
    let (name, value) = (name.trim(), value.trim());
    let is_part = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | ':');
    let is_name = !name.is_empty() && name.chars().all(is_part) && name.chars().count() <= NAME_CHARS_MAX;
    (is_name && !value.is_empty() && !value.starts_with('=')).then_some((name, value))
}

/// In small letters, with single spaces, without a full stop.
pub(super) fn folded(text: &str) -> String {
    let text = text.trim().trim_end_matches('.').to_lowercase();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// `20:15` in minutes since midnight.
fn clock(text: &str) -> Option<f64> {
    let (hours, minutes) = text.split_once(':')?;
    let (hours, minutes): (u32, u32) = (hours.trim().parse().ok()?, minutes.trim().parse().ok()?);
    (hours < 24 && minutes < MINUTES_PER_HOUR).then(|| f64::from(hours * MINUTES_PER_HOUR + minutes))
}
