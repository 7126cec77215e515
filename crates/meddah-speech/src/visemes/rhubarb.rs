//! The nine mouth shapes of Rhubarb Lip Sync, for drawn faces: six of old cartoons, and three more.

use std::fmt;
use std::time::Duration;

use super::{Viseme, VisemeMark};

/// A drawing of a mouth, by its letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MouthShape {
    /// Closed, for m, b, p.
    A,
    /// Slightly open with clenched teeth: most consonants, and the vowel of "bee".
    B,
    /// Open: the vowel of "men".
    C,
    /// Wide open: the vowel of "father".
    D,
    /// Slightly rounded: the vowel of "off".
    E,
    /// Puckered: "you".
    F,
    /// Upper teeth on the lip: f, v.
    G,
    /// Tongue up behind the teeth: a long l.
    H,
    /// Idle.
    X,
}

impl fmt::Display for MouthShape {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, formatter)
    }
}

/// A drawing and when it is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MouthCue {
    /// From the beginning of the line.
    pub at: Duration,
    /// Until here.
    pub end: Duration,
    /// What is drawn.
    pub shape: MouthShape,
}

/// A tongue that is up for so long is drawn.
const LONG_TONGUE: Duration = Duration::from_millis(90);

/// The drawings of a line; equal neighbours are one.
pub fn rhubarb(visemes: &[VisemeMark]) -> Vec<MouthCue> {
    let mut cues: Vec<MouthCue> = Vec::new();
    for mark in visemes {
        let (shape, end) = (shape(mark), mark.at + mark.duration);
        match cues.last_mut() {
            Some(last) if last.shape == shape => last.end = end,
            _ => cues.push(MouthCue { at: mark.at, end, shape }),
        }
    }
    cues
}

fn shape(mark: &VisemeMark) -> MouthShape {
    match mark.viseme {
        Viseme::Sil => MouthShape::X,
        Viseme::Pp => MouthShape::A,
        Viseme::Ff => MouthShape::G,
        Viseme::Nn if mark.duration >= LONG_TONGUE => MouthShape::H,
        Viseme::Th | Viseme::Dd | Viseme::Kk | Viseme::Ch | Viseme::Ss | Viseme::Nn | Viseme::Ih => {
            MouthShape::B
        }
        Viseme::E => MouthShape::C,
        Viseme::Aa => MouthShape::D,
        Viseme::Oh | Viseme::Rr => MouthShape::E,
        Viseme::Ou => MouthShape::F,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_of_the_same_drawing_are_one() {
        let mark = |at_ms, ms, viseme| VisemeMark {
            at: Duration::from_millis(at_ms),
            duration: Duration::from_millis(ms),
            viseme,
            weight: 1.0,
        };
        let line = [
            mark(0, 40, Viseme::Sil),
            mark(40, 60, Viseme::Dd),
            mark(100, 50, Viseme::Ss),
            mark(150, 100, Viseme::Nn),
            mark(250, 100, Viseme::Ou),
        ];
        let shown: Vec<String> = rhubarb(&line)
            .iter()
            .map(|cue| format!("{}@{}-{}", cue.shape, cue.at.as_millis(), cue.end.as_millis()))
            .collect();
        assert_eq!(shown, ["X@0-40", "B@40-150", "H@150-250", "F@250-350"]);
    }
}
