//! How often words and events cost or win somebody what they should not, and do not what they should.

use serde::Deserialize;

use super::*;

#[derive(Deserialize)]
struct Lines {
    said: Set,
    happened: Set,
    said_unseen: Set,
    happened_unseen: Set,
}

#[derive(Deserialize)]
struct Set {
    reported: Vec<String>,
    harmless: Vec<String>,
    hostile: Vec<String>,
    kind: Vec<String>,
}

/// What the deed that counts does, all in all; 0 if there is none.
fn moves(found: &Appraisal) -> f32 {
    let deed = found.deeds().iter().find(|deed| !deed.bond.is_none());
    deed.map_or(0.0, |deed| deed.bond.trust + deed.bond.respect + deed.bond.affection)
}

/// How many lines are not as they should be: `reported` and harmless ones, hostile ones, kind ones.
fn wrong(set: &Set, read: impl Fn(&str) -> Appraisal) -> [usize; 4] {
    let count = |lines: &[String], right: fn(f32) -> bool| {
        let wrong = lines.iter().filter(|line| {
            let found = read(line);
            let wrong = !right(moves(&found));
            if wrong {
                println!("{line} {:?}", found.deeds().iter().map(|deed| deed.name).collect::<Vec<_>>());
            }
            wrong
        });
        wrong.count()
    };
    let harmless = |moves: f32| moves >= 0.0;
    [
        count(&set.reported, harmless),
        count(&set.harmless, harmless),
        count(&set.hostile, |moves| moves < 0.0),
        count(&set.kind, |moves| moves > 0.0),
    ]
}

/// Each figure is one that the rules really meet; it may only fall.
#[test]
fn what_costs_trust_and_what_does_not() {
    let lines: Lines = toml::from_str(include_str!("deeds.toml")).unwrap();
    let said = |text: &str| Appraisal::of_words(text, "en");
    let happened = |text: &str| Appraisal::of_event(text, "en", "Ann", "Mira");
    // Before there were rules: [5, 48, 1, 1], [0, 8, 2, 0], [0, 13, 2, 3], [0, 4, 3, 1].
    for (found, most) in [
        (wrong(&lines.said, said), [0, 2, 2, 0]),
        (wrong(&lines.said_unseen, said), [0, 3, 2, 0]),
        (wrong(&lines.happened, happened), [0, 0, 0, 0]),
        (wrong(&lines.happened_unseen, happened), [0, 0, 1, 1]),
    ] {
        assert!(found.iter().zip(most).all(|(found, most)| *found <= most), "{found:?}, not {most:?}");
    }
}
