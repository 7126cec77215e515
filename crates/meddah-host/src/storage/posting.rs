//! What a program writes at once: what was settled, what it asks for, and what it keeps of its leases.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::player::{Class, PlayerId};
use crate::quota::room::{Lack, Room};
use crate::quota::{Allowance, Amounts, Period, Window};

use super::error::{StorageError, StorageErrorKind};

/// How long a key of a request is remembered.
pub const CLAIM_MS: u64 = 24 * 60 * 60 * 1000;

/// What sums of windows never exceed.
pub(super) const SUM_MAX: u64 = 4_000_000_000_000_000_000;

/// A request of a player, unique for ever and sorted by time.
pub type RequestId = ulid::Ulid;
/// A program that has the store open. A new one each time it starts.
pub type HostId = ulid::Ulid;

/// Whether new requests are let in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ServerState {
    #[default]
    Open,
    /// No new requests; those under way are finished.
    Draining,
    /// The kill switch: no new requests, and those under way are to be broken off.
    Closed,
}

impl ServerState {
    pub const ALL: [ServerState; 3] = [ServerState::Open, ServerState::Draining, ServerState::Closed];

    /// As people write it.
    pub fn name(self) -> &'static str {
        match self {
            ServerState::Open => "open",
            ServerState::Draining => "draining",
            ServerState::Closed => "closed",
        }
    }

    pub fn of_name(name: &str) -> Option<ServerState> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ended {
    /// Answered in full.
    Answered,
    /// The player left, or the answer was cut.
    Cut,
    /// The engine failed.
    Failed,
    /// Nobody said how: dropped on the way.
    Abandoned,
    /// Its program was gone. Amounts are what may have been under way there.
    Lost,
}

impl Ended {
    pub const ALL: [Ended; 5] = [Ended::Answered, Ended::Cut, Ended::Failed, Ended::Abandoned, Ended::Lost];

    /// As in the ledger and in exports.
    pub fn name(self) -> &'static str {
        match self {
            Ended::Answered => "answered",
            Ended::Cut => "cut",
            Ended::Failed => "failed",
            Ended::Abandoned => "abandoned",
            Ended::Lost => "lost",
        }
    }

    pub fn of_name(name: &str) -> Option<Ended> {
        Self::ALL.into_iter().find(|ended| ended.name() == name)
    }
}

pub(super) fn class_of_name(name: &str) -> Option<Class> {
    Class::ALL.into_iter().find(|class| class.name() == name)
}

/// A line of the ledger: what a request did use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    pub request: RequestId,
    /// `None`: the player was deleted, or it was nobody's.
    pub player: Option<PlayerId>,
    pub class: Class,
    pub model: String,
    pub amounts: Amounts,
    /// When leave was given, in milliseconds since 1970: it belongs to this day.
    pub at_ms: u64,
    pub settled_ms: u64,
    pub ended: Ended,
}

impl Entry {
    /// The windows that it counts for.
    pub fn windows(&self) -> Vec<Window> {
        match &self.player {
            Some(player) => Window::all_of(player, self.at_ms).into(),
            None => Window::all_of(&PlayerId::from(""), self.at_ms)[2..].to_vec(),
        }
    }
}

/// A program's lease of a window, and what it is to become.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaseAsk {
    pub window: Window,
    pub limit: Allowance,
    /// What the program keeps in any case once the entries are written.
    pub keep: Amounts,
    /// What of it is promised.
    pub open: Amounts,
    /// What it would like to have beyond.
    pub ahead: Amounts,
}

/// The key that a player gave a request, so that a repeated one is not charged again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClaimKey(pub [u8; 16]);

impl ClaimKey {
    /// Players' keys are apart, and none is kept as it was written.
    pub fn new(player: &PlayerId, key: &str) -> ClaimKey {
        let hash =
            Sha256::new().chain_update(player.0.as_bytes()).chain_update([0]).chain_update(key).finalize();
        let mut short = [0; 16];
        short.copy_from_slice(&hash[..16]);
        ClaimKey(short)
    }
}

/// A request that waits for leave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WantAsk {
    pub request: RequestId,
    pub player: PlayerId,
    pub most: Amounts,
    /// Which of the batch's leases it uses.
    pub leases: Vec<usize>,
    pub claim: Option<ClaimKey>,
}

/// Written in one transaction.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// Grows with each batch of a program: one that comes late is refused.
    pub number: u64,
    pub now_ms: u64,
    /// Those that are in the ledger already are left out.
    pub entries: Vec<Entry>,
    pub leases: Vec<LeaseAsk>,
    pub wants: Vec<WantAsk>,
    /// Keys of requests that came to nothing.
    pub unclaim: Vec<RequestId>,
}

/// A request of the same key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Repeat {
    pub request: RequestId,
    /// `None`: it is under way.
    pub ended: Option<(Ended, Amounts)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    Granted,
    /// `lease` says which of the batch's windows it does not fit in.
    Lacks {
        lease: usize,
        lack: Lack,
    },
    Repeated(Repeat),
}

/// What the lease of a window has become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leased {
    pub hold: Amounts,
    /// What nobody uses or has leased.
    pub rest: Amounts,
}

#[derive(Clone, Debug, Default)]
pub struct Posted {
    /// In the order of the batch.
    pub leases: Vec<Leased>,
    pub decisions: Vec<Decision>,
    pub state: ServerState,
}

/// Decides on requests in their order. `known` are the keys that are claimed already.
pub(super) fn decide(
    rooms: &mut [Room],
    wants: &[WantAsk],
    known: &HashMap<ClaimKey, Repeat>,
) -> Vec<Decision> {
    let mut known = known.clone();
    let mut decide = |want: &WantAsk| {
        if let Some(repeat) = want.claim.and_then(|claim| known.get(&claim)) {
            return Decision::Repeated(*repeat);
        }
        let lack = |lease: &usize| rooms[*lease].lacks(want.most).map(|lack| (*lease, lack));
        if let Some((lease, lack)) = want.leases.iter().find_map(lack) {
            return Decision::Lacks { lease, lack };
        }
        want.leases.iter().for_each(|lease| rooms[*lease].take(want.most));
        if let Some(claim) = want.claim {
            known.insert(claim, Repeat { request: want.request, ended: None });
        }
        Decision::Granted
    };
    wants.iter().map(&mut decide).collect()
}

/// What a program that is gone may have spent of the server's money, by its leases of the server's windows.
/// What its requests were is not known, so that players are given everything back; but an engine that is paid
/// may have been at work for it, and the server's own ceiling must hold in any case.
pub(super) fn lost(leases: &[(Period, u64)], now_ms: u64) -> Vec<Entry> {
    let is_month = |period: &Period| matches!(period, Period::Month(_));
    let mut months: BTreeMap<Period, u64> =
        leases.iter().copied().filter(|(period, _)| is_month(period)).collect();
    let mut charges = Vec::new();
    let mut months_charged = Vec::new();
    for (day, micro) in leases.iter().filter(|(period, _)| !is_month(period)) {
        let month = Period::month_of(day.begin_ms());
        // What is open is in both leases, so that the smaller one bounds it.
        let left = months.get_mut(&month);
        let charge = left.as_ref().map_or(*micro, |left| (**left).min(*micro));
        left.into_iter().for_each(|left| *left -= charge);
        months_charged.push(month);
        charges.push((day.begin_ms(), charge));
    }
    let no_days = months.into_iter().filter(|(month, _)| !months_charged.contains(month));
    charges.extend(no_days.map(|(month, micro)| (month.begin_ms(), micro)));
    let charges = charges.into_iter().filter(|(_, micro)| *micro > 0);
    charges.map(|(at_ms, micro)| lost_entry(at_ms, micro, now_ms)).collect()
}

fn lost_entry(at_ms: u64, micro: u64, now_ms: u64) -> Entry {
    Entry {
        request: RequestId::new(),
        player: None,
        class: Class::default(),
        model: String::new(),
        amounts: Amounts { micro, ..Amounts::default() },
        at_ms,
        settled_ms: now_ms,
        ended: Ended::Lost,
    }
}

pub(super) fn expelled() -> StorageError {
    StorageError::new(
        StorageErrorKind::Expelled,
        "this program was silent for so long that others gave its leases back",
        "Nothing needs to be done. If it comes again, look at the load of this machine.",
    )
}

pub(super) fn too_late() -> StorageError {
    let help = "Nothing needs to be done: a later one is written.";
    StorageError::new(StorageErrorKind::Unavailable, "a batch came too late", help)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_lost_is_bounded_by_day_and_month() {
        let (january, february) = (Period::Day(19_753), Period::Day(19_754));
        let month = |day: Period| Period::month_of(day.begin_ms());
        let charged = |leases: &[(Period, u64)]| -> Vec<(u64, u64)> {
            lost(leases, 7).iter().map(|entry| (entry.at_ms, entry.amounts.micro)).collect()
        };
        let both = [(january, 5), (february, 7), (month(january), 3), (month(february), 9)];
        assert_eq!(charged(&both), [(january.begin_ms(), 3), (february.begin_ms(), 7)]);
        assert_eq!(charged(&[(january, 5)]), [(january.begin_ms(), 5)]);
        assert_eq!(charged(&[(month(february), 9), (january, 0)]), [(february.begin_ms(), 9)]);
    }
}
