//! What a microphone hears: sentences with pauses, noise, a character's echo.

use meddah_speech::LISTEN_RATE_HZ;
use serde::{Deserialize, Serialize};

/// How much softer the character comes back from the loudspeakers than it is played, in dB; `None`: not at all.
pub const ECHOES: [(&str, Option<f32>); 4] = [
    ("not at all (headphones)", None),
    ("30 dB softer", Some(30.0)),
    ("18 dB softer", Some(18.0)),
    ("10 dB softer", Some(10.0)),
];

const RATE: f64 = LISTEN_RATE_HZ as f64;
/// Speech is that loud, dB below full scale.
const SPEECH_DB: f32 = -26.0;
/// No room is silent.
const ROOM_DB: f32 = -65.0;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Player {
    Quick,
    Usual,
    Slow,
}

impl Player {
    pub const ALL: [Player; 3] = [Player::Quick, Player::Usual, Player::Slow];

    pub fn speed_and_pitch(self) -> (f32, f32) {
        match self {
            Player::Quick => (1.3, 2.0),
            Player::Usual => (1.0, 0.0),
            Player::Slow => (0.75, -2.0),
        }
    }

    /// Pauses within their sentences, in ms.
    pub fn pauses_ms(self) -> (f64, f64) {
        match self {
            Player::Quick => (200.0, 450.0),
            Player::Usual => (200.0, 900.0),
            Player::Slow => (400.0, 1_500.0),
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Player::Quick => "quick, pauses of 0.2 to 0.45 s",
            Player::Usual => "usual, pauses of 0.2 to 0.9 s",
            Player::Slow => "slow, pauses of 0.4 to 1.5 s",
        }
    }
}

/// A word of a sentence: where it ends in the text, and when it is said, in seconds.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Word {
    pub end: usize,
    pub from: f64,
    pub until: f64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Clip {
    pub number: usize,
    pub player: Player,
    pub text: String,
    pub words: Vec<Word>,
    pub samples: Vec<f32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Noise {
    White,
    Pink,
    Babble,
}

impl Noise {
    pub const ALL: [Noise; 3] = [Noise::White, Noise::Pink, Noise::Babble];

    pub fn name(self) -> &'static str {
        match self {
            Noise::White => "white",
            Noise::Pink => "pink",
            Noise::Babble => "babble of eight",
        }
    }
}

/// Numbers that look random and are the same every time (xorshift64*).
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Random {
        Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// 0.0 to 1.0.
    pub fn next(&mut self) -> f64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 11) as f64 / (1_u64 << 53) as f64
    }

    pub fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.next()
    }
}

/// A stretch of speech between pauses.
pub struct Stretch {
    pub from: f64,
    pub until: f64,
    /// What was said until its end.
    pub said: String,
}

/// An utterance with pauses, from silence to silence, times in seconds.
pub struct Scene {
    pub samples: Vec<f32>,
    pub stretches: Vec<Stretch>,
}

impl Scene {
    pub fn from(&self) -> f64 {
        self.stretches.first().map_or(0.0, |stretch| stretch.from)
    }

    pub fn until(&self) -> f64 {
        self.stretches.last().map_or(0.0, |stretch| stretch.until)
    }
}

/// The sentence after `before` seconds of silence, with so many pauses, and `after` seconds behind it.
pub fn scene(clip: &Clip, pauses: usize, before: f64, after: f64, random: &mut Random) -> Scene {
    let words = &clip.words;
    let mut breaks: Vec<usize> =
        (0..pauses).map(|_| random.between(1.0, words.len() as f64 - 2.0) as usize).collect();
    breaks.sort_unstable();
    breaks.dedup();
    let factor = gain(&clip.samples, SPEECH_DB);
    let mut samples = vec![0.0; (before * RATE) as usize];
    let mut stretches = Vec::new();
    let mut first = 0;
    for last in breaks.into_iter().chain([words.len() - 1]) {
        let start = if first == 0 { 0.0 } else { words[first - 1].until };
        let end = if last + 1 == words.len() { clip.samples.len() as f64 / RATE } else { words[last].until };
        let at = samples.len() as f64 / RATE - start;
        stretches.push(Stretch {
            from: at + words[first].from,
            until: at + words[last].until,
            said: clip.text[..words[last].end].into(),
        });
        samples.extend(faded(&clip.samples[(start * RATE) as usize..(end * RATE) as usize], factor));
        if last + 1 < words.len() {
            let (low, high) = clip.player.pauses_ms();
            let pause = random.between(low, high) / 1000.0;
            samples.resize(samples.len() + (pause * RATE) as usize, 0.0);
        }
        first = last + 1;
    }
    samples.resize(samples.len() + (after * RATE) as usize, 0.0);
    Scene { samples, stretches }
}

/// Without clicks at its ends.
fn faded(samples: &[f32], factor: f32) -> impl Iterator<Item = f32> {
    let fade = 80.0_f32;
    let length = samples.len();
    samples.iter().enumerate().map(move |(n, sample)| {
        let edge = n.min(length - 1 - n) as f32;
        sample * factor * (edge / fade).min(1.0)
    })
}

/// What brings the loud parts of sound to this level.
fn gain(samples: &[f32], level_db: f32) -> f32 {
    let mut levels: Vec<f32> =
        samples.chunks(320).map(|part| part.iter().map(|s| s * s).sum::<f32>() / 320.0).collect();
    levels.sort_unstable_by(|left, right| right.total_cmp(left));
    let loud = &levels[..(levels.len() * 2 / 3).max(1)];
    let power = loud.iter().sum::<f32>() / loud.len() as f32;
    10.0_f32.powf(level_db / 20.0) / power.max(1e-12).sqrt()
}

/// So much noise below speech, dB; without it a quiet room.
pub fn noise(kind: Option<(Noise, f32)>, length: usize, others: &[&Clip], random: &mut Random) -> Vec<f32> {
    let mut room = white(length, random);
    scale(&mut room, ROOM_DB);
    let Some((kind, snr_db)) = kind else { return room };
    let mut noise = match kind {
        Noise::White => white(length, random),
        Noise::Pink => pink(length, random),
        Noise::Babble => babble(length, others, random),
    };
    scale(&mut noise, SPEECH_DB - snr_db);
    noise.iter().zip(room).map(|(noise, room)| noise + room).collect()
}

fn scale(samples: &mut [f32], level_db: f32) {
    let power = samples.iter().map(|s| s * s).sum::<f32>() / samples.len().max(1) as f32;
    let factor = 10.0_f32.powf(level_db / 20.0) / power.max(1e-12).sqrt();
    samples.iter_mut().for_each(|sample| *sample *= factor);
}

fn white(length: usize, random: &mut Random) -> Vec<f32> {
    (0..length).map(|_| random.between(-1.0, 1.0) as f32).collect()
}

/// White noise through six filters of one pole, each an octave or two apart: 3 dB less an octave.
fn pink(length: usize, random: &mut Random) -> Vec<f32> {
    let poles: [f64; 6] = [0.997, 0.985, 0.95, 0.85, 0.6, 0.1];
    let mut states = [0.0; 6];
    (0..length)
        .map(|_| {
            let white = random.between(-1.0, 1.0);
            for (state, pole) in states.iter_mut().zip(poles) {
                *state = *state * pole + white * (1.0 - pole).sqrt();
            }
            states.iter().sum::<f64>() as f32
        })
        .collect()
}

fn babble(length: usize, others: &[&Clip], random: &mut Random) -> Vec<f32> {
    let mut sum = vec![0.0; length];
    for _ in 0..8 {
        let mut at = 0;
        while at < length {
            let clip = others[random.between(0.0, others.len() as f64) as usize];
            let factor = gain(&clip.samples, SPEECH_DB);
            let skipped = if at == 0 { random.between(0.0, clip.samples.len() as f64) as usize } else { 0 };
            for (place, sample) in sum[at..].iter_mut().zip(&clip.samples[skipped..]) {
                *place += sample * factor;
            }
            at += clip.samples.len() - skipped;
        }
    }
    sum
}

/// How a room sends back what loudspeakers play: later, and from its walls.
pub struct Room(Vec<(usize, f32)>);

impl Room {
    pub fn new(random: &mut Random) -> Room {
        let delay = (random.between(0.03, 0.12) * RATE) as usize;
        let walls = (0..24).map(|n| {
            let later = random.between(0.0, 0.2);
            let sign = if n % 2 == 0 { 1.0 } else { -1.0 };
            (delay + (later * RATE) as usize, sign * 0.5 * (-later * 20.0).exp() as f32)
        });
        Room(walls.chain([(delay, 1.0)]).collect())
    }

    /// What the microphone hears of it, softer by so much.
    pub fn echo(&self, played: &[f32], loss_db: f32) -> Vec<f32> {
        let factor = 10.0_f32.powf(-loss_db / 20.0);
        let mut heard = vec![0.0; played.len()];
        for (later, share) in &self.0 {
            for (place, sample) in heard.iter_mut().skip(*later).zip(played) {
                *place += sample * share * factor;
            }
        }
        heard
    }
}

/// A character speaks all the time: sentences at this level, one after the other.
pub fn character(clips: &[&Clip], length: usize, random: &mut Random) -> Vec<f32> {
    let mut played = Vec::with_capacity(length);
    while played.len() < length {
        let clip = clips[random.between(0.0, clips.len() as f64) as usize];
        let factor = gain(&clip.samples, SPEECH_DB + 6.0);
        played.extend(clip.samples.iter().map(|sample| sample * factor));
        played.resize(played.len() + 3_200, 0.0);
    }
    played.truncate(length);
    played
}

pub fn rms(samples: &[f32]) -> f32 {
    (samples.iter().map(|sample| sample * sample).sum::<f32>() / samples.len().max(1) as f32).sqrt()
}

pub fn add(left: &mut [f32], right: &[f32]) {
    left.iter_mut().zip(right).for_each(|(left, right)| *left += right);
}
