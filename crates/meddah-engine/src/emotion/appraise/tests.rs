use super::*;

fn said(text: &str) -> Appraisal {
    Appraisal::of_words(text, "en")
}

#[test]
fn what_is_said_moves_as_it_should() {
    for (text, label) in [
        ("You are a worthless fool!", EmotionLabel::Anger),
        ("Filthy liar!", EmotionLabel::Anger),
        ("Your brother is dead.", EmotionLabel::Sadness),
        ("Give me the gold or I'll kill you.", EmotionLabel::Fear),
        ("I found a strange map in the ruins.", EmotionLabel::Curiosity),
        ("How much is the ale?", EmotionLabel::Neutral),
        ("", EmotionLabel::Neutral),
    ] {
        assert_eq!(said(text).label(), label, "{text}: {:?}", said(text));
    }
}

#[test]
fn an_insult_counts_only_if_the_listener_is_meant() {
    let of_another = Appraisal::of_acts("My brother is a fool when he is drunk.", "en");
    assert_eq!(of_another, Appraisal::default());
    assert_eq!(said("You are no coward.").deed(), None);
    // Denied praise is an insult.
    assert_eq!(said("You are not clever.").deed().map(|deed| deed.name), Some("insult"));
}

#[test]
fn events_tell_who_did_it() {
    let event = |text: &str| Appraisal::of_event(text, "en", "Ann", "Mira");
    let stolen = event("Ann stole a loaf from Mira.");
    assert_eq!(stolen.deed().map(|deed| deed.told("Ann")).as_deref(), Some("Ann betrayed your trust"));
    assert!(stolen.deed().is_some_and(|deed| deed.bond.trust < 0.0));
    let others = event("Tom stole a loaf from Osk.");
    assert!(others.deeds().iter().all(|deed| deed.bond.is_none()));
    assert_eq!(event("Rain begins to fall."), Appraisal::default());
    // What the listener did to others is no wrong done to it.
    for text in ["Mira stole a spoon from Ann.", "Ann was hit by Mira."] {
        assert_eq!((event(text).label(), event(text).strength()), (EmotionLabel::Neutral, 0.0), "{text}");
    }
    let saved = Appraisal::of_event("Old Bram of the Hill saved Mira.", "en", "Old Bram of the Hill", "Mira");
    assert!(saved.deed().is_some_and(|deed| deed.bond.trust > 0.0), "{saved:?}");
}

#[test]
fn a_language_without_a_table_says_nothing() {
    assert_eq!(Appraisal::of_words("You fool!", "de"), Appraisal::default());
    assert_ne!(Appraisal::of_words("You fool!", "en-GB"), Appraisal::default());
}

#[test]
fn every_act_has_words_and_its_opposite_exists() {
    let table = Lexicon::of("en").expect("there is an English table");
    for act in table.acts() {
        assert!(!act.feel.is_empty() && (0.0..=1.0).contains(&act.strength), "{}", act.name);
        assert!(act.why.contains("{who}"), "{}", act.name);
        let opposite = act.negated.as_deref();
        assert!(opposite.is_none_or(|name| table.act(name).is_some()), "{}", act.name);
    }
}

proptest::proptest! {
    #[test]
    fn any_text_can_be_read(text in ".{0,300}") {
        let found = said(&text);
        proptest::prop_assert!((0.0..=1.0).contains(&found.strength()));
        proptest::prop_assert!(EmotionLabel::ALL.iter().all(|label| found.score(*label).is_finite()));
        Appraisal::of_event(&text, "en", "Ann", "Mira");
    }
}

#[test]
fn single_words_lean_where_no_act_is_known() {
    assert!(leaning::Leanings::of("en").expect("there is a table").len() > 10_000);
    let told = said("The refugees were so thin.");
    assert!(told.score(EmotionLabel::Sadness) > told.score(EmotionLabel::Joy), "{told:?}");
    assert!(told.score(EmotionLabel::Sadness) > 0.0);
    // They name a feeling, and neither a deed nor its strength.
    assert_eq!((told.deed(), told.strength()), (None, 0.0));
    assert!(!told.explains(EmotionLabel::Sadness));
    assert_eq!(said("?!"), Appraisal::default());
}

#[test]
fn a_word_counts_as_its_longest_known_beginning() {
    let is_known = |word: &str| ["dragon", "not", "it"].contains(&word);
    assert_eq!(leaning::known("dragons", is_known), Some("dragon"));
    assert_eq!(leaning::known("dragon's", is_known), Some("dragon"));
    assert_eq!(leaning::known("don't", is_known), Some("not"));
    assert_eq!(leaning::known("items", is_known), None);
    for number in [-4.6, -0.3, 0.0, 2.5, 4.6] {
        let sign = leaning::sign(number) as u8;
        let read = (f32::from(sign) - 79.0) * leaning::STEP; // the sign O is 0
        assert!((read - number).abs() < 1e-3, "{sign}");
    }
}
