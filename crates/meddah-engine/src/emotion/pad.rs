//! Pleasure, arousal and dominance.

use serde::{Deserialize, Serialize};

/// Pleasure, arousal and dominance, each -1 to 1: Mehrabian's three axes of mood.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Pad {
    /// Unpleasant to pleasant.
    pub pleasure: f32,
    /// Calm to stirred up.
    pub arousal: f32,
    /// At another's mercy to in control.
    pub dominance: f32,
}

impl Pad {
    /// The point at `share` (0 to 1) of the way from here to `other`, within the cube.
    pub fn toward(self, other: Pad, share: f32) -> Pad {
        let mix = |from: f32, to: f32| (from + (to - from) * share).clamp(-1.0, 1.0);
        Pad {
            pleasure: mix(self.pleasure, other.pleasure),
            arousal: mix(self.arousal, other.arousal),
            dominance: mix(self.dominance, other.dominance),
        }
    }

    /// The sum, within the cube.
    pub fn plus(self, other: Pad) -> Pad {
        let sum = |one: f32, other: f32| (one + other).clamp(-1.0, 1.0);
        Pad {
            pleasure: sum(self.pleasure, other.pleasure),
            arousal: sum(self.arousal, other.arousal),
            dominance: sum(self.dominance, other.dominance),
        }
    }

    /// How far apart two points are.
    pub fn distance(self, other: Pad) -> f32 {
        let square = |one: f32, other: f32| (one - other).powi(2);
        (square(self.pleasure, other.pleasure)
            + square(self.arousal, other.arousal)
            + square(self.dominance, other.dominance))
        .sqrt()
    }

    /// A point from outside: what is no number is 0, what is out of the cube stands on its side.
    pub fn tame(self) -> Pad {
        let tame = |number: f32| super::finite(number).clamp(-1.0, 1.0);
        Pad { pleasure: tame(self.pleasure), arousal: tame(self.arousal), dominance: tame(self.dominance) }
    }

    /// With three digits behind the point, which is more than anybody can feel.
    pub fn rounded(self) -> Pad {
        Pad {
            pleasure: super::round(self.pleasure),
            arousal: super::round(self.arousal),
            dominance: super::round(self.dominance),
        }
    }
}
