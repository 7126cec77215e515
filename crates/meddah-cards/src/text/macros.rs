//! `{{char}}` and its kin.
//!
//! Where chance is asked for (`random`, `pick`, `roll`) it is asked once, at import, and the answer follows from
//! the text itself: the same card gives the same character on every computer.

use std::borrow::Cow;

/// Macros of one field; after that many the field is hostile, and what is left is taken apart by `harmless`.
const MACROS_MAX: usize = 1000;

/// Who is meant by `{{char}}` and `{{user}}`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Names<'a> {
    pub character: &'a str,
    pub player: &'a str,
}

/// The text with macros replaced, the innermost first. Unknown ones are left out.
pub(crate) fn resolve(text: &str, names: &Names<'_>) -> String {
    let mut text = tags(text, names);
    let mut from = 0;
    for count in 0..MACROS_MAX {
        let Some(end) = text[from..].find("}}").map(|end| from + end) else { break };
        let Some(start) = text[..end].rfind("{{") else {
            from = end + 2;
            continue;
        };
        let value = value(&text[start + 2..end], names, count).into_owned();
        text.replace_range(start..end + 2, &value);
        from = start.min(text.len());
    }
    text
}

/// `<BOT>` and `<USER>`, in any letters.
fn tags(text: &str, names: &Names<'_>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find('<') {
        out.push_str(&rest[..start]);
        rest = &rest[start..];
        let known = [("<user>", names.player), ("<bot>", names.character), ("<char>", names.character)];
        let found = known
            .iter()
            .find(|(tag, _)| rest.get(..tag.len()).is_some_and(|start| start.eq_ignore_ascii_case(tag)));
        let (length, value) = found.map_or((1, "<"), |(tag, value)| (tag.len(), *value));
        out.push_str(value);
        rest = &rest[length..];
    }
    out.push_str(rest);
    out
}

/// What stands for the macro; `count` tells equal macros of a text apart.
fn value<'a>(inner: &str, names: &Names<'a>, count: usize) -> Cow<'a, str> {
    let inner = inner.trim();
    if inner.starts_with("//") {
        return "".into();
    }
    let cut = inner.find(|c: char| c == ':' || c.is_whitespace()).unwrap_or(inner.len());
    let (name, argument) = (inner[..cut].to_ascii_lowercase(), inner[cut..].trim_start_matches(':').trim());
    match name.as_str() {
        "char" | "bot" => names.character.into(),
        "user" => names.player.into(),
        "newline" => "\n".into(),
        "reverse" => argument.chars().rev().collect::<String>().into(),
        "random" | "pick" => chosen(argument, count).into(),
        "roll" => rolled(argument, count).into(),
        // Notes, text for the scan of lore alone, and what only the program that it was written for knows.
        _ => "".into(),
    }
}

/// One of `a,b,c` or `a::b::c`; `\,` is no end of an item.
fn chosen(argument: &str, count: usize) -> String {
    let items: Vec<String> = if argument.contains("::") {
        argument.split("::").map(str::to_owned).collect()
    } else {
        argument.replace("\\,", "\u{1}").split(',').map(|item| item.replace('\u{1}', ",")).collect()
    };
    let place = (dice(argument, count) % items.len() as u64) as usize;
    items[place].trim().to_owned()
}

/// `6`, `d6` and `2d6`.
fn rolled(argument: &str, count: usize) -> String {
    let argument = argument.to_ascii_lowercase();
    let (times, sides) = argument.split_once('d').unwrap_or(("1", &argument));
    let times = times.trim().parse::<u64>().unwrap_or(1).clamp(1, 100);
    let Ok(sides @ 1..=1_000_000) = sides.trim().parse::<u64>() else { return String::new() };
    let rolls = (0..times).map(|roll| dice(&argument, count * 101 + roll as usize) % sides + 1);
    rolls.sum::<u64>().to_string()
}

/// FNV-1a, with its bits mixed so that the lowest of them are as good as the others.
fn dice(text: &str, count: usize) -> u64 {
    let bytes = text.bytes().chain((count as u64).to_le_bytes());
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let mixed = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    mixed ^ (mixed >> 33)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(text: &str) -> String {
        resolve(text, &Names { character: "Mira", player: "the player" })
    }

    #[test]
    fn names_and_notes() {
        for (text, expected) in [
            ("{{char}} likes {{USER}}.", "Mira likes the player."),
            ("<BOT> and <User> and <b>", "Mira and the player and <b>"),
            ("a{{// note }}b{{comment: x}}c{{hidden_key:gold}}d", "abcd"),
            ("{{reverse:{{char}}}}", "ariM"),
            ("{{getvar::x}}{{time}}!", "!"),
            ("}} {{char}} {{open", "}} Mira {{open"),
            ("{{{{{{}}", "{{{{"),
        ] {
            assert_eq!(resolved(text), expected, "{text}");
        }
    }

    #[test]
    fn chance_is_asked_once() {
        let text = "{{random:red,blue,green}} {{pick::tea::mead}} {{roll:d6}} {{roll:2d6}}";
        assert_eq!(resolved(text), resolved(text));
        let words: Vec<String> = resolved(text).split(' ').map(str::to_owned).collect();
        assert!(["red", "blue", "green"].contains(&words[0].as_str()));
        assert!(["tea", "mead"].contains(&words[1].as_str()));
        assert!((1..=6).contains(&words[2].parse::<u64>().unwrap()));
        assert!((2..=12).contains(&words[3].parse::<u64>().unwrap()));
        assert_eq!(resolved("{{random:a\\,b}}"), "a,b");
        assert_eq!(resolved("{{roll:0}}{{roll:d99999999999999999999}}"), "");
        let many: std::collections::HashSet<String> = (0..50)
            .map(|n| resolved(&format!("{{{{random:a{n},b{n}}}}}")))
            .map(|s| s[..1].to_owned())
            .collect();
        assert_eq!(many.len(), 2);
    }

    #[test]
    fn a_field_full_of_macros_ends() {
        let text = "{{char}}".repeat(8000);
        assert!(resolved(&text).contains("{{char}}"));
        assert!(resolved(&"{{reverse:".repeat(6000)).starts_with("{{reverse:"));
    }
}
