//! When an entry of a lorebook comes up: the rules of V2, V3 and SillyTavern in the words of our form.
//!
//! Where in the prompt an entry stands (`position`, `depth`, `role`) is no rule of ours: knowledge is always told
//! right before what is answered. Such fields stay in the original.

use meddah_engine::world::{AlsoRule, Find, LoreEntry, LoreKey, NAME_CHARS_MAX};
use serde_json::{Map, Value};

use super::decorators::Decorator;

/// The bounds of our form.
const SCAN_UTTERANCES_MAX: u32 = 64;
const NUMBER_MAX: i64 = 1_000_000;
/// Groups of an entry.
const GROUPS_MAX: usize = 8;
/// For good, in things said.
const FOR_GOOD: u32 = 1_000_000;
/// Things said while the character says one.
const UTTERANCES_PER_ANSWER: i64 = 2;

/// The fields of an entry, under any of their names, at the top or among the extensions.
struct Fields<'e> {
    entry: &'e Map<String, Value>,
}

impl Fields<'_> {
    fn get(&self, names: &[&str]) -> Option<&Value> {
        let extensions = self.entry.get("extensions").and_then(Value::as_object);
        let mut places = [Some(self.entry), extensions].into_iter().flatten();
        places
            .find_map(|place| names.iter().find_map(|name| place.get(*name).filter(|value| !value.is_null())))
    }

    fn flag(&self, names: &[&str]) -> bool {
        self.get(names).and_then(Value::as_bool).unwrap_or(false)
    }

    /// A whole number within 0 and `max`, whatever was written.
    fn number(&self, names: &[&str], max: i64) -> Option<u32> {
        let number = self.get(names)?.as_f64()?;
        Some((number as i64).clamp(0, max) as u32)
    }

    fn signed(&self, names: &[&str]) -> Option<i32> {
        let number = self.get(names)?.as_f64()?;
        Some((number as i64).clamp(-NUMBER_MAX, NUMBER_MAX) as i32)
    }
}

/// Sets the rules of `made`. `also` are the further keys that the entry has and uses; `keys` makes keys of words.
pub(super) fn apply(
    made: &mut LoreEntry,
    entry: &Map<String, Value>,
    book: &Map<String, Value>,
    decorators: &[Decorator<'_>],
    keys: &dyn Fn(Vec<String>) -> Vec<LoreKey>,
) {
    let fields = Fields { entry };
    further_keys(made, &fields, decorators, keys);
    made.always = fields.flag(&["constant"]) || has(decorators, "activate");
    made.match_case = fields.flag(&["caseSensitive", "case_sensitive"]);
    if fields.get(&["matchWholeWords", "match_whole_words"]) == Some(&Value::Bool(false)) {
        made.find = Find::Part;
    }
    let of_book = book
        .get("scan_depth")
        .and_then(Value::as_f64)
        .map(|depth| (depth as i64).clamp(0, i64::from(SCAN_UTTERANCES_MAX)) as u32);
    let scan = fields.number(&["scanDepth", "scan_depth"], i64::from(SCAN_UTTERANCES_MAX));
    made.scan = number(decorators, "scan_depth", i64::from(SCAN_UTTERANCES_MAX))
        .or(scan)
        .or(of_book)
        .unwrap_or(made.scan);
    made.order = fields.signed(&["order", "insertion_order"]).unwrap_or(made.order);
    made.priority = fields.signed(&["priority"]);
    if fields.get(&["useProbability"]) != Some(&Value::Bool(false)) {
        made.chance = fields.number(&["probability"], 100).unwrap_or(100) as u8;
    }
    groups(made, &fields);
    let leads_on = book.get("recursive_scanning").and_then(Value::as_bool).unwrap_or(false);
    made.leads_on = leads_on && !fields.flag(&["preventRecursion", "prevent_recursion"]);
    made.only_from_talk = fields.flag(&["excludeRecursion", "exclude_recursion"]);
    let led_to = ["delayUntilRecursion", "delay_until_recursion"];
    made.only_led_to = fields.number(&led_to, 100).unwrap_or(u32::from(fields.flag(&led_to)));
    timers(made, &fields, decorators);
}

fn further_keys(
    made: &mut LoreEntry,
    fields: &Fields<'_>,
    decorators: &[Decorator<'_>],
    keys: &dyn Fn(Vec<String>) -> Vec<LoreKey>,
) {
    let listed = crate::book::strings(fields.entry, ["secondary_keys", "keysecondary"]);
    if fields.get(&["selective"]) != Some(&Value::Bool(false)) && !listed.is_empty() {
        made.also = keys(listed);
        made.also_rule = match fields.number(&["selectiveLogic"], 9) {
            Some(1) => AlsoRule::NotAll,
            Some(2) => AlsoRule::None,
            Some(3) => AlsoRule::All,
            _ => AlsoRule::Any,
        };
    }
    // Our form has one such list, so the first of these that is there counts.
    for (name, rule) in [("additional_keys", AlsoRule::Any), ("exclude_keys", AlsoRule::None)] {
        if made.also.is_empty()
            && let Some(found) = decorators.iter().find(|found| found.name == name)
        {
            made.also = keys(found.value.split(',').map(|key| key.trim().to_owned()).collect());
            made.also_rule = rule;
        }
    }
    if made.also.is_empty() {
        made.also_rule = AlsoRule::Any;
    }
}

fn groups(made: &mut LoreEntry, fields: &Fields<'_>) {
    let group = fields.get(&["group"]).and_then(Value::as_str).unwrap_or_default();
    let names = group.split(',').map(|name| crate::text::harmless(name));
    made.groups = names
        .filter(|name| !name.is_empty() && name.chars().count() <= NAME_CHARS_MAX)
        .take(GROUPS_MAX)
        .collect();
    made.group_weight =
        fields.signed(&["groupWeight", "group_weight"]).map_or(made.group_weight, |weight| weight.max(1));
    made.group_first = fields.flag(&["groupOverride", "group_override"]);
    made.group_by_keys = fields.flag(&["useGroupScoring", "use_group_scoring"]);
}

fn timers(made: &mut LoreEntry, fields: &Fields<'_>, decorators: &[Decorator<'_>]) {
    let timer = |name: &str| fields.number(&[name], NUMBER_MAX).unwrap_or(0);
    made.stays = timer("sticky");
    made.rests = timer("cooldown");
    made.not_before = timer("delay");
    if has(decorators, "keep_activate_after_match") {
        made.stays = FOR_GOOD;
    }
    if has(decorators, "dont_activate_after_match") {
        made.rests = FOR_GOOD;
    }
    if let Some(answers) = number(decorators, "activate_only_after", NUMBER_MAX / UTTERANCES_PER_ANSWER) {
        made.not_before = answers * UTTERANCES_PER_ANSWER as u32;
    }
}

fn has(decorators: &[Decorator<'_>], name: &str) -> bool {
    decorators.iter().any(|found| found.name == name)
}

fn number(decorators: &[Decorator<'_>], name: &str, max: i64) -> Option<u32> {
    let found = decorators.iter().find(|found| found.name == name)?;
    Some(found.value.parse::<i64>().ok()?.clamp(0, max) as u32)
}
