//! How a piece of sound is given to the model, so that it costs what it is long and silence stays silence.
//!
//! Whisper was trained on windows of 30 seconds. Its encoder is as good on the part of them that has sound, which is
//! a fifth of the work for a sentence; with too little of it the decoder invents words or repeats itself.

use std::sync::atomic::AtomicBool;

use meddah_speech::LISTEN_RATE_HZ;

use crate::ffi::{RunOptions, Whisper, WhisperError};
use crate::{meant, names, transcript};

const RATE: usize = LISTEN_RATE_HZ as usize;
/// Samples that one place of the encoder stands for.
const PLACE: usize = RATE / 50;
/// Places are computed in steps of so many, and one step more than there is sound.
const PLACES_STEP: usize = 64;
/// All that the encoder has.
const PLACES_MAX: usize = 1500;
/// Silence after the last word: without it the model waits for the rest of the sentence.
const SILENCE_AFTER: usize = RATE / 2;
/// Shorter sound is filled up with silence to this.
const SAMPLES_MIN: usize = RATE * 5 / 4;
/// Of the loudest moment; below it nobody spoke (-54 dB).
const LOUDNESS_MIN: f32 = 0.002;
/// Of the loudest moment's; what is as loud as this may be a word.
const LOUD: f32 = 0.1;
/// How long a moment is.
const MOMENT: usize = RATE * 3 / 100;
/// Nobody says more tokens in a second.
const TOKENS_PER_SECOND: usize = 10;
/// For short sounds, and the marks of time around a sentence.
const TOKENS_MIN: usize = 16;
/// Names are told until they are so many tokens: each costs time in every reply.
const NAME_TOKENS_MAX: usize = 96;

/// Nobody speaks so slowly: less than this for each second of loud sound is only the beginning of what was said. In bytes
/// of letters, because a sign of three bytes stands for about as much sound as three letters.
const LETTER_BYTES_PER_SECOND_MIN: f32 = 9.0;

/// What is to be understood.
#[derive(Debug)]
pub struct Sound<'a> {
    /// At [`LISTEN_RATE_HZ`].
    pub samples: &'a [i16],
    /// What is spoken, as in `en`.
    pub language: Option<&'a str>,
    /// Who and what is around, the likeliest first.
    pub names: &'a [String],
    /// Compute threads.
    pub threads: u32,
}

/// What was said; empty if nobody spoke.
pub fn understand(model: &mut Whisper, sound: &Sound<'_>, stop: &AtomicBool) -> Result<String, WhisperError> {
    let mut samples: Vec<f32> = sound.samples.iter().map(|&sample| f32::from(sample) / 32_768.0).collect();
    let Some(speech) = Speech::find(&samples) else { return Ok(String::new()) };
    let seconds = samples.len().div_ceil(RATE);
    samples.resize((samples.len() + SILENCE_AFTER).max(SAMPLES_MIN), 0.0);
    let prompt = prompt(sound.names, |text| model.count_tokens(text));
    let options = RunOptions {
        speech_seconds: speech.end as f32 / RATE as f32,
        threads: sound.threads,
        audio_context: audio_context(samples.len()),
        tokens_max: (TOKENS_MIN + seconds * TOKENS_PER_SECOND) as u32,
        language: sound.language,
        prompt: &prompt,
    };
    let mut said = transcript::of(&model.run(&samples, &options, stop)?);
    if !prompt.is_empty() && speech.is_longer_than(&said) {
        // Names lead a small model astray at times: it begins to spell one, and ends. Without them it goes on.
        let untold = transcript::of(&model.run(&samples, &RunOptions { prompt: "", ..options }, stop)?);
        said = if untold.len() > said.len() { untold } else { said };
    }
    let said = names::spelled(&said, sound.names);
    let is_probable = |text: &str| model.score(text, &prompt, sound.threads, stop);
    Ok(meant::names(said, sound.names, is_probable))
}

/// Places of the encoder for so many samples.
fn audio_context(samples: usize) -> u32 {
    let places = samples.div_ceil(PLACE).div_ceil(PLACES_STEP) * PLACES_STEP + PLACES_STEP;
    places.min(PLACES_MAX) as u32
}

/// Where somebody speaks, in samples.
#[derive(Debug, PartialEq)]
struct Speech {
    /// Where the last loud moment ends.
    end: usize,
    /// All loud moments together.
    loud: usize,
}

impl Speech {
    /// Nowhere if there is no loud moment.
    fn find(samples: &[f32]) -> Option<Speech> {
        let loudness = |moment: &[f32]| {
            let power = moment.iter().map(|sample| sample * sample).sum::<f32>() / moment.len() as f32;
            power.sqrt()
        };
        let moments: Vec<f32> = samples.chunks(MOMENT).map(loudness).collect();
        let loudest = moments.iter().copied().fold(0.0, f32::max);
        if loudest < LOUDNESS_MIN {
            return None;
        }
        let is_loud = |moment: &f32| *moment >= loudest * LOUD;
        let last = moments.iter().rposition(is_loud)?;
        let count = moments.iter().filter(|moment| is_loud(moment)).count();
        Some(Speech {
            end: ((last + 1) * MOMENT).min(samples.len()),
            loud: (count * MOMENT).min(samples.len()),
        })
    }

    /// Whether more was said than these words.
    fn is_longer_than(&self, text: &str) -> bool {
        let letters = text.chars().filter(|letter| letter.is_alphanumeric());
        let bytes: usize = letters.map(char::len_utf8).sum();
        (bytes as f32) < LETTER_BYTES_PER_SECOND_MIN * self.loud as f32 / RATE as f32
    }
}

/// Names as a text that may have stood before: the model spells what it hears like what it has read.
fn prompt(names: &[String], count_tokens: impl Fn(&str) -> usize) -> String {
    let mut prompt = String::new();
    for name in names {
        let longer = if prompt.is_empty() { name.clone() } else { format!("{prompt}, {name}") };
        if count_tokens(&longer) >= NAME_TOKENS_MAX {
            break;
        }
        prompt = longer;
    }
    prompt
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_encoder_is_as_long_as_the_sound_and_never_longer_than_it_can_be() {
        assert_eq!(audio_context(RATE), 128);
        assert_eq!(audio_context(RATE * 4), 320);
        assert_eq!(audio_context(RATE * 30), 1500);
    }

    #[test]
    fn speech_ends_with_the_last_loud_moment_and_a_whole_quiet_sound_has_none() {
        let mut samples = vec![0.001; RATE];
        assert_eq!(Speech::find(&samples), None);
        samples[MOMENT * 3..MOMENT * 10].fill(0.1);
        samples[MOMENT * 10..MOMENT * 11].fill(0.02);
        assert_eq!(Speech::find(&samples), Some(Speech { end: MOMENT * 11, loud: MOMENT * 8 }));
        assert_eq!(Speech::find(&[0.1; 10]), Some(Speech { end: 10, loud: 10 }));
        assert_eq!(Speech::find(&[]), None);
    }

    #[test]
    fn what_is_too_short_for_its_sound_is_not_all() {
        let three_seconds = Speech { end: RATE * 4, loud: RATE * 3 };
        assert!(three_seconds.is_longer_than("") && three_seconds.is_longer_than("We left Ash"));
        assert!(!three_seconds.is_longer_than("We left Ashenford two days ago and have not slept."));
        assert!(!three_seconds.is_longer_than("我们两天前就离开了那里"), "that is about as long");
    }

    #[test]
    fn names_are_told_up_to_a_limit() {
        let names: Vec<String> = (0..100).map(|place| format!("Name{place}")).collect();
        let told = prompt(&names, |text| text.split(' ').count());
        assert!(told.starts_with("Name0, Name1") && told.ends_with("Name94"), "{told}");
        assert_eq!(prompt(&[], |_| 0), "");
    }
}
