//! Goals as an author writes them into a character's file. How they are pursued is in [`crate::goal`].

use std::collections::HashSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::character::broken;
use super::check::Finding;
use super::limits::*;
use super::lore::{KEY_CHARS_MAX, LoreKey};
use super::wording::nearest;
use crate::condition::Condition;

/// Something that a character pursues for a time.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Goal {
    /// A short name of its own, for example "find-bell".
    #[schemars(length(min = 1, max = NAME_CHARS_MAX), example = &"find-bell")]
    pub id: String,
    /// What the character wants, in the words that follow "You want".
    #[schemars(length(min = 1, max = SENTENCE_CHARS_MAX), example = "to learn where the bell is")]
    pub wants: String,
    /// How much it matters beside other goals: higher comes first, and equal ones follow the order of the file.
    #[serde(default, skip_serializing_if = "is_usual")]
    #[schemars(extend("examples" = [1]))]
    pub priority: i32,
    /// What must hold before the character begins to want it. Left out: from the beginning, or when a goal
    /// before it is reached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = SENTENCE_CHARS_MAX), example = &"bell_stolen", with = "String")]
    pub when: Option<Condition>,
    /// It is reached when this holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = SENTENCE_CHARS_MAX), example = &"bell_found", with = "String")]
    pub reached: Option<Condition>,
    /// It is reached when the game reports that the character did this action.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = NAME_CHARS_MAX), example = &"give_item", with = "String")]
    pub reached_by: Option<String>,
    /// It is reached when somebody says one of these words to the character.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = LIST_MAX), inner(length(min = 1, max = KEY_CHARS_MAX)))]
    #[schemars(extend("examples" = [["reeds", "below the dike"]]))]
    pub hears: Vec<LoreKey>,
    /// It is given up when this holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = SENTENCE_CHARS_MAX), example = &"bell_melted", with = "String")]
    pub failed: Option<Condition>,
    /// The character begins to talk by itself when the player is there.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[schemars(example = true)]
    pub speak_first: bool,
    /// What makes it speak, as it notices it, in a sentence.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = SENTENCE_CHARS_MAX), example = "The stranger comes in with wet boots.")]
    pub opening: String,
    /// What follows when it is reached.
    #[serde(default, skip_serializing_if = "GoalOutcome::is_empty")]
    pub then: GoalOutcome,
}

/// What follows when a goal is reached.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GoalOutcome {
    /// The character does this action, if the game offers it then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = NAME_CHARS_MAX), example = &"give_item", with = "String")]
    pub action: Option<String>,
    /// To whom or what; "player" is the player.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = NAME_CHARS_MAX), example = &"player", with = "String")]
    pub target: Option<String>,
    /// What else the action needs.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub arguments: Map<String, Value>,
    /// What happens, as everybody who is there notices it, in a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = SENTENCE_CHARS_MAX), example = &"Mira sighs with relief.", with = "String")]
    pub event: Option<String>,
    /// Conditions that hold for this character from now on, in this line of time: they can open a secret, a
    /// piece of lore or another goal.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = LIST_MAX), inner(length(min = 1, max = NAME_CHARS_MAX)))]
    #[schemars(extend("examples" = [["mira_trusts_player"]]))]
    pub facts: Vec<String>,
    /// The goal that comes after it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = NAME_CHARS_MAX), example = &"thank-player", with = "String")]
    pub next: Option<String>,
}

fn is_usual(priority: &i32) -> bool {
    *priority == 0
}

impl GoalOutcome {
    /// Whether nothing follows.
    pub fn is_empty(&self) -> bool {
        *self == GoalOutcome::default()
    }
}

/// What is wrong with a character's goals beyond the form of their fields.
pub(super) fn findings(goals: &[Goal]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut seen: HashSet<&str> = HashSet::new();
    for (index, goal) in goals.iter().enumerate() {
        let pointer = format!("/goal/{index}");
        if !seen.insert(&goal.id) {
            let message = format!("there are two goals with the id `{}`", goal.id);
            findings.push(Finding::value(format!("{pointer}/id"), message, "give one of them another id"));
        }
        for (name, condition) in [("when", &goal.when), ("reached", &goal.reached), ("failed", &goal.failed)]
        {
            findings.extend(condition.as_ref().and_then(|c| broken(format!("{pointer}/{name}"), c)));
        }
        for (n, key) in goal.hears.iter().enumerate() {
            findings.extend(key.problem().map(|problem| {
                Finding::value(format!("{pointer}/hears/{n}"), problem.message.clone(), problem.help.clone())
            }));
        }
        if let Some(next) = &goal.then.next
            && !goals.iter().any(|other| other.id == *next)
        {
            let message = format!("there is no goal `{next}`");
            let help = match nearest(next, goals.iter().map(|other| other.id.as_str())) {
                Some(near) => format!("did you mean `{near}`?"),
                None => "add a goal with this id, or delete the line".to_owned(),
            };
            findings.push(Finding::value(format!("{pointer}/then/next"), message, help));
        }
        if goal.then.action.is_none() && (goal.then.target.is_some() || !goal.then.arguments.is_empty()) {
            let message = "a target without an action means nothing";
            findings.push(Finding::value(
                format!("{pointer}/then"),
                message,
                "add a line such as: action = \"give_item\"",
            ));
        }
    }
    findings
}
