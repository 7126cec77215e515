//! Finds the declared action in a service's words for it, and never makes one up.
//!
//! Services name actions in their own way: "Serve Mojito", `give_item`, "Move To the Door". What is declared
//! and what is said are compared as words in small letters. What matches nothing is dropped; the caller's
//! gate checks the rest once more.

use serde_json::{Map, Value};

use crate::ServiceRequest;
use crate::service::ServiceAction;

/// Name of the argument that says at whom or what.
pub(super) const TARGET: &str = "target";
/// Longer calls are not looked at, bytes.
const CALL_BYTES_MAX: usize = 8 * 1024;

/// Words that stand between an action and its target and mean nothing to us.
const SMALL_WORDS: [&str; 14] =
    ["a", "an", "the", "to", "at", "with", "for", "on", "of", "into", "some", "from", "towards", "up"];

/// A declared action with its arguments.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Call {
    pub(super) name: String,
    pub(super) arguments: Option<Value>,
}

/// The call in a sentence such as "Serve Mojito".
pub(super) fn said(sentence: &str, request: &ServiceRequest) -> Option<Call> {
    if sentence.len() > CALL_BYTES_MAX {
        return None;
    }
    let words = words(sentence);
    // The longest name that the sentence begins with: "give up" is not "give".
    let named = request.actions.iter().filter_map(|action| {
        let name = self::words(&action.name);
        let begins = !name.is_empty() && words.starts_with(&name);
        begins.then_some((name.len(), action))
    });
    let (length, action) = named.max_by_key(|(length, _)| *length)?;
    let rest = &words[length..];
    if action.targets.is_empty() {
        return Some(Call { name: action.name.clone(), arguments: None });
    }
    let target = target(rest, &action.targets)?;
    let arguments = Map::from_iter([(TARGET.to_owned(), Value::from(target))]);
    Some(Call { name: action.name.clone(), arguments: Some(arguments.into()) })
}

/// The call of a service that names action and target apart.
pub(super) fn named(name: &str, target: Option<&str>, request: &ServiceRequest) -> Option<Call> {
    match target.map(str::trim).filter(|target| !target.is_empty()) {
        Some(target) => said(&format!("{name} {target}"), request),
        None => said(name, request),
    }
}

/// The call of a service with function calling: the name and the arguments are kept apart from each other,
/// a target is put into the words of the game. `arguments` may be an object or its JSON in a string.
pub(super) fn called(name: &str, arguments: &Value, request: &ServiceRequest) -> Option<Call> {
    let wanted = words(name);
    let action = request.actions.iter().find(|action| words(&action.name) == wanted)?;
    let mut arguments = match arguments {
        Value::String(json) if json.len() <= CALL_BYTES_MAX => {
            serde_json::from_str::<Value>(json).unwrap_or(Value::Null)
        }
        other => other.clone(),
    };
    if let Some(given) = arguments.as_object_mut() {
        given.retain(|_, value| !value.is_null());
        if !action.targets.is_empty() {
            let said = given.get(TARGET).and_then(Value::as_str)?;
            let found = self::target(&words(said), &action.targets)?;
            given.insert(TARGET.to_owned(), found.into());
        }
    } else if !action.targets.is_empty() {
        return None;
    }
    let arguments = Some(arguments).filter(|given| given.as_object().is_some_and(|given| !given.is_empty()));
    Some(Call { name: action.name.clone(), arguments })
}

/// Which target the words mean: the same words, or else the only one whose words are among them.
fn target<'targets>(said: &[String], targets: &'targets [String]) -> Option<&'targets str> {
    let said = without_small_words(said);
    if said.is_empty() {
        return None;
    }
    let mut within: Option<&str> = None;
    for target in targets {
        let name = without_small_words(&words(target));
        if name == said {
            return Some(target);
        }
        let among = |few: &[String], many: &[String]| few.iter().all(|word| many.contains(word));
        if !name.is_empty() && (among(&name, &said) || among(&said, &name)) {
            if within.is_some() {
                // "the guard" when there are two: nobody knows which.
                return None;
            }
            within = Some(target);
        }
    }
    within
}

fn without_small_words(words: &[String]) -> Vec<String> {
    words.iter().filter(|word| !SMALL_WORDS.contains(&word.as_str())).cloned().collect()
}

/// Words in small letters; `giveItem`, `give_item` and "Give item" are the same.
fn words(text: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut word = String::new();
    let mut was_small = false;
    for c in text.chars() {
        let begins = c.is_uppercase() && was_small;
        if (begins || !c.is_alphanumeric()) && !word.is_empty() {
            words.push(std::mem::take(&mut word));
        }
        if c.is_alphanumeric() {
            word.extend(c.to_lowercase());
        }
        was_small = c.is_lowercase();
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

/// How an action is called in a service's prompt: its words, without anything that separates.
pub(super) fn spoken_name(action: &ServiceAction) -> String {
    words(&action.name).join(" ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn request() -> ServiceRequest {
        let action = |name: &str, targets: &[&str]| ServiceAction {
            name: name.into(),
            targets: targets.iter().map(|target| (*target).to_owned()).collect(),
            ..Default::default()
        };
        let actions = vec![
            action("serve", &["Mojito", "White Russian"]),
            action("follow", &["player"]),
            action("give_up", &[]),
            action("give", &["iron_sword", "gold coins"]),
            action("attack", &["guard_1", "guard_2"]),
            action("setPrice", &[]),
        ];
        ServiceRequest { actions, ..Default::default() }
    }

    fn call(name: &str, arguments: Value) -> Option<Call> {
        Some(Call { name: name.into(), arguments: Some(arguments).filter(|value| !value.is_null()) })
    }

    #[test]
    fn a_sentence_is_matched_to_action_and_target() {
        let request = request();
        assert_eq!(said(" Serve Mojito", &request), call("serve", json!({"target": "Mojito"})));
        assert_eq!(
            said("serve a white russian.", &request),
            call("serve", json!({"target": "White Russian"}))
        );
        assert_eq!(said("Give the Iron Sword", &request), call("give", json!({"target": "iron_sword"})));
        assert_eq!(said("Give up", &request), call("give_up", Value::Null));
        assert_eq!(
            said("Serve Mojito (Can be: Served)", &request),
            call("serve", json!({"target": "Mojito"})),
            "Convai repeats the object's name as it was declared"
        );
        assert_eq!(
            named("Follow", Some("the player"), &request),
            call("follow", json!({"target": "player"}))
        );
    }

    #[test]
    fn what_matches_nothing_is_dropped() {
        let request = request();
        for sentence in
            ["", "Dance", "Serve", "Serve Whisky", "Attack guard", "Server Mojito", "\u{0}\u{fffd}"]
        {
            assert_eq!(said(sentence, &request), None, "{sentence:?}");
        }
        assert_eq!(said(&"serve mojito ".repeat(4000), &request), None);
        assert_eq!(named("serve", Some("  "), &request), None);
    }

    #[test]
    fn function_calls_keep_their_arguments() {
        let request = request();
        let priced = called("set_price", &json!("{\"gold\": 3, \"note\": null}"), &request);
        assert_eq!(priced, call("setPrice", json!({"gold": 3})));
        let served = called("serve", &json!({"target": "the mojito", "size": "large"}), &request);
        assert_eq!(served, call("serve", json!({"target": "Mojito", "size": "large"})));
        assert_eq!(called("give_up", &json!("not json"), &request), call("give_up", Value::Null));
        assert_eq!(called("give_up", &json!({}), &request), call("give_up", Value::Null));
        assert_eq!(called("serve", &json!("{}"), &request), None);
        assert_eq!(called("serve", &Value::Null, &request), None);
        assert_eq!(called("fly", &json!({}), &request), None);
    }
}
