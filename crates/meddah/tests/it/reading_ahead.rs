//! What the player said before a pause is read by the model before it is known whether that was all.

use std::sync::Arc;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use futures::{StreamExt as _, stream};
use meddah::voice::Voices;
use meddah_engine::timeline::{Cursor, TimelineKey};
use meddah_inference::ChatRequest;
use meddah_speech::{
    ListenRequest, ScriptedListener, SpeechError, SpeechToText, Transcript, TranscriptStream,
};
use serde_json::{Value, json};

use crate::listening::meddah_test_voice;
use crate::rig::{PATIENCE, Rig, door, say, script, types};

const WORDS: &str = "open the door Mira";
/// Longer than what begins a pause, and shorter than any that ends an utterance.
const PAUSE_MS: usize = 288;
/// Longer than any that does not.
const END_MS: usize = 2_000;

/// Understands something else each time.
struct Counting(ScriptedListener);

#[async_trait]
impl SpeechToText for Counting {
    async fn listen(&self, request: ListenRequest) -> Result<TranscriptStream, SpeechError> {
        let transcripts = self.0.listen(request).await?.zip(stream::iter(1..));
        let counted = |(transcript, count): (Result<Transcript, SpeechError>, u32)| {
            transcript.map(|heard| Transcript { text: format!("{} {count}", heard.text), ..heard })
        };
        Ok(transcripts.map(counted).boxed())
    }
}

/// A game with an open microphone.
struct Game {
    rig: Rig,
    session: String,
}

impl Game {
    async fn open() -> Game {
        Game::hearing(Arc::new(ScriptedListener::hearing(WORDS))).await
    }

    async fn hearing(ears: Arc<dyn SpeechToText>) -> Game {
        let rig = Rig::hearing(script(1, 3), Voices::default(), ears).await;
        let session = rig.session().await;
        let game = Game { rig, session };
        game.send(json!({"type": "actions", "list": door()})).await;
        game.listen(&[]).await;
        game
    }

    async fn send(&self, command: Value) {
        let commands = format!("/v1/sessions/{}/commands", self.session);
        let (_, answer) = self.rig.post(&commands, &command).await;
        assert!(answer["accepted"][0]["error"].is_null(), "{answer}");
    }

    /// The microphone hears this.
    async fn listen(&self, sound: &[u8]) {
        let listen = json!({"type": "listen", "req_id": "r1", "to": "mira", "format": "pcm", "open": true, "more": true,
            "data": BASE64.encode(sound)});
        self.send(listen).await;
    }

    async fn speaks(&self) {
        for piece in meddah_test_voice().chunks(6_400) {
            self.listen(piece).await;
        }
    }

    /// In pieces of 32 ms: those that are heard as one are silent as a whole.
    async fn is_silent(&self, ms: usize) {
        for piece in vec![0; 2 * 16 * ms].chunks(1_024) {
            self.listen(piece).await;
        }
    }

    /// So many prompts were read ahead.
    async fn read_ahead(&self, count: usize) -> Vec<ChatRequest> {
        let read = async {
            while self.rig.model.was_read_ahead().len() < count {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, read).await.expect("it is read ahead");
        self.rig.model.was_read_ahead()
    }

    async fn events(&self) -> Vec<Value> {
        let (_, body) = self.rig.get(&format!("/v1/sessions/{}/events?cursor=0", self.session)).await;
        body["events"].as_array().unwrap().clone()
    }

    /// Where the timeline is.
    async fn head(&self) -> Cursor {
        let key = TimelineKey { world: "tavern".into(), player: "Ayla".into() };
        self.rig.sidecar.ports.store.head(&key).await.unwrap()
    }
}

#[tokio::test]
async fn the_turn_asks_exactly_what_was_read_ahead() {
    let game = Game::open().await;
    game.speaks().await;
    game.is_silent(END_MS).await;
    game.rig.until_turn_ended(&game.session, 0).await;
    let (read, asked) = (game.read_ahead(1).await, game.rig.model.seen());
    assert!(asked[0].messages.last().unwrap().text.contains(WORDS), "{:?}", asked[0].messages);
    assert_eq!((read.len(), asked.len()), (1, 1));
    assert_eq!(read[0], asked[0], "down to the seed, so that the reply can be taken up");
    game.rig.stop().await;
}

#[tokio::test]
async fn what_is_not_said_in_the_end_leaves_no_trace() {
    let game = Game::open().await;
    let (events, head) = (game.events().await, game.head().await);
    game.speaks().await;
    game.is_silent(PAUSE_MS).await;
    game.read_ahead(1).await;
    game.send(json!({"type": "cancel", "req_id": "r1"})).await;
    assert_eq!(game.head().await, head);
    assert!(game.rig.model.seen().is_empty());
    // The game hears that somebody began to speak, and nothing of what was understood.
    let new = game.events().await.split_off(events.len());
    assert_eq!(types(&new), ["transcript"]);
    assert_eq!((&new[0]["text"], &new[0]["final"]), (&json!(""), &json!(false)));
    // The next turn is the first one, in a prompt without a past.
    game.send(say("r2", "mira")).await;
    let ended = game.rig.until_turn_ended(&game.session, 0).await.pop().unwrap();
    assert_eq!((&ended["turn"], &ended["req_id"]), (&json!("t1"), &json!("r2")));
    let asked = game.rig.model.seen();
    assert!(!asked[0].messages.iter().any(|message| message.text.contains(WORDS)), "{:?}", asked[0].messages);
    game.rig.stop().await;
}

#[tokio::test]
async fn who_goes_on_after_a_pause_is_read_anew_in_the_next_one() {
    let game = Game::hearing(Arc::new(Counting(ScriptedListener::hearing(WORDS)))).await;
    game.speaks().await;
    game.is_silent(PAUSE_MS).await;
    game.read_ahead(1).await;
    game.speaks().await;
    game.is_silent(END_MS).await;
    let read = game.read_ahead(2).await;
    let said = |request: &ChatRequest| request.messages.last().unwrap().text.clone();
    assert!(said(&read[0]).contains("Mira 1") && said(&read[1]).contains("Mira 2"), "{read:?}");
    let events = game.rig.until_turn_ended(&game.session, 0).await;
    assert_eq!(events.iter().filter(|event| event["type"] == "turn_started").count(), 1);
    game.rig.stop().await;
}

#[tokio::test]
async fn a_moment_that_the_words_would_change_is_not_guessed() {
    let game = Game::open().await;
    game.send(json!({"type": "listen", "req_id": "r1", "end": true})).await;
    let listen = json!({"type": "listen", "req_id": "r2", "to": "mira", "format": "pcm", "open": true, "more": true,
        "scene": {"place": "the cellar"}});
    game.send(listen).await;
    let sound = [meddah_test_voice(), vec![0; 2 * 16 * END_MS]].concat();
    for piece in sound.chunks(6_400) {
        let more = json!({"type": "listen", "req_id": "r2", "to": "mira", "data": BASE64.encode(piece), "more": true});
        game.send(more).await;
    }
    game.rig.until_turn_ended(&game.session, 0).await;
    assert_eq!((game.rig.model.was_read_ahead().len(), game.rig.model.seen().len()), (0, 1));
    game.rig.stop().await;
}
