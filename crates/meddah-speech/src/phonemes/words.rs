//! A text as the words that are spoken, in Latin letters, and the pauses between them.
//!
//! Every word remembers where in the text it came from, so that a game can tell how far a line was heard. `10:30`
//! is two words from one place.

use std::ops::Range;

use deunicode::deunicode_char;

use super::numbers;

/// What is spoken or paused at, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// A word.
    Word(Word),
    /// A pause, as the sign that voices know for it: one of [`PAUSES`].
    Pause(char),
}

/// One word to be spoken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    /// Latin letters and apostrophes; at least one letter.
    pub letters: String,
    /// Where it is in the text.
    pub bytes: Range<usize>,
}

/// Signs of pauses. The first three end a sentence.
pub const PAUSES: [char; 6] = ['.', '!', '?', ',', ';', ':'];

/// Whether a sentence ends with this pause.
pub fn ends_sentence(pause: char) -> bool {
    PAUSES[..3].contains(&pause)
}

/// What is said for letters of which nothing is known.
const UNKNOWN: &str = "uh";

/// Longer ones are cut; the longest word of a dictionary has 45.
const WORD_LETTERS_MAX: usize = 60;

/// Reads a text. Every run of letters or figures becomes at least one word.
pub fn parts(text: &str) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut place = 0;
    while let Some(sign) = text[place..].chars().next() {
        let rest = &text[place..];
        let length = if let Some((length, words)) = numbers::at_beginning(rest) {
            number(&mut parts, text, place, (length, words));
            length
        } else if sign.is_alphanumeric() {
            let length = word_length(rest);
            push_words(&mut parts, &rest[..length], place);
            length
        } else {
            sign_of_its_own(&mut parts, rest, sign, place);
            sign.len_utf8()
        };
        place += length;
    }
    parts
}

/// A currency before it and a percent sign after it belong to a number.
fn number(parts: &mut Vec<Part>, text: &str, place: usize, (length, words): (usize, Vec<String>)) {
    let bytes = place..place + length;
    let before = text[..place].chars().next_back();
    if before == Some('-') && !text[..place - 1].ends_with(|sign: char| !sign.is_whitespace()) {
        parts.push(Part::Word(Word { letters: "minus".into(), bytes: place - 1..place }));
    }
    let one = words.len() == 1 && words[0] == "one";
    parts.extend(words.into_iter().map(|letters| Part::Word(Word { letters, bytes: bytes.clone() })));
    let currency = match before {
        Some('$') => "dollar",
        Some('€') => "euro",
        Some('£') => "pound",
        _ => return,
    };
    let letters = if one { currency.to_owned() } else { format!("{currency}s") };
    parts.push(Part::Word(Word { letters, bytes }));
}

/// Letters with the apostrophes between them.
fn word_length(rest: &str) -> usize {
    let mut end = 0;
    let mut signs = rest.char_indices().peekable();
    while let Some((place, sign)) = signs.next() {
        let letter_follows = signs.peek().is_some_and(|(_, next)| next.is_alphabetic());
        let inner = is_apostrophe(sign) && place > 0 && letter_follows;
        // A mark that goes above the letter before it is part of it.
        let mark = place > 0 && deunicode_char(sign) == Some("") && !sign.is_whitespace();
        if !(inner || mark || (sign.is_alphanumeric() && !sign.is_ascii_digit())) {
            break;
        }
        end = place + sign.len_utf8();
    }
    end
}

fn push_words(parts: &mut Vec<Part>, written: &str, place: usize) {
    let mut latin = String::with_capacity(written.len());
    for sign in written.chars() {
        if is_apostrophe(sign) {
            latin.push('\'');
        } else {
            latin.push_str(deunicode_char(sign).unwrap_or(""));
        }
    }
    let bytes = place..place + written.len();
    let kept = |sign: char| sign.is_ascii_alphabetic() || sign == '\'';
    let before = parts.len();
    for letters in latin.split(|sign| !kept(sign)) {
        let mut letters = letters.trim_matches('\'');
        while !letters.is_empty() {
            let (piece, rest) = letters.split_at(letters.len().min(WORD_LETTERS_MAX));
            // Apostrophes alone, where a long row of them was cut.
            if piece != "'" {
                parts.push(Part::Word(Word { letters: piece.to_owned(), bytes: bytes.clone() }));
            }
            letters = rest.trim_matches('\'');
        }
    }
    if parts.len() == before {
        parts.push(Part::Word(Word { letters: UNKNOWN.into(), bytes }));
    }
}

fn sign_of_its_own(parts: &mut Vec<Part>, rest: &str, sign: char, place: usize) {
    let word = match sign {
        '&' => "and",
        '%' => "percent",
        '+' => "plus",
        '=' => "equals",
        '@' => "at",
        _ => "",
    };
    if !word.is_empty() {
        parts.push(Part::Word(Word { letters: word.into(), bytes: place..place + sign.len_utf8() }));
        return;
    }
    // A dash within a word or before a number is no pause; one that stands alone is.
    let alone = rest[sign.len_utf8()..].starts_with(char::is_whitespace);
    let pause = match sign {
        '.' if abbreviates(parts, &rest[1..]) => return,
        '.' | '…' | '。' => '.',
        '!' | '！' => '!',
        '?' | '？' => '?',
        ',' | '、' | '，' => ',',
        ';' | '；' => ';',
        ':' | '：' => ':',
        '—' | '–' | '(' | ')' | '\n' => ',',
        '-' if alone => ',',
        _ => return,
    };
    // One pause is enough, and there is none before the first word.
    match parts.last_mut() {
        Some(Part::Pause(earlier)) if ends_sentence(pause) && !ends_sentence(*earlier) => *earlier = pause,
        Some(Part::Word(_)) => parts.push(Part::Pause(pause)),
        _ => {}
    }
}

/// Titles that are written short, and what is said. Their full stop ends no sentence.
const TITLES: [(&str, &str); 9] = [
    ("mr", "mister"),
    ("mrs", "missus"),
    ("ms", "miz"),
    ("dr", "doctor"),
    ("st", "saint"),
    ("sgt", "sergeant"),
    ("capt", "captain"),
    ("lt", "lieutenant"),
    ("prof", "professor"),
];

/// Whether the full stop before this belongs to a title, which is then written out, or to an initial: `J. R.`, `e.g.`.
fn abbreviates(parts: &mut [Part], rest: &str) -> bool {
    let Some(Part::Word(word)) = parts.last_mut() else { return false };
    let goes_on = rest.trim_start().starts_with(char::is_alphanumeric);
    if !goes_on {
        return false;
    }
    if let Some((_, said)) = TITLES.iter().find(|(short, _)| word.letters.eq_ignore_ascii_case(short)) {
        word.letters = (*said).to_owned();
        return true;
    }
    word.letters.len() == 1 && !word.letters.eq_ignore_ascii_case("i")
}

fn is_apostrophe(sign: char) -> bool {
    matches!(sign, '\'' | '’' | '‘' | 'ʼ' | '`')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> String {
        let shown = parts(text).into_iter().map(|part| match part {
            Part::Word(word) => format!(" {}", word.letters),
            Part::Pause(pause) => pause.to_string(),
        });
        shown.collect::<String>().trim().to_owned()
    }

    #[test]
    fn texts_become_words_and_pauses() {
        for (text, expected) in [
            ("Well… it's 10:30, isn’t it?", "Well. it's ten thirty, isn't it?"),
            ("*She nods.* \"Aye!\"", "She nods. Aye!"),
            ("Pay $5 - or 20% & leave.", "Pay five dollars, or twenty percent and leave."),
            ("a well-known half-elf", "a well known half elf"),
            ("It is -5 here; 3-5 there", "It is minus five here; three five there"),
            ("Dro'Thar and Ölgür, Михаил (北京)!", "Dro'Thar and Olgur, Mikhail, Bei Jing!"),
            ("... hello", "hello"),
            (
                "Dr. Hale met St. Anne, e.g. J. R. So am I. Go to A.",
                "doctor Hale met saint Anne, e g J R So am I. Go to A.",
            ),
            ("What?! No...", "What? No."),
            ("XJ9 and 'quoted' 😀", "XJ nine and quoted"),
            ("", ""),
        ] {
            assert_eq!(read(text), expected, "{text}");
        }
    }

    #[test]
    fn a_word_knows_its_place_in_the_text() {
        let text = "Ölgür at 10:30.";
        let places = parts(text).into_iter().filter_map(|part| match part {
            Part::Word(word) => Some(format!("{}={}", word.letters, &text[word.bytes])),
            Part::Pause(_) => None,
        });
        let places: Vec<String> = places.collect();
        assert_eq!(places, ["Olgur=Ölgür", "at=at", "ten=10:30", "thirty=10:30"]);
    }

    proptest! {
        #[test]
        fn every_letter_and_figure_is_in_some_word(text in any::<String>()) {
            let parts = parts(&text);
            let mut words = Vec::new();
            for part in &parts {
                if let Part::Word(word) = part {
                    prop_assert!(text.get(word.bytes.clone()).is_some());
                    prop_assert!(word.letters.contains(|sign: char| sign.is_ascii_alphabetic()));
                    words.push(word);
                }
            }
            for (place, _) in text.char_indices().filter(|(_, sign)| sign.is_alphanumeric()) {
                prop_assert!(words.iter().any(|word| word.bytes.contains(&place)), "{:?} at {}", text, place);
            }
        }
    }
}
