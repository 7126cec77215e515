//! A deterministic double for tests: each word is a tone of fixed length, and its marks are known.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures::{StreamExt as _, stream};

use crate::{
    Mark, MarkKind, Pcm, SpeechError, SpeechPiece, SpeechRequest, SpeechStream, TextToSpeech, Voice,
};

/// Its rate.
const RATE_HZ: u32 = 16_000;
/// How long each word is.
const WORD: Duration = Duration::from_millis(200);
/// How many requests it remembers for a test to look at.
const SEEN_MAX: usize = 64;

/// Speaks one piece per word, with a wait before each.
#[derive(Default)]
pub struct ScriptedSpeech {
    /// Before each piece.
    pub delay: Duration,
    /// Fail in place of the word with this number, from 0.
    pub fail_at: Option<usize>,
    seen: Mutex<Vec<SpeechRequest>>,
}

impl ScriptedSpeech {
    /// Waits so long before each piece.
    pub fn slow(delay: Duration) -> ScriptedSpeech {
        ScriptedSpeech { delay, ..ScriptedSpeech::default() }
    }

    /// Fails in place of the word with this number, from 0.
    pub fn failing_at(word: usize) -> ScriptedSpeech {
        ScriptedSpeech { fail_at: Some(word), ..ScriptedSpeech::default() }
    }

    /// What it was asked to say, oldest first.
    pub fn seen(&self) -> Vec<SpeechRequest> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[async_trait]
impl TextToSpeech for ScriptedSpeech {
    async fn voices(&self) -> Vec<Voice> {
        let (name, language) = ("scripted".to_owned(), "en_US".to_owned());
        vec![Voice { name, language, speakers: 1, sample_rate_hz: RATE_HZ, robotic: true }]
    }

    async fn speak(&self, request: SpeechRequest) -> Result<SpeechStream, SpeechError> {
        request.check()?;
        let words = words(&request.text);
        {
            let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            if seen.len() < SEEN_MAX {
                seen.push(request);
            }
        }
        let (delay, fail_at) = (self.delay, self.fail_at);
        let pieces =
            stream::iter(words.into_iter().enumerate()).then(move |(place, (begin, end))| async move {
                tokio::time::sleep(delay).await;
                if fail_at == Some(place) {
                    Err(SpeechError::broken("as the script says"))
                } else {
                    Ok(piece(place, begin, end))
                }
            });
        // Nothing comes after an error.
        let pieces = pieces.scan(false, |failed, piece| {
            let ended = std::mem::replace(failed, piece.is_err());
            futures::future::ready((!ended).then_some(piece))
        });
        Ok(pieces.boxed())
    }
}

fn words(text: &str) -> Vec<(usize, usize)> {
    let mut words = Vec::new();
    for (place, _) in text.char_indices().filter(|(_, sign)| sign.is_alphanumeric()) {
        let end = place + text[place..].chars().next().map_or(1, char::len_utf8);
        match words.last_mut() {
            Some((_, until)) if *until == place => *until = end,
            _ => words.push((place, end)),
        }
    }
    words
}

fn piece(place: usize, begin: usize, end: usize) -> SpeechPiece {
    let count = (WORD.as_secs_f64() * f64::from(RATE_HZ)) as usize;
    let samples = (0..count).map(|sample| (sample as f32 * 0.1).sin() * 0.3).collect();
    let at = WORD * u32::try_from(place).unwrap_or(u32::MAX);
    let mark = |kind| Mark { at, duration: WORD, kind };
    SpeechPiece {
        pcm: Pcm { sample_rate_hz: RATE_HZ, samples },
        marks: vec![mark(MarkKind::Word(begin..end)), mark(MarkKind::Phoneme("ə".into()))],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::VoiceSettings;

    #[tokio::test]
    async fn the_double_passes_the_suite() {
        crate::suite::all(&ScriptedSpeech::default(), &VoiceSettings::default()).await;
    }

    #[tokio::test]
    async fn it_fails_where_its_script_says() {
        let speech = ScriptedSpeech { fail_at: Some(1), ..ScriptedSpeech::default() };
        let pieces: Vec<_> = speech.speak(SpeechRequest::new("one two three")).await.unwrap().collect().await;
        assert!(pieces.len() == 2 && pieces[0].is_ok() && pieces[1].is_err());
        assert_eq!(speech.seen()[0].text, "one two three");
    }
}
