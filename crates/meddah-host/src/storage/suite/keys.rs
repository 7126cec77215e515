//! Keys of requests.

use super::posting::want;
use super::{NOON_MS, Store, batch, entry, newcomer};
use crate::player::PlayerId;
use crate::quota::Amounts;
use crate::storage::{Batch, CLAIM_MS, ClaimKey, Decision, Ended, Repeat, WantAsk};

fn keyed(player: &PlayerId, key: &str) -> WantAsk {
    WantAsk { leases: vec![], claim: Some(ClaimKey::new(player, key)), ..want(player, 0) }
}

pub async fn a_key_is_claimed_once(store: Store) {
    let (ann, bert) = (newcomer(&store, "ann").await, newcomer(&store, "bert").await);
    let (one, other) =
        (store.join(NOON_MS).await.expect("joined"), store.join(NOON_MS).await.expect("joined"));
    let first = keyed(&ann, "key");
    let repeated = |ended| Decision::Repeated(Repeat { request: first.request, ended });
    let wants = vec![first.clone(), keyed(&ann, "key"), keyed(&bert, "key"), keyed(&ann, "other")];
    let posted = store.post(one, &Batch { wants, ..batch(1) }).await.expect("written");
    assert_eq!(posted.decisions, [Decision::Granted, repeated(None), Decision::Granted, Decision::Granted]);

    let mut number = 0;
    let mut ask = async |at_ms: u64| {
        number += 1;
        let wants = vec![keyed(&ann, "key")];
        let batch = Batch { wants, now_ms: at_ms, ..batch(number) };
        store.post(other, &batch).await.expect("written").decisions[0]
    };
    assert_eq!(ask(NOON_MS).await, repeated(None), "also elsewhere");
    let done = crate::storage::Entry { request: first.request, ended: Ended::Cut, ..entry(&ann, 5, 2) };
    store.post(one, &Batch { entries: vec![done.clone()], ..batch(2) }).await.expect("written");
    assert_eq!(ask(NOON_MS).await, repeated(Some((Ended::Cut, done.amounts))));
    assert_eq!(ask(NOON_MS + CLAIM_MS).await, repeated(Some((Ended::Cut, done.amounts))));
    assert_eq!(ask(NOON_MS + CLAIM_MS + 1).await, Decision::Granted, "a day later it is another request");
}

pub async fn a_key_is_free_again_when_nothing_was_charged(store: Store) {
    let ann = newcomer(&store, "ann").await;
    let host = store.join(NOON_MS).await.expect("joined");
    let wants = vec![keyed(&ann, "a"), keyed(&ann, "b")];
    store.post(host, &Batch { wants: wants.clone(), ..batch(1) }).await.expect("written");
    let failed = crate::storage::Entry {
        request: wants[0].request,
        amounts: Amounts::default(),
        ended: Ended::Failed,
        ..entry(&ann, 0, 0)
    };
    let second = Batch { entries: vec![failed], unclaim: vec![wants[1].request], ..batch(2) };
    store.post(host, &second).await.expect("written");
    let wants = vec![keyed(&ann, "a"), keyed(&ann, "b")];
    let posted = store.post(host, &Batch { wants, ..batch(3) }).await.expect("written");
    assert_eq!(posted.decisions, [Decision::Granted, Decision::Granted]);
}
