//! What holds for Postgres: the suite of the port, and what only a server that several programs share does. On a
//! machine without a server nothing is tested, and each test says so.

mod cluster;
mod random;
mod server;
mod shared;
mod speed;

use std::sync::Arc;

use cluster::Cluster;

use super::{PostgresSettings, PostgresStore};

async fn opened(settings: PostgresSettings) -> Arc<PostgresStore> {
    Arc::new(PostgresStore::open(settings).await.expect("opens"))
}

crate::timeline_store_suite!(suite, {
    let Some(cluster) = Cluster::shared() else { return };
    (PostgresStore::open(cluster.empty()).await.expect("opens"), ())
});
