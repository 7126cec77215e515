//! Decisions before the words.

use meddah_inference::{Choice, Decision, Sampling};
use serde_json::{Value, json};

use crate::support::{model, request, say};

fn choice(id: &str, arguments: Option<Value>) -> Choice {
    Choice { id: id.into(), text: format!(" {id}"), description: String::new(), bias: 0.0, arguments }
}

fn decision(name: &str, ids: &[&str]) -> Decision {
    let choices = ids.iter().map(|id| choice(id, None)).collect();
    Decision { name: name.into(), lead: format!("\n{name}:"), choices }
}

pub fn ask(conversation: &str, user: &str) -> meddah_inference::ChatRequest {
    let mut ask = request(conversation, "You are Bran, a blacksmith. You feel what people say to you.", user);
    ask.decisions = vec![
        decision("Mood", &["calm", "angry", "afraid", "amused", "anxious"]),
        decision("Action", &["nothing", "give sword", "give shield", "give", "attack the player"]),
    ];
    ask.speech_lead = "\nBran says: \"".into();
    ask.stop = vec!["\"".into(), "\n".into()];
    ask
}

#[tokio::test]
async fn decisions_come_in_order_before_the_words_and_are_among_the_choices() {
    let model = model();
    for (round, user) in ["Hail!", "I will burn your forge down!", "Give me a sword.", ""].iter().enumerate()
    {
        for neutral in ["", "Hm."] {
            let mut ask = ask(&format!("bran{round}"), user);
            ask.neutral_text = neutral.into();
            let ids: Vec<Vec<String>> =
                ask.decisions.iter().map(|d| d.choices.iter().map(|c| c.id.clone()).collect()).collect();
            let heard = say(&model, ask).await;
            let names: Vec<_> = heard.decided.iter().map(|(name, ..)| name.as_str()).collect();
            assert_eq!(names, ["Mood", "Action"]);
            for ((_, choice, arguments), ids) in heard.decided.iter().zip(&ids) {
                assert!(ids.contains(choice) && arguments.is_none(), "{choice}");
            }
            assert!(!heard.text.contains(['"', '\n']), "{:?}", heard.text);
        }
    }
}

#[tokio::test]
async fn a_bias_decides_when_it_is_strong_and_the_neutral_lean_is_taken_off() {
    let model = model();
    let mut biased = ask("bran", "Hail!");
    biased.decisions[0].choices[2].bias = 50.0;
    biased.decisions[1].choices[4].bias = 50.0;
    let heard = say(&model, biased).await;
    assert_eq!((heard.decided[0].1.as_str(), heard.decided[1].1.as_str()), ("afraid", "attack the player"));
    // After exactly the line that says nothing, nothing speaks for any choice: the first of equals.
    let mut same = ask("bran", "Hm.");
    same.neutral_text = "Hm.".into();
    let first = say(&model, same.clone()).await;
    assert_eq!(first.decided[0].1, "calm", "{:?}", first.decided);
    // Known by now: the side question is not asked again.
    let before = model.stats().await.unwrap().steps;
    let again = say(&model, same).await;
    let steps = model.stats().await.unwrap().steps - before;
    assert_eq!(again.decided, first.decided);
    assert!(steps <= u64::from(again.usage.completion_tokens) + 2, "{steps} steps for {:?}", again.usage);
}

#[tokio::test]
async fn arguments_fit_their_schema_whatever_it_is() {
    let model = model();
    let mut random = fastrand::Rng::with_seed(11);
    let mut filled = 0;
    for round in 0..12 {
        let schema = random_schema(&mut random);
        let mut ask = ask("bran", "Please give me something for my journey, and quickly.");
        ask.decisions.truncate(1);
        ask.decisions[0].choices.push(choice("give", Some(schema.clone())));
        ask.decisions[0].choices[5].bias = 60.0;
        ask.max_tokens = 4;
        let heard = say(&model, ask).await;
        let (_, choice, arguments) = &heard.decided[0];
        match arguments {
            Some(arguments) => {
                filled += 1;
                assert_eq!(choice, "give");
                let validator = jsonschema::validator_for(&schema).unwrap();
                assert!(validator.is_valid(arguments), "round {round}: {arguments} of {schema}");
            }
            None => assert_eq!(choice, "calm"),
        }
    }
    println!("{filled} of 12 calls were filled in");
    assert!(filled >= 9);
}

fn random_schema(random: &mut fastrand::Rng) -> Value {
    let mut properties = serde_json::Map::new();
    for index in 0..random.usize(1..4) {
        let property = match random.usize(..4) {
            0 => json!({ "enum": ["iron sword", "iron shield", "bread", "Söldnerhelm"] }),
            1 => json!({ "type": "integer", "minimum": 1, "maximum": random.i32(1..500) }),
            2 => json!({ "type": "string", "maxLength": random.usize(1..20) }),
            _ => json!({ "type": "boolean" }),
        };
        properties.insert(format!("p{index}"), property);
    }
    let required: Vec<_> = properties.keys().cloned().collect();
    json!({ "type": "object", "properties": properties, "required": required, "additionalProperties": false })
}

#[tokio::test]
async fn a_call_that_cannot_be_filled_in_is_the_first_choice() {
    let model = model();
    for schema in [json!({ "type": "object", "properties": { "x": { "$ref": "#/nowhere" } } }), json!(false)]
    {
        let mut ask = ask("bran", "Hail!");
        ask.decisions[0].choices.push(choice("give", Some(schema)));
        ask.decisions[0].choices[5].bias = 60.0;
        let heard = say(&model, ask).await;
        assert_eq!(heard.decided[0], ("Mood".into(), "calm".into(), None));
        assert_eq!(heard.decided.len(), 2);
    }
}

#[tokio::test]
async fn words_can_be_one_json_value() {
    let model = model();
    let schema = json!({
        "type": "object",
        "properties": { "name": { "type": "string", "maxLength": 20 }, "age": { "type": "integer", "minimum": 0, "maximum": 99 } },
        "required": ["name", "age"],
        "additionalProperties": false
    });
    let validator = jsonschema::validator_for(&schema).unwrap();
    for seed in 0..4 {
        let mut ask = request("bran", "Answer in JSON.", "Who are you?");
        ask.json_schema = Some(schema.clone());
        ask.max_tokens = 80;
        ask.sampling = Sampling { temperature: 0.8, seed, ..Sampling::default() };
        let heard = say(&model, ask).await;
        let value: Value = serde_json::from_str(&heard.text).expect(&heard.text);
        assert!(validator.is_valid(&value), "{value}");
        assert!(!heard.text.contains("\": "), "{}", heard.text);
    }
}
