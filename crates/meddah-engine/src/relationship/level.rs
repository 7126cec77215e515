//! Words for a bond.

use super::Bond;

/// How one stands to another, in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Hated, or feared and not trusted.
    Enemy,
    /// Disliked.
    Rival,
    /// Hardly known.
    Stranger,
    /// Known, and no more.
    Acquaintance,
    /// Liked and trusted.
    Friend,
    /// Loved and trusted.
    CloseFriend,
}

/// Familiarity from which somebody is no stranger.
const KNOWN: f32 = 0.15;
/// Affection and trust from which somebody is a friend, and a close one. The thresholds of Inworld (friend: trust
/// 100, respect 50, familiar 100, attraction 50; close: 200 each, of 300) by shape, not by scale.
const FRIEND: (f32, f32) = (0.25, 0.15);
const CLOSE: (f32, f32) = (0.55, 0.4);
/// Affection from which somebody is a rival, and an enemy.
const RIVAL: f32 = -0.25;
const ENEMY: f32 = -0.6;
/// From here on an axis is worth a sentence.
const TELLING: f32 = 0.3;
/// An axis that moved by this since the beginning of the story is told; what the character's file says already is
/// not.
const MOVED: f32 = 0.15;

impl Level {
    /// The level of a bond.
    pub fn of(bond: &Bond) -> Level {
        let Bond { trust, familiarity, affection, .. } = *bond;
        let hostile = affection.min((affection + trust) / 2.0);
        if hostile <= ENEMY {
            Level::Enemy
        } else if hostile <= RIVAL {
            Level::Rival
        } else if affection >= CLOSE.0 && trust >= CLOSE.1 {
            Level::CloseFriend
        } else if affection >= FRIEND.0 && trust >= FRIEND.1 {
            Level::Friend
        } else if familiarity >= KNOWN {
            Level::Acquaintance
        } else {
            Level::Stranger
        }
    }

    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Level::Enemy => "enemy",
            Level::Rival => "rival",
            Level::Stranger => "stranger",
            Level::Acquaintance => "acquaintance",
            Level::Friend => "friend",
            Level::CloseFriend => "close friend",
        }
    }
}

/// One plain sentence on how the character stands to `name`, if it came to matter since the story began
/// (`home`); none while nothing has.
pub fn stance(bond: &Bond, home: &Bond, name: &str) -> Option<String> {
    let moved = |now: f32, then: f32| (now - then).abs() >= MOVED;
    let trust = moved(bond.trust, home.trust);
    let affection = moved(bond.affection, home.affection);
    let level = Level::of(bond);
    let text = match level {
        Level::Enemy if affection || trust => format!("{name} is your enemy."),
        Level::CloseFriend if affection || trust => format!("{name} is a close friend of yours."),
        _ if trust && bond.trust <= -TELLING => format!("You do not trust {name}."),
        Level::Friend if affection || trust => format!("{name} is your friend."),
        _ if affection && bond.affection <= -TELLING => format!("You do not like {name}."),
        _ if trust && bond.trust >= TELLING => format!("You trust {name}."),
        _ if affection && bond.affection >= TELLING => format!("You like {name}."),
        _ if moved(bond.respect, home.respect) && bond.respect <= -TELLING => {
            format!("You have no respect for {name}.")
        }
        _ if moved(bond.respect, home.respect) && bond.respect >= TELLING => format!("You respect {name}."),
        _ => return None,
    };
    Some(text)
}
