//! The player speaks: sound comes in, what is understood goes out as `transcript` events, and is then said like words
//! that were typed.
//!
//! The sound of an utterance comes with `listen`, in one piece or in several, or as binary frames of a WebSocket; a
//! second `listen` takes the place of the first. With an open microphone the utterances are told apart here: see
//! `open_microphone.rs`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Bytes;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use futures::{StreamExt as _, stream};
use meddah_protocol::{ErrorCode, EventKind, Listen, Say, WireError, check_id};
use meddah_speech::{
    AudioFormat, LISTEN_RATE_HZ, ListenRequest, NAMES_MAX, Partial, Pcm, Resampler, SoundStream,
    SpeechToText, Transcript, UTTERANCE_MAX, decode,
};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::commands::DONE;
use super::events::EventOrigin;
use super::open_microphone::Between;
use super::reading_ahead::Guess;
use super::{Accepted, Session};
use crate::wire::{self, invalid, no_ears, speech_error};

/// Pieces of sound that wait to be listened to.
const PIECES_WAITING_MAX: usize = 256;
/// The sound of one utterance as it comes in.
const SOUND_BYTES_MAX: usize = 16 * 1024 * 1024;
/// What a game that says nothing sends as `pcm`.
const PCM_RATE_HZ: u32 = 16_000;
/// Rates that microphones have.
const PCM_RATES_HZ: std::ops::RangeInclusive<u32> = 8_000..=96_000;
/// Nothing came for so long: the game is gone, and what came is what was said.
const PIECE_WAIT: Duration = Duration::from_secs(30);

/// An utterance that is being listened to.
pub(super) struct Listening {
    pub req_id: String,
    pieces: mpsc::Sender<Bytes>,
    bytes: usize,
    /// Of an open microphone, which has no end of its own.
    open: bool,
    pub cancel: CancellationToken,
}

/// What was asked for with it.
pub(super) struct Wanted {
    say: Say,
    language: Option<String>,
    partial: bool,
    open: bool,
    pub(super) microphone: bool,
    format: AudioFormat,
    pub(super) rate_hz: u32,
}

impl Session {
    /// Begins to listen, takes more of the sound, or hears that it is at its end.
    pub(super) async fn listen(self: &Arc<Self>, listen: Listen) -> Result<Accepted, WireError> {
        if let Some(accepted) = self.repeated(&listen.req_id) {
            return Ok(accepted);
        }
        let data = BASE64.decode(listen.data.as_deref().unwrap_or_default()).map_err(|error| {
            invalid(format!("`data` is no Base64: {error}"), "Send the sound as Base64, or as binary frames.")
        })?;
        let goes_on = {
            let state = self.state();
            let same = |of: &Listening| {
                of.req_id == listen.req_id && (listen.end || of.open || !of.req_id.is_empty())
            };
            state.listening.as_ref().is_some_and(same)
        };
        let whole = !listen.more;
        let begins_empty = !goes_on && listen.data.is_none() && !listen.end;
        if !goes_on {
            self.begin_listening(&listen)?;
            // The key is down, and the player speaks from now on.
            if !listen.open && (begins_empty || listen.more) {
                self.interrupt(None);
            }
        }
        if !data.is_empty() {
            self.hear(data.into())?;
        }
        // Without a piece of sound more is to come: by frames.
        if listen.end || (whole && !begins_empty && !listen.open) {
            self.state().listening = None;
        }
        Ok(DONE)
    }

    fn begin_listening(self: &Arc<Self>, listen: &Listen) -> Result<(), WireError> {
        let ears = self.ports.ears.clone().ok_or_else(no_ears)?;
        let wanted = self.wanted(listen)?;
        let (pieces, waiting) = mpsc::channel(PIECES_WAITING_MAX);
        let cancel = self.closing.child_token();
        let listening = Listening {
            req_id: listen.req_id.clone(),
            pieces,
            bytes: 0,
            open: listen.open,
            cancel: cancel.clone(),
        };
        if let Some(before) = self.state().listening.replace(listening) {
            before.cancel.cancel();
        }
        let session = self.clone();
        self.tasks.spawn(async move {
            let origin = EventOrigin {
                req_id: Some(wanted.say.req_id.clone()).filter(|id| !id.is_empty()),
                character: Some(wanted.say.to.clone()).filter(|id| !id.is_empty()),
                ..EventOrigin::default()
            };
            let listened = async {
                match wanted.open {
                    true => session.listen_on(ears.as_ref(), &wanted, waiting, &origin).await,
                    false => session.listen_once(ears.as_ref(), &wanted, waiting, &origin).await,
                }
            };
            let result = tokio::select! {
                biased;
                () = cancel.cancelled() => return,
                result = listened => result,
            };
            if let Err(error) = result {
                session.events.push(&origin, EventKind::Error(error));
            }
        });
        Ok(())
    }

    fn wanted(&self, listen: &Listen) -> Result<Wanted, WireError> {
        for (field, id) in [("to", &listen.to), ("req_id", &listen.req_id)] {
            if !id.is_empty() {
                check_id(field, id)?;
            }
        }
        if !listen.to.is_empty() {
            self.check_character(&listen.to)?;
        }
        let name = listen.format.as_deref().unwrap_or(AudioFormat::Wav.extension());
        let format: AudioFormat = name.parse().map_err(|error: meddah_speech::FormatError| {
            invalid(error.to_string(), "Send wav, pcm, ogg, opus or mp3.")
        })?;
        let rate_hz = listen.sample_rate_hz.unwrap_or(PCM_RATE_HZ);
        if !PCM_RATES_HZ.contains(&rate_hz) {
            return Err(invalid(
                format!("`sample_rate_hz` is {rate_hz}"),
                "Send 8000 to 96000 samples per second; 16000 are enough.",
            ));
        }
        let say = Say {
            req_id: listen.req_id.clone(),
            to: listen.to.clone(),
            scene: listen.scene.clone(),
            actions: listen.actions.clone(),
            ..Say::default()
        };
        if listen.microphone {
            crate::voice::check_devices()?;
        }
        if listen.open && !listen.microphone && format != AudioFormat::Pcm {
            return Err(invalid("an open microphone sends `pcm`".to_owned(), "Set `format` to \"pcm\"."));
        }
        let language = listen.language.clone().or_else(|| self.language.clone());
        Ok(Wanted {
            say,
            language,
            partial: listen.partial,
            open: listen.open,
            microphone: listen.microphone,
            format,
            rate_hz,
        })
    }

    /// A piece of the utterance that is being listened to.
    pub fn hear(&self, piece: Bytes) -> Result<(), WireError> {
        let mut state = self.state();
        let Some(listening) = &mut state.listening else {
            return Err(invalid(
                "there is sound and nobody listens".to_owned(),
                "Send `listen` first, and binary frames with sound after it.",
            ));
        };
        if !listening.open {
            listening.bytes += piece.len();
        }
        let taken = listening.bytes <= SOUND_BYTES_MAX && listening.pieces.try_send(piece).is_ok();
        if !taken {
            listening.cancel.cancel();
            state.listening = None;
            return Err(WireError::new(ErrorCode::TooLarge, "the utterance is too long, or came too fast")
                .with_help(format!("Send at most {} s at once.", UTTERANCE_MAX.as_secs())));
        }
        Ok(())
    }

    /// Whether there is anybody who understands speech.
    pub fn can_hear(&self) -> bool {
        self.ports.ears.is_some()
    }

    /// Whether the player is being listened to.
    pub fn is_listening(&self) -> bool {
        self.state().listening.is_some()
    }

    /// Ends what is being listened to for this request, or anything.
    pub(super) fn stop_listening(&self, req_id: Option<&str>) {
        let mut state = self.state();
        let listening = state.listening.take_if(|of| req_id.is_none_or(|req_id| of.req_id == req_id));
        if let Some(listening) = listening {
            listening.cancel.cancel();
        }
    }

    /// One utterance, from its first sound to its last.
    async fn listen_once(
        self: &Arc<Self>,
        ears: &dyn SpeechToText,
        wanted: &Wanted,
        pieces: mpsc::Receiver<Bytes>,
        origin: &EventOrigin,
    ) -> Result<(), WireError> {
        let sound = match wanted.format {
            _ if wanted.microphone => self.recorded(pieces)?,
            AudioFormat::Pcm => as_it_comes(pieces, wanted.rate_hz),
            _ => whole(pieces).await?,
        };
        self.understand(ears, wanted, sound, origin, &Between::new()).await
    }

    /// What this PC records until the game says that it is the end.
    #[cfg(any(windows, target_os = "macos", feature = "devices"))]
    pub(super) fn recorded(&self, mut pieces: mpsc::Receiver<Bytes>) -> Result<SoundStream, WireError> {
        let name = Some(self.microphone.as_str()).filter(|name| !name.is_empty());
        crate::voice::microphone::record(name, async move { while pieces.recv().await.is_some() {} })
    }

    #[cfg(not(any(windows, target_os = "macos", feature = "devices")))]
    pub(super) fn recorded(&self, _: mpsc::Receiver<Bytes>) -> Result<SoundStream, WireError> {
        Err(crate::voice::no_devices())
    }

    /// What is said in this sound is told as it is understood, and then said.
    pub(super) async fn understand(
        self: &Arc<Self>,
        ears: &dyn SpeechToText,
        wanted: &Wanted,
        sound: SoundStream,
        origin: &EventOrigin,
        between: &Between,
    ) -> Result<(), WireError> {
        let mut guess = Guess::new(self, between);
        let text = self.words(ears, wanted, sound, origin, &mut guess).await?;
        if let Some(notice) = ears.notice() {
            self.events.push(origin, wire::told(notice));
        }
        // A request is one utterance; those of an open microphone have no id of their own.
        let req_id = if wanted.open { String::new() } else { wanted.say.req_id.clone() };
        self.say_understood(Say { text, req_id, ..wanted.say.clone() }).await?;
        // It ends with what the turn asks. To be dropped before that would cost its last step.
        guess.read_out().await;
        Ok(())
    }

    /// The words of an utterance, told as they are understood; what they may ask is read meanwhile.
    async fn words<'s>(
        &'s self,
        ears: &dyn SpeechToText,
        wanted: &Wanted,
        sound: SoundStream,
        origin: &EventOrigin,
        guess: &mut Guess<'s>,
    ) -> Result<String, WireError> {
        let request = ListenRequest {
            sound,
            language: wanted.language.clone(),
            names: self.names(),
            partial: if wanted.partial { Partial::Always } else { Partial::InPauses },
        };
        let mut transcripts = ears.listen(request).await.map_err(speech_error)?;
        let (mut told, mut said) = (String::new(), String::new());
        loop {
            let transcript = tokio::select! {
                biased;
                transcript = transcripts.next() => transcript,
                () = guess.read() => continue,
            };
            let Some(transcript) = transcript.transpose().map_err(speech_error)? else { break };
            guess.follow(&transcript, &wanted.say);
            let Transcript { text, is_final, .. } = transcript;
            if is_final || wanted.partial && text != told {
                guess.between.understood(&text);
                self.events.push(origin, EventKind::Transcript { text: text.clone(), is_final });
                told.clone_from(&text);
            }
            if is_final {
                said = text;
            }
        }
        Ok(said)
    }

    /// What was understood is said, if it is anything.
    async fn say_understood(self: &Arc<Self>, say: Say) -> Result<(), WireError> {
        let _taking = self.taking.lock().await;
        if say.text.trim().is_empty() {
            debug!("nothing was understood");
            if !say.req_id.is_empty() {
                self.state().requests.remember(&say.req_id, "");
            }
            return Ok(());
        }
        self.say(say, Vec::new(), self.terms(Instant::now())).await.map(|_| ())
    }

    /// Names that may be said: of those who are there, then of others, then of what the world gives a sound.
    fn names(&self) -> Vec<String> {
        let Ok(world) = self.world() else { return Vec::new() };
        let present = self.state().scene.present.clone();
        let there = present.iter().map(|id| world.name_of(id).to_owned());
        let others = world.characters.values().map(|character| character.name.clone());
        let mut names: Vec<String> = Vec::new();
        for name in there.chain(others).chain(world.pronunciation.keys().cloned()) {
            if names.len() < NAMES_MAX && !names.contains(&name) {
                names.push(name);
            }
        }
        names
    }
}

/// Sound as it comes in, at the rate that is listened to.
pub(super) fn as_it_comes(pieces: mpsc::Receiver<Bytes>, rate_hz: u32) -> SoundStream {
    let state = (pieces, Vec::new(), Resampler::between(rate_hz, LISTEN_RATE_HZ), false);
    stream::unfold(state, move |(mut pieces, mut odd, mut resampler, over)| async move {
        if over {
            return None;
        }
        match tokio::time::timeout(PIECE_WAIT, pieces.recv()).await {
            Ok(Some(piece)) => {
                odd.extend_from_slice(&piece);
                // A number may be cut in two by the frames.
                let rest = odd.split_off(odd.len() / 2 * 2);
                let numbers = std::mem::replace(&mut odd, rest);
                let samples = numbers
                    .chunks_exact(2)
                    .map(|two| f32::from(i16::from_le_bytes([two[0], two[1]])) / f32::from(i16::MAX));
                let samples: Vec<f32> = samples.collect();
                let samples = match &mut resampler {
                    Some(resampler) => resampler.push(&samples),
                    None => samples,
                };
                Some((Pcm { sample_rate_hz: LISTEN_RATE_HZ, samples }, (pieces, odd, resampler, false)))
            }
            Ok(None) | Err(_) => {
                let samples = resampler.as_mut().map(Resampler::finish).unwrap_or_default();
                Some((Pcm { sample_rate_hz: LISTEN_RATE_HZ, samples }, (pieces, odd, resampler, true)))
            }
        }
    })
    .boxed()
}

/// A file, once it is complete.
async fn whole(mut pieces: mpsc::Receiver<Bytes>) -> Result<SoundStream, WireError> {
    let mut file = Vec::new();
    while let Ok(Some(piece)) = tokio::time::timeout(PIECE_WAIT, pieces.recv()).await {
        file.extend_from_slice(&piece);
    }
    let decoded = tokio::task::spawn_blocking(move || decode(&file).map(|pcm| pcm.resampled(LISTEN_RATE_HZ)));
    let decoded = decoded.await.map_err(|error| WireError::new(ErrorCode::Internal, error.to_string()))?;
    let pcm = decoded.map_err(|error| {
        invalid(error.to_string(), "Send a whole WAV, OGG, Opus or MP3 file, or `pcm` with its rate.")
    })?;
    Ok(stream::iter([pcm]).boxed())
}
