//! Heads as models really write them.

use proptest::prelude::*;

use super::*;

/// Mood, action and words of a reply, cut after every so many characters.
fn parts(text: &str, size: usize) -> (Option<String>, Vec<String>, String, bool) {
    let (mut parser, mut events) = (HeadParser::new(), Vec::new());
    for piece in text.chars().collect::<Vec<_>>().chunks(size) {
        parser.push(&piece.iter().collect::<String>(), &mut events);
    }
    parser.finish(&mut events);
    let (mut mood, mut does, mut words, mut over) = (None, Vec::new(), String::new(), false);
    for event in events {
        match event {
            HeadEvent::Mood(value) => mood = Some(value),
            HeadEvent::Does(value) => does.push(value),
            HeadEvent::Words(text) => words.push_str(&text),
            HeadEvent::Over => over = true,
        }
    }
    (mood, does, words, over)
}

fn check(text: &str, mood: Option<&str>, does: &[&str], words: &str) {
    for size in [1, 2, 7, 1000] {
        let (got_mood, got_does, got_words, _) = parts(text, size);
        assert_eq!(got_mood.as_deref(), mood, "{text:?}");
        assert_eq!(got_does, does, "{text:?}");
        assert_eq!(got_words.trim_end(), words, "{text:?}");
    }
}

#[test]
fn heads_are_found() {
    check("Mood: calm\nDoes: nothing\nSays: Hello.", Some("calm"), &["nothing"], "Hello.");
    check("Mood: calm\n\nSays:\nHello.\nAnd so on.", Some("calm"), &[], "Hello.\nAnd so on.");
    check("mood : calm\nSAYS : Hello.", Some("calm"), &[], "Hello.");
    check("Mood：calm\nSays：Hello.", Some("calm"), &[], "Hello.");
    check("- Mood: calm\n- Says: Hello.", Some("calm"), &[], "Hello.");
    check("Emotion: calm\nAction: wave\nSpeech: Hello.", Some("calm"), &["wave"], "Hello.");
}

#[test]
fn bold_and_one_line_are_understood() {
    check("**Mood:** calm\n**Says:** Hello.", Some("calm"), &[], "Hello.");
    check("**Mood**: **calm**\n**Says**: *smiles* Hello.", Some("calm"), &[], "*smiles* Hello.");
    check("**Says:** *smiles* Hello.", None, &[], "*smiles* Hello.");
    check("Mood: calm, Does: wave; Says: Hello.", Some("calm"), &["wave;"], "Hello.");
    check("[Mood: calm] [Says: Hello.]", Some("calm"), &[], "Hello.]");
    check("```\nMood: calm\nSays: Hello.\n```", Some("calm"), &[], "Hello.");
    check("```text\nMood: calm\nSays: Hello.\n```\n", Some("calm"), &[], "Hello.");
}

#[test]
fn missing_heads_are_no_trouble() {
    check("Hello there.", None, &[], "Hello there.");
    check("*smiles* Hello.", None, &[], "*smiles* Hello.");
    check("\"Mood swings\", she says: no.", None, &[], "\"Mood swings\", she says: no.");
    check("Mood: calm\nHello.", Some("calm"), &[], "Hello.");
    check("Does it rain? Says who?", None, &[], "Does it rain? Says who?");
    check("", None, &[], "");
    check("Mood:", None, &[], "");
    check("Moo", None, &[], "Moo");
}

#[test]
fn words_behind_a_mood_are_words_if_there_are_no_others() {
    check("Mood: calm (she shrugs)\nSays: Hello.", Some("calm (she shrugs)"), &[], "Hello.");
    check("Mood: calm. Hello there.", Some("calm. Hello there"), &[], "Hello there.");
    let long = "Hello there, I have been waiting for you all day long, and now you come at night.";
    let value: String = format!("calm. {long}").chars().take(64).collect();
    check(&format!("Mood: calm. {long}"), Some(value.trim()), &[], long);
}

#[test]
fn heads_behind_the_words_count_once() {
    check("Says: Hello.\nMood: calm\nDoes: wave", Some("calm"), &["wave"], "Hello.");
    check("Mood: calm\nSays: Hello.\nDoes: wave\n", Some("calm"), &["wave"], "Hello.");
    let again = "Mood: calm\nSays: Hello.\nMood: angry\nSays: No.";
    check(again, Some("calm"), &[], "Hello.");
    assert!(parts(again, 1).3);
}

#[test]
fn arguments_may_have_lines_and_labels_in_them() {
    check(
        "Does: give {\n  \"says\": \"x\",\n  \"item\": \"ale\"\n}\nSays: Hello.",
        None,
        &["give {\n  \"says\": \"x\",\n  \"item\": \"ale\"\n}"],
        "Hello.",
    );
    check("Does: give {\"item\": \"al\nSays: Hello.", None, &["give {\"item\": \"al"], "Hello.");
    check("Does: give {\"item\": \"ale\"} Says: Hello.", None, &["give {\"item\": \"ale\"}"], "Hello.");
}

#[test]
fn past_answers_are_taken_apart() {
    let head = past("Mood: calm\nDoes: nothing\nSays: Hello.").unwrap();
    assert_eq!(
        (head.mood.as_deref(), head.does.as_deref(), &*head.words),
        (Some("calm"), Some("nothing"), "Hello.")
    );
    assert_eq!(past("Hello."), None);
}

proptest! {
    #[test]
    fn a_plain_past_answer_is_what_the_parser_makes_of_it(
        pieces in prop::collection::vec(
            prop_oneof![
                Just("Mood: "), Just("\nDoes: "), Just("\nSays: "), Just("Says: "), Just("calm"), Just("give_item"),
                Just(" {\"a\": \"b: c\"}"), Just("{"), Just("}"), Just("\n"), Just(" "), Just(":"), Just("__"),
                Just("Hello."), Just("*"), Just("Mood: calm\nDoes: give {\"a\": 1}\nSays: Yes"),
            ],
            0..8,
        ),
    ) {
        let text = pieces.concat();
        if let Some(head) = plain(&text) {
            prop_assert_eq!(Some(head), parsed(&text), "{}", text);
        }
    }

    #[test]
    fn any_chunking_gives_the_same(
        pieces in prop::collection::vec(
            prop_oneof![
                Just("Mood:"), Just("Does:"), Just("Says:"), Just("\n"), Just(" "), Just("calm"), Just("**"),
                Just("```"), Just("{\"a\":"), Just("}"), Just("\""), Just("Hello"), Just("🍺"), Just("mood"),
                Just("["), Just("x (y"), Just("Sa"), Just(":"),
            ],
            0..24,
        ),
        size in 1usize..9,
    ) {
        let text = pieces.concat();
        prop_assert_eq!(parts(&text, size), parts(&text, usize::MAX));
    }

    #[test]
    fn nothing_breaks_it(text in "\\PC{0,200}", size in 1usize..9) {
        prop_assert_eq!(parts(&text, size), parts(&text, usize::MAX));
    }

    #[test]
    fn words_without_heads_come_through_whole(text in "[A-Z][a-z ]{0,12}[.!?]( [a-z]{1,9}[.!?]){0,4}") {
        let (mood, does, words, over) = parts(&text, 3);
        prop_assert_eq!((mood, does.len(), over), (None, 0, false));
        prop_assert_eq!(words, text);
    }
}
