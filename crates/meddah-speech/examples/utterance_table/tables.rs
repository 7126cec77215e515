//! The tables.

use std::fmt::Write as _;

use meddah_speech::LISTEN_RATE_HZ;
use meddah_speech::voice_activity_detection::{
    BargeIn, Earshot, PushToTalk, SoFar, Utterance, UtteranceDetector,
};

use crate::microphones::interruptions;
use crate::scenes::{Clip, ECHOES, Noise, Player, Random, Room, Scene, add, character, noise, rms, scene};

const PIECE: usize = 320;
const RATE: f64 = LISTEN_RATE_HZ as f64;
/// A recogniser has looked at the words so far by then, seconds of silence.
const UNDERSTOOD_AFTER: f64 = 0.25;

pub fn all(clips: &[Clip], tune: bool) -> String {
    let (half, others): (Vec<&Clip>, Vec<&Clip>) =
        clips.iter().partition(|clip| clip.number % 2 == usize::from(!tune));
    let seed = if tune { 1 } else { 1_000 };
    let mut out = String::new();
    utterances(&mut out, &half, &others, seed);
    players(&mut out, &half, &others, seed + 100);
    keys(&mut out, &half, &others, seed + 200);
    barge_ins(&mut out, &half, &others, seed + 300);
    out.push('\n');
    interruptions(&mut out, &half, &others, seed + 400);
    out
}

fn conditions() -> Vec<Option<(Noise, f32)>> {
    let noisy = Noise::ALL.into_iter().flat_map(|kind| [20.0, 10.0, 5.0, 0.0].map(|snr| Some((kind, snr))));
    std::iter::once(None).chain(noisy).collect()
}

pub fn name(condition: Option<(Noise, f32)>) -> String {
    condition.map_or("clean".into(), |(kind, snr)| format!("{}, {snr} dB", kind.name()))
}

/// What the words so far tell.
#[derive(Clone, Copy, PartialEq)]
enum Words {
    Nothing,
    /// As they are: a full stop behind the last only.
    Right,
    /// A full stop behind whatever was said.
    AlwaysFullStop,
}

#[derive(Default)]
struct Found {
    /// Of the session so far.
    seconds: f64,
    /// An utterance goes on.
    open: bool,
    scenes: usize,
    cut: usize,
    missed: usize,
    false_starts: usize,
    seconds_alone: f64,
    delays_ms: Vec<f64>,
    lost_ms: Vec<f64>,
}

/// Puts scenes through one detector, which gets to know its speaker.
fn follow(detector: &mut UtteranceDetector, scene: &Scene, words: Words, found: &mut Found) {
    let mut events = Vec::new();
    let mut told = usize::MAX;
    for (number, piece) in scene.samples.chunks(PIECE).enumerate() {
        events.extend(detector.push(piece));
        let now = (number + 1) as f64 * PIECE as f64 / RATE;
        let stretch = scene.stretches.iter().rposition(|stretch| now > stretch.until + UNDERSTOOD_AFTER);
        if let Some(stretch) = stretch.filter(|stretch| words != Words::Nothing && *stretch != told) {
            told = stretch;
            let mut said = scene.stretches[stretch].said.clone();
            if words == Words::AlwaysFullStop || stretch + 1 == scene.stretches.len() {
                said.push('.');
            }
            detector.understood(SoFar::of(&said));
        }
        // A recogniser sees that it goes on.
        if stretch.is_some_and(|stretch| scene.stretches.get(stretch + 1).is_some_and(|next| now > next.from))
        {
            detector.understood(SoFar::Unknown);
        }
    }
    judge(scene, &events, found);
}

fn judge(scene: &Scene, events: &[Utterance], found: &mut Found) {
    let (from, until) = (scene.from(), scene.until());
    let before = found.seconds;
    found.seconds += scene.samples.len() as f64 / RATE;
    // One that began in the scene before goes on.
    let mut begins = if found.open { vec![f64::NEG_INFINITY] } else { Vec::new() };
    let mut ends = Vec::new();
    for event in events {
        match event {
            Utterance::Began { at } => begins.push(at.as_secs_f64() - before),
            Utterance::Ended { at, .. } => ends.push(at.as_secs_f64() - before),
            _ => {}
        }
    }
    found.open = begins.len() > ends.len();
    found.scenes += 1;
    found.false_starts +=
        begins.iter().filter(|at| at.is_finite() && (**at < from - 0.3 || **at > until + 0.2)).count();
    found.seconds_alone += scene.samples.len() as f64 / RATE - (until - from);
    ends.resize(begins.len(), f64::INFINITY);
    if !begins.iter().zip(&ends).any(|(begin, end)| *begin < until && *end > from + 0.3) {
        found.missed += 1;
    } else if ends.iter().any(|at| *at > from && *at < until - 0.05) {
        found.cut += 1;
    }
    if let Some(end) = ends.iter().find(|at| at.is_finite() && **at >= until - 0.05) {
        found.delays_ms.push((end - until) * 1000.0);
    }
}

/// Who speaks where, and what is known of them.
struct Session {
    player: Player,
    condition: Option<(Noise, f32)>,
    words: Words,
    known: bool,
}

impl Session {
    fn run(&self, half: &[&Clip], others: &[&Clip], random: &mut Random, found: &mut Found) {
        let mut detector = UtteranceDetector::new(Box::new(Earshot::new()));
        (found.seconds, found.open) = (0.0, false);
        let theirs = half.iter().filter(|clip| clip.player == self.player);
        for clip in theirs.clone().chain(theirs) {
            let pauses = (random.next() * 3.0) as usize;
            let mut scene = scene(clip, pauses, 1.5, 3.0, random);
            let noise = noise(self.condition, scene.samples.len(), others, random);
            add(&mut scene.samples, &noise);
            if !self.known {
                detector.forget_speaker();
            }
            follow(&mut detector, &scene, self.words, found);
        }
    }
}

pub fn share(part: usize, of: usize) -> String {
    format!("{:.0} %", 100.0 * part as f64 / of.max(1) as f64)
}

pub fn at_share(values: &[f64], share: f64) -> String {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    match sorted.len() {
        0 => "-".into(),
        length => format!("{:.0}", sorted[((length - 1) as f64 * share).round() as usize]),
    }
}

fn utterances(out: &mut String, half: &[&Clip], others: &[&Clip], seed: u64) {
    out.push_str("| noise, signal to noise | utterances | cut off | missed | false starts a minute between them | delay p50 ms | p95 |\n|---|---|---|---|---|---|---|\n");
    for (number, condition) in conditions().into_iter().enumerate() {
        let mut random = Random::new(seed + number as u64);
        let mut found = Found::default();
        for player in Player::ALL {
            Session { player, condition, words: Words::Nothing, known: true }.run(
                half,
                others,
                &mut random,
                &mut found,
            );
        }
        let _ = writeln!(
            out,
            "| {} | {} | {} | {} | {:.1} | {} | {} |",
            name(condition),
            found.scenes,
            share(found.cut, found.scenes),
            share(found.missed, found.scenes),
            found.false_starts as f64 * 60.0 / found.seconds_alone,
            at_share(&found.delays_ms, 0.5),
            at_share(&found.delays_ms, 0.95),
        );
    }
    out.push('\n');
}

fn players(out: &mut String, half: &[&Clip], others: &[&Clip], seed: u64) {
    out.push_str("| player, clean and 20 dB | what is known | utterances | cut off | delay p50 ms | p95 |\n|---|---|---|---|---|---|\n");
    let ways = [
        ("nothing: as if each utterance were the first", Words::Nothing, false),
        ("their pauses", Words::Nothing, true),
        ("and the words, a full stop behind each pause", Words::AlwaysFullStop, true),
        ("and the words, full stops where they belong", Words::Right, true),
    ];
    for player in Player::ALL {
        for (way, words, known) in ways {
            let mut random = Random::new(seed);
            let mut found = Found::default();
            for condition in [None, Some((Noise::White, 20.0)), Some((Noise::Pink, 20.0))] {
                Session { player, condition, words, known }.run(half, others, &mut random, &mut found);
            }
            let _ = writeln!(
                out,
                "| {} | {way} | {} | {} | {} | {} |",
                player.name(),
                found.scenes,
                share(found.cut, found.scenes),
                at_share(&found.delays_ms, 0.5),
                at_share(&found.delays_ms, 0.95),
            );
        }
    }
    out.push('\n');
}

/// The key goes down up to 0.2 s late and up 0.15 s early to 0.3 s late.
fn keys(out: &mut String, half: &[&Clip], others: &[&Clip], seed: u64) {
    out.push_str("| push to talk | utterances | missed | speech lost: mean ms | p95 | silence before it left out: mean ms |\n|---|---|---|---|---|---|\n");
    for (number, condition) in conditions().into_iter().enumerate() {
        let mut random = Random::new(seed + number as u64);
        let mut found = Found::default();
        let mut left_out = Vec::new();
        for clip in half {
            let mut scene = scene(clip, 1, 1.5, 1.0, &mut random);
            let noise = noise(condition, scene.samples.len(), others, &mut random);
            add(&mut scene.samples, &noise);
            let down = scene.from() + random.between(-1.0, 0.2);
            let up = scene.until() + random.between(-0.15, 0.3);
            let (heard_from, heard_until) = hold(&scene, down, up);
            found.scenes += 1;
            found.missed += usize::from(heard_until <= heard_from);
            let lost = (heard_from - scene.from()).max(0.0) + (scene.until() - heard_until).max(0.0);
            if heard_until > heard_from {
                found.lost_ms.push(lost * 1000.0);
                left_out.push((heard_from - down).max(0.0) * 1000.0);
            }
        }
        let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len().max(1) as f64;
        let _ = writeln!(
            out,
            "| {} | {} | {} | {:.0} | {} | {:.0} |",
            name(condition),
            found.scenes,
            share(found.missed, found.scenes),
            mean(&found.lost_ms),
            at_share(&found.lost_ms, 0.95),
            mean(&left_out),
        );
    }
    out.push('\n');
}

/// Between which times it was heard, seconds.
fn hold(scene: &Scene, down: f64, up: f64) -> (f64, f64) {
    let mut key = PushToTalk::new(Box::new(Earshot::new()));
    let (mut from, mut until, mut is_down, mut was_up) = (0.0, 0.0, false, false);
    for (number, piece) in scene.samples.chunks(PIECE).enumerate() {
        let now = number as f64 * PIECE as f64 / RATE;
        if now >= down && !is_down {
            key.down();
            is_down = true;
        }
        if now >= up && !was_up {
            key.up();
            was_up = true;
        }
        let mut first = None;
        for event in key.push(piece) {
            match event {
                Utterance::Began { at } => first = Some(at.as_secs_f64()),
                Utterance::Sound(pcm) => {
                    let length = pcm.samples.len() as f64 / RATE;
                    if let Some(began) = first.take() {
                        // The first piece ends behind the frame that began, or with the piece that was pushed.
                        let end = (now + PIECE as f64 / RATE).min(began + length.max(0.016));
                        from = (end - length).max(0.0);
                        until = from;
                    }
                    until += length;
                }
                _ => {}
            }
        }
    }
    (from, until)
}

fn barge_ins(out: &mut String, half: &[&Clip], others: &[&Clip], seed: u64) {
    out.push_str("| the character is heard | noise | interruptions | not noticed within 1 s | delay p50 ms | p95 | stops by its own voice a minute |\n|---|---|---|---|---|---|---|\n");
    for (room, loss) in ECHOES {
        for condition in
            [None, Some((Noise::Pink, 20.0)), Some((Noise::Pink, 10.0)), Some((Noise::Babble, 10.0))]
        {
            let mut random = Random::new(seed);
            let (mut delays, mut missed, mut own, mut seconds, mut count) = (Vec::new(), 0, 0, 0.0, 0);
            for player in Player::ALL {
                let mut barge_in = BargeIn::new(Box::new(Earshot::new()));
                let mut offset = 0.0;
                for clip in half.iter().filter(|clip| clip.player == player) {
                    let scene = scene(clip, 0, random.between(3.0, 5.0), 1.0, &mut random);
                    let mut played = character(others, scene.samples.len(), &mut random);
                    let room = Room::new(&mut random);
                    let noise = noise(condition, scene.samples.len(), others, &mut random);
                    let mut echo = loss.map_or_else(Vec::new, |loss| room.echo(&played, loss));
                    let mut noticed = Vec::new();
                    for at in (0..scene.samples.len()).step_by(PIECE) {
                        let piece = at..(at + PIECE).min(scene.samples.len());
                        let mut heard = scene.samples[piece.clone()].to_vec();
                        add(&mut heard, &noise[piece.clone()]);
                        if loss.is_some() {
                            add(&mut heard, &echo[piece.clone()]);
                        }
                        let rms = rms(&played[piece]);
                        offset += heard.len() as f64 / RATE;
                        if barge_in.push(&heard, (rms > 0.0).then_some(rms)).is_none() {
                            continue;
                        }
                        noticed.push(offset);
                        if at as f64 / RATE > scene.from() {
                            // The character stops.
                            played[(at + PIECE).min(scene.samples.len())..].fill(0.0);
                            echo = loss.map_or_else(Vec::new, |loss| room.echo(&played, loss));
                        }
                    }
                    let from = offset - scene.samples.len() as f64 / RATE + scene.from();
                    count += 1;
                    seconds += scene.from();
                    own += noticed.iter().filter(|at| **at < from).count();
                    match noticed.iter().find(|at| **at >= from) {
                        Some(at) if at - from <= 1.0 => delays.push((at - from) * 1000.0),
                        _ => missed += 1,
                    }
                }
            }
            let _ = writeln!(
                out,
                "| {room} | {} | {count} | {} | {} | {} | {:.1} |",
                name(condition),
                share(missed, count),
                at_share(&delays, 0.5),
                at_share(&delays, 0.95),
                own as f64 * 60.0 / seconds,
            );
        }
    }
}
