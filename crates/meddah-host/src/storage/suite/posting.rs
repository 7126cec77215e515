//! Entries, leases and programs.

use super::{NOON_MS, Store, batch, entry, newcomer, tokens};
use crate::player::PlayerId;
use crate::quota::{Allowance, Amounts, DAY_MS, Unit, Whose, Window};
use crate::storage::{
    Batch, Decision, LeaseAsk, LedgerPage, RequestId, ServerState, StorageErrorKind, Sums, WantAsk,
};

pub(super) fn ask(window: &Window, limit: u64, keep: u64, open: u64, ahead: u64) -> LeaseAsk {
    LeaseAsk {
        window: window.clone(),
        limit: Allowance { tokens: Some(limit), ..Allowance::default() },
        keep: tokens(keep),
        open: tokens(open),
        ahead: tokens(ahead),
    }
}

pub(super) fn want(player: &PlayerId, most: u64) -> WantAsk {
    let (request, most) = (RequestId::new(), tokens(most));
    WantAsk { request, player: player.clone(), most, leases: vec![0], claim: None }
}

fn day_of(player: &PlayerId) -> Window {
    Window::all_of(player, NOON_MS)[0].clone()
}

async fn sums(store: &Store, window: &Window) -> Sums {
    store.sums(std::slice::from_ref(window)).await.expect("readable")[0]
}

pub async fn an_entry_is_written_once(store: Store) {
    let (ann, bert) = (newcomer(&store, "ann").await, newcomer(&store, "bert").await);
    let host = store.join(NOON_MS).await.expect("joined");
    let entries = vec![entry(&ann, 10, 3), entry(&bert, 20, 4)];
    store.post(host, &Batch { entries: entries.clone(), ..batch(1) }).await.expect("written");
    // As after an answer that got lost: the same entries, and one more.
    let again = [&entries[..], &[entry(&ann, 1, 1)]].concat();
    store.post(host, &Batch { entries: again.clone(), ..batch(2) }).await.expect("written");
    let lines = store.ledger(&LedgerPage { limit: 10, ..LedgerPage::default() }).await.expect("readable");
    let written: Vec<_> = lines.into_iter().map(|line| line.entry).collect();
    assert_eq!(written, again);
    for (place, used) in [(0, (2, 11, 4)), (1, (2, 11, 4)), (2, (3, 31, 8)), (3, (3, 31, 8))] {
        let sums = sums(&store, &Window::all_of(&ann, NOON_MS)[place]).await.used;
        assert_eq!((sums.turns, sums.tokens, sums.micro), used, "window {place}");
    }
}

pub async fn leases_count_as_used_for_others(store: Store) {
    let ann = newcomer(&store, "ann").await;
    let day = day_of(&ann);
    let (one, other) =
        (store.join(NOON_MS).await.expect("joined"), store.join(NOON_MS).await.expect("joined"));
    let first = Batch { leases: vec![ask(&day, 100, 0, 0, 160)], wants: vec![want(&ann, 20)], ..batch(1) };
    let posted = store.post(one, &first).await.expect("written");
    assert_eq!(posted.decisions, [Decision::Granted]);
    // The request, and a sixteenth of what is left then.
    assert_eq!((posted.leases[0].hold, posted.leases[0].rest), (tokens(25), tokens(75)));
    assert_eq!(sums(&store, &day).await.leased, tokens(25));

    // One after the other: what does not fit does not keep a smaller one out.
    let wants = vec![want(&ann, 50), want(&ann, 30), want(&ann, 25), want(&ann, 1)];
    let second = Batch { leases: vec![ask(&day, 100, 0, 0, 0)], wants, ..batch(1) };
    let posted = store.post(other, &second).await.expect("written");
    assert!(
        matches!(&posted.decisions[..], [
        Decision::Granted,
        Decision::Lacks { lease: 0, lack },
        Decision::Granted,
        Decision::Lacks { .. }
    ] if (lack.unit, lack.left, lack.limit, lack.for_now) == (Unit::Tokens, 25, 100, true)),
        "{posted:?}"
    );
    assert_eq!((posted.leases[0].hold, posted.leases[0].rest), (tokens(75), tokens(0)));

    store.leave(one).await.expect("left");
    assert_eq!(sums(&store, &day).await.leased, tokens(75), "it took its lease with it");
}

pub async fn what_was_settled_leaves_the_lease(store: Store) {
    let ann = newcomer(&store, "ann").await;
    let day = day_of(&ann);
    let host = store.join(NOON_MS).await.expect("joined");
    let first = Batch { leases: vec![ask(&day, 100, 0, 0, 0)], wants: vec![want(&ann, 40)], ..batch(1) };
    store.post(host, &first).await.expect("written");
    // It used 15 of the 40 and gives the rest back, in one batch.
    let second =
        Batch { entries: vec![entry(&ann, 15, 0)], leases: vec![ask(&day, 100, 0, 0, 0)], ..batch(2) };
    let posted = store.post(host, &second).await.expect("written");
    assert_eq!((posted.leases[0].hold, posted.leases[0].rest), (tokens(0), tokens(85)));
    let used = Amounts { turns: 1, ..tokens(15) };
    assert_eq!(sums(&store, &day).await, Sums { used, leased: tokens(0) });
}

pub async fn a_late_batch_is_refused(store: Store) {
    let ann = newcomer(&store, "ann").await;
    let host = store.join(NOON_MS).await.expect("joined");
    store.post(host, &batch(2)).await.expect("written");
    for number in [1, 2] {
        let late = Batch { entries: vec![entry(&ann, 1, 1)], ..batch(number) };
        assert_eq!(store.post(host, &late).await.expect_err("late").kind, StorageErrorKind::Unavailable);
    }
    assert_eq!(store.ledger(&LedgerPage { limit: 1, ..LedgerPage::default() }).await.expect("readable"), []);
}

pub async fn a_program_that_left_is_expelled(store: Store) {
    let host = store.join(NOON_MS).await.expect("joined");
    store.upkeep(host, NOON_MS).await.expect("lives");
    store.leave(host).await.expect("left");
    assert_eq!(store.post(host, &batch(1)).await.expect_err("gone").kind, StorageErrorKind::Expelled);
    assert_eq!(store.upkeep(host, NOON_MS).await.expect_err("gone").kind, StorageErrorKind::Expelled);
    store.leave(host).await.expect("gone already");
}

pub async fn a_switch_is_seen_by_everybody(store: Store) {
    let host = store.join(NOON_MS).await.expect("joined");
    assert_eq!(store.state().await.expect("readable"), ServerState::Open);
    for (number, state) in ServerState::ALL.into_iter().enumerate() {
        store.set_state(state).await.expect("written");
        assert_eq!(store.state().await.expect("readable"), state);
        assert_eq!(store.upkeep(host, NOON_MS).await.expect("lives"), state);
        assert_eq!(store.post(host, &batch(number as u64 + 1)).await.expect("written").state, state);
    }
}

pub async fn the_ledger_comes_in_pages(store: Store) {
    let (ann, bert) = (newcomer(&store, "ann").await, newcomer(&store, "bert").await);
    let host = store.join(NOON_MS).await.expect("joined");
    let entries: Vec<_> =
        (0..7).map(|number| entry(if number % 2 == 0 { &ann } else { &bert }, number, 0)).collect();
    store.post(host, &Batch { entries, ..batch(1) }).await.expect("written");
    let pages = async |player: Option<PlayerId>| {
        let mut page = LedgerPage { player, after: 0, limit: 2 };
        let mut seen = Vec::new();
        loop {
            let lines = store.ledger(&page).await.expect("readable");
            assert!(lines.len() <= 2);
            let Some(last) = lines.last() else { return seen };
            page.after = last.seq;
            seen.extend(lines.iter().map(|line| line.entry.amounts.tokens));
        }
    };
    assert_eq!(pages(None).await, [0, 1, 2, 3, 4, 5, 6]);
    assert_eq!(pages(Some(ann)).await, [0, 2, 4, 6]);
    assert_eq!(pages(Some("nobody".into())).await, Vec::<u64>::new());
}

pub async fn what_is_old_is_forgotten(store: Store) {
    let ann = newcomer(&store, "ann").await;
    let host = store.join(NOON_MS).await.expect("joined");
    let mut entries = vec![entry(&ann, 1, 0), entry(&ann, 2, 0), entry(&ann, 4, 0)];
    entries[1].at_ms += DAY_MS;
    entries[2].at_ms += 40 * DAY_MS;
    store.post(host, &Batch { entries, ..batch(1) }).await.expect("written");
    assert_eq!(store.forget_before(NOON_MS + DAY_MS).await.expect("written"), 1);
    let used = async |days: u64, place: usize| {
        sums(&store, &Window::all_of(&ann, NOON_MS + days * DAY_MS)[place]).await.used.tokens
    };
    let kept = [used(0, 0).await, used(1, 0).await, used(0, 1).await, used(40, 1).await];
    assert_eq!(kept, [0, 2, 3, 4], "a month is kept as long as it is not over");
    assert_eq!(store.forget_before(NOON_MS + 40 * DAY_MS).await.expect("written"), 1);
    let kept = [used(1, 0).await, used(0, 1).await, used(0, 3).await, used(40, 0).await, used(40, 3).await];
    assert_eq!(kept, [0, 0, 0, 4, 4]);
    assert_eq!(Window::all_of(&ann, NOON_MS)[3].whose, Whose::Server);
}
