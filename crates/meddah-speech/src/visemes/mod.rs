//! Mouth shapes: what a face does while a line is spoken.
//!
//! The form of this program are the 15 shapes that Oculus named and that most game faces know. They follow from the
//! sounds, whose times are exact; what a game's face needs instead comes out of the adapters: weights of ARKit's blend
//! shapes, the ids of Azure, the letters of Rhubarb.

mod arkit;
mod azure;
mod envelope;
mod rhubarb;

use std::time::Duration;

use crate::phonemes::symbols::is_vowel;
use crate::{Mark, MarkKind};

pub use arkit::{BlendShape, blend_shapes_at};
pub use azure::{AzureViseme, azure};
pub use envelope::{Envelope, EnvelopeMeter};
pub use rhubarb::{MouthCue, MouthShape, rhubarb};

/// A shape of the mouth, by the names of Oculus.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Viseme {
    /// Silence.
    Sil,
    /// Closed lips: p, b, m.
    Pp,
    /// Lip on teeth: f, v.
    Ff,
    /// Tongue between teeth.
    Th,
    /// Tongue behind teeth: t, d.
    Dd,
    /// Back of the tongue: k, g, h.
    Kk,
    /// Forward lips: ch, j, sh.
    Ch,
    /// Nearly closed teeth: s, z.
    Ss,
    /// Tongue up: n, l.
    Nn,
    /// r.
    Rr,
    /// Wide open.
    Aa,
    /// As in "bed".
    E,
    /// As in "sit".
    Ih,
    /// As in "oh".
    Oh,
    /// As in "you".
    Ou,
}

impl Viseme {
    /// All of them, in the order that Oculus gave them.
    pub const ALL: [Viseme; 15] = [
        Viseme::Sil,
        Viseme::Pp,
        Viseme::Ff,
        Viseme::Th,
        Viseme::Dd,
        Viseme::Kk,
        Viseme::Ch,
        Viseme::Ss,
        Viseme::Nn,
        Viseme::Rr,
        Viseme::Aa,
        Viseme::E,
        Viseme::Ih,
        Viseme::Oh,
        Viseme::Ou,
    ];

    /// As games know it.
    pub fn name(self) -> &'static str {
        match self {
            Viseme::Sil => "sil",
            Viseme::Pp => "PP",
            Viseme::Ff => "FF",
            Viseme::Th => "TH",
            Viseme::Dd => "DD",
            Viseme::Kk => "kk",
            Viseme::Ch => "CH",
            Viseme::Ss => "SS",
            Viseme::Nn => "nn",
            Viseme::Rr => "RR",
            Viseme::Aa => "aa",
            Viseme::E => "E",
            Viseme::Ih => "ih",
            Viseme::Oh => "oh",
            Viseme::Ou => "ou",
        }
    }

    /// The shape of one sign of the IPA; silence for what is no sound.
    fn of(sign: char) -> Viseme {
        match sign {
            'p' | 'b' | 'm' | 'β' | 'ɸ' | 'ɓ' | 'ʙ' => Viseme::Pp,
            'f' | 'v' | 'ɱ' | 'ʋ' | 'ⱱ' => Viseme::Ff,
            'θ' | 'ð' => Viseme::Th,
            't' | 'd' | 'ɾ' | 'ʈ' | 'ɖ' | 'ɗ' => Viseme::Dd,
            'ʃ' | 'ʒ' | 'ɕ' | 'ʑ' | 'ʂ' | 'ʐ' => Viseme::Ch,
            's' | 'z' => Viseme::Ss,
            'n' | 'l' | 'ɫ' | 'ɲ' | 'ɳ' | 'ɬ' | 'ɭ' | 'ɮ' | 'ʎ' => Viseme::Nn,
            'ɹ' | 'r' | 'ɻ' | 'ɽ' | 'ɺ' | 'ɚ' | 'ɜ' | 'ɝ' => Viseme::Rr,
            'a' | 'ɑ' | 'æ' | 'ʌ' | 'ɐ' | 'ɒ' | 'ɶ' => Viseme::Aa,
            'e' | 'ɛ' | 'ə' | 'ɘ' | 'ɞ' | 'ᵊ' | 'ø' | 'œ' | 'ɵ' => Viseme::E,
            'i' | 'ɪ' | 'j' | 'ᵻ' | 'ɨ' | 'y' | 'ʏ' | 'ɥ' => Viseme::Ih,
            'o' | 'ɔ' | 'ɤ' => Viseme::Oh,
            'u' | 'ʊ' | 'w' | 'ʍ' | 'ɯ' | 'ʉ' => Viseme::Ou,
            other if is_vowel(other) => Viseme::E,
            other if crate::phonemes::symbols::is_sound(other) => Viseme::Kk,
            _ => Viseme::Sil,
        }
    }
}

/// A shape and when it is held.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct VisemeMark {
    /// From the beginning of the line.
    pub at: Duration,
    /// Until the next.
    pub duration: Duration,
    /// The shape.
    pub viseme: Viseme,
    /// How far the mouth gets there, 0 to 1.
    pub weight: f32,
}

/// A sound that is shorter than this does not reach its shape. Lips that have to meet do.
const FULL_SHAPE: Duration = Duration::from_millis(70);
/// The least that is left of a short one.
const WEIGHT_MIN: f32 = 0.35;

/// The shapes of a line, without a gap from its beginning to its end.
pub fn visemes(marks: &[Mark]) -> Vec<VisemeMark> {
    let mut found: Vec<VisemeMark> = Vec::new();
    for mark in marks {
        let MarkKind::Phoneme(ipa) = &mark.kind else { continue };
        let shapes = shapes(ipa);
        let count = shapes.len() as u32;
        for (place, viseme) in (0..).zip(shapes) {
            let (at, end) =
                (mark.at + mark.duration * place / count, mark.at + mark.duration * (place + 1) / count);
            match found.last_mut() {
                // Held on.
                Some(last) if last.viseme == viseme => last.duration = end - last.at,
                _ => found.push(VisemeMark { at, duration: end - at, viseme, weight: 0.0 }),
            }
        }
    }
    for mark in &mut found {
        mark.weight = weight(mark.viseme, mark.duration);
    }
    found
}

/// One shape, or two where the sound glides: `aɪ`, `tʃ` is one.
fn shapes(ipa: &str) -> Vec<Viseme> {
    if ipa.starts_with("tʃ") || ipa.starts_with("dʒ") {
        return vec![Viseme::Ch];
    }
    let mut shapes: Vec<Viseme> = ipa.chars().map(Viseme::of).filter(|shape| *shape != Viseme::Sil).collect();
    shapes.dedup();
    if shapes.is_empty() { vec![Viseme::Sil] } else { shapes }
}

fn weight(viseme: Viseme, duration: Duration) -> f32 {
    let full: f32 = match viseme {
        Viseme::Sil => return 1.0,
        Viseme::Pp | Viseme::Ff => return 1.0,
        Viseme::Aa | Viseme::Oh | Viseme::Ou | Viseme::Ch => 1.0,
        Viseme::E | Viseme::Ih | Viseme::Rr | Viseme::Th | Viseme::Ss => 0.9,
        Viseme::Dd | Viseme::Nn => 0.8,
        Viseme::Kk => 0.7,
    };
    let reached = duration.as_secs_f32() / FULL_SHAPE.as_secs_f32();
    full * reached.clamp(WEIGHT_MIN, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marks(sounds: &[(&str, u64)]) -> Vec<Mark> {
        let mut at = Duration::ZERO;
        let marks = sounds.iter().map(|(ipa, ms)| {
            let duration = Duration::from_millis(*ms);
            at += duration;
            Mark { at: at - duration, duration, kind: MarkKind::Phoneme((*ipa).into()) }
        });
        marks.collect()
    }

    #[test]
    fn sounds_become_shapes_without_a_gap() {
        let line = [("", 50), ("b", 60), ("aɪ", 160), ("t", 40), ("d", 40), ("tʃ", 80), ("", 30), ("", 70)];
        let shown: Vec<String> = visemes(&marks(&line))
            .iter()
            .map(|mark| {
                format!(
                    "{}@{}+{} {:.2}",
                    mark.viseme.name(),
                    mark.at.as_millis(),
                    mark.duration.as_millis(),
                    mark.weight
                )
            })
            .collect();
        assert_eq!(
            shown,
            [
                "sil@0+50 1.00",
                "PP@50+60 1.00",
                "aa@110+80 1.00",
                "ih@190+80 0.90",
                "DD@270+80 0.80",
                "CH@350+80 1.00",
                "sil@430+100 1.00"
            ]
        );
        assert!(visemes(&[]).is_empty());
    }

    #[test]
    fn a_short_sound_is_half_a_shape_but_lips_always_meet() {
        let short = visemes(&marks(&[("m", 20), ("ə", 35)]));
        assert_eq!((short[0].weight, short[1].weight), (1.0, 0.45));
    }

    #[test]
    fn every_shape_has_a_name_of_its_own() {
        let mut names: Vec<&str> = Viseme::ALL.iter().map(|viseme| viseme.name()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), 15);
    }
}
