//! An open microphone beside a character who speaks: who cuts whom short.

use std::fmt::Write as _;

use meddah_speech::LISTEN_RATE_HZ;
use meddah_speech::voice_activity_detection::{Earshot, FRAME_SAMPLES, OpenMicrophone, Utterance};

use crate::scenes::{Clip, ECHOES, Noise, Player, Random, Room, add, character, noise, rms, scene};
use crate::tables::{at_share, name, share};

const PIECE: usize = 320;
const RATE: f64 = LISTEN_RATE_HZ as f64;
/// Later is not noticed.
const IN_TIME: f64 = 1.0;

#[derive(Default)]
struct Found {
    scenes: usize,
    by_itself: usize,
    missed: usize,
    delays_ms: Vec<f64>,
    lost_ms: Vec<f64>,
}

/// The player interrupts a character once in each scene. One microphone for each player, which gets to know the room.
pub fn interruptions(out: &mut String, half: &[&Clip], others: &[&Clip], seed: u64) {
    out.push_str("| the character is heard | noise | interruptions | cut itself short before | not noticed within 1 s | delay p50 ms | p95 | speech lost p95 ms |\n|---|---|---|---|---|---|---|---|\n");
    let noises = [
        None,
        Some((Noise::Pink, 20.0)),
        Some((Noise::Pink, 10.0)),
        Some((Noise::Pink, 5.0)),
        Some((Noise::Babble, 10.0)),
    ];
    for (room, loss) in ECHOES {
        for condition in noises {
            let mut random = Random::new(seed);
            let mut found = Found::default();
            for player in Player::ALL {
                let mut microphone = OpenMicrophone::new(|| Box::new(Earshot::new()));
                let mut before = 0;
                for clip in half.iter().filter(|clip| clip.player == player) {
                    let one = Interruption { clip, others, loss, condition };
                    before += one.happens(&mut microphone, before, &mut random, &mut found);
                }
            }
            let _ = writeln!(
                out,
                "| {room} | {} | {} | {} | {} | {} | {} | {} |",
                name(condition),
                found.scenes,
                share(found.by_itself, found.scenes),
                share(found.missed, found.scenes - found.by_itself),
                at_share(&found.delays_ms, 0.5),
                at_share(&found.delays_ms, 0.95),
                at_share(&found.lost_ms, 0.95),
            );
        }
    }
    out.push('\n');
}

struct Interruption<'c> {
    clip: &'c Clip,
    others: &'c [&'c Clip],
    loss: Option<f32>,
    condition: Option<(Noise, f32)>,
}

impl Interruption<'_> {
    /// `before` samples went through the microphone already. Returns how many these are.
    fn happens(
        &self,
        microphone: &mut OpenMicrophone,
        before: usize,
        random: &mut Random,
        found: &mut Found,
    ) -> usize {
        let Interruption { clip, others, loss, condition } = *self;
        // At its end there is time enough for the utterance to end.
        let scene = scene(clip, 0, random.between(3.0, 5.0), 3.0, random);
        let mut played = character(others, scene.samples.len(), random);
        let room = Room::new(random);
        let noise = noise(condition, scene.samples.len(), others, random);
        let mut echo = loss.map(|loss| room.echo(&played, loss));
        let (mut noticed, mut heard_from) = (None, 0);
        for at in (0..scene.samples.len()).step_by(PIECE) {
            let piece = at..(at + PIECE).min(scene.samples.len());
            let mut heard = scene.samples[piece.clone()].to_vec();
            add(&mut heard, &noise[piece.clone()]);
            if let Some(echo) = &echo {
                add(&mut heard, &echo[piece.clone()]);
            }
            let rms = rms(&played[piece.clone()]);
            let told = microphone.push(&heard, (rms > 0.0).then_some(rms));
            if noticed.is_some() {
                continue;
            }
            let [Utterance::Began { .. }, Utterance::Sound(first), ..] = told.as_slice() else { continue };
            // The first sound ends with the last whole frame.
            let until = (before + piece.end) / FRAME_SAMPLES * FRAME_SAMPLES;
            heard_from = (until - first.samples.len()).saturating_sub(before);
            noticed = Some(piece.end as f64 / RATE);
            // The character stops.
            played[piece.end..].fill(0.0);
            echo = loss.map(|loss| room.echo(&played, loss));
        }
        found.scenes += 1;
        let from = scene.from();
        match noticed {
            Some(at) if at < from => found.by_itself += 1,
            Some(at) if at - from <= IN_TIME => {
                found.delays_ms.push((at - from) * 1000.0);
                found.lost_ms.push((heard_from as f64 / RATE - from).max(0.0) * 1000.0);
            }
            _ => found.missed += 1,
        }
        scene.samples.len()
    }
}
