//! Shapes as weights of the blend shapes that ARKit named, which many game faces have.
//!
//! A mouth is on its way all the time, so neighbours overlap: each shape grows and fades over [`BLEND`].

use std::time::Duration;

use super::{Viseme, VisemeMark};

/// A movement of the face, by ARKit's name.
pub type BlendShape = &'static str;

/// How long the mouth takes from one shape to the next; people take 60 to 80 ms.
const BLEND: Duration = Duration::from_millis(70);

/// The weights at a moment, 0 to 1, without those that are 0. For every frame of a game's animation.
pub fn blend_shapes_at(visemes: &[VisemeMark], at: Duration) -> Vec<(BlendShape, f32)> {
    let mut weights: Vec<(BlendShape, f32)> = Vec::new();
    for mark in visemes {
        let share = share(mark, at) * mark.weight;
        if share <= 0.0 {
            continue;
        }
        for (shape, full) in shapes(mark.viseme) {
            match weights.iter_mut().find(|(found, _)| found == shape) {
                Some((_, weight)) => *weight = (*weight + full * share).min(1.0),
                None => weights.push((shape, (full * share).min(1.0))),
            }
        }
    }
    weights
}

/// How much of the face this shape has at a moment; the shares of all shapes together are 1.
fn share(mark: &VisemeMark, at: Duration) -> f32 {
    let (at, blend) = (at.as_secs_f32(), BLEND.as_secs_f32());
    let (begin, end) = (mark.at.as_secs_f32(), (mark.at + mark.duration).as_secs_f32());
    let grown = |border: f32| ((at - border) / blend + 0.5).clamp(0.0, 1.0);
    grown(begin) - grown(end)
}

fn shapes(viseme: Viseme) -> &'static [(BlendShape, f32)] {
    match viseme {
        Viseme::Sil => &[],
        Viseme::Pp => {
            &[("mouthClose", 0.3), ("mouthPressLeft", 0.6), ("mouthPressRight", 0.6), ("mouthRollLower", 0.3)]
        }
        Viseme::Ff => &[
            ("jawOpen", 0.1),
            ("mouthRollLower", 0.6),
            ("mouthUpperUpLeft", 0.3),
            ("mouthUpperUpRight", 0.3),
        ],
        Viseme::Th => &[
            ("jawOpen", 0.15),
            ("tongueOut", 0.4),
            ("mouthLowerDownLeft", 0.2),
            ("mouthLowerDownRight", 0.2),
        ],
        Viseme::Dd => &[("jawOpen", 0.15), ("mouthLowerDownLeft", 0.3), ("mouthLowerDownRight", 0.3)],
        Viseme::Kk => &[("jawOpen", 0.2), ("mouthStretchLeft", 0.2), ("mouthStretchRight", 0.2)],
        Viseme::Ch => &[("jawOpen", 0.1), ("mouthFunnel", 0.6), ("mouthPucker", 0.2)],
        Viseme::Ss => &[
            ("mouthSmileLeft", 0.3),
            ("mouthSmileRight", 0.3),
            ("mouthLowerDownLeft", 0.3),
            ("mouthLowerDownRight", 0.3),
        ],
        Viseme::Nn => &[("jawOpen", 0.2), ("mouthLowerDownLeft", 0.2), ("mouthLowerDownRight", 0.2)],
        Viseme::Rr => &[("jawOpen", 0.15), ("mouthFunnel", 0.4), ("mouthPucker", 0.2)],
        Viseme::Aa => &[("jawOpen", 0.6), ("mouthLowerDownLeft", 0.3), ("mouthLowerDownRight", 0.3)],
        Viseme::E => &[
            ("jawOpen", 0.3),
            ("mouthSmileLeft", 0.3),
            ("mouthSmileRight", 0.3),
            ("mouthStretchLeft", 0.2),
            ("mouthStretchRight", 0.2),
        ],
        Viseme::Ih => &[("jawOpen", 0.2), ("mouthSmileLeft", 0.4), ("mouthSmileRight", 0.4)],
        Viseme::Oh => &[("jawOpen", 0.4), ("mouthFunnel", 0.6)],
        Viseme::Ou => &[("jawOpen", 0.2), ("mouthPucker", 0.8), ("mouthFunnel", 0.2)],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(at_ms: u64, ms: u64, viseme: Viseme) -> VisemeMark {
        VisemeMark {
            at: Duration::from_millis(at_ms),
            duration: Duration::from_millis(ms),
            viseme,
            weight: 1.0,
        }
    }

    fn weight(visemes: &[VisemeMark], at_ms: u64, shape: &str) -> f32 {
        let weights = blend_shapes_at(visemes, Duration::from_millis(at_ms));
        weights.iter().find(|(found, _)| *found == shape).map_or(0.0, |(_, weight)| *weight)
    }

    #[test]
    fn a_mouth_opens_and_closes_gradually() {
        let line = [mark(0, 100, Viseme::Sil), mark(100, 200, Viseme::Aa), mark(300, 100, Viseme::Pp)];
        assert_eq!(weight(&line, 0, "jawOpen"), 0.0);
        assert!((weight(&line, 100, "jawOpen") - 0.3).abs() < 0.01);
        assert!((weight(&line, 200, "jawOpen") - 0.6).abs() < 0.01);
        assert!(weight(&line, 350, "jawOpen") < 0.01 && weight(&line, 350, "mouthPressLeft") > 0.55);
        assert!(blend_shapes_at(&line, Duration::from_secs(9)).is_empty());
    }

    #[test]
    fn no_weight_leaves_its_range() {
        for viseme in Viseme::ALL {
            assert!(shapes(viseme).iter().all(|(_, full)| (0.0..=1.0).contains(full)));
            assert_eq!(shapes(viseme).is_empty(), viseme == Viseme::Sil);
        }
    }
}
