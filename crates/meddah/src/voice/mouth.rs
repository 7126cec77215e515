//! Mouth shapes and loudness, as the game asked for them.

use std::time::Duration;

use meddah_protocol::{Audio, BlendShapes, Viseme};
use meddah_speech::visemes::{
    AzureViseme, Envelope, MouthCue, VisemeMark, azure, blend_shapes_at, rhubarb, visemes,
};
use meddah_speech::{Mark, MarkKind, Pcm};

use super::form::VisemeSet;

/// As often as a film shows a picture.
const BLEND_STEP: Duration = Duration::from_millis(40);
/// Less than this nobody sees.
const WEIGHT_MIN: f32 = 0.01;
/// Azure counts time in units of 100 ns.
const TICK_NANOSECONDS: u64 = 100;

/// Adds what a face needs to the event of this sound.
pub fn shapes(audio: &mut Audio, set: VisemeSet, pcm: &Pcm, marks: &[Mark]) {
    let envelope = Envelope::of(pcm);
    audio.envelope = envelope.levels.iter().map(|level| rounded(*level)).collect();
    audio.envelope_step_ms = millis(envelope.step);
    let marks_of_mouth = visemes(marks);
    match set {
        VisemeSet::Oculus => audio.visemes = marks_of_mouth.iter().map(oculus).collect(),
        VisemeSet::Azure => audio.visemes = azure_ids(marks),
        VisemeSet::Rhubarb => audio.visemes = rhubarb(&marks_of_mouth).iter().map(letter).collect(),
        VisemeSet::Ipa => audio.visemes = sounds(marks),
        VisemeSet::Arkit => audio.blend_shapes = faces(&marks_of_mouth),
    }
}

fn viseme(at: Duration, end: Duration, viseme: String, weight: f32) -> Viseme {
    let at_ms = millis(at);
    Viseme { at_ms, duration_ms: millis(end).saturating_sub(at_ms), viseme, weight: rounded(weight) }
}

fn oculus(mark: &VisemeMark) -> Viseme {
    viseme(mark.at, mark.at + mark.duration, mark.viseme.name().into(), mark.weight)
}

fn letter(cue: &MouthCue) -> Viseme {
    viseme(cue.at, cue.end, cue.shape.to_string(), 1.0)
}

/// Azure tells when a shape begins; it is held until the next.
fn azure_ids(marks: &[Mark]) -> Vec<Viseme> {
    let ids = azure(marks);
    let end = marks.iter().map(|mark| mark.at + mark.duration).max().unwrap_or_default();
    let at = |id: &AzureViseme| Duration::from_nanos(id.audio_offset * TICK_NANOSECONDS);
    let ends = ids.iter().skip(1).map(at).chain([end]);
    ids.iter().zip(ends).map(|(id, end)| viseme(at(id), end, id.viseme_id.to_string(), 1.0)).collect()
}

/// The sounds themselves; a silence has no sign.
fn sounds(marks: &[Mark]) -> Vec<Viseme> {
    let sound = |mark: &Mark| match &mark.kind {
        MarkKind::Phoneme(ipa) => Some(viseme(mark.at, mark.at + mark.duration, ipa.clone(), 1.0)),
        MarkKind::Word(_) => None,
    };
    marks.iter().filter_map(sound).collect()
}

/// The face every [`BLEND_STEP`], from the first mark to the last.
fn faces(marks: &[VisemeMark]) -> Vec<BlendShapes> {
    let (Some(first), Some(last)) = (marks.first(), marks.last()) else { return Vec::new() };
    let end = last.at + last.duration;
    let mut faces = Vec::new();
    let mut at = first.at;
    while at <= end {
        let weights = blend_shapes_at(marks, at).into_iter();
        let weights = weights.filter(|(_, weight)| *weight >= WEIGHT_MIN);
        let weights = weights.map(|(shape, weight)| (shape.to_string(), rounded(weight).into())).collect();
        faces.push(BlendShapes { at_ms: millis(at), weights });
        at += BLEND_STEP;
    }
    faces
}

fn millis(time: Duration) -> u32 {
    u32::try_from(time.as_millis()).unwrap_or(u32::MAX)
}

fn rounded(weight: f32) -> f32 {
    (weight * 100.0).round() / 100.0
}
