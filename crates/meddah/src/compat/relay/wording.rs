//! Text of games made fit for a prompt: no tags, no placeholders, no numbers where words are meant.

/// Sentences of a list that is told in one go.
const JOINED_MAX: usize = 12;

/// Text without tags (`<a href=…>Name</a>` is a link in the game), on one line, with the placeholders of these
/// mods filled in.
pub(super) fn plain(text: &str, character: &str, player: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(open) = rest.find('<') {
        let (before, tag) = rest.split_at(open);
        out.push_str(before);
        // A lone `<` is a sign like any other.
        let letter = tag[1..].chars().next().is_some_and(|c| c.is_alphabetic() || c == '/');
        rest = match tag.find('>').filter(|_| letter) {
            Some(close) => &tag[close + 1..],
            None => {
                out.push('<');
                &tag[1..]
            }
        };
    }
    out.push_str(rest);
    for (placeholder, name) in
        [("{Character}", character), ("{character}", character), ("{Player}", player), ("{player}", player)]
    {
        out = out.replace(placeholder, name);
    }
    out.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The beginning of a text, at most `chars_max` characters, up to the end of a sentence if there is one.
pub(super) fn cut(text: &str, chars_max: usize) -> String {
    let Some((end, _)) = text.char_indices().nth(chars_max) else { return text.to_owned() };
    let text = &text[..end];
    match text.rfind(['.', '!', '?', '…']).filter(|place| *place >= end / 2) {
        Some(place) => text.chars().take(text[..place].chars().count() + 1).collect(),
        None => text.rsplit_once(char::is_whitespace).map_or(text, |(before, _)| before).to_owned(),
    }
}

/// `a, b and c`.
pub(super) fn joined(items: &[String]) -> String {
    let items: Vec<&str> = items.iter().map(|item| item.trim()).filter(|item| !item.is_empty()).collect();
    match items[..items.len().min(JOINED_MAX)] {
        [] => String::new(),
        [one] => one.to_owned(),
        [ref most @ .., last] => format!("{} and {last}", most.join(", ")),
    }
}

/// `LIFE_STAGE_LATE_ADULTHOOD` after `LIFE_STAGE_` as words: "late adulthood"; what means nothing is nothing.
pub(super) fn constant(text: &str, prefix: &str) -> String {
    let word = text.trim();
    let word = word.strip_prefix(prefix).unwrap_or(word);
    let word = word.replace('_', " ").to_lowercase();
    if matches!(word.as_str(), "unspecified" | "default" | "custom" | "none") { String::new() } else { word }
}

/// Words for four numbers from -100 to 100.
pub(super) fn traits(positive: i64, peaceful: i64, open: i64, extravert: i64) -> Vec<String> {
    let scales = [
        (positive, "gloomy", "cheerful"),
        (peaceful, "quick to anger", "peaceable"),
        (open, "guarded", "open-minded"),
        (extravert, "reserved", "outgoing"),
    ];
    scales.into_iter().filter_map(|(number, low, high)| scaled(number, low, high)).collect()
}

/// From here on a number says something, and from there on a lot.
const TELLING: i64 = 20;
const STRONG: i64 = 60;

fn scaled(number: i64, low: &str, high: &str) -> Option<String> {
    let word = if number < 0 { low } else { high };
    match number.unsigned_abs() {
        size if size >= STRONG.unsigned_abs() => Some(format!("very {word}")),
        size if size >= TELLING.unsigned_abs() => Some(word.to_owned()),
        _ => None,
    }
}

/// The label for four numbers from -100 to 100: the strongest that has one.
pub(super) fn mood(joy: i64, fear: i64, trust: i64, surprise: i64) -> &'static str {
    if joy <= -TELLING && trust <= -TELLING {
        return "contempt"; // the mods send both for an enemy, who is not sad about it
    }
    let warm = if trust >= STRONG { trust } else { 0 }; // less of it shows in how they stand to the player
    let felt = [(joy, "joy"), (-joy, "sadness"), (fear, "fear"), (warm, "affection"), (surprise, "surprise")];
    // The first of equals: joy tells more than trust.
    let strongest = felt.into_iter().rev().max_by_key(|(number, _)| *number);
    strongest.filter(|(number, _)| *number >= TELLING).map_or("neutral", |(_, label)| label)
}

/// How somebody stands to the player, from trust (-100 to 100).
pub(super) fn stance(trust: i64) -> Option<&'static str> {
    match trust {
        STRONG.. => Some("You trust them like a friend."),
        TELLING..STRONG => Some("You rather trust them."),
        _ if trust <= -STRONG => Some("You trust them not at all; they are an enemy."),
        _ if trust <= -TELLING => Some("You do not trust them."),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_and_placeholders_become_plain_words() {
        let told = "{Character} serves <a style=Link.Hero href=event:Hero-1><b>Rhagaea</b></a>,\n1 < 2, and knows {player}.";
        assert_eq!(plain(told, "Ira", "Ayla"), "Ira serves Rhagaea, 1 < 2, and knows Ayla.");
        assert_eq!(plain("a <", "", ""), "a <");
        assert_eq!(plain("a <b", "", ""), "a <b");
    }

    #[test]
    fn a_cut_ends_with_a_sentence_or_a_word() {
        assert_eq!(cut("One two. Three four five.", 14), "One two.");
        assert_eq!(cut("ğüş ğüş ğüş", 6), "ğüş");
        assert_eq!(cut("Ja… ach so", 6), "Ja…");
        assert_eq!(cut("short", 14), "short");
    }

    #[test]
    fn numbers_and_constants_become_words() {
        assert_eq!(traits(-30, 100, 0, 19), ["gloomy", "very peaceable"]);
        assert_eq!(mood(0, 0, 0, 0), "neutral");
        assert_eq!(mood(70, 0, 70, 0), "joy");
        assert_eq!(mood(0, 0, 70, 0), "affection");
        assert_eq!(mood(0, 0, 50, 0), "neutral");
        assert_eq!(mood(-50, 10, 0, 20), "sadness");
        assert_eq!(mood(0, 0, -70, 0), "neutral");
        assert_eq!(mood(-30, 50, -70, 0), "contempt");
        assert_eq!(constant("LIFE_STAGE_LATE_ADULTHOOD", "LIFE_STAGE_"), "late adulthood");
        assert_eq!(constant("EXAMPLE_DIALOG_STYLE_DEFAULT", "EXAMPLE_DIALOG_STYLE_"), "");
        assert_eq!(joined(&["a".into(), " ".into(), "b".into(), "c".into()]), "a, b and c");
        for trust in [-100, -60, -59, -20, -19, 0, 20, 60, 100] {
            assert_eq!(stance(trust).is_some(), trust.abs() >= 20, "{trust}");
        }
    }
}
