//! Recall as a whole, over made-up timelines.

use meddah_protocol::{Finish, Scene};
use proptest::prelude::*;

use super::*;
use crate::timeline::{Entry, EntryKind, MemoryRecord, SpokenLine, TurnRecord};

fn entry(kind: EntryKind, character: Option<&str>, witnesses: &[&str]) -> Entry {
    Entry {
        id: "e".into(),
        kind,
        character: character.map(str::to_owned),
        witnesses: witnesses.iter().map(|&id| id.to_owned()).collect(),
        game_time: None,
        wall_time_ms: 0,
    }
}

fn turn(id: &str, text: &str, answer: &str) -> EntryKind {
    EntryKind::Turn(TurnRecord {
        turn: id.into(),
        req_id: String::new(),
        speaker: "ann".into(),
        speaker_name: "Ann".into(),
        text: text.into(),
        told: String::new(),
        lines: answer.split_inclusive(". ").map(|line| SpokenLine::spoken(line.trim())).collect(),
        emotion: None,
        decisions: Vec::new(),
        actions: Vec::new(),
        finish: Finish::Complete,
    })
}

fn scene(place: &str, time: &str) -> Entry {
    let scene = Scene { place: Some(place.into()), time: Some(time.into()), ..Scene::default() };
    entry(EntryKind::Scene(scene), None, &[])
}

fn at(branch: u32, seq: u64) -> Place {
    Place { branch, seq }
}

/// Entries of the first branch, numbered from 1.
fn told(entries: &[Entry]) -> Index {
    let mut index = Index::new("en");
    for (seq, entry) in (1..).zip(entries) {
        index.add(at(0, seq), entry);
    }
    index
}

fn recalled(index: &Index, being: &str, head: Place, text: &str) -> Vec<(Place, Part)> {
    let view = View::new(index, being, head);
    let question = index.question("ann", being, text);
    let found = Recall::new(index, &view, &question, 20).best(&BY_WORDS, 20);
    found.into_iter().map(|found| (found.place, found.part)).collect()
}

#[test]
fn the_words_of_a_question_find_what_was_said() {
    let index = told(&[
        entry(
            turn("t1", "I hid the silver lantern under the mill.", "Nobody will look there."),
            Some("bert"),
            &[],
        ),
        entry(turn("t2", "The road is muddy today.", "It has rained."), Some("bert"), &[]),
        entry(turn("t3", "Do you sell bread?", "I do not."), Some("bert"), &[]),
    ]);
    let found = recalled(&index, "bert", at(0, 3), "Where is my lantern?");
    assert_eq!(found[0], (at(0, 1), Part::Told));
    assert_eq!(found.len(), 6, "everything is a candidate");
}

#[test]
fn an_answer_is_found_by_the_words_of_its_question() {
    let index = told(&[
        entry(turn("t1", "What is your favourite colour?", "Green, like the sea."), Some("bert"), &[]),
        entry(turn("t2", "Nice weather.", "Yes."), Some("bert"), &[]),
    ]);
    let found = recalled(&index, "bert", at(0, 2), "Tell me your favourite colour again");
    let place = |wanted| found.iter().position(|found| *found == wanted).expect("it is a candidate");
    assert!(place((at(0, 1), Part::Answered)) < place((at(0, 2), Part::Answered)), "{found:?}");
}

#[test]
fn nobody_recalls_what_he_did_not_perceive() {
    let index = told(&[
        entry(turn("t1", "The key is under the mat.", "I see."), Some("bert"), &["cleo"]),
        entry(EntryKind::Event { text: "A key falls into the well.".into() }, None, &["dan"]),
    ]);
    let count = |being: &str| recalled(&index, being, at(0, 2), "Where is the key?").len();
    assert_eq!([count("bert"), count("cleo"), count("ann"), count("dan"), count("eve")], [2, 2, 2, 1, 0]);
}

#[test]
fn place_and_time_of_a_scene_are_found_in_any_calendar() {
    let index = told(&[
        scene("the mill", "3 Rain's Hand, evening"),
        entry(turn("t1", "I like this place.", "So do I."), Some("bert"), &[]),
        scene("the harbour", "19 Rain's Hand, evening"),
        entry(turn("t2", "I like this place.", "So do I."), Some("bert"), &[]),
        scene("the mill", "4 Sun's Dusk, evening"),
        entry(turn("t3", "I like this place.", "So do I."), Some("bert"), &[]),
    ]);
    let first = |text: &str| recalled(&index, "bert", at(0, 6), text)[0].0.seq;
    assert_eq!(first("What did we talk about at the harbour?"), 4);
    assert_eq!(first("What did I say on the 4th of Rain's Hand?"), 2, "a day later it is told of");
    assert_eq!(first("What did I say in Sun's Dusk?"), 6);
}

#[test]
fn a_sibling_branch_changes_nothing() {
    let trunk = [
        entry(turn("t1", "The mill burned down.", "Alas."), Some("bert"), &[]),
        entry(turn("t2", "I sail at dawn.", "Farewell."), Some("bert"), &[]),
    ];
    let mut index = told(&trunk);
    let question = "What happened to the mill?";
    let before = recalled(&index, "bert", at(0, 2), question);
    index.branch(1, at(0, 1));
    index
        .add(at(1, 2), &entry(turn("t3", "The mill, the mill, the mill!", "Which mill?"), Some("bert"), &[]));
    assert_eq!(recalled(&index, "bert", at(0, 2), question), before);
    let other: Vec<Place> =
        recalled(&index, "bert", at(1, 2), question).into_iter().map(|(place, _)| place).collect();
    assert!(
        other.contains(&at(1, 2)) && other.contains(&at(0, 1)) && !other.contains(&at(0, 2)),
        "{other:?}"
    );
    assert_eq!(recalled(&index, "bert", at(0, 1), question).len(), 2, "a save before all that");
}

#[test]
fn what_was_not_heard_is_not_found() {
    let mut index = told(&[entry(
        turn("t1", "Where is it?", "I know. It is in the well. Do not tell."),
        Some("bert"),
        &[],
    )]);
    let heard = |line, fraction| EntryKind::Heard { turn: "t1".into(), line, fraction };
    assert!(
        index.add(at(0, 2), &entry(heard(0, 1.0), None, &["bert", "ann"])).is_empty(),
        "all of it was heard"
    );
    index.add(at(0, 3), &entry(heard(1, 0.0), None, &["bert", "ann"]));
    let added = index.add(at(0, 4), &entry(heard(2, 0.0), None, &["bert", "ann"]));
    assert_eq!(added[0].heard.as_deref(), Some("I know."));
    let near = |head| {
        let view = View::new(&index, "bert", head);
        let question = index.question("ann", "bert", "the well");
        let found = Recall::new(&index, &view, &question, 9).best(&BY_WORDS, 9);
        (found.len(), found.iter().any(|found| found.values[Feature::OwnWords as usize] > 0.0))
    };
    assert_eq!(near(at(0, 2)), (2, true), "then nothing was known of it");
    assert_eq!(near(at(0, 4)), (2, false));
}

#[test]
fn a_memory_that_was_replaced_is_not_recalled_any_more() {
    let memory = |id: &str, text: &str, replaces: &[&str]| {
        let record = MemoryRecord {
            text: text.into(),
            replaces: replaces.iter().map(|&id| id.to_owned()).collect(),
            ..MemoryRecord::default()
        };
        Entry { id: id.into(), ..entry(EntryKind::Memory(record), Some("bert"), &[]) }
    };
    let index = told(&[memory("m1", "Ann lives in Ald.", &[]), memory("m2", "Ann lives in Bree.", &["m1"])]);
    let found = |head| recalled(&index, "bert", head, "Where does Ann live?");
    assert_eq!(found(at(0, 1)), [(at(0, 1), Part::Told)]);
    assert_eq!(found(at(0, 2)), [(at(0, 2), Part::Told)]);
    assert!(recalled(&index, "ann", at(0, 2), "Where does Ann live?").is_empty(), "it is his own");
}

#[test]
fn meaning_finds_what_words_do_not() {
    let index = told(&[
        entry(turn("t1", "My hound ran away.", "Sorry."), Some("bert"), &[]),
        entry(turn("t2", "The bridge is closed.", "Sorry."), Some("bert"), &[]),
    ]);
    let view = View::new(&index, "bert", at(0, 2));
    let question = index.question("ann", "bert", "Remember the dog?");
    let mut recall = Recall::new(&index, &view, &question, 10);
    let asked = QuestionVectors::new([(&[1.0, 0.0][..], recall.word_weight(&(13..16)))]);
    let vectors = [encode([&[0.9, 0.1][..]]), encode([&[0.1, 0.9][..]])];
    // Documents 0 and 2 are what Ann said; the answers have no vectors yet.
    assert!(
        recall.compare(&asked, |document| Some(&vectors[document as usize / 2][..])
            .filter(|_| document % 2 == 0))
    );
    assert_eq!(recall.best(&BY_MEANING, 1)[0].place, at(0, 1));
    assert!(!Recall::new(&index, &view, &question, 10).compare(&asked, |_| None), "nothing is known");
}

/// A step of a playthrough.
#[derive(Clone, Debug)]
enum Step {
    Say(u8, u8),
    Scene(u8),
    Heard(u8),
    Load(u8),
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (any::<u8>(), any::<u8>()).prop_map(|(words, who)| Step::Say(words, who)),
        1 => any::<u8>().prop_map(Step::Scene),
        2 => any::<u8>().prop_map(Step::Heard),
        1 => any::<u8>().prop_map(Step::Load),
    ]
}

const WORDS: [&str; 8] = ["mill", "lantern", "road", "dawn", "river", "bread", "wolf", "crown"];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// A view that followed the head through loads is the same as one made anew, and both are the same as in an
    /// index that holds nothing but that line of time.
    #[test]
    fn a_view_that_follows_is_as_one_made_anew(steps in prop::collection::vec(any_step(), 1..40)) {
        let mut index = Index::new("en");
        let mut views: Vec<View> = ["bert", "cleo"].map(|being| View::new(&index, being, at(0, 0))).into();
        let mut lines: Vec<Vec<(Place, Entry)>> = vec![Vec::new()];
        let mut line: Vec<(Place, Entry)> = Vec::new();
        let (mut head, mut forked, mut newest) = (at(0, 0), false, 0);
        for (number, step) in steps.iter().enumerate() {
            let entry = match step {
                Step::Say(words, who) => {
                    let word = |at: u8| WORDS[usize::from(at) % WORDS.len()];
                    let text = format!("The {} and the {}.", word(*words), word(words.wrapping_mul(31)));
                    let answer = format!("A {}? ", word(words.wrapping_add(3)));
                    let witnesses: &[&str] = if who % 3 == 0 { &[] } else { &["cleo"] };
                    entry(turn(&format!("t{number}"), &text, &answer), Some("bert"), witnesses)
                }
                Step::Scene(place) => scene(WORDS[usize::from(*place) % WORDS.len()], "noon"),
                Step::Heard(which) => {
                    let turn = format!("t{}", usize::from(*which) % (number + 1));
                    entry(EntryKind::Heard { turn, line: 0, fraction: 0.0 }, None, &["bert", "ann", "cleo"])
                }
                Step::Load(to) => {
                    line.truncate(usize::from(*to) % (line.len() + 1));
                    head = line.last().map_or(at(0, 0), |(place, _)| *place);
                    forked = true;
                    continue;
                }
            };
            if forked {
                newest += 1;
                index.branch(newest, head);
                head.branch = newest;
                forked = false;
            }
            head.seq += 1;
            index.add(head, &entry);
            line.push((head, entry));
            lines.push(line.clone());
            let mut alone = Index::new("en");
            for (seq, (_, entry)) in (1..).zip(&line) {
                alone.add(at(0, seq), entry);
            }
            for view in &mut views {
                view.follow(&index, head);
                let being = view.being().to_owned();
                let ask = |index: &Index, view: &View| {
                    let question = index.question("ann", &being, "Where are the mill, the wolf and the crown?");
                    let found = Recall::new(index, view, &question, 100).best(&BY_WORDS, 100);
                    found.into_iter().map(|found| (found.place.seq, found.part, found.score)).collect::<Vec<_>>()
                };
                let followed = ask(&index, view);
                prop_assert_eq!(&followed, &ask(&index, &View::new(&index, &being, head)));
                prop_assert_eq!(&followed, &ask(&alone, &View::new(&alone, &being, at(0, line.len() as u64))));
            }
        }
    }
}

/// The quick sum over a view is the same as the sum over the features.
#[test]
fn what_is_added_up_quickly_is_added_up_right() {
    let index = told(&[
        scene("the mill", "3 Rain's Hand"),
        entry(turn("t1", "When did you build the mill?", "Two years ago, in 1202."), Some("bert"), &[]),
        entry(EntryKind::Event { text: "The mill creaks.".into() }, None, &["bert"]),
        scene("the harbour", "4 Rain's Hand"),
        entry(turn("t2", "You told me of the mill, Bert.", "Did I?"), Some("bert"), &[]),
    ]);
    let view = View::new(&index, "bert", at(0, 5));
    for text in ["When did Ann say at the mill that it was built?", "What did you tell me?", "And I said?"] {
        let question = index.question("ann", "bert", text);
        let lexical = super::lexical::Lexical::new(&index, &view, &question);
        for (score, rank) in super::features::scores(&view, &question, &lexical) {
            let values = super::features::values(&view, &question, &lexical, rank as usize);
            assert!((BY_WORDS.score(&values) - score).abs() < 1e-4, "{text}: {values:?} {score}");
        }
    }
}
