//! The gate: nothing reaches the game that the game has not declared, with arguments it has not allowed.
//!
//! Schemas are compiled when the game declares its actions, so a mistake is told to the mod author at once
//! and not when a player is in the middle of a talk. What the model proposes is normalised (case, near
//! spellings, numbers as text) and then admitted or refused; [`ActionSet::admit`] itself repairs nothing.

mod language;
mod lean;
mod mention;
mod normalise;
mod offer;
mod schema;

use std::sync::Arc;

use jsonschema::{PatternOptions, Validator};
use meddah_protocol::{ActionDeclaration, check_id};
use serde_json::{Map, Value};

pub(crate) use language::stem;
pub(crate) use language::{Phrase, Word, find_phrase, plain_words};
pub use normalise::normalise;
pub use offer::{CHOICES_MAX, Offer, Ranked, SPEAKER};
pub use schema::{TARGET, arguments_schema, fill};

/// Actions that a game may declare at once.
pub const ACTIONS_MAX: usize = 64;
/// The longest schema in bytes of JSON.
pub const SCHEMA_BYTES_MAX: usize = 16 * 1024;
/// The longest description in bytes.
pub const DESCRIPTION_BYTES_MAX: usize = 1024;
/// Targets that an action may list.
pub const TARGETS_MAX: usize = 256;
/// The longest arguments in bytes of JSON.
pub const ARGUMENTS_BYTES_MAX: usize = 8 * 1024;
/// The longest name in bytes; what providers of models allow.
pub const NAME_BYTES_MAX: usize = 64;
/// The name that stands for doing nothing.
const NOTHING: &str = "nothing";

/// A declaration that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("action {action:?}: {message}")]
pub struct ActionError {
    /// The action's name as it was given.
    pub action: String,
    /// What is wrong.
    pub message: String,
    /// How to put it right.
    help: String,
}

impl ActionError {
    fn new(action: &str, message: impl Into<String>, help: impl Into<String>) -> ActionError {
        ActionError { action: action.to_owned(), message: message.into(), help: help.into() }
    }

    /// How to put it right, as a sentence to the mod author.
    pub fn help(&self) -> String {
        self.help.clone()
    }
}

/// Why a call does not reach the game.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No such action.
    #[error("{name:?} is not declared")]
    Undeclared {
        /// What was called.
        name: String,
    },
    /// The action has to be given arguments.
    #[error("{name:?} needs arguments")]
    NoArguments {
        /// What was called.
        name: String,
    },
    /// Arguments are one JSON object.
    #[error("the arguments of {name:?} are not an object")]
    NotAnObject {
        /// What was called.
        name: String,
    },
    /// More than [`ARGUMENTS_BYTES_MAX`], or nested too deep.
    #[error("the arguments of {name:?} are too large")]
    TooLarge {
        /// What was called.
        name: String,
    },
    /// The game did not declare this argument.
    #[error("{name:?} has no argument {argument:?}")]
    UndeclaredArgument {
        /// What was called.
        name: String,
        /// Which argument.
        argument: String,
    },
    /// The arguments do not fit the declared schema.
    #[error("the arguments of {name:?} are not valid at {place:?}: {message}")]
    Invalid {
        /// What was called.
        name: String,
        /// JSON pointer.
        place: String,
        /// What the validator says.
        message: String,
    },
    /// Targets are listed, none is given.
    #[error("{name:?} needs a target")]
    NoTarget {
        /// What was called.
        name: String,
    },
    /// The target is not listed now.
    #[error("{target:?} is not among the targets of {name:?}")]
    UnlistedTarget {
        /// What was called.
        name: String,
        /// At what.
        target: String,
    },
}

/// A call that the game may carry out.
#[derive(Clone, Debug, PartialEq)]
pub struct AdmittedAction {
    /// A declared name.
    pub name: String,
    /// Valid against the declared schema; the target is not among them.
    pub arguments: Map<String, Value>,
    /// One of the listed ids.
    pub target: Option<String>,
    /// The game will report how it went.
    pub needs_result: bool,
}

/// The actions that a game has declared, checked and compiled.
#[derive(Clone, Default)]
pub struct ActionSet {
    entries: Vec<Entry>,
}

#[derive(Clone)]
struct Entry {
    declaration: ActionDeclaration,
    validator: Option<Arc<Validator>>,
}

impl std::fmt::Debug for ActionSet {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_list().entries(self.iter()).finish()
    }
}

impl ActionSet {
    /// Checks and compiles the declarations. The error names the first action that is wrong.
    pub fn new(declarations: Vec<ActionDeclaration>) -> Result<ActionSet, ActionError> {
        if let Some(extra) = declarations.get(ACTIONS_MAX) {
            return Err(ActionError::new(
                &extra.name,
                format!("more than {ACTIONS_MAX} actions are declared"),
                format!("Declare at most {ACTIONS_MAX} at a time: only those that make sense in this scene."),
            ));
        }
        let mut entries: Vec<Entry> = Vec::with_capacity(declarations.len());
        for declaration in declarations {
            if entries.iter().any(|entry| entry.declaration.name == declaration.name) {
                return Err(ActionError::new(
                    &declaration.name,
                    "is declared twice",
                    "Give each action a name of its own, or leave one of them out.",
                ));
            }
            entries.push(Entry::new(declaration)?);
        }
        Ok(ActionSet { entries })
    }

    /// Whether it was made of these very declarations, so that it need not be compiled again.
    pub fn is_of(&self, declarations: &[ActionDeclaration]) -> bool {
        self.iter().eq(declarations)
    }

    /// Whether nothing is declared.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// How many are declared.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// The declarations in the game's order.
    pub fn iter(&self) -> impl Iterator<Item = &ActionDeclaration> {
        self.entries.iter().map(|entry| &entry.declaration)
    }

    /// The declaration at a place of [`ActionSet::iter`].
    pub fn at(&self, index: usize) -> Option<&ActionDeclaration> {
        self.entries.get(index).map(|entry| &entry.declaration)
    }

    /// The declaration of this name.
    pub fn get(&self, name: &str) -> Option<&ActionDeclaration> {
        self.iter().find(|declaration| declaration.name == name)
    }

    /// Admits a call if it is declared, its arguments are valid and its target is listed.
    ///
    /// A `target` argument is taken out of the arguments. Without arguments, those are used that leave
    /// nothing to choose ([`fill`]).
    pub fn admit(&self, name: &str, arguments: Option<Value>) -> Result<AdmittedAction, Refusal> {
        let entry = self.entries.iter().find(|entry| entry.declaration.name == name);
        let entry = entry.ok_or_else(|| Refusal::Undeclared { name: name.to_owned() })?;
        let name = || name.to_owned();
        let arguments = match arguments.or_else(|| fill(&entry.declaration)) {
            Some(arguments) => arguments,
            None => return Err(Refusal::NoArguments { name: name() }),
        };
        if !schema::is_within(&arguments, ARGUMENTS_BYTES_MAX) {
            return Err(Refusal::TooLarge { name: name() });
        }
        let Value::Object(mut arguments) = arguments else {
            return Err(Refusal::NotAnObject { name: name() });
        };
        let target = entry.take_target(&mut arguments)?;
        let undeclared = arguments.keys().find(|key| !schema::allows(&entry.declaration, key));
        if let Some(argument) = undeclared {
            return Err(Refusal::UndeclaredArgument { name: name(), argument: argument.clone() });
        }
        let arguments = entry.validated(arguments)?;
        Ok(AdmittedAction { name: name(), arguments, target, needs_result: entry.declaration.needs_result })
    }
}

impl Entry {
    fn new(mut declaration: ActionDeclaration) -> Result<Entry, ActionError> {
        check_name(&declaration.name)?;
        if declaration.description.len() > DESCRIPTION_BYTES_MAX {
            return Err(ActionError::new(
                &declaration.name,
                format!("the description is longer than {DESCRIPTION_BYTES_MAX} bytes"),
                "Say what it does in one plain sentence; small models read it too.",
            ));
        }
        check_targets(&mut declaration)?;
        let validator = match &declaration.parameters {
            Some(parameters) => {
                schema::check(&declaration, parameters)?;
                Some(Arc::new(compile(&declaration.name, parameters)?))
            }
            None => None,
        };
        Ok(Entry { declaration, validator })
    }

    /// Takes the target out of the arguments, if this action has targets.
    fn take_target(&self, arguments: &mut Map<String, Value>) -> Result<Option<String>, Refusal> {
        let Some(listed) = &self.declaration.targets else { return Ok(None) };
        let name = self.declaration.name.clone();
        let Some(given) = arguments.shift_remove(TARGET) else {
            return Err(Refusal::NoTarget { name });
        };
        match given {
            Value::String(target) if listed.contains(&target) => Ok(Some(target)),
            Value::String(target) => Err(Refusal::UnlistedTarget { name, target }),
            other => Err(Refusal::UnlistedTarget { name, target: other.to_string() }),
        }
    }

    fn validated(&self, arguments: Map<String, Value>) -> Result<Map<String, Value>, Refusal> {
        let Some(validator) = &self.validator else { return Ok(arguments) };
        let value = Value::Object(arguments);
        if let Err(error) = validator.validate(&value) {
            return Err(Refusal::Invalid {
                name: self.declaration.name.clone(),
                place: error.instance_path().to_string(),
                message: error.to_string(),
            });
        }
        match value {
            Value::Object(arguments) => Ok(arguments),
            _ => Ok(Map::new()),
        }
    }
}

fn check_name(name: &str) -> Result<(), ActionError> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    if name.is_empty() || name.len() > NAME_BYTES_MAX || !name.chars().all(fits) {
        return Err(ActionError::new(
            name,
            format!("the name must be 1 to {NAME_BYTES_MAX} letters, digits, `_` or `-`"),
            "Use a short name such as `give_item`; models read it.",
        ));
    }
    if name == NOTHING {
        return Err(ActionError::new(
            name,
            "the name is taken",
            "Doing nothing is always possible; leave this action out.",
        ));
    }
    Ok(())
}

fn check_targets(declaration: &mut ActionDeclaration) -> Result<(), ActionError> {
    let Some(targets) = &mut declaration.targets else { return Ok(()) };
    let mut seen = std::collections::HashSet::new();
    targets.retain(|target| seen.insert(target.clone()));
    if targets.len() > TARGETS_MAX {
        return Err(ActionError::new(
            &declaration.name,
            format!("more than {TARGETS_MAX} targets are listed"),
            "List only what is near enough to be meant.",
        ));
    }
    match targets.iter().find_map(|target| check_id(TARGET, target).err()) {
        Some(error) => Err(ActionError::new(&declaration.name, error.message, error.help)),
        None => Ok(()),
    }
}

/// Compiles a schema without ever looking anything up. Patterns run in linear time, so that no argument
/// can keep the gate busy.
fn compile(action: &str, parameters: &Value) -> Result<Validator, ActionError> {
    let options = jsonschema::options().with_pattern_options(PatternOptions::regex());
    options.build(parameters).map_err(|error| {
        ActionError::new(
            action,
            format!("`parameters` is not a valid JSON Schema: {error}"),
            format!(
                "Look at `parameters{}`. A `type` is one of string, integer, number, boolean, array, object; a \
                 pattern cannot use look-around.",
                error.instance_path()
            ),
        )
    })
}

#[cfg(test)]
mod tests;
