//! The voice of last resort: made by rules, without any file, so that a PC without a voice still speaks.
//!
//! A formant synthesiser in the manner of D. H. Klatt, "Software for a cascade/parallel formant synthesizer" (1980),
//! cut down to three moving resonances: a buzz or a hiss goes through them, and their frequencies glide from sound to
//! sound. It is understood and sounds like a machine.

mod segments;

use std::f32::consts::{PI, TAU};

use segments::{Segment, segments};

use crate::phonemes::Item;
use crate::phonemes::symbols::phones;
use crate::synthesiser::{Flow, Length, Listener, Synthesiser, Timed};
use crate::{SpeechError, Voice, VoiceSettings};

/// Its name.
pub const ROBOT: &str = "robot";
const RATE_HZ: f32 = 16_000.0;
/// A quarter of a second: how often a cancel is looked for.
const PIECE_SAMPLES: usize = 4_000;
/// At the beginning of a sentence; it falls by [`FALL`] until the end.
const PITCH_HZ: f32 = 118.0;
const FALL: f32 = 0.22;
/// How much higher a stressed vowel is, and the end of a question.
const STRESS_RISE: f32 = 1.12;
const QUESTION_RISE: f32 = 1.35;
/// Silence before a sentence, ms.
const BEFORE_MS: f32 = 50.0;
/// How fast resonances and loudness follow, seconds.
const GLIDE_SECONDS: f32 = 0.018;
const FADE_SECONDS: f32 = 0.005;
/// The two upper resonances stand still.
const UPPER: [(f32, f32); 2] = [(3500.0, 200.0), (4500.0, 250.0)];
const BANDWIDTHS_HZ: [f32; 3] = [80.0, 90.0, 130.0];
/// Together about as loud as a recorded voice.
const LOUDNESS: f32 = 0.14;
const VOICE_LOUDNESS: f32 = 0.12;
const BREATH_LOUDNESS: f32 = 0.6;
const HISS_LOUDNESS: f32 = 1.6;
/// Shares of a period of the buzz.
const OPENING: f32 = 0.4;
const CLOSING: f32 = 0.16;

/// As a voice among the others.
pub fn robot_voice() -> Voice {
    Voice {
        name: ROBOT.into(),
        language: "en_US".into(),
        speakers: 1,
        sample_rate_hz: RATE_HZ as u32,
        robotic: true,
    }
}

/// Two poles that ring at one frequency.
#[derive(Clone, Copy, Default)]
struct Resonator {
    last: f32,
    before: f32,
}

impl Resonator {
    /// As loud as before at its own frequency, and quieter elsewhere.
    fn band(&mut self, input: f32, frequency_hz: f32, bandwidth_hz: f32) -> f32 {
        let radius = (-PI * bandwidth_hz / RATE_HZ).exp();
        let angle = TAU * frequency_hz / RATE_HZ;
        let (b, c) = (2.0 * radius * angle.cos(), -radius * radius);
        let gain = (1.0 - radius) * (1.0 - 2.0 * radius * (2.0 * angle).cos() + radius * radius).sqrt();
        let output = gain * input + b * self.last + c * self.before;
        (self.before, self.last) = (self.last, output);
        output
    }

    /// As loud as before at low frequencies, and louder at its own: one resonance of a throat.
    fn step(&mut self, input: f32, frequency_hz: f32, bandwidth_hz: f32) -> f32 {
        let radius = (-PI * bandwidth_hz / RATE_HZ).exp();
        let (b, c) = (2.0 * radius * (TAU * frequency_hz / RATE_HZ).cos(), -radius * radius);
        let output = (1.0 - b - c) * input + b * self.last + c * self.before;
        (self.before, self.last) = (self.last, output);
        output
    }
}

/// The throat between two samples.
#[derive(Clone, Default)]
pub struct Robot {
    now: Segment,
    throat: [Resonator; 5],
    hiss: Resonator,
    /// Within a period of the buzz, 0 to 1.
    phase: f32,
    /// The last sample of the buzz before it was thinned, and of the sum.
    buzz: f32,
    chance: u32,
}

impl Robot {
    fn glide(&mut self, target: &Segment) {
        let follow = |now: &mut f32, target: f32, seconds: f32| {
            *now += (target - *now) * (1.0 / (seconds * RATE_HZ));
        };
        for (now, target) in self.now.formants_hz.iter_mut().zip(target.formants_hz) {
            follow(now, target, GLIDE_SECONDS);
        }
        follow(&mut self.now.voice, target.voice, FADE_SECONDS);
        follow(&mut self.now.breath, target.breath, FADE_SECONDS);
        follow(&mut self.now.hiss, target.hiss, FADE_SECONDS);
        (self.now.hiss_hz, self.now.hiss_width_hz) = (target.hiss_hz, target.hiss_width_hz);
    }

    fn sample(&mut self, target: &Segment, pitch_hz: f32) -> f32 {
        self.glide(target);
        let noise = self.noise();
        self.phase = (self.phase + pitch_hz / RATE_HZ).fract();
        let open = glottis(self.phase);
        let pulse = (open - self.buzz) * RATE_HZ / pitch_hz;
        self.buzz = open;
        let mut sound = pulse * self.now.voice * VOICE_LOUDNESS + noise * self.now.breath * BREATH_LOUDNESS;
        let moving = self.now.formants_hz.into_iter().zip(BANDWIDTHS_HZ);
        for (resonator, (frequency, bandwidth)) in self.throat.iter_mut().zip(moving.chain(UPPER)) {
            sound = resonator.step(sound, frequency, bandwidth);
        }
        let hiss = self.hiss.band(noise, self.now.hiss_hz, self.now.hiss_width_hz);
        (sound + hiss * self.now.hiss * HISS_LOUDNESS) * LOUDNESS
    }

    /// -1 to 1, the same in every run (xorshift; Marsaglia, 2003).
    fn noise(&mut self) -> f32 {
        let mut chance = if self.chance == 0 { 0x9E37_79B9 } else { self.chance };
        chance ^= chance << 13;
        chance ^= chance >> 17;
        chance ^= chance << 5;
        self.chance = chance;
        chance as f32 / (u32::MAX as f32 / 2.0) - 1.0
    }
}

/// How far the vocal folds are open: slowly open and fast closed (A. E. Rosenberg, 1971).
fn glottis(phase: f32) -> f32 {
    if phase < OPENING {
        let way = phase / OPENING;
        way * way * (3.0 - 2.0 * way)
    } else if phase < OPENING + CLOSING {
        let way = (phase - OPENING) / CLOSING;
        1.0 - way * way
    } else {
        0.0
    }
}

/// A sound with what makes it.
struct Planned {
    timed: Timed,
    /// What is made, and for how many samples.
    parts: Vec<(Segment, usize)>,
    pitch_rise: f32,
}

fn plan(sentence: &[Item], slower: f32) -> Vec<Planned> {
    let samples = |ms: f32| (ms * slower * RATE_HZ / 1000.0) as usize;
    let mut planned: Vec<Planned> = Vec::new();
    if let Some(Item::Word { ipa, .. }) = sentence.first() {
        let mouth = phones(ipa).first().map(|phone| segments(phone.ipa, false)[0].0.silent());
        planned.push(Planned::new("", None, vec![(mouth.unwrap_or_default(), samples(BEFORE_MS))], 1.0));
    }
    for item in sentence {
        match item {
            Item::Pause(pause) => {
                let ms = if crate::phonemes::ends_sentence(*pause) { 260.0 } else { 170.0 };
                let before = planned.last().map(|sound| sound.parts[sound.parts.len() - 1].0);
                let parts = vec![(before.unwrap_or_default().silent(), samples(ms))];
                planned.push(Planned::new("", None, parts, 1.0));
            }
            Item::Word { bytes, ipa } => {
                for phone in phones(ipa) {
                    let parts = segments(phone.ipa, phone.stressed);
                    let parts = parts.into_iter().map(|(segment, ms)| (segment, samples(ms))).collect();
                    let rise = if phone.stressed { STRESS_RISE } else { 1.0 };
                    planned.push(Planned::new(phone.ipa, Some(bytes.clone()), parts, rise));
                }
            }
        }
    }
    planned
}

impl Planned {
    fn new(
        ipa: &str,
        word: Option<std::ops::Range<usize>>,
        parts: Vec<(Segment, usize)>,
        pitch_rise: f32,
    ) -> Planned {
        let length = Length(parts.iter().map(|(_, samples)| *samples as f64).sum());
        Planned { timed: Timed { ipa: ipa.to_owned(), word, length }, parts, pitch_rise }
    }
}

impl Synthesiser for Robot {
    fn sample_rate_hz(&self) -> u32 {
        RATE_HZ as u32
    }

    fn speak(
        &mut self,
        sentence: &[Item],
        settings: &VoiceSettings,
        listener: &mut dyn Listener,
    ) -> Result<Flow, SpeechError> {
        let planned = plan(sentence, listener.slower() / settings.speed);
        // The mouth is in place before the first sound.
        *self = Robot {
            now: planned.first().map_or_else(Segment::default, |sound| sound.parts[0].0.silent()),
            ..Robot::default()
        };
        listener.sounds(planned.iter().map(|sound| sound.timed.clone()).collect());
        let asks = matches!(sentence.last(), Some(Item::Pause('?')));
        let total: f64 = planned.iter().map(|sound| sound.timed.length.0).sum();
        let mut made = Vec::with_capacity(PIECE_SAMPLES);
        let (mut done, mut rise) = (0.0_f64, 1.0_f32);
        for sound in &planned {
            for (segment, samples) in &sound.parts {
                for _ in 0..*samples {
                    let way = (done / total) as f32;
                    let end =
                        if asks && way > 0.8 { 1.0 + (QUESTION_RISE - 1.0) * (way - 0.8) / 0.2 } else { 1.0 };
                    rise += (sound.pitch_rise - rise) / (0.03 * RATE_HZ);
                    let sample = self.sample(segment, PITCH_HZ * (1.0 - FALL * way) * rise * end);
                    made.push(sample);
                    done += 1.0;
                    if made.len() == PIECE_SAMPLES {
                        if listener.sound(&made) == Flow::Stop {
                            return Ok(Flow::Stop);
                        }
                        made.clear();
                    }
                }
            }
        }
        Ok(listener.sound(&made))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Heard(Vec<f32>);

    impl Listener for Heard {
        fn slower(&self) -> f32 {
            1.0
        }
        fn sounds(&mut self, _: Vec<Timed>) {}
        fn sound(&mut self, samples: &[f32]) -> Flow {
            self.0.extend(samples);
            Flow::Go
        }
    }

    fn heard(ipa: &str) -> f32 {
        let mut heard = Heard::default();
        let item = Item::Word { bytes: 0..1, ipa: ipa.repeat(3) };
        Robot::default().speak(&[item], &VoiceSettings::default(), &mut heard).unwrap();
        assert!(heard.0.iter().all(|sample| sample.abs() < 1.0), "{ipa} is cut off");
        let power = heard.0.iter().map(|sample| sample * sample).sum::<f32>() / heard.0.len() as f32;
        10.0 * power.log10()
    }

    #[test]
    fn every_sound_is_heard_and_none_shouts() {
        let sounds = "iː ɪ ɛ æ ɑː ʌ ɔː ʊ uː ɚ ə p b t d k ɡ tʃ dʒ f v θ ð s z ʃ ʒ h m n ŋ l ɹ w j";
        for ipa in sounds.split(' ') {
            let decibels = heard(ipa);
            assert!((-36.0..-14.0).contains(&decibels), "{ipa}: {decibels} dB");
        }
        assert!(heard("ɑː") > heard("s") && heard("s") > heard("f"));
    }
}
