//! A key of a lore entry: words, or a regular expression between slashes.

use std::fmt;

use regex::{Regex, RegexBuilder};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Find;
use crate::condition::ConditionError;
use crate::world::keys::{FoldedText, PreparedKey, fold, key_match, words};

/// The longest key, in characters.
pub const KEY_CHARS_MAX: usize = 250;
/// What a compiled regular expression may take. The engine needs time in proportion to the text, whatever the
/// expression; this bounds its memory.
const PATTERN_BYTES_MAX: usize = 256 * 1024;

/// A key.
#[derive(Clone)]
pub struct LoreKey {
    source: String,
    prepared: PreparedKey,
    folded: String,
    pattern: Option<Result<Regex, ConditionError>>,
}

impl LoreKey {
    /// Reads it; never fails, see [`LoreKey::problem`].
    pub fn new(source: impl Into<String>) -> LoreKey {
        let source = source.into();
        let pattern = pattern_of(&source).map(|(pattern, flags)| compile(pattern, flags));
        LoreKey { prepared: PreparedKey::new(&source), folded: fold(source.trim()), pattern, source }
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.source
    }

    /// Why it can find nothing.
    pub fn problem(&self) -> Option<&ConditionError> {
        self.pattern.as_ref()?.as_ref().err()
    }

    /// Whether it is a regular expression.
    pub fn is_pattern(&self) -> bool {
        self.pattern.is_some()
    }

    /// Where it stands last, in words from the beginning of the text.
    pub(in crate::world) fn found_in(
        &self,
        text: &FoldedText,
        find: Find,
        match_case: bool,
    ) -> Option<usize> {
        if let Some(pattern) = &self.pattern {
            let found = pattern.as_ref().ok()?.find_iter(&text.raw).last()?;
            return Some(words(&text.raw[..found.start()]).count());
        }
        if find == Find::Words && !match_case {
            return key_match(text, &self.prepared);
        }
        let (haystack, needle) = match match_case {
            true => (&text.raw, self.source.trim()),
            false => (&text.folded, self.folded.as_str()),
        };
        let needle = needle.trim_end_matches('*');
        let anywhere = find == Find::Part || needle.contains(char::is_whitespace);
        let open_end = self.source.trim_end().ends_with('*');
        if needle.is_empty() {
            return None;
        }
        let places = haystack.match_indices(needle).map(|(place, _)| place);
        let last = places.filter(|place| anywhere || is_whole(haystack, *place, needle, open_end)).last()?;
        Some(words(&haystack[..last]).count())
    }
}

/// What was said, made ready to be asked for keys.
pub struct FoldedUtterance(FoldedText);

impl FoldedUtterance {
    /// Prepares a text.
    pub fn new(text: &str) -> FoldedUtterance {
        FoldedUtterance(FoldedText::new(text))
    }

    /// Whether one of the keys is said in it.
    pub fn has_one_of(&self, keys: &[LoreKey]) -> bool {
        keys.iter().any(|key| key.found_in(&self.0, Find::Words, false).is_some())
    }
}

fn is_whole(text: &str, place: usize, needle: &str, open_end: bool) -> bool {
    let before = text[..place].chars().next_back();
    let behind = text[place + needle.len()..].chars().next();
    let is_letter = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
    !is_letter(before) && (open_end || !is_letter(behind))
}

/// What stands between the slashes and behind them, if it can be nothing but a regular expression.
fn pattern_of(source: &str) -> Option<(&str, &str)> {
    let inner = source.trim().strip_prefix('/')?;
    let (pattern, flags) = inner.rsplit_once('/')?;
    (!pattern.is_empty() && flags.chars().all(|flag| "gimsuy".contains(flag))).then_some((pattern, flags))
}

fn compile(pattern: &str, flags: &str) -> Result<Regex, ConditionError> {
    let has = |flag: char| flags.contains(flag);
    // Authors copy these from JavaScript, where a slash within is written `\/`.
    let pattern = pattern.replace("\\/", "/");
    let built = RegexBuilder::new(&pattern)
        .case_insensitive(has('i'))
        .multi_line(has('m'))
        .dot_matches_new_line(has('s'))
        .size_limit(PATTERN_BYTES_MAX)
        .dfa_size_limit(PATTERN_BYTES_MAX)
        .build();
    built.map_err(|error| {
        let (message, help) = match error {
            regex::Error::CompiledTooBig(_) => {
                ("the regular expression is too large", "shorten it, or use several keys")
            }
            _ if pattern.contains("(?=") || pattern.contains("(?!") || pattern.contains("(?<") => {
                ("the regular expression looks ahead or behind", "use `also` with `also_rule` in its place")
            }
            _ => (
                "the key between slashes is not a regular expression that Meddah understands",
                "use plain words, which find the plural too, or `mill*`",
            ),
        };
        ConditionError { message: message.to_owned(), help: help.to_owned() }
    })
}

impl From<&str> for LoreKey {
    fn from(source: &str) -> Self {
        LoreKey::new(source)
    }
}

impl From<String> for LoreKey {
    fn from(source: String) -> Self {
        LoreKey::new(source)
    }
}

impl PartialEq for LoreKey {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}

impl fmt::Debug for LoreKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.source.fmt(formatter)
    }
}

impl Serialize for LoreKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.source.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for LoreKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(LoreKey::new)
    }
}

/// In a file it is a text.
impl JsonSchema for LoreKey {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "LoreKey".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string" })
    }
}
