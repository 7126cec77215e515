//! What goes into admission and what comes out of it: a request that asks, its place, and why it was turned away.

use std::time::Duration;

use crate::player::{Class, PlayerId};

/// A request that wants a slot of an engine.
#[derive(Clone, Debug)]
pub struct Asking {
    /// Who pays for it with their turn.
    pub player: PlayerId,
    /// How urgent it is.
    pub class: Class,
    /// Share of the player's tier, 1 or more: with 2 a player gets twice of what one with 1 gets. 0 counts as 1.
    pub weight: u32,
    /// How many requests of this class the player may have running at once. 0 counts as 1.
    pub concurrent: u32,
    /// Tokens of the prompt, estimated or counted.
    pub prompt_tokens: u32,
    /// Tokens of the answer, estimated: what such answers usually have serves better than what they may have at most.
    pub output_tokens: u32,
    /// The longest wait in the queue; the class's own patience holds as well.
    pub patience: Duration,
}

/// Names a request from [`Scheduler::ask`](super::Scheduler::ask) until it ends. Later ones are greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ticket(pub(super) u64);

/// Where a waiting request stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// 1 is next.
    pub position: u32,
    /// Until a slot is free for it, predicted from how long requests have held their slots of late. Whoever comes
    /// later and is owed more may still go before it. [`Duration::MAX`] while no engine answers.
    pub wait: Duration,
}

/// Turned away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", .why.message())]
pub struct Shed {
    /// Why.
    pub why: ShedReason,
    /// When asking again makes sense. Differs a little from request to request, so that they do not all come back at
    /// once.
    pub retry_after: Duration,
}

/// Why a request was turned away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ShedReason {
    /// As many requests wait as may, and nobody has more of them than the one who asks.
    QueueFull,
    /// It would not have had a slot before its patience ends.
    WouldWaitTooLong,
    /// Its patience ended while it waited.
    Expired,
    /// The host is about to stop.
    Draining,
    /// The player has as many requests waiting as one player may.
    TooManyOfPlayer,
}

impl ShedReason {
    /// All of them, as figures count them.
    pub const ALL: [ShedReason; 5] = [
        ShedReason::QueueFull,
        ShedReason::WouldWaitTooLong,
        ShedReason::Expired,
        ShedReason::Draining,
        ShedReason::TooManyOfPlayer,
    ];

    /// As in error codes and metrics.
    pub fn name(self) -> &'static str {
        match self {
            ShedReason::QueueFull => "queue_full",
            ShedReason::WouldWaitTooLong => "would_wait_too_long",
            ShedReason::Expired => "expired",
            ShedReason::Draining => "draining",
            ShedReason::TooManyOfPlayer => "too_many_of_player",
        }
    }

    fn message(self) -> &'static str {
        match self {
            ShedReason::QueueFull => "too many requests wait on this host",
            ShedReason::WouldWaitTooLong => "the host is so busy that the answer would come too late",
            ShedReason::Expired => "no model was free in time",
            ShedReason::Draining => "the host is about to stop",
            ShedReason::TooManyOfPlayer => "too many requests of this player wait already",
        }
    }

    /// What a player or a mod author can do.
    pub fn help(self) -> &'static str {
        match self {
            ShedReason::QueueFull | ShedReason::WouldWaitTooLong | ShedReason::Expired => {
                "Ask again after the time that is named. If it happens often, the host needs another machine: \
                 `meddah host plan` says how many."
            }
            ShedReason::Draining => "Ask again after the time that is named; the host comes back.",
            ShedReason::TooManyOfPlayer => {
                "Wait for answers before asking for more, and cancel requests whose answers nobody reads."
            }
        }
    }
}
