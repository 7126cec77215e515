//! Whole texts as sounds.

use std::sync::LazyLock;

use expect_test::{Expect, expect};
use proptest::prelude::*;

use super::symbols::{is_known, syllables};
use super::*;

static PHONEMES: LazyLock<Phonemes> = LazyLock::new(Phonemes::new);

fn check(text: &str, lexicon: &Lexicon, expected: &Expect) {
    let items = PHONEMES.read(text, lexicon);
    let shown = items.iter().map(|item| match item {
        Item::Word { ipa, .. } => format!(" {ipa}"),
        Item::Pause(pause) => pause.to_string(),
    });
    expected.assert_eq(shown.collect::<String>().trim());
}

#[test]
fn ordinary_sentences() {
    let none = Lexicon::default();
    check("They record a record every week.", &none, &expect!["ðˌeɪ ɹəkˈɔːɹd ɐ ɹˈɛkɚd ˈɛvəɹi wˈiːk."]);
    check(
        "I don't know; it's Mira's ale, isn't it?",
        &none,
        &expect!["ˌaɪ dˈoʊnt nˈoʊ; ɪts mˈaɪəɹəz ˈeɪl, ˈɪzənt ɪt?"],
    );
    check(
        "STOP! The bell rang at 10:30, on the 3rd of May 1412.",
        &none,
        &expect!["stˈɑːp! ðə bˈɛl ɹˈæŋ æt tˈɛn θˈɜːɾi, ˌɔːn ðə θˈɜːd ʌv mˈeɪ fˌɔːɹtˈiːn twˈɛlv."],
    );
    check(
        "Hmm... pay $5, or 20% of it.",
        &none,
        &expect!["hˈəm. pˈeɪ fˈaɪv dˈɑːlɚz, ɔːɹ twˈɛnti pɚsˈɛnt ʌv ɪt."],
    );
}

#[test]
fn invented_names_are_heard_and_a_lexicon_says_how() {
    let text = "Dovahkiin's road leads from Whiterun to Ulfric Stormcloak.";
    check(
        text,
        &Lexicon::default(),
        &expect!["dˈoʊvɑːkiːnz ɹˈoʊd lˈiːdz fɹʌm wˈaɪtɹˌʌn tuː ˈʌlfɹɪk stˈɔːɹmklˌoʊk."],
    );
    let lexicon = Lexicon::new([("Dovahkiin", "DOH-vah-keen"), ("Whiterun", "/wˈaɪtɹʌn/")]).unwrap();
    check(text, &lexicon, &expect!["dˈoʊvɑːkiːnz ɹˈoʊd lˈiːdz fɹʌm wˈaɪtɹʌn tuː ˈʌlfɹɪk stˈɔːɹmklˌoʊk."]);
}

#[test]
fn sentences_keep_their_ends() {
    let items = PHONEMES.read("Well, no. Yes! And", &Lexicon::default());
    let lengths: Vec<usize> = sentences(&items).map(<[Item]>::len).collect();
    assert_eq!(lengths, [4, 2, 1]);
    assert_eq!(sentences(&[]).count(), 0);
}

#[test]
fn only_a_long_first_sentence_is_cut_at_its_pause() {
    let lengths = |text: &str| {
        let items = PHONEMES.read(text, &Lexicon::default());
        sentences(&items).map(<[Item]>::len).collect::<Vec<_>>()
    };
    let long = "The bell in the old tower rang at ten, and nobody has seen the miller since.";
    assert_eq!(lengths(long), [10, 8]);
    assert_eq!(lengths(&format!("Well. {long}")), [2, 18]);
    assert_eq!(lengths("I would not go up there alone, if I were you."), [13]);
    assert_eq!(lengths("No, nobody who has ever been up there came back to tell us about the dragon."), [18]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Names as authors make them up, between ordinary words.
    #[test]
    fn no_word_vanishes_from_a_sentence(
        names in prop::collection::vec("[A-Z][a-z]{1,9}('[A-Z]?[a-z]{1,5})?|[A-Z]{2,6}|[0-9]{1,4}", 1..6),
        between in prop::sample::select(vec![" ", ", ", " and the ", "! ", " - ", "... ", "-", "/"]),
    ) {
        let text = names.join(between);
        let items = PHONEMES.read(&text, &Lexicon::default());
        let mut place = 0;
        for name in &names {
            let begin = place + text[place..].find(name.as_str()).unwrap();
            let of_name = |bytes: &Range<usize>| bytes.start < begin + name.len() && begin < bytes.end;
            let said: Vec<&str> = items.iter().filter_map(|item| match item {
                Item::Word { bytes, ipa } if of_name(bytes) => Some(ipa.as_str()),
                _ => None,
            }).collect();
            prop_assert!(!said.is_empty(), "{text}: {name}");
            let heard: usize = said.iter().map(|ipa| syllables(ipa)).sum();
            prop_assert!(heard >= 1 && heard <= 4 * name.len() + 2, "{text}: {name} {said:?}");
            place = begin + name.len();
        }
        for item in &items {
            let Item::Word { ipa, .. } = item else { continue };
            prop_assert!(syllables(ipa) >= 1, "{text}: {ipa}");
            prop_assert!(ipa.chars().all(is_known), "{text}: {ipa}");
        }
    }
}
