//! How one stands to another: trust, respect, familiarity, affection, and what moves them.
//!
//! A bond is moved by what was done (an insult, a gift, a rescue: see [`crate::emotion::appraise`]), by what
//! was felt at it, and by talking at all, which makes familiar. The nearer to a bound, the less one more deed
//! moves it; kindness that is poured out all at once wears off, unkindness does not. Affection drifts back
//! over long game time, trust and respect stay until something happens. Pure: time is an argument.

mod level;

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use level::{Level, stance};

/// Seconds after which half of what affection has moved is gone: thirty days of the game. Ours.
pub const AFFECTION_HALF_LIFE_S: f32 = 30.0 * 24.0 * 3600.0;
/// Seconds after which kindness counts half as much again as it had lost by being poured out: an hour.
const SATED_HALF_LIFE_S: f32 = 3600.0;
/// How much one kindness takes from the next, by what it moved.
const SATED_BY: f32 = 4.0;
/// How much of the way to full familiarity one exchange goes.
const FAMILIARITY_PER_TURN: f32 = 0.02;
/// How much an unkindness takes from the kindness that follows it, by what it moved, and at most: whoever was just hurt
/// does not hear compliments with a whole heart.
const WARY_BY: f32 = 2.0;
const WARY_MAX: f32 = 0.5;
/// How much a feeling of full strength that no deed explains moves affection.
const FELT_AFFECTION: f32 = 0.02;
/// What a deed still does when the listener did not feel it that way: praise that is scorned.
const UNFELT_SHARE: f32 = 0.4;
/// A change of this size is worth telling the game.
const NOTICEABLE: f32 = 0.02;

/// How one stands to another.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Bond {
    /// Believing what they say and promise, -1 to 1.
    pub trust: f32,
    /// Looking up to them, -1 to 1.
    pub respect: f32,
    /// Knowing them, 0 to 1.
    pub familiarity: f32,
    /// Liking them, -1 to 1.
    pub affection: f32,
    /// How little a kindness counts just now, 0 to 1: many were poured out, or an unkindness came before it. It wears
    /// off.
    pub sated: f32,
}

/// What moves a bond, by axis.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Change {
    /// -1 to 1.
    pub trust: f32,
    /// -1 to 1.
    pub respect: f32,
    /// -1 to 1.
    pub familiarity: f32,
    /// -1 to 1.
    pub affection: f32,
}

impl Change {
    /// All of it by a factor.
    pub fn scaled(self, factor: f32) -> Change {
        Change {
            trust: self.trust * factor,
            respect: self.respect * factor,
            familiarity: self.familiarity * factor,
            affection: self.affection * factor,
        }
    }

    /// Axis by axis, with names as they stand on the wire.
    pub fn axes(self) -> [(&'static str, f32); 4] {
        [
            ("trust", self.trust),
            ("respect", self.respect),
            ("familiarity", self.familiarity),
            ("affection", self.affection),
        ]
    }

    /// Whether it is large enough to tell of.
    pub fn is_noticeable(self) -> bool {
        [self.trust, self.respect, self.affection].iter().any(|axis| axis.abs() >= NOTICEABLE)
    }

    /// Whether nothing moved at all.
    pub fn is_none(self) -> bool {
        self == Change::default()
    }

    /// How much it is, whichever way: trust, respect and affection together.
    pub fn size(self) -> f32 {
        self.trust.abs() + self.respect.abs() + self.affection.abs()
    }

    fn is_kind(self) -> bool {
        self.trust + self.respect + self.affection > 0.0
    }
}

impl Bond {
    /// After a deed or anything else that moves it by `change` at full strength.
    pub fn moved(self, change: Change) -> Bond {
        let kind = change.is_kind();
        let change = if kind { change.scaled(1.0 - finite(self.sated).clamp(0.0, 1.0)) } else { change };
        let moved = Bond {
            trust: outward(self.trust, change.trust, -1.0),
            respect: outward(self.respect, change.respect, -1.0),
            familiarity: outward(self.familiarity, change.familiarity, 0.0),
            affection: outward(self.affection, change.affection, -1.0),
            sated: self.sated,
        };
        let poured = change.trust.max(0.0) + change.respect.max(0.0) + change.affection.max(0.0);
        let sated = if kind {
            (self.sated + poured * SATED_BY).clamp(0.0, 1.0)
        } else {
            self.sated.max((change.size() * WARY_BY).clamp(0.0, WARY_MAX))
        };
        Bond { sated, ..moved }
    }

    /// After an exchange of words: familiarity grows.
    pub fn talked(self) -> Bond {
        self.moved_familiarity(FAMILIARITY_PER_TURN)
    }

    /// After something was felt toward the other: `pleasure` is -1 to 1. What a deed does counts in full only if
    /// it was felt as meant; a feeling without a deed moves affection a little.
    pub fn felt(self, deed: Option<Change>, pleasure: f32) -> Bond {
        let pleasure = finite(pleasure).clamp(-1.0, 1.0);
        match deed.filter(|change| !change.is_none()) {
            Some(change) => {
                let as_meant = pleasure == 0.0 || (pleasure > 0.0) == change.is_kind();
                self.moved(change.scaled(if as_meant { 1.0 } else { UNFELT_SHARE }))
            }
            None => self.moved(Change { affection: FELT_AFFECTION * pleasure, ..Change::default() }),
        }
    }

    /// After `elapsed` in which nothing happened between them: affection drifts toward `home`, how it stood at
    /// the beginning of the story, and what was poured out is forgotten.
    pub fn rested(self, home: &Bond, elapsed: Duration) -> Bond {
        let left = |half_life_s: f32| (-elapsed.as_secs_f32() / half_life_s).exp2();
        let now = self.tame();
        Bond {
            affection: home.affection + (now.affection - home.affection) * left(AFFECTION_HALF_LIFE_S),
            sated: now.sated * left(SATED_HALF_LIFE_S),
            ..now
        }
    }

    /// What changed since `before`.
    pub fn since(self, before: &Bond) -> Change {
        Change {
            trust: self.trust - before.trust,
            respect: self.respect - before.respect,
            familiarity: self.familiarity - before.familiarity,
            affection: self.affection - before.affection,
        }
    }

    /// Numbers from outside, within bounds.
    pub fn tame(self) -> Bond {
        let side = |number: f32| finite(number).clamp(-1.0, 1.0);
        Bond {
            trust: side(self.trust),
            respect: side(self.respect),
            familiarity: finite(self.familiarity).clamp(0.0, 1.0),
            affection: side(self.affection),
            sated: finite(self.sated).clamp(0.0, 1.0),
        }
    }

    /// With four digits behind the point.
    pub fn rounded(self) -> Bond {
        let round = |number: f32| (number * 1e4).round() / 1e4;
        Bond {
            trust: round(self.trust),
            respect: round(self.respect),
            familiarity: round(self.familiarity),
            affection: round(self.affection),
            sated: round(self.sated),
        }
    }

    fn moved_familiarity(self, share: f32) -> Bond {
        Bond { familiarity: outward(self.familiarity, share, 0.0), ..self }
    }
}

/// A step along an axis from `least` to 1: away from the middle it shrinks with the room that is left; back
/// toward the middle it is taken whole.
fn outward(from: f32, by: f32, least: f32) -> f32 {
    let (from, by) = (finite(from).clamp(least, 1.0), finite(by));
    let away = from * by >= 0.0;
    let room = if away { 1.0 - from.abs() } else { 1.0 };
    (from + by * room).clamp(least, 1.0)
}

fn finite(number: f32) -> f32 {
    if number.is_finite() { number } else { 0.0 }
}

#[cfg(test)]
mod tests;
