//! Random playthroughs, compared with the naive reference.

use proptest::collection::vec;
use proptest::prelude::*;
use tokio::runtime::Runtime;
use tokio::task::block_in_place;

use super::{Cluster, PostgresSettings, opened};
use crate::suite::Store;
use crate::suite::reference::{Op, follows_the_reference};
use crate::suite::steps::any_op;

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime")
}

async fn plays(settings: PostgresSettings, ops: &[Op]) {
    let handle = tokio::runtime::Handle::current();
    let store: Store = opened(settings.clone()).await;
    let mut restart = |store: Store| -> Store {
        drop(store);
        block_in_place(|| handle.block_on(opened(settings.clone())))
    };
    follows_the_reference(store, ops, &mut restart).await;
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_playthrough_is_recalled_as_the_reference_recalls_it(ops in vec(any_op(), 1..40)) {
        let Some(cluster) = Cluster::shared() else { return Ok(()) };
        runtime().block_on(plays(cluster.empty(), &ops));
    }
}
