use super::*;
use crate::timeline::{
    Entry, EntryKind, FeltEmotion, MemoryKind, MemoryRecord, SpokenLine, TurnRecord, recall,
};
use meddah_protocol::Finish;
use proptest::prelude::*;

fn entry(kind: EntryKind) -> Entry {
    Entry {
        id: String::new(),
        kind,
        character: Some("mira".into()),
        witnesses: vec!["mira".into()],
        game_time: Some(7),
        wall_time_ms: 0,
    }
}

fn turn(text: &str, answer: &[&str]) -> Entry {
    entry(EntryKind::Turn(TurnRecord {
        turn: "t1".into(),
        req_id: String::new(),
        speaker: "ann".into(),
        speaker_name: "Ann".into(),
        text: text.into(),
        told: String::new(),
        lines: answer.iter().copied().map(SpokenLine::spoken).collect(),
        emotion: Some(FeltEmotion { label: "joy".into(), intensity: 0.5 }),
        decisions: Vec::new(),
        actions: Vec::new(),
        finish: Finish::Complete,
    }))
}

/// What Mira makes of it.
fn material(entries: &[Entry], names: impl Fn(&str) -> String) -> Material {
    let mira = Being { id: "mira".into(), name: "Mira".into() };
    Material::gather(&recall(entries, "mira"), mira, names)
}

fn talk() -> Material {
    let entries = [
        turn("Good evening! How are you?", &["Well enough.", "Sit down by the fire."]),
        turn("My name is Ann Varley. I live in Oren.", &["Then you came a long way."]),
        turn("I will bring you forty silver tomorrow. Can I stay?", &["I'll keep the small room for you."]),
        turn("I like dark ale.", &["So do I."]),
    ];
    Material { place: Some("The Lantern".into()), ..material(&entries, str::to_owned) }
}

#[test]
fn without_a_model_the_telling_sentences_are_kept_as_they_were_said() {
    let kept = extract(&talk(), true);
    assert_eq!(
        kept.summary,
        "I talked with Ann at the Lantern. Ann told me: “My name is Ann Varley.” Ann told me: “I live in Oren.” Ann \
         told me: “I will bring you forty silver tomorrow.”"
    );
    let facts: Vec<(&str, &str)> =
        kept.facts.iter().map(|f| (f.relation.as_str(), f.text.as_str())).collect();
    assert_eq!(
        facts,
        [
            ("name", "Ann told me: “My name is Ann Varley.”"),
            ("home", "Ann told me: “I live in Oren.”"),
            ("promised", "Ann told me: “I will bring you forty silver tomorrow.”"),
            ("promised", "I told Ann: “I'll keep the small room for you.”"),
            ("likes", "Ann told me: “I like dark ale.”"),
        ]
    );
    assert_eq!(kept.facts[4].about, ["ann", "dark ale"]);
    assert_eq!(kept.facts[3].about, ["mira"]);
}

#[test]
fn in_another_language_nothing_is_put_into_english() {
    let entries = [turn("Ich heiße Anna und bringe morgen 40 Silberstücke.", &["Gut, ich warte am Tor."])];
    let kept = extract(&material(&entries, str::to_owned), false);
    assert_eq!(
        kept.summary,
        "Ann: “Ich heiße Anna und bringe morgen 40 Silberstücke.” Mira: “Gut, ich warte am Tor.”"
    );
    assert!(kept.facts.is_empty());
}

#[test]
fn what_is_overheard_names_both() {
    let overheard = Entry { character: Some("bert".into()), ..turn("I will sell the mill to Osk.", &[]) };
    let entries = [overheard, entry(EntryKind::Event { text: "A bell rings twice.".into() })];
    let kept = extract(&material(&entries, |_| "Bert".into()), true);
    let expected =
        "I talked with Ann and Bert. Ann told Bert: “I will sell the mill to Osk.” A bell rings twice.";
    assert_eq!(kept.summary, expected);
}

#[test]
fn a_model_reply_is_read_however_it_looks() {
    let material = talk();
    let whole = r#"Sure: {"summary":"I met Ann.","facts":[{"text":"Ann lives in Oren.","subject":"Ann","relation":"home","importance":7},"Ann likes ale.",{"nothing":1}]} ok"#;
    let kept = read(whole, &material);
    assert_eq!(kept.summary, "I met Ann.");
    let about: Vec<_> =
        kept.facts.iter().map(|f| (f.text.as_str(), f.about.join(" "), f.importance)).collect();
    assert_eq!(
        about,
        [("Ann lives in Oren.", "ann".to_owned(), 0.7), ("Ann likes ale.", String::new(), 0.5)]
    );
    assert_eq!(read(r#"{"summary": "I met \"Ann\".\nShe", "fa"#, &material).summary, "I met \"Ann\". She");
    assert_eq!(read("Mira: \"I met Ann.\"", &material).summary, "I met Ann.");
    assert_eq!(read("```\nSummary: I met Ann.\n```", &material).summary, "I met Ann.");
}

#[test]
fn what_was_not_said_is_not_kept() {
    let material = talk();
    let written = |summary: &str, facts: &[&str]| {
        let fact = |text: &&str| Fact { text: (*text).to_owned(), ..Fact::default() };
        grounded(Kept { summary: summary.into(), facts: facts.iter().map(fact).collect() }, &material, true)
    };
    let kept = written(
        "I talked with Ann, who lives in Oren. She promised forty silver. A dragon burned the castle down.",
        &["Ann lives in Oren.", "The dragon burned Ravenholm castle."],
    )
    .expect("most of it was said");
    assert_eq!(kept.summary, "I talked with Ann, who lives in Oren. She promised forty silver.");
    assert_eq!(kept.facts.len(), 1);
    assert_eq!(written("Ann Varley lives in Oren and brings silver.", &[]), None, "not in the first person");
    assert_eq!(written("I am glad.", &[]), None, "too short");
    assert_eq!(written("As an AI, I remember Ann of Oren and forty silver.", &[]), None, "out of part");
    assert_eq!(written("I saw a dragon burn the castle of Ravenholm.", &[]), None, "invented");
}

#[test]
fn a_new_fact_replaces_what_it_contradicts_and_nothing_else() {
    let fact = |relation: &str, about: &[&str], text: &str| Fact {
        text: text.into(),
        relation: relation.into(),
        about: about.iter().map(|&a| a.into()).collect(),
        importance: 0.5,
    };
    let record = |relation: &str, about: &[&str], text: &str| MemoryRecord {
        kind: MemoryKind::Fact,
        relation: relation.into(),
        about: about.iter().map(|&a| a.into()).collect(),
        text: text.into(),
        ..MemoryRecord::default()
    };
    let home = record("home", &["ann"], "Ann lives in Oren.");
    let likes = record("likes", &["ann", "ale"], "Ann likes ale.");
    let other = record("home", &["bert"], "Bert lives in Oren.");
    let known = [("m1", &home), ("m2", &likes), ("m3", &other)];
    let new = vec![
        fact("home", &["ann"], "Ann lives at the mill."),
        fact("dislikes", &["ann", "ale"], "Ann hates ale."),
        fact("dislikes", &["ann", "rats"], "Ann hates rats."),
        fact("home", &["bert"], "bert lives in Oren"),
        fact("promised", &["ann"], "Ann will bring silver."),
    ];
    let replaced: Vec<_> = settle(new, &known).into_iter().map(|s| (s.fact.text, s.replaces)).collect();
    let expected = [
        ("Ann lives at the mill.", vec!["m1"]),
        ("Ann hates ale.", vec!["m2"]),
        ("Ann hates rats.", vec![]),
        ("Ann will bring silver.", vec![]),
    ];
    let expected: Vec<_> = expected
        .into_iter()
        .map(|(text, ids)| (text.to_owned(), ids.into_iter().map(str::to_owned).collect::<Vec<_>>()))
        .collect();
    assert_eq!(replaced, expected);
}

#[test]
fn a_question_keeps_to_its_room_and_small_models_get_a_short_one() {
    let material = talk();
    let small = question(&material, Some("I knew nobody."), "en", false, 60);
    assert!(small.schema.is_none() && !small.user.contains("I knew nobody."));
    assert!(small.user.starts_with("Ann: I like dark ale.\nMira: So do I.\n\n"), "{}", small.user);
    let large = question(&material, Some("I knew nobody."), "en", true, 6_000);
    assert!(
        large.schema.is_some() && large.user.contains("I knew nobody.") && large.user.contains("The Lantern")
    );
}

proptest! {
    #[test]
    fn reading_never_fails_and_keeps_to_its_bounds(reply in "\\PC{0,300}") {
        for reply in [reply.clone(), format!("{{\"summary\":\"{reply}"), format!("{{\"facts\":[\"{reply}\"]}}")] {
            let kept = read(&reply, &talk());
            prop_assert!(kept.summary.chars().count() <= SUMMARY_CHARS_MAX + 1);
            grounded(kept, &talk(), true);
        }
    }

    #[test]
    fn extracting_works_on_any_talk(texts in prop::collection::vec("\\PC{0,120}", 0..6), english: bool) {
        let entries: Vec<Entry> = texts.iter().map(|text| turn(text, &[text.as_str()])).collect();
        let kept = extract(&material(&entries, str::to_owned), english);
        prop_assert!(kept.facts.len() <= FACTS_MAX && kept.summary.len() < crate::timeline::MEMORY_BYTES_MAX);
    }
}
