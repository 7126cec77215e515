//! A deterministic double for tests: it understands what its script says, a word more for each piece of sound.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures::{StreamExt as _, stream};

use super::{ListenRequest, SpeechToText, Transcript, TranscriptStream};
use crate::{SpeechError, samples_as_time};

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
        let words: Vec<String> = self.text.split_whitespace().map(str::to_owned).collect();
        let (fails, heard, partial) = (self.fails, self.heard.clone(), request.partial);
        let state = (request.sound, 0usize, 0usize, false);
        let transcripts = stream::unfold(state, move |(mut sound, pieces, samples, over)| {
            let (words, heard) = (words.clone(), heard.clone());
            async move {
                if over {
                    return None;
                }
                let (mut pieces, mut samples) = (pieces, samples);
                while let Some(piece) = sound.next().await {
                    (pieces, samples) = (pieces + 1, samples + piece.samples.len());
                    if partial && pieces < words.len() {
                        let so_far = Transcript { text: words[..pieces].join(" "), is_final: false };
                        return Some((Ok(so_far), (sound, pieces, samples, false)));
                    }
                }
                let mut heard = heard.lock().unwrap_or_else(PoisonError::into_inner);
                if heard.len() < HEARD_MAX {
                    heard.push(samples_as_time(samples, super::LISTEN_RATE_HZ));
                }
                let text = if samples == 0 { String::new() } else { words.join(" ") };
                let last = if fails {
                    Err(SpeechError::broken("as the script says"))
                } else {
                    Ok(Transcript { text, is_final: true })
                };
                Some((last, (sound, pieces, samples, true)))
            }
        });
        Ok(transcripts.boxed())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Pcm;

    fn request(pieces: usize) -> ListenRequest {
        let piece = Pcm { sample_rate_hz: super::super::LISTEN_RATE_HZ, samples: vec![0.1; 1600] };
        let sound = stream::iter(vec![piece; pieces]).boxed();
        ListenRequest { sound, language: None, names: Vec::new(), partial: true }
    }

    #[tokio::test]
    async fn it_understands_a_word_more_for_each_piece_of_sound() {
        let ears = ScriptedListener { text: "hail to you".into(), ..ScriptedListener::default() };
        let said: Vec<_> = ears.listen(request(4)).await.unwrap().map(Result::unwrap).collect().await;
        let texts: Vec<_> = said.iter().map(|said| said.text.as_str()).collect();
        assert_eq!(texts, ["hail", "hail to", "hail to you"]);
        assert!(said[2].is_final && !said[1].is_final);
        assert_eq!(ears.heard(), [Duration::from_millis(400)]);
    }

    #[tokio::test]
    async fn silence_is_no_word_and_a_failure_is_the_end() {
        let ears = ScriptedListener { text: "hail".into(), ..ScriptedListener::default() };
        let said: Vec<_> = ears.listen(request(0)).await.unwrap().collect().await;
        assert_eq!(said[0].as_ref().unwrap(), &Transcript { text: String::new(), is_final: true });
        let ears = ScriptedListener { fails: true, ..ScriptedListener::default() };
        let said: Vec<_> = ears.listen(request(2)).await.unwrap().collect().await;
        assert!(said.len() == 1 && said[0].is_err());
    }
}
