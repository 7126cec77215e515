//! An open microphone: utterances are told apart here, and whoever still speaks to the player falls silent when the
//! player begins to. What sounds meanwhile is no utterance, if the microphone hears it.

use std::sync::Arc;

use axum::body::Bytes;
use futures::{StreamExt as _, stream};
use meddah_protocol::{EventKind, WireError};
use meddah_speech::voice_activity_detection::{Earshot, OpenMicrophone, SoFar, Utterance};
use meddah_speech::{Pcm, SoundStream, SpeechToText};
use tokio::sync::{Notify, mpsc, watch};

use super::Session;
use super::events::EventOrigin;
use super::listening::{Wanted, as_it_comes};

/// Pieces of an utterance, each at least a frame of 16 ms: more than the longest has.
const UTTERANCE_PIECES_MAX: usize = 2048;
/// Utterances that wait to be understood.
const UTTERANCES_WAITING_MAX: usize = 4;

/// What finding an utterance and understanding it tell each other.
pub(super) struct Between {
    /// What was understood so far.
    so_far: watch::Sender<SoFar>,
    /// A pause was not the end.
    goes_on: Notify,
}

impl Between {
    pub fn new() -> Between {
        Between { so_far: watch::Sender::new(SoFar::Unknown), goes_on: Notify::new() }
    }

    pub fn understood(&self, text: &str) {
        self.so_far.send_replace(SoFar::of(text));
    }

    pub async fn goes_on(&self) {
        self.goes_on.notified().await;
    }
}

impl Session {
    /// An open microphone, until its end. Utterances are found while the one before is still being understood.
    pub(super) async fn listen_on(
        self: &Arc<Self>,
        ears: &dyn SpeechToText,
        wanted: &Wanted,
        pieces: mpsc::Receiver<Bytes>,
        origin: &EventOrigin,
    ) -> Result<(), WireError> {
        let (utterances, mut waiting) = mpsc::channel(UTTERANCES_WAITING_MAX);
        let between = Between::new();
        let sound = match wanted.microphone {
            true => self.recorded(pieces)?,
            false => as_it_comes(pieces, wanted.rate_hz),
        };
        let finding = self.find_utterances(sound, utterances, &between, origin);
        let understanding = async {
            while let Some(sound) = waiting.recv().await {
                if let Err(error) = self.understand(ears, wanted, sound, origin, &between).await {
                    self.events.push(origin, EventKind::Error(error)); // the next one may be understood
                }
            }
        };
        tokio::join!(finding, understanding);
        Ok(())
    }

    async fn find_utterances(
        self: &Arc<Self>,
        mut sound: SoundStream,
        utterances: mpsc::Sender<SoundStream>,
        between: &Between,
        origin: &EventOrigin,
    ) {
        let mut microphone = OpenMicrophone::new(|| Box::new(Earshot::new()));
        let mut speaking: Option<mpsc::Sender<Pcm>> = None;
        while let Some(piece) = sound.next().await {
            microphone.understood(*between.so_far.borrow());
            let played = self.sounding.level(piece.duration());
            for told in microphone.push(&piece.samples, played) {
                match told {
                    Utterance::Began { .. } => {
                        self.cut_in(origin);
                        between.so_far.send_replace(SoFar::Unknown);
                        let (pieces, said) = mpsc::channel(UTTERANCE_PIECES_MAX);
                        // Full: nothing was understood for a long time, and what is said now is lost, too.
                        let taken = utterances.try_send(as_it_is_found(said)).is_ok();
                        speaking = taken.then_some(pieces);
                    }
                    Utterance::Sound(pcm) => {
                        if let Some(pieces) = &speaking {
                            pieces.try_send(pcm).ok(); // likewise
                        }
                    }
                    Utterance::MayBeOver { .. } => {} // whoever understands it notices by itself
                    Utterance::Resumed { .. } => between.goes_on.notify_waiters(),
                    Utterance::Ended { .. } => speaking = None,
                }
            }
        }
    }

    /// The player begins to speak: whoever speaks falls silent, and the game stops what it plays.
    fn cut_in(self: &Arc<Self>, origin: &EventOrigin) {
        self.interrupt(None);
        self.events.push(origin, EventKind::Transcript { text: String::new(), is_final: false });
    }
}

/// An utterance, while it is still being found.
fn as_it_is_found(pieces: mpsc::Receiver<Pcm>) -> SoundStream {
    stream::unfold(pieces, |mut pieces| async move { Some((pieces.recv().await?, pieces)) }).boxed()
}
