//! How far words alone get: the evaluation cases without any model.

use std::collections::BTreeMap;

use meddah_engine::action::{ActionSet, Offer};
use meddah_protocol::{ActionDeclaration, Scene};
use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
struct Evaluation {
    set: BTreeMap<String, Vec<ActionDeclaration>>,
    case: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    actions: String,
    role: String,
    utterance: String,
    expected: String,
    target: Option<String>,
    #[serde(default)]
    arguments: BTreeMap<String, Value>,
    split: String,
}

fn evaluation() -> Evaluation {
    toml::from_str(include_str!("../../../evals/actions.toml")).expect("the file of cases is TOML")
}

#[derive(Default)]
struct Score {
    cases: usize,
    right: usize,
    nothing: usize,
    nothing_right: usize,
    offered: usize,
    wanted: usize,
    details: usize,
    details_right: usize,
}

/// The value that the narrowed schema leaves, if it is only one.
fn decided(schema: Option<&Value>, action: &ActionDeclaration, name: &str) -> Option<Value> {
    let filled = meddah_engine::action::fill(action).and_then(|filled| filled.get(name).cloned());
    let listed = schema.and_then(|schema| schema["properties"][name]["enum"].as_array().cloned());
    filled.or_else(|| listed.filter(|listed| listed.len() == 1).map(|listed| listed[0].clone()))
}

#[test]
fn the_cases_are_sound() {
    let evaluation = evaluation();
    assert!(evaluation.case.len() >= 80);
    let nothing = evaluation.case.iter().filter(|case| case.expected == "nothing").count();
    assert!(nothing * 10 >= evaluation.case.len() * 4, "{nothing}");
    for case in &evaluation.case {
        assert!(
            !case.role.is_empty() && matches!(case.split.as_str(), "fit" | "held_out"),
            "{}",
            case.utterance
        );
        let set = ActionSet::new(evaluation.set[&case.actions].clone()).unwrap();
        if case.expected == "nothing" {
            continue;
        }
        let Some(action) = set.get(&case.expected) else { panic!("{} is not declared", case.expected) };
        let mut arguments: serde_json::Map<String, Value> = case.arguments.clone().into_iter().collect();
        if let Some(target) = &case.target {
            arguments.insert("target".into(), target.clone().into());
        }
        let arguments = meddah_engine::action::normalise(action, Value::Object(arguments));
        if case.target.is_some() || action.targets.is_none() {
            let admitted = set.admit(&case.expected, Some(arguments));
            assert!(admitted.is_ok(), "{:?}: {admitted:?}", case.utterance);
        }
    }
}

#[test]
fn words_alone_are_right_most_of_the_time() {
    let evaluation = evaluation();
    let mut scores: BTreeMap<&str, Score> = BTreeMap::new();
    for case in &evaluation.case {
        let set = ActionSet::new(evaluation.set[&case.actions].clone()).unwrap();
        let character = if case.actions == "companion" { "bram" } else { "" };
        let offer = Offer::rank_between(&set, &case.utterance, &Scene::default(), "player", character);
        let chosen =
            offer.likeliest().and_then(|index| set.at(index)).map_or("nothing", |action| &action.name);
        let score = scores.entry(&case.split).or_default();
        score.cases += 1;
        score.right += usize::from(chosen == case.expected);
        if case.expected == "nothing" {
            score.nothing += 1;
            score.nothing_right += usize::from(chosen == "nothing");
        } else {
            score.wanted += 1;
            let offered =
                offer.ranked.iter().any(|ranked| set.at(ranked.index).unwrap().name == case.expected);
            score.offered += usize::from(offered);
            let action = set.get(&case.expected).unwrap();
            let schema = offer.arguments_schema(action);
            let target = case.target.iter().map(|target| ("target", Value::from(target.as_str())));
            let arguments = case.arguments.iter().map(|(name, value)| (name.as_str(), value.clone()));
            for (name, expected) in target.chain(arguments) {
                let got = decided(schema.as_ref(), action, name);
                score.details += 1;
                score.details_right += usize::from(got.as_ref() == Some(&expected));
                if got.as_ref() != Some(&expected) {
                    println!("{:9} {name}: {got:?} for {expected} {:?}", case.split, case.utterance);
                }
            }
        }
        if chosen != case.expected {
            let biases: Vec<String> = offer
                .ranked
                .iter()
                .map(|ranked| format!("{} {:.1}", set.at(ranked.index).unwrap().name, ranked.bias))
                .collect();
            println!(
                "{:9} {} not {}: {:?} nothing {:.1} {biases:?}",
                case.split, chosen, case.expected, case.utterance, offer.nothing_bias
            );
        }
    }
    for (split, score) in &scores {
        println!(
            "{split}: right {}/{}, of them nothing {}/{}; wanted action offered {}/{}; arguments and targets decided {}/{}",
            score.right,
            score.cases,
            score.nothing_right,
            score.nothing,
            score.offered,
            score.wanted,
            score.details_right,
            score.details,
        );
        assert!(score.right * 10 >= score.cases * 6, "{split}: {}/{}", score.right, score.cases);
        assert!(
            score.offered * 10 >= score.wanted * 8,
            "{split}: offered {}/{}",
            score.offered,
            score.wanted
        );
    }
}
