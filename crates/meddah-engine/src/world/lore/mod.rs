//! World knowledge that is called up by what is being talked about.
//!
//! An entry waits outside the prompt until one of its keys is said. Only those who may know it ever get
//! it: audience and condition are checked here, before anything reaches a model.
//!
//! The rules are those of the lore books that authors know from elsewhere, under names that say what they
//! do; docs/reference/lore.md maps one to the other.

mod budget;
mod key;
mod scan;
mod timers;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use budget::LoreBudget;
pub use key::{FoldedUtterance, KEY_CHARS_MAX, LoreKey};
pub use scan::{CHAIN_STEPS_MAX, CalledUp, LoreQuery, call_up};
pub use timers::LoreTimers;

use super::check::Finding;
use super::error::{WorldError, WorldErrors};
use super::wording::{Form, inside};
use super::{limits::*, schema};
use crate::condition::{Condition, GameState};

/// In an audience: everybody who is in the scene.
pub const AUDIENCE_PRESENT: &str = "present";
/// How many of the last things said are searched, unless an entry says otherwise.
pub const SCAN_UTTERANCES: u32 = 2;
/// The most of them that an entry can ask for.
pub const SCAN_UTTERANCES_MAX: u32 = 64;
/// The usual `order` and `group_weight`.
const USUAL: i32 = 100;
/// Orders and weights are at most this, in both directions.
const ORDER_MAX: i32 = 1_000_000;

/// A file `lore/NAME.toml`: any number of entries.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct LoreFile {
    /// The entries, each under a line `[[lore]]`.
    #[serde(default)]
    #[schemars(length(max = LORE_MAX))]
    pub lore: Vec<LoreEntry>,
}

/// A piece of knowledge.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LoreEntry {
    /// A short name of its own, for example "old-mill".
    #[schemars(length(min = 1, max = NAME_CHARS_MAX), example = &"old-mill")]
    pub id: String,
    /// What there is to know, in one to three sentences.
    #[schemars(length(min = 1, max = TEXT_CHARS_MAX), example = "The old mill burned down last winter.")]
    pub text: String,
    /// Words that call it up. Small and capital letters and the plural do not matter; `mill*` is every
    /// word that begins with mill. `/mill(er)?/i` is a regular expression.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1, max = LIST_MAX), inner(length(min = 1, max = KEY_CHARS_MAX)))]
    #[schemars(extend("examples" = [["mill", "fire"]]))]
    pub keys: Vec<LoreKey>,
    /// Further words, which count only beside one of `keys`; `also_rule` says how.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = LIST_MAX), inner(length(min = 1, max = KEY_CHARS_MAX)))]
    #[schemars(extend("examples" = [["winter", "storm"]]))]
    pub also: Vec<LoreKey>,
    /// Which of `also` must be said: "any" of them, "all", "none", or "not_all" (at least one is missing).
    #[serde(default, skip_serializing_if = "AlsoRule::is_usual")]
    #[schemars(schema_with = "also_rule_schema")]
    pub also_rule: AlsoRule,
    /// How keys are found: "words" (whole words, and their plural), "exact" (whole words just as they are
    /// written) or "part" (also within a word).
    #[serde(default, skip_serializing_if = "Find::is_usual")]
    #[schemars(schema_with = "find_schema")]
    pub find: Find,
    /// Whether capital letters matter.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[schemars(example = true)]
    pub match_case: bool,
    /// How many of the last things said are searched for the keys. 2 is what was just said and what was said
    /// before it.
    #[serde(default = "usual_scan", skip_serializing_if = "is_usual_scan")]
    #[schemars(range(max = SCAN_UTTERANCES_MAX), example = 4)]
    pub scan: u32,
    /// It is always told; it needs no keys.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[schemars(example = true)]
    pub always: bool,
    /// false: it is not used.
    #[serde(default = "yes", skip_serializing_if = "Clone::clone")]
    #[schemars(example = false)]
    pub enabled: bool,
    /// The ids of the characters who know it; "present" is everybody who is there. Left out: everybody.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = CHARACTERS_MAX), inner(length(min = 1, max = NAME_CHARS_MAX)))]
    #[schemars(extend("examples" = [["mira"]]))]
    pub audience: Vec<String>,
    /// The ids of characters who do not know it, even if they are in the audience.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = CHARACTERS_MAX), inner(length(min = 1, max = NAME_CHARS_MAX)))]
    #[schemars(extend("examples" = [["bram"]]))]
    pub except: Vec<String>,
    /// What the game must report before anybody knows it: a name such as `mill_is_rebuilt`, or several joined
    /// by `and`, `or`, `not`; also `gold >= 40`, `place = "mill"`, `trust >= 0.5`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = SENTENCE_CHARS_MAX), example = &"mill_is_rebuilt", with = "String")]
    pub condition: Option<Condition>,
    /// Its place among what is told at once: higher comes later, nearer to what is being said. If `priority`
    /// is left out it also decides who gives way.
    #[serde(default = "usual", skip_serializing_if = "is_usual")]
    #[schemars(range(min = -ORDER_MAX, max = ORDER_MAX), example = 200)]
    pub order: i32,
    /// Where there is not room for all, entries with a lower number give way first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = -ORDER_MAX, max = ORDER_MAX), example = 10, with = "i32")]
    pub priority: Option<i32>,
    /// How likely it comes up when it could, in percent.
    #[serde(default = "hundred", skip_serializing_if = "is_hundred")]
    #[schemars(range(max = 100), example = 50)]
    pub chance: u8,
    /// Of the entries that share a group, one comes up at a time.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = LIST_MAX), inner(length(min = 1, max = NAME_CHARS_MAX)))]
    #[schemars(extend("examples" = [["rumours"]]))]
    pub groups: Vec<String>,
    /// How likely it is drawn within its group, beside the others' weights.
    #[serde(default = "usual", skip_serializing_if = "is_usual")]
    #[schemars(range(min = 1, max = ORDER_MAX), example = 50)]
    pub group_weight: i32,
    /// Within its group nothing is drawn: the highest `order` among such entries comes up.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[schemars(example = true)]
    pub group_first: bool,
    /// Within its group, only the entries with the most keys said are drawn from.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[schemars(example = true)]
    pub group_by_keys: bool,
    /// Its text is searched for the keys of other entries, as if it had been said.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[schemars(example = true)]
    pub leads_on: bool,
    /// Only what was said calls it up, never another entry's text.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[schemars(example = true)]
    pub only_from_talk: bool,
    /// Only another entry's text calls it up. 1 is the first to be looked for, 2 comes when all of 1 are found,
    /// and so on; 0 is off.
    #[serde(default, skip_serializing_if = "is_zero")]
    #[schemars(range(max = 100), example = 1)]
    pub only_led_to: u32,
    /// Once it came up, it stays for so many things said.
    #[serde(default, skip_serializing_if = "is_zero")]
    #[schemars(range(max = 1_000_000), example = 6)]
    pub stays: u32,
    /// After that, it cannot come up again for so many things said.
    #[serde(default, skip_serializing_if = "is_zero")]
    #[schemars(range(max = 1_000_000), example = 20)]
    pub rests: u32,
    /// It cannot come up before so many things were said.
    #[serde(default, skip_serializing_if = "is_zero")]
    #[schemars(range(max = 1_000_000), example = 10)]
    pub not_before: u32,
}

/// How the further words of an entry count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlsoRule {
    /// At least one is said.
    #[default]
    Any,
    /// All are said.
    All,
    /// None is said.
    None,
    /// At least one is not said.
    NotAll,
}

/// How keys are found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Find {
    /// Whole words; the plural finds the singular and the other way round.
    #[default]
    Words,
    /// Whole words as they are written. A key of several words is found anywhere.
    Exact,
    /// Anywhere, also within a word.
    Part,
}

impl Default for LoreEntry {
    fn default() -> Self {
        LoreEntry {
            id: String::new(),
            text: String::new(),
            keys: Vec::new(),
            also: Vec::new(),
            also_rule: AlsoRule::default(),
            find: Find::default(),
            match_case: false,
            scan: SCAN_UTTERANCES,
            always: false,
            enabled: true,
            audience: Vec::new(),
            except: Vec::new(),
            condition: None,
            order: USUAL,
            priority: None,
            chance: hundred(),
            groups: Vec::new(),
            group_weight: USUAL,
            group_first: false,
            group_by_keys: false,
            leads_on: false,
            only_from_talk: false,
            only_led_to: 0,
            stays: 0,
            rests: 0,
            not_before: 0,
        }
    }
}

impl LoreEntry {
    /// An entry sent as data. `id` comes from the address; an `id` inside must be the same.
    pub fn from_json(id: &str, value: Value) -> Result<LoreEntry, WorldErrors> {
        let file = format!("lore `{id}`");
        let mut value = schema::take_id(&file, id, value)?;
        if let Value::Object(fields) = &mut value {
            fields.insert("id".into(), id.into());
        }
        let entry: LoreEntry = schema::lore_entry().read_json(&file, value)?;
        let findings = entry.findings("", Form::Json).into_iter();
        let errors: Vec<WorldError> =
            findings.map(|finding| WorldError::of_file(&file, finding.message, finding.help)).collect();
        if errors.is_empty() { Ok(entry) } else { Err(WorldErrors(errors)) }
    }

    /// The entry as data, with its `id`.
    pub fn to_json(&self) -> Value {
        schema::with_id(&self.id, self)
    }

    /// Whether a character may know it now.
    pub fn open_to(&self, character: &str, state: &GameState) -> bool {
        let heard = |id: &String| id == character || (id == AUDIENCE_PRESENT && state.is_present(character));
        let audience = self.audience.is_empty() || self.audience.iter().any(heard);
        audience
            && !self.except.iter().any(|id| id == character)
            && self.condition.as_ref().is_none_or(|condition| condition.holds(state))
    }

    /// Whether what was said earlier decides if it comes up.
    pub fn is_timed(&self) -> bool {
        self.stays > 0 || self.rests > 0 || self.not_before > 0
    }

    /// What is wrong with it beyond the form of its fields. `pointer` leads to it.
    pub(super) fn findings(&self, pointer: &str, form: Form) -> Vec<Finding> {
        let mut findings = Vec::new();
        if self.keys.is_empty() && !self.always {
            let message = format!("`keys` is missing{}", inside(pointer));
            let line = form.line("keys", &serde_json::json!(["mill", "fire"]));
            let help = match form {
                Form::Toml => format!("add a line such as: {line}"),
                Form::Json => format!("add it, for example: {line}"),
            };
            findings.push(Finding::value(pointer, message, help));
        }
        for (name, keys) in [("keys", &self.keys), ("also", &self.also)] {
            let broken = keys.iter().enumerate().filter_map(|(n, key)| Some((n, key.problem()?)));
            findings.extend(broken.map(|(n, problem)| {
                Finding::value(format!("{pointer}/{name}/{n}"), problem.message.clone(), problem.help.clone())
            }));
        }
        if let Some(problem) = self.condition.as_ref().and_then(Condition::problem) {
            let pointer = format!("{pointer}/condition");
            findings.push(Finding::value(pointer, problem.message.clone(), problem.help.clone()));
        }
        findings
    }

    /// The ids that it names, with their places.
    pub(super) fn named_ids(&self) -> impl Iterator<Item = (String, &str)> {
        let lists = [("audience", &self.audience), ("except", &self.except)];
        let all = lists.into_iter().flat_map(|(name, ids)| {
            ids.iter().enumerate().map(move |(n, id)| (format!("/{name}/{n}"), id.as_str()))
        });
        all.filter(|(_, id)| *id != AUDIENCE_PRESENT)
    }
}

impl AlsoRule {
    fn is_usual(&self) -> bool {
        *self == AlsoRule::default()
    }
}

impl Find {
    fn is_usual(&self) -> bool {
        *self == Find::default()
    }
}

fn also_rule_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({
        "type": "string",
        "enum": [AlsoRule::Any, AlsoRule::All, AlsoRule::None, AlsoRule::NotAll],
        "examples": [AlsoRule::All],
    })
}

fn find_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({
        "type": "string",
        "enum": [Find::Words, Find::Exact, Find::Part],
        "examples": [Find::Part],
    })
}

fn usual_scan() -> u32 {
    SCAN_UTTERANCES
}

fn is_usual_scan(scan: &u32) -> bool {
    *scan == SCAN_UTTERANCES
}

fn usual() -> i32 {
    USUAL
}

fn is_usual(number: &i32) -> bool {
    *number == USUAL
}

fn hundred() -> u8 {
    100
}

fn is_hundred(chance: &u8) -> bool {
    *chance == hundred()
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}

fn yes() -> bool {
    true
}
