//! Words that no list knows, above all invented names: letters become sounds by rules.
//!
//! The rules are few and lean to what players say: `g` is hard, double vowels are long, every vowel is heard but a
//! silent `e`. One promise holds for any word: it has a vowel, so it never vanishes.

use super::symbols::{PRIMARY_STRESS, is_vowel, phones};

/// Letters and their sounds; the longest that fits is taken. `^` only at the beginning of a word, `$` only at its end.
#[rustfmt::skip] // a table
const GROUPS: [(&str, &str); 84] = [
    ("eigh", "eɪ"), ("ough", "oʊ"), ("augh", "ɔː"), ("tion$", "ʃən"), ("sion$", "ʒən"), ("tch", "tʃ"),
    ("sch", "ʃ"), ("dge", "dʒ"), ("igh", "aɪ"), ("eau", "oʊ"), ("eer", "ɪɹ"), ("ear", "ɪɹ"), ("air", "ɛɹ"),
    ("aar", "ɑːɹ"), ("ier", "ɪɹ"), ("oor", "ʊɹ"), ("our", "ʊɹ"), ("eye", "aɪ"), ("ae", "eɪ"), ("aa", "ɑː"),
    ("ai", "aɪ"), ("ay", "eɪ"), ("au", "aʊ"), ("aw", "ɔː"), ("ah", "ɑː"), ("ea", "iː"), ("ee", "iː"),
    ("ei", "eɪ"), ("eu", "uː"), ("ew", "uː"), ("ey$", "i"), ("ey", "eɪ"), ("eh", "ɛ"), ("ie$", "i"),
    ("ie", "iː"), ("ii", "iː"), ("ih", "iː"), ("oa", "oʊ"), ("oe", "oʊ"), ("oi", "ɔɪ"), ("oy", "ɔɪ"),
    ("oo", "uː"), ("ou", "uː"), ("ow$", "oʊ"), ("ow", "aʊ"), ("oh", "oʊ"), ("ue$", "uː"), ("uu", "uː"),
    ("uh", "ə"), ("uy", "aɪ"), ("ar", "ɑːɹ"), ("er$", "ɚ"), ("er", "ɛɹ"), ("ir", "ɪɹ"), ("or", "ɔːɹ"),
    ("ur", "ʊɹ"), ("yr", "ɪɹ"), ("ch", "tʃ"), ("ck", "k"), ("dh", "ð"), ("dj", "dʒ"), ("ge$", "dʒ"),
    ("^gh", "ɡ"), ("gh", "ɡ"), ("kh", "k"), ("^kn", "n"), ("mb$", "m"), ("ng$", "ŋ"), ("nk", "ŋk"),
    ("ph", "f"), ("^ps", "s"), ("^pt", "t"), ("qu", "kw"), ("rh", "ɹ"), ("sh", "ʃ"), ("th", "θ"),
    ("wh", "w"), ("^wr", "ɹ"), ("zh", "ʒ"), ("lh", "l"), ("bh", "b"), ("^x", "z"), ("ts", "ts"),
    ("sz", "ʃ"),
];

/// The names of the letters, for what has to be spelled.
const LETTERS: [&str; 26] = [
    "eɪ",
    "biː",
    "siː",
    "diː",
    "iː",
    "ɛf",
    "dʒiː",
    "eɪtʃ",
    "aɪ",
    "dʒeɪ",
    "keɪ",
    "ɛl",
    "ɛm",
    "ɛn",
    "oʊ",
    "piː",
    "kjuː",
    "ɑːɹ",
    "ɛs",
    "tiː",
    "juː",
    "viː",
    "dʌbəljuː",
    "ɛks",
    "waɪ",
    "ziː",
];

/// Capitals without a vowel are spelled, if there are at most so many.
const SPELLED_LETTERS_MAX: usize = 5;

/// A word as sounds. Everything but Latin letters is passed over.
pub fn pronounce(word: &str) -> String {
    let letters: String = word.chars().filter(char::is_ascii_alphabetic).collect();
    let lower = letters.to_ascii_lowercase();
    if has_no_vowel(&lower) && is_initials(&letters) {
        return spell(&lower);
    }
    let mut ipa = sounds(&lower);
    if !ipa.contains(is_vowel) {
        ipa = with_vowel(&ipa);
    }
    with_stress(&ipa, &lower)
}

/// Letter by letter, the last one stressed, as people say initials.
pub fn spell(letters: &str) -> String {
    let names =
        letters.bytes().filter(u8::is_ascii_lowercase).map(|letter| LETTERS[usize::from(letter - b'a')]);
    let mut names: Vec<String> = names.map(str::to_owned).collect();
    if let Some(last) = names.last_mut() {
        last.insert(0, PRIMARY_STRESS);
    }
    names.concat()
}

fn is_initials(letters: &str) -> bool {
    let capitals = letters.bytes().all(|letter| letter.is_ascii_uppercase());
    letters.len() == 1 || (capitals && (1..=SPELLED_LETTERS_MAX).contains(&letters.len()))
}

fn has_no_vowel(lower: &str) -> bool {
    !lower.contains(['a', 'e', 'i', 'o', 'u', 'y'])
}

/// `hrm` becomes `hɹəm`; nothing at all becomes a murmur.
fn with_vowel(ipa: &str) -> String {
    let last = ipa.char_indices().next_back().map_or(0, |(place, _)| place);
    format!("{}ə{}", &ipa[..last], &ipa[last..])
}

pub(super) fn sounds(word: &str) -> String {
    let mut ipa = String::new();
    let mut place = 0;
    while place < word.len() {
        let (length, sound) = group_at(word, place).unwrap_or_else(|| (1, letter_at(word, place)));
        // A doubled consonant is one sound.
        let doubled = !sound.starts_with(is_vowel)
            && !sound.is_empty()
            && ipa.ends_with(sound)
            && length == 1
            && word[..place].ends_with(&word[place..place + 1]);
        if !doubled {
            ipa.push_str(sound);
        }
        place += length;
    }
    ipa
}

fn group_at(word: &str, place: usize) -> Option<(usize, &'static str)> {
    let rest = &word[place..];
    let fits = |pattern: &str| {
        let letters = pattern.trim_matches(['^', '$']);
        let beginning = !pattern.starts_with('^') || place == 0;
        let end = !pattern.ends_with('$') || rest.len() == letters.len();
        rest.starts_with(letters) && beginning && end && !breaks_up(word, place, letters)
    };
    let found = GROUPS.iter().filter(|(pattern, _)| fits(pattern));
    let length = |pattern: &str| pattern.trim_matches(['^', '$']).len();
    // Of equal length, the one that says where comes first in the list.
    let (pattern, sound) = found.rev().max_by_key(|(pattern, _)| length(pattern))?;
    Some((length(pattern), sound))
}

/// Whether these letters belong to two syllables: the `r` of `aran` and the `h` of `ahan` begin the second.
fn breaks_up(word: &str, place: usize, letters: &str) -> bool {
    let after = word[place + letters.len()..].chars().next();
    let begins_next = after.is_some_and(is_vowel_letter);
    letters.len() == 2 && is_vowel_letter(first(letters)) && letters.ends_with(['r', 'h', 'w']) && begins_next
}

fn letter_at(word: &str, place: usize) -> &'static str {
    let letter = first(&word[place..]);
    let after = word[place + 1..].chars().next();
    let before = word[..place].chars().next_back();
    let vowel_before = before.is_some_and(is_vowel_letter);
    let vowel_after = after.is_some_and(is_vowel_letter);
    match letter {
        'a' | 'e' | 'i' | 'o' | 'u' => vowel_at(word, place),
        'y' if vowel_after => "j",
        'y' => vowel_at(word, place),
        'c' if after.is_some_and(|after| "eiy".contains(after)) => "s",
        'b' => "b",
        'c' | 'k' | 'q' => "k",
        'd' => "d",
        'f' => "f",
        'g' => "ɡ",
        // Only before a vowel is there breath in it.
        'h' if vowel_before && !vowel_after => "",
        'h' => "h",
        'j' => "dʒ",
        'l' => "l",
        'm' => "m",
        'n' => "n",
        'p' => "p",
        'r' => "ɹ",
        's' => "s",
        't' => "t",
        'v' => "v",
        'w' => "w",
        'x' => "ks",
        'z' => "z",
        _ => "",
    }
}

fn vowel_at(word: &str, place: usize) -> &'static str {
    let letter = first(&word[place..]);
    let rest = &word[place + 1..];
    let heard_before = word[..place].contains(is_vowel_letter);
    if rest.is_empty() {
        return match letter {
            // `Melisandre`, `Thistle`: without it the word would end in three consonants.
            'e' if ends_in_syllable(&word[..place]) => "ə",
            'e' if heard_before => "",
            'a' => "ə",
            'e' | 'i' | 'y' => "i",
            'o' => "oʊ",
            _ => "uː",
        };
    }
    let mut following = rest.chars();
    let consonant = following.next().is_some_and(|next| !is_vowel_letter(next));
    let then = following.next();
    let one = consonant && then == Some('e') && rest.len() == 2 && !rest.starts_with(['w', 'x', 'h']);
    if one || ["the", "che", "phe"].contains(&rest) {
        return long(letter);
    }
    // A syllable that ends in its vowel has an open one.
    let open = !consonant || then.is_some_and(is_vowel_letter);
    match (letter, open) {
        ('a', true) => "ɑː",
        ('a', false) => "æ",
        ('e', _) => "ɛ",
        ('i' | 'y', true) if !consonant => "i",
        ('i' | 'y', _) => "ɪ",
        ('o', true) => "oʊ",
        ('o', false) => "ɑː",
        (_, true) => "uː",
        (_, false) => "ʌ",
    }
}

/// A consonant and `r` or `l`.
fn ends_in_syllable(before: &str) -> bool {
    let mut letters = before.chars().rev();
    letters.next().is_some_and(|last| "rl".contains(last))
        && letters.next().is_some_and(|letter| !is_vowel_letter(letter) && !"rl".contains(letter))
}

/// As in `fate`, `scene`, `fine`, `bone`, `tune`, `byte`.
fn long(letter: char) -> &'static str {
    match letter {
        'a' => "eɪ",
        'e' => "iː",
        'o' => "oʊ",
        'u' => "uː",
        _ => "aɪ",
    }
}

/// Names that end in a vowel stress the syllable before the last; others the first.
fn with_stress(ipa: &str, word: &str) -> String {
    let phones = phones(ipa);
    let vowels: Vec<usize> = (0..phones.len()).filter(|place| phones[*place].is_vowel()).collect();
    let stressed = match vowels.len() {
        0 => return ipa.to_owned(),
        1 | 2 => 0,
        count if word.ends_with(['a', 'i', 'o', 'u']) => {
            // In `Elyria` the last two vowels touch and count as one.
            let touch = vowels[count - 1] == vowels[count - 2] + 1;
            count - 2 - usize::from(touch)
        }
        _ => 0,
    };
    let mut marked = String::with_capacity(ipa.len() + PRIMARY_STRESS.len_utf8());
    for (place, phone) in phones.iter().enumerate() {
        if place == vowels[stressed] {
            marked.push(PRIMARY_STRESS);
        }
        marked.push_str(phone.ipa);
    }
    marked
}

fn is_vowel_letter(letter: char) -> bool {
    "aeiouy".contains(letter)
}

fn first(text: &str) -> char {
    text.chars().next().unwrap_or(' ')
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use proptest::prelude::*;

    use super::super::symbols::{is_known, syllables};
    use super::*;

    #[test]
    fn invented_names_sound_as_players_say_them() {
        let names = [
            "Dovahkiin",
            "Whiterun",
            "Ulfric",
            "Stormcloak",
            "Elara",
            "Elyria",
            "Thorgrim",
            "Xanathar",
            "Geralt",
            "Yennefer",
            "Aerith",
            "Drizzt",
            "Khajiit",
            "Azeroth",
            "Llewellyn",
            "Zhao",
            "Ahri",
            "Melisandre",
            "Kvothe",
            "Nghr",
            "NPC",
            "Hmm",
            "Q",
            "",
        ];
        let said: Vec<String> = names.iter().map(|name| format!("{name}: {}", pronounce(name))).collect();
        expect![[r#"
            Dovahkiin: dˈoʊvɑːkiːn
            Whiterun: wˈɪtɛɹʌn
            Ulfric: ˈʌlfɹɪk
            Stormcloak: stˈɔːɹmkloʊk
            Elara: ɛlˈɑːɹə
            Elyria: ɛlˈɪɹiə
            Thorgrim: θˈɔːɹɡɹɪm
            Xanathar: zˈɑːnæθɑːɹ
            Geralt: ɡˈɛɹælt
            Yennefer: jˈɛnɛfɚ
            Aerith: ˈeɪɹɪθ
            Drizzt: dɹˈɪzt
            Khajiit: kˈɑːdʒiːt
            Azeroth: ˈɑːzɛɹɑːθ
            Llewellyn: lˈɛwɛlɪn
            Zhao: ʒˈɑːoʊ
            Ahri: ˈɑːɹi
            Melisandre: mˈɛlɪsændɹə
            Kvothe: kvˈoʊθ
            Nghr: nɡˈəɹ
            NPC: ɛnpiːˈsiː
            Hmm: hˈəm
            Q: ˈkjuː
            : ˈə"#]]
        .assert_eq(&said.join("\n"));
    }

    /// Groups of vowel letters: a word has about as many syllables.
    fn vowel_groups(word: &str) -> usize {
        let lower = word.to_ascii_lowercase();
        lower.split(|letter| !is_vowel_letter(letter)).filter(|group| !group.is_empty()).count()
    }

    proptest! {
        #[test]
        fn no_word_vanishes_and_none_swells(word in "[A-Za-z]{1,24}") {
            let ipa = pronounce(&word);
            let (heard, written) = (syllables(&ipa), vowel_groups(&word));
            prop_assert!(heard >= 1, "{word} {ipa}");
            prop_assert!(heard + 1 >= written, "{word} {ipa}");
            prop_assert!(heard <= 3 * word.len(), "{word} {ipa}");
            prop_assert!(ipa.chars().all(is_known), "{word} {ipa}");
            prop_assert_eq!(ipa.matches(PRIMARY_STRESS).count(), 1, "{} {}", word, ipa);
        }
    }
}
