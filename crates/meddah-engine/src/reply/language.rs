//! Whether a line is in the language that it should be in.
//!
//! Three checks, all careful: a line in doubt fits. The script is known from a few letters. A line that has small words
//! of another language (the, and, der, und) and none of its own is in that one. And a long line is not in English,
//! which models fall back to, if that is far likelier than its own language.

use std::collections::HashSet;
use std::sync::LazyLock;

use stop_words::Language;
use unicode_script::{Script, UnicodeScript as _};
use whatlang::{Detector, Lang};

/// From this share of letters of another script on, a line is in another language.
const FOREIGN_SHARE: f32 = 0.2;
/// Fewer foreign letters are a name or a sound.
const FOREIGN_LETTERS_MIN: usize = 3;
/// Shorter lines are not judged by their words, in letters.
const JUDGED_LETTERS_MIN: usize = 24;
/// How sure the judgement by words must be.
const CONFIDENCE_MIN: f64 = 0.9;
/// So many different small words of another language are no chance,
const FOREIGN_WORDS_MIN: usize = 2;
/// if they are more than so many times those of the own one.
const FOREIGN_WORDS_RATIO: usize = 2;
/// A longer text in signs that China and Japan share has others beside them if it is Japanese, in letters.
const HAN_ALONE_MAX: usize = 10;

/// The language of a reply.
pub(super) struct Languages {
    scripts: &'static [Script],
    /// Tells the language from English.
    detector: Option<Detector>,
    /// Its small words, if they are known.
    own_words: Option<&'static HashSet<String>>,
    needs_kana: bool,
    names: Vec<String>,
}

impl std::fmt::Debug for Languages {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Languages").field("scripts", &self.scripts).finish_non_exhaustive()
    }
}

impl Languages {
    /// Of this language (`en`, `pt-BR`); names may stand in any script.
    pub(super) fn new(language: &str, names: &[String]) -> Languages {
        let code = language.split(['-', '_']).next().unwrap_or_default().to_lowercase();
        let scripts = scripts_of(&code);
        let lang = lang_of(&code).filter(|_| scripts == [Script::Latin]);
        let detector = lang.map(|lang| Detector::with_allowlist(vec![lang, Lang::Eng]));
        let parts = names.iter().flat_map(|name| name.split_whitespace()).map(str::to_lowercase);
        let own_words = SMALL_WORDS.iter().find(|(known, _)| *known == code).map(|(_, words)| words);
        Languages { scripts, detector, own_words, needs_kana: code == "ja", names: parts.collect() }
    }

    /// Whether a line may be in this language.
    pub(super) fn fits(&self, line: &str) -> bool {
        if self.scripts.is_empty() {
            return true;
        }
        let is_name = |word: &&str| {
            let bare = word.trim_matches(|c: char| !c.is_alphanumeric()).to_lowercase();
            self.names.contains(&bare)
        };
        let text: Vec<&str> = line.split_whitespace().filter(|word| !is_name(word)).collect();
        let text = text.join(" ");
        let (mut letters, mut foreign, mut kana) = (0_usize, 0_usize, false);
        for script in text.chars().filter(|c| c.is_alphabetic()).map(|c| c.script()) {
            letters += 1;
            let common = matches!(script, Script::Common | Script::Inherited);
            kana |= matches!(script, Script::Hiragana | Script::Katakana);
            foreign += usize::from(!common && !self.scripts.contains(&script));
        }
        if foreign >= FOREIGN_LETTERS_MIN && foreign as f32 > letters as f32 * FOREIGN_SHARE {
            return false;
        }
        if self.needs_kana && !kana && letters > HAN_ALONE_MAX || self.has_words_of_another(&text) {
            return false;
        }
        let Some(detector) = self.detector.as_ref().filter(|_| letters >= JUDGED_LETTERS_MIN) else {
            return true;
        };
        let found = detector.detect(&text);
        !found.is_some_and(|found| found.lang() == Lang::Eng && found.confidence() >= CONFIDENCE_MIN)
    }

    /// Its small words are those of another language.
    fn has_words_of_another(&self, text: &str) -> bool {
        let Some(own) = self.own_words else { return false };
        let lower = text.to_lowercase().replace('’', "'");
        let words: HashSet<&str> =
            lower.split(|c: char| !c.is_alphabetic() && c != '\'').filter(|word| !word.is_empty()).collect();
        let of_own = words.iter().filter(|word| own.contains(**word)).count();
        let of = |known: &HashSet<String>| {
            words.iter().filter(|word| known.contains(**word) && !own.contains(**word)).count()
        };
        let of_another = SMALL_WORDS.iter().map(|(_, known)| of(known)).max().unwrap_or(0);
        of_another >= FOREIGN_WORDS_MIN && of_another > of_own * FOREIGN_WORDS_RATIO
    }
}

/// Small words of languages that share a script.
static SMALL_WORDS: LazyLock<Vec<(&str, HashSet<String>)>> = LazyLock::new(|| {
    let languages = [
        ("da", Language::Danish),
        ("de", Language::German),
        ("en", Language::English),
        ("es", Language::Spanish),
        ("fi", Language::Finnish),
        ("fr", Language::French),
        ("hu", Language::Hungarian),
        ("it", Language::Italian),
        ("nl", Language::Dutch),
        ("no", Language::Norwegian),
        ("pt", Language::Portuguese),
        ("ro", Language::Romanian),
        ("sv", Language::Swedish),
        ("tr", Language::Turkish),
    ];
    // English letters that stand alone are pieces of "don't" and "o'clock", but for two.
    let is_piece = |code: &str, word: &str| code == "en" && word.chars().count() == 1 && !"ai".contains(word);
    let words = |(code, language): (&'static str, Language)| {
        let listed = stop_words::get(language).iter().filter(|word| !is_piece(code, word));
        (code, listed.map(|word| word.to_lowercase()).collect())
    };
    languages.into_iter().map(words).collect()
});

/// The scripts that a language is written in; none if that is not known, or several are usual.
fn scripts_of(code: &str) -> &'static [Script] {
    match code {
        "en" | "de" | "fr" | "es" | "it" | "pt" | "nl" | "tr" | "pl" | "cs" | "sk" | "sl" | "hr" | "sv"
        | "da" | "no" | "nb" | "nn" | "fi" | "et" | "lv" | "lt" | "hu" | "ro" | "ca" | "gl" | "eu" | "is"
        | "ga" | "cy" | "id" | "ms" | "vi" | "tl" | "sw" | "af" | "la" | "eo" => &[Script::Latin],
        "ru" | "uk" | "be" | "bg" | "mk" => &[Script::Cyrillic],
        "el" => &[Script::Greek],
        "ja" => &[Script::Han, Script::Hiragana, Script::Katakana],
        "zh" => &[Script::Han],
        "ko" => &[Script::Hangul],
        "ar" | "fa" | "ur" => &[Script::Arabic],
        "he" | "yi" => &[Script::Hebrew],
        "hi" | "mr" | "ne" => &[Script::Devanagari],
        "th" => &[Script::Thai],
        "ka" => &[Script::Georgian],
        "hy" => &[Script::Armenian],
        _ => &[],
    }
}

/// Languages that are told from English by their words.
fn lang_of(code: &str) -> Option<Lang> {
    Some(match code {
        "de" => Lang::Deu,
        "fr" => Lang::Fra,
        "es" => Lang::Spa,
        "it" => Lang::Ita,
        "pt" => Lang::Por,
        "nl" => Lang::Nld,
        "tr" => Lang::Tur,
        "pl" => Lang::Pol,
        "cs" => Lang::Ces,
        "sv" => Lang::Swe,
        "da" => Lang::Dan,
        "nb" | "no" => Lang::Nob,
        "fi" => Lang::Fin,
        "hu" => Lang::Hun,
        "ro" => Lang::Ron,
        "hr" => Lang::Hrv,
        "vi" => Lang::Vie,
        "id" => Lang::Ind,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(language: &str, line: &str, expected: bool) {
        let names = ["Mira".to_owned(), "Анна".to_owned()];
        assert_eq!(Languages::new(language, &names).fits(line), expected, "{language}: {line}");
    }

    #[test]
    fn another_script_does_not_fit() {
        check("en", "Two coppers, love.", true);
        check("en", "你好，旅行者。", false);
        check("en", "Well met, 你好吗朋友?", false);
        check("en", "Анна, sit down.", true);
        check("en", "The sign says é.", true);
        check("ru", "Добрый вечер, Mira.", true);
        check("ru", "Good evening.", false);
        check("ja", "こんばんは、旅の方。", true);
        check("zh", "晚上好。", true);
        check("el", "Καλησπέρα!", true);
        check("elvish", "你好", true);
        check("", "Привет", true);
    }

    #[test]
    fn a_line_of_another_language_of_the_same_script_does_not_fit() {
        check("en", "Ein Bett kostet zwei Kupferstücke, und morgens gibt es Brei.", false);
        check("en", "Ich weiß nicht, wo der Schlüssel ist.", false);
        check("en", "Le lit coûte deux pièces de cuivre, et il y a de la bouillie.", false);
        check("en", "La llave está detrás de la barra, amigo.", false);
        check("en", "Non so dove sia la chiave della cantina.", false);
        check("en", "O quarto custa duas moedas e a chave está com o Osk.", false);
        check("de", "The bed is two coppers.", false);
        check("de", "I do not know.", false);
        check("fr", "Der Schlüssel ist hinter der Theke.", false);
        check("ja", "今天晚上我们旅馆没有空房间了朋友。", false);
        check("ja", "満員。", true);
        for line in [
            "Die? Not today.",
            "Hat and coat, please.",
            "The war took him.",
            "Come here, son.",
            "Oh, la dolce vita!",
            "C'est la vie, as they say in the capital.",
            "Mare, dove, care: what odd words.",
            "Mira! Osk! Bram!",
            "Aye, he was a good man.",
        ] {
            check("en", line, true);
        }
        check("de", "Das Bett ist in der Kammer.", true);
        check("de", "Okay, no problem, mein Freund!", true);
        check("nl", "Ik weet niet waar de sleutel is.", true);
        check("sv", "Jag vet inte var nyckeln är.", true);
        check("da", "Jeg ved ikke, hvor nøglen er.", true);
        check("no", "Jeg vet ikke hvor nøkkelen er.", true);
        check("pt", "Não sei onde está a chave.", true);
        check("es", "No sé dónde está la llave.", true);
    }

    #[test]
    fn english_is_told_from_another_language_if_there_is_enough_of_it() {
        check("de", "Ein Bett kostet zwei Kupferstücke, und morgens gibt es Brei.", true);
        check("de", "The bed costs two coppers and there is porridge in the morning.", false);
        check("fr", "Le lit coûte deux pièces de cuivre, et il y a de la bouillie le matin.", true);
        check("fr", "I do not know where the key of the cellar is, my friend.", false);
        check("tr", "Bir yatak iki bakır, sabahları da çorba var.", true);
        check("tr", "I would not go there in the night, if I were you.", false);
        check("de", "Okay, no problem!", true);
        check("de", "Corvin, Bram, Linnet und Osk.", true);
    }
}
