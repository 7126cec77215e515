//! A deterministic double for tests: it understands what its script says, a word more for each piece of sound, and all
//! of it in a pause.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures::{StreamExt as _, stream};

use super::{ListenRequest, Partial, SoundStream, SpeechToText, Transcript, TranscriptStream};
use crate::{Pcm, SpeechError, samples_as_time};

/// Understands the same of every utterance, and remembers how long each was.
#[derive(Default)]
pub struct ScriptedListener {
    /// What is understood, if there is any sound at all.
    pub text: String,
    /// Fail at the end of the utterance.
    pub fails: bool,
    pub(crate) heard: Arc<Mutex<Vec<Duration>>>,
}

/// How many utterances it remembers for a test to look at.
const HEARD_MAX: usize = 64;
/// A piece of sound whose loudest sample is softer is a pause.
const PAUSE_PEAK: f32 = 0.01;

impl ScriptedListener {
    /// Understands this.
    pub fn hearing(text: &str) -> ScriptedListener {
        ScriptedListener { text: text.to_owned(), ..ScriptedListener::default() }
    }

    /// How long each utterance was, oldest first.
    pub fn heard(&self) -> Vec<Duration> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[async_trait]
impl SpeechToText for ScriptedListener {
    async fn listen(&self, request: ListenRequest) -> Result<TranscriptStream, SpeechError> {
        let listening = Listening {
            sound: request.sound,
            partial: request.partial,
            words: self.text.split_whitespace().map(str::to_owned).collect(),
            fails: self.fails,
            heard: self.heard.clone(),
            pieces: 0,
            samples: 0,
            voiced: false,
            over: false,
        };
        let next = |mut listening: Listening| async { Some((listening.next().await?, listening)) };
        Ok(stream::unfold(listening, next).boxed())
    }
}

/// An utterance.
struct Listening {
    sound: SoundStream,
    partial: Partial,
    words: Vec<String>,
    fails: bool,
    heard: Arc<Mutex<Vec<Duration>>>,
    pieces: usize,
    samples: usize,
    /// Somebody spoke, and did not pause since.
    voiced: bool,
    over: bool,
}

impl Listening {
    async fn next(&mut self) -> Option<Result<Transcript, SpeechError>> {
        if self.over {
            return None;
        }
        while let Some(piece) = self.sound.next().await {
            if let Some(transcript) = self.piece(&piece) {
                return Some(Ok(transcript));
            }
        }
        self.over = true;
        let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        if heard.len() < HEARD_MAX {
            heard.push(samples_as_time(self.samples, super::LISTEN_RATE_HZ));
        }
        if self.fails {
            return Some(Err(SpeechError::broken("as the script says")));
        }
        let text = if self.samples == 0 { String::new() } else { self.words.join(" ") };
        Some(Ok(Transcript::last(text)))
    }

    fn piece(&mut self, piece: &Pcm) -> Option<Transcript> {
        (self.pieces, self.samples) = (self.pieces + 1, self.samples + piece.samples.len());
        let is_pause = piece.samples.iter().all(|sample| sample.abs() < PAUSE_PEAK);
        let begins_pause = std::mem::replace(&mut self.voiced, !is_pause) && is_pause;
        if begins_pause && self.partial != Partial::No {
            return Some(Transcript::in_pause(self.words.join(" ")));
        }
        let tell = self.partial == Partial::Always && self.pieces < self.words.len();
        tell.then(|| Transcript::so_far(self.words[..self.pieces].join(" ")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(levels: &[f32]) -> ListenRequest {
        let piece =
            |level: &f32| Pcm { sample_rate_hz: super::super::LISTEN_RATE_HZ, samples: vec![*level; 1600] };
        let sound = stream::iter(levels.iter().map(piece).collect::<Vec<_>>()).boxed();
        ListenRequest { sound, language: None, names: Vec::new(), partial: Partial::Always }
    }

    #[tokio::test]
    async fn it_understands_a_word_more_for_each_piece_of_sound() {
        let ears = ScriptedListener { text: "hail to you".into(), ..ScriptedListener::default() };
        let said: Vec<_> = ears.listen(request(&[0.1; 4])).await.unwrap().map(Result::unwrap).collect().await;
        let texts: Vec<_> = said.iter().map(|said| said.text.as_str()).collect();
        assert_eq!(texts, ["hail", "hail to", "hail to you"]);
        assert!(said[2].is_final && !said[1].is_final);
        assert_eq!(ears.heard(), [Duration::from_millis(400)]);
    }

    #[tokio::test]
    async fn each_pause_may_be_the_end() {
        let ears = ScriptedListener::hearing("hail");
        let request = ListenRequest { partial: Partial::InPauses, ..request(&[0.1, 0.0, 0.0, 0.1, 0.0]) };
        let said: Vec<_> = ears.listen(request).await.unwrap().map(Result::unwrap).collect().await;
        assert_eq!(
            said,
            [Transcript::in_pause("hail"), Transcript::in_pause("hail"), Transcript::last("hail")]
        );
    }

    #[tokio::test]
    async fn silence_is_no_word_and_a_failure_is_the_end() {
        let ears = ScriptedListener { text: "hail".into(), ..ScriptedListener::default() };
        let said: Vec<_> = ears.listen(request(&[])).await.unwrap().collect().await;
        assert_eq!(said[0].as_ref().unwrap(), &Transcript::last(""));
        let ears = ScriptedListener { fails: true, ..ScriptedListener::default() };
        let said: Vec<_> = ears.listen(request(&[0.1; 2])).await.unwrap().collect().await;
        assert!(said.len() == 1 && said[0].is_err());
    }
}
