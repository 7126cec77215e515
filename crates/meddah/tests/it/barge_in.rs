//! A player who speaks while a character's line sounds, with an open microphone that hears the character, too.
//!
//! The voices are those of a synthesiser, the steps are as long as in a game, the rest is scripted.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::stream::{SplitSink, SplitStream};
use futures::{SinkExt as _, StreamExt as _, stream};
use meddah::voice::{LinePlayer, LineToPlay, Voices};
use meddah_protocol::WireError;
use meddah_speech::{
    LocalSpeech, Pcm, ScriptedListener, SpeechError, SpeechPiece, SpeechRequest, SpeechStream, TextToSpeech,
    Voice, VoiceSettings,
};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::time::{Instant, Interval};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::rig::{PATIENCE, Rig, say, script};

const RATE_HZ: u32 = 16_000;
/// What a microphone sends at once.
const STEP: Duration = Duration::from_millis(20);
const STEP_SAMPLES: usize = 320;
/// The character is heard so much softer than it is played: 20 dB.
const ECHO: f32 = 0.1;
/// From the first sound of speech to the cut. The aim is 150 ms, which the table of `utterance_table` measures; a
/// machine that is busy with other tests may be late.
const CUT_WITHIN: Duration = Duration::from_millis(600);

/// Says the same sound for every line.
struct Recorded(Pcm);

#[async_trait]
impl TextToSpeech for Recorded {
    async fn voices(&self) -> Vec<Voice> {
        Vec::new()
    }

    async fn speak(&self, request: SpeechRequest) -> Result<SpeechStream, SpeechError> {
        let pieces = if request.text.is_empty() { Vec::new() } else { vec![self.0.clone()] };
        let piece = |pcm| Ok(SpeechPiece { pcm, marks: Vec::new() });
        Ok(stream::iter(pieces.into_iter().map(piece)).boxed())
    }
}

/// Takes as long as a line is, or until it is stopped.
#[derive(Default)]
struct Loudspeaker(Notify);

#[async_trait]
impl LinePlayer for Loudspeaker {
    async fn play(&self, line: &LineToPlay) -> Result<f32, WireError> {
        let (began, length) = (Instant::now(), line.pcm.duration());
        tokio::select! {
            () = tokio::time::sleep(length) => Ok(1.0),
            () = self.0.notified() => Ok(began.elapsed().as_secs_f32() / length.as_secs_f32()),
        }
    }

    fn stop(&self) {
        self.0.notify_one();
    }
}

/// A sentence, from its first sound to its last.
async fn spoken(text: &str, pitch: f32, loudness: f32) -> Pcm {
    let file = meddah_speech::suite::voice_file();
    let speech = LocalSpeech::new(file.parent().unwrap().to_owned(), 1).unwrap();
    let voice = Some(file.file_stem().unwrap().to_str().unwrap().to_owned());
    let settings = VoiceSettings { voice, pitch, ..VoiceSettings::default() };
    let request = SpeechRequest { settings, ..SpeechRequest::new(text) };
    let pcm = SpeechPiece::whole(speech.speak(request).await.unwrap()).await.unwrap().pcm.resampled(RATE_HZ);
    let loud = |sample: &f32| sample.abs() > 0.02;
    let from = pcm.samples.iter().position(loud).unwrap();
    let until = pcm.samples.iter().rposition(loud).unwrap();
    let samples = pcm.samples[from..until].iter().map(|sample| sample * loudness).collect();
    Pcm { sample_rate_hz: RATE_HZ, samples }
}

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// The game: what it hears with its microphone, step by step, and what it is told.
struct Game {
    sends: SplitSink<Socket, Message>,
    told: SplitStream<Socket>,
    events: Vec<Value>,
    ticks: Interval,
    noise: u32,
}

impl Game {
    async fn open(rig: &Rig, capabilities: Value) -> Game {
        let (socket, _) = connect_async(format!("ws://127.0.0.1:{}/v1/ws", rig.port)).await.unwrap();
        let (sends, told) = socket.split();
        let mut game = Game { sends, told, events: Vec::new(), ticks: tokio::time::interval(STEP), noise: 1 };
        game.send(json!({"type": "hello", "player": "Ayla", "capabilities": capabilities})).await;
        game.send(json!({"type": "listen", "to": "mira", "format": "pcm", "open": true})).await;
        game
    }

    async fn send(&mut self, command: Value) {
        self.sends.send(Message::text(command.to_string())).await.unwrap();
    }

    /// Reads until such an event comes.
    async fn until(&mut self, wanted: impl Fn(&Value) -> bool) -> Value {
        if let Some(event) = self.events.iter().find(|event| wanted(event)) {
            return event.clone();
        }
        let read = async {
            loop {
                let Message::Text(text) = self.told.next().await.unwrap().unwrap() else { continue };
                self.events.push(serde_json::from_str(&text).unwrap());
                if wanted(self.events.last().unwrap()) {
                    return self.events.last().unwrap().clone();
                }
            }
        };
        tokio::time::timeout(PATIENCE, read).await.expect("the event comes")
    }

    /// Hears these sounds together in a quiet room, until their end or until the player is heard to begin. Returns how
    /// much was heard of them, and whether the player was noticed.
    async fn hears(&mut self, sounds: [&[f32]; 2]) -> (usize, bool) {
        let length = sounds[0].len().max(sounds[1].len());
        for at in (0..length).step_by(STEP_SAMPLES) {
            let sample = |place: usize| {
                self.noise = self.noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let hiss = (self.noise >> 8) as f32 / (1 << 24) as f32 - 0.5;
                let heard: f32 = sounds.iter().filter_map(|sound| sound.get(place)).sum();
                heard + hiss * 0.002
            };
            let samples = (at..at + STEP_SAMPLES).map(sample).collect();
            let pcm = Pcm { sample_rate_hz: RATE_HZ, samples }.to_i16();
            let frame: Vec<u8> = pcm.iter().flat_map(|number| number.to_le_bytes()).collect();
            let next = self.ticks.tick();
            next.await;
            self.sends.send(Message::binary(frame)).await.unwrap();
            while let Ok(Some(message)) =
                tokio::time::timeout(Duration::from_millis(1), self.told.next()).await
            {
                let Message::Text(text) = message.unwrap() else { continue };
                self.events.push(serde_json::from_str(&text).unwrap());
            }
            if self.events.iter().any(is_noticed) {
                return (at + STEP_SAMPLES, true);
            }
        }
        (length, false)
    }
}

fn is_noticed(event: &Value) -> bool {
    event["type"] == "transcript" && event["text"] == ""
}

fn is_end_of(turn: &'static str) -> impl Fn(&Value) -> bool {
    move |event| event["type"] == "turn_ended" && event["turn"] == turn
}

/// Waits for the character's first line, lets it be heard for a while, and cuts in. Tells how soon that was noticed.
async fn cut_in(rig: &Rig, ears: &ScriptedListener, played_here: bool, finish: &str) {
    let capabilities = match played_here {
        true => json!({"self_playback": true}),
        false => json!({"audio": ["wav"]}),
    };
    let character = character().await;
    let player = spoken("Stop right there, I have heard enough of this!", 3.0, 0.5).await;
    let echo: Vec<f32> = character.samples.iter().map(|sample| sample * ECHO).collect();
    let mut game = Game::open(rig, capabilities).await;
    assert!(!game.hears([&[0.0; 16_000], &[]]).await.1);
    game.send(say("r1", "mira")).await;
    game.until(|event| event["type"] == "audio" && event["line"] == 0).await;
    game.ticks.reset();
    // The character is heard from the loudspeakers, and not taken for the player.
    let (alone, with_player) = echo.split_at(2 * RATE_HZ as usize);
    assert!(!game.hears([alone, &[]]).await.1, "the character cut itself short: {:?}", game.events);
    let (heard, noticed) = game.hears([with_player, &player.samples]).await;
    let after = Duration::from_millis(heard as u64 / 16);
    assert!(noticed && after <= CUT_WITHIN, "noticed: {noticed}, after {after:?}");
    // The game stops to play, and tells how far it came.
    if !played_here {
        game.send(json!({"type": "heard", "turn": "t1", "line": 0, "fraction": 0.5})).await;
    }
    game.events.retain(|event| !is_noticed(event));
    game.hears([&player.samples[heard..], &[]]).await;
    game.hears([&[0.0; 40_000], &[]]).await;
    assert_eq!(game.until(is_end_of("t1")).await["finish"], finish);
    game.until(is_end_of("t2")).await;
    // The words that cut in are said, from their first sound on, and the character knows how far it came.
    let cut = ears.heard()[0];
    assert!(cut >= player.duration() + Duration::from_millis(200), "{cut:?} of {:?}", player.duration());
    let requests = rig.model.seen();
    let told = |request: &meddah_inference::ChatRequest| -> String {
        request.messages.iter().map(|message| message.text.as_str()).collect()
    };
    let answered = requests.iter().map(told).rfind(|text| text.contains("I have heard enough")).unwrap();
    assert!(answered.contains("Welcome") && answered.contains('—'), "{answered}");
    assert!(!answered.contains("Lantern. ") && !answered.contains("What will it be?"), "{answered}");
}

/// Its lines: long enough to be cut short.
async fn character() -> Pcm {
    let text = "Welcome to the Lantern, traveller. The stew is hot and the road outside is wet, so sit down by the fire.";
    spoken(text, -2.0, 0.6).await
}

async fn rig(delay_ms: u64, change: impl FnOnce(Voices) -> Voices) -> (Rig, Arc<ScriptedListener>) {
    let ears = Arc::new(ScriptedListener::hearing("Stop right there, I have heard enough."));
    let voices = change(Voices::new(Arc::new(Recorded(character().await)), 8 << 20));
    (Rig::hearing(script(delay_ms, 1), voices, ears.clone()).await, ears)
}

#[tokio::test]
async fn a_turn_that_goes_on_is_cut() {
    let (rig, ears) = rig(120, |voices| voices).await;
    cut_in(&rig, &ears, false, "interrupted").await;
    rig.stop().await;
}

#[tokio::test]
async fn a_line_that_sounds_when_its_turn_is_over_is_cut_short() {
    let (rig, ears) = rig(1, |voices| voices).await;
    cut_in(&rig, &ears, false, "complete").await;
    rig.stop().await;
}

#[tokio::test]
async fn what_this_pc_plays_stops_and_is_remembered_as_far_as_it_was_heard() {
    let (rig, ears) = rig(1, |voices| voices.with_player(Arc::new(Loudspeaker::default()))).await;
    cut_in(&rig, &ears, true, "complete").await;
    rig.stop().await;
}
