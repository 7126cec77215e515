//! What characters keep of a talk when it is over, and what they only heard of.

use std::time::Duration;

use meddah::config::{ReflectionBy, Settings};
use meddah_engine::timeline::{MemoryKind, MemoryRecord, TimelineKey};
use meddah_inference::scripted::{Script, ScriptedReply};
use meddah_store::{EntryFilter, StoredEntry};
use serde_json::{Value, json};

use crate::client::{Client, Kind};
use crate::rig::{PATIENCE, Rig};

/// What stands in the question for a summary and in no turn.
const ASKED: &str = "Answer with one JSON object";
const WRITTEN: &str = r#"{"summary": "I met Ayla, who promised forty silver for the boat.", "facts":
    [{"text": "Ayla promised forty silver.", "subject": "Ayla", "relation": "promised", "importance": 0.9},
     {"text": "A dragon ate the lighthouse keeper.", "subject": "dragon", "relation": "other", "importance": 1}]}"#;
const PROMISE: &str = "I promise you forty silver for the boat by the harbour. My name is Ayla Brand.";

fn script(written: &str, delay_ms: u64) -> Script {
    let reply =
        |when: &str, text: &str| ScriptedReply { when: when.into(), text: text.into(), ..Default::default() };
    let reply = vec![reply(ASKED, written), reply("", "Then it is agreed. The boat is yours at noon.")];
    Script { delay_ms, chunk_chars: if delay_ms > 0 { 10 } else { 0 }, reply }
}

fn soon(settings: &mut Settings) {
    settings.reflection.pause_ms = 10;
}

fn say(to: &str, text: &str) -> Value {
    json!({"type": "say", "to": to, "text": text, "scene": {"place": "the harbour", "present": ["mira", "borin"]}})
}

async fn memories(rig: &Rig, of: &str) -> Vec<StoredEntry> {
    let key = TimelineKey::new("tavern", "Ayla");
    let filter = EntryFilter::MemoriesOf(of.to_owned());
    rig.sidecar.ports.store.recent(&key, filter, 99, None).await.unwrap()
}

fn records(found: &[StoredEntry]) -> Vec<&MemoryRecord> {
    found.iter().filter_map(|stored| stored.entry.memory()).collect()
}

async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.expect(what);
}

fn asked(rig: &Rig) -> usize {
    let is_asked = |message: &meddah_inference::Message| message.text.contains(ASKED);
    rig.model.seen().iter().filter(|request| request.messages.iter().any(is_asked)).count()
}

async fn talk_and_end(client: &mut Client<'_>, to: &str) {
    client.send(say(to, PROMISE)).await;
    client.until_turn_ended().await;
    client.send(json!({"type": "end", "character": to})).await;
}

#[tokio::test]
async fn when_a_talk_ends_the_character_keeps_what_was_said_and_nothing_invented() {
    let rig = Rig::with(script(WRITTEN, 0), soon).await;
    let mut client = Client::open(&rig, Kind::Ndjson).await;
    talk_and_end(&mut client, "mira").await;
    until("a memory", async || !memories(&rig, "mira").await.is_empty()).await;
    let found = memories(&rig, "mira").await;
    let kept: Vec<(MemoryKind, &str)> = records(&found).iter().map(|r| (r.kind, r.text.as_str())).collect();
    let expected = [
        (MemoryKind::Summary, "I met Ayla, who promised forty silver for the boat."),
        (MemoryKind::Fact, "Ayla promised forty silver."),
    ];
    assert_eq!(kept, expected, "the dragon was never spoken of");
    let fact = records(&found)[1];
    assert_eq!((&fact.about[..], fact.place.as_deref()), (&["Ayla".to_owned()][..], Some("the harbour")));
    let source = fact.source.unwrap();
    assert!(source.from.seq <= source.to.seq && source.to.seq < found[0].cursor.seq);
    assert_eq!(memories(&rig, "borin").await, [], "he was there, and has not talked");
    // The same talk is not thought over twice.
    client.send(json!({"type": "end"})).await;
    talk_and_end(&mut client, "borin").await;
    until("another's memory", async || !memories(&rig, "borin").await.is_empty()).await;
    assert_eq!(memories(&rig, "mira").await, found);
    drop(client);
    rig.stop().await;
}

#[tokio::test]
async fn without_a_model_that_can_the_most_telling_sentences_are_kept() {
    let by_code = |settings: &mut Settings| {
        soon(settings);
        settings.reflection.by = ReflectionBy::Code;
    };
    let useless = "As an AI language model I cannot.";
    for (rig, questions) in [
        (Rig::with(script(WRITTEN, 0), by_code).await, 0),
        (Rig::with(script(useless, 0), soon).await, 1),
        (Rig::with(script("", 0), soon).await, 1),
    ] {
        let mut client = Client::open(&rig, Kind::Ndjson).await;
        talk_and_end(&mut client, "mira").await;
        until("a memory", async || !memories(&rig, "mira").await.is_empty()).await;
        assert_eq!(asked(&rig), questions);
        let found = memories(&rig, "mira").await;
        let kept = records(&found);
        assert!(
            kept[0].text.starts_with("I talked with Ayla at the harbour. Ayla told me: “I promise you forty")
        );
        let relations: Vec<&str> = kept[1..].iter().map(|record| record.relation.as_str()).collect();
        assert_eq!(relations, ["promised", "name"]);
        drop(client);
        rig.stop().await;
    }
}

#[tokio::test]
async fn a_turn_comes_first_and_the_work_is_taken_up_again() {
    let rig = Rig::with(script(WRITTEN, 15), soon).await;
    let mut client = Client::open(&rig, Kind::Ndjson).await;
    talk_and_end(&mut client, "mira").await;
    until("the model is asked", async || asked(&rig) == 1).await;
    client.send(say("mira", "One more thing: the oars, too!")).await;
    client.until_turn_ended().await;
    assert_eq!(memories(&rig, "mira").await, [], "the work was broken off");
    client.send(json!({"type": "end"})).await;
    until("a memory", async || !memories(&rig, "mira").await.is_empty()).await;
    assert_eq!(asked(&rig), 2);
    drop(client);
    rig.stop().await;
}

#[tokio::test]
async fn a_save_that_is_loaded_meanwhile_makes_the_work_void() {
    let rig = Rig::with(script(WRITTEN, 10), soon).await;
    let mut client = Client::open(&rig, Kind::Ndjson).await;
    client.send(json!({"type": "save", "name": "before"})).await;
    talk_and_end(&mut client, "mira").await;
    client.send(json!({"type": "save", "name": "after"})).await;
    until("the model is asked", async || asked(&rig) == 1).await;
    client.send(json!({"type": "load", "name": "before"})).await;
    client.until(|event| event["type"] == "loaded").await;
    // One job after the other: when his is done, hers is over.
    talk_and_end(&mut client, "borin").await;
    until("another's memory", async || !memories(&rig, "borin").await.is_empty()).await;
    assert_eq!(memories(&rig, "mira").await, []);
    client.send(json!({"type": "load", "name": "after"})).await;
    client.until(|event| event["type"] == "loaded" && event["branch"] == "0").await;
    assert_eq!(memories(&rig, "mira").await, [], "nor was it written there behind the save");
    assert_eq!(memories(&rig, "borin").await, [], "what he remembers is of the other time");
    drop(client);
    rig.stop().await;
}

/// Everything that the model was shown for the newest turn.
fn shown(rig: &Rig) -> String {
    let seen = rig.model.seen();
    seen.last().unwrap().messages.iter().map(|message| message.text.clone() + "\n").collect()
}

#[tokio::test]
async fn what_is_told_on_is_hearsay_of_the_hearer_alone() {
    let rig = Rig::start(script(WRITTEN, 0)).await;
    let mut client = Client::open(&rig, Kind::Ndjson).await;
    let seen = json!({"type": "event", "text": "Ayla hid a ring under the stairs.", "witnesses": ["mira"]});
    client.send(seen).await;
    client.send(say("borin", "Good day.")).await;
    client.until_turn_ended().await;
    assert!(!shown(&rig).contains("ring"), "{}", shown(&rig));
    let gossip = json!({"type": "event", "text": "Ayla hides things under the stairs.", "told_by": "mira",
        "witnesses": ["borin", "mira"]});
    client.send(gossip).await;
    client.send(say("borin", "What did Mira say?")).await;
    client.until_turn_ended().await;
    let told = shown(&rig);
    assert!(told.contains("Mira told you: Ayla hides things under the stairs."), "{told}");
    assert!(!told.contains("hid a ring"), "what she saw is still hers alone: {told}");
    let found = memories(&rig, "borin").await;
    let record = records(&found)[0];
    assert_eq!((record.kind, record.told_by.as_deref()), (MemoryKind::Hearsay, Some("mira")));
    assert!(record.confidence < 1.0);
    assert_eq!(memories(&rig, "mira").await, [], "who tells it is no hearer");

    let bad = [
        json!({"type": "event", "text": "Psst.", "told_by": "mira"}),
        json!({"type": "event", "text": "Psst.", "told_by": "mira", "witnesses": ["mira"]}),
        json!({"type": "event", "text": "Psst.", "told_by": "mira", "to": "borin", "react": true}),
        json!({"type": "event", "text": "x".repeat(4_001), "told_by": "mira", "to": "borin"}),
    ];
    for command in bad {
        client.send(command).await;
        let error = client.until(|event| event["type"] == "error").await;
        assert!(error["help"].as_str().is_some_and(|help| !help.is_empty()), "{error}");
    }
    assert_eq!(memories(&rig, "borin").await.len(), 1);
    drop(client);
    rig.stop().await;
}

#[tokio::test]
async fn a_talk_that_one_cannot_hear_is_neither_recalled_nor_thought_over() {
    let rig = Rig::with(script("", 0), soon).await;
    let mut client = Client::open(&rig, Kind::Ndjson).await;
    let scene = json!({"place": "the harbour", "present": ["mira", "borin"], "hearing": ["mira"]});
    client.send(json!({"type": "say", "to": "mira", "text": "My name is Heron, whatever they say.", "scene": scene})).await;
    client.until_turn_ended().await;
    client.send(say("borin", "I promise you a barrel of dark ale for tomorrow evening.")).await;
    client.until_turn_ended().await;
    assert!(!shown(&rig).contains("Heron"), "{}", shown(&rig));
    client.send(json!({"type": "end"})).await;
    let both = async || !memories(&rig, "borin").await.is_empty() && !memories(&rig, "mira").await.is_empty();
    until("memories of both", both).await;
    let text = async |of: &str| {
        let found = memories(&rig, of).await;
        records(&found).iter().map(|record| record.text.clone()).collect::<String>()
    };
    assert!(text("mira").await.contains("Heron"));
    assert!(!text("borin").await.contains("Heron"));
    drop(client);
    rig.stop().await;
}
