//! Both databases do what the port says.

use meddah_host::host_store_suite;
use meddah_host::storage::SqliteHost;

host_store_suite!(sqlite, {
    let folder = tempfile::tempdir().expect("a folder");
    (SqliteHost::open(&folder.path().join("host.sqlite3")).expect("opens"), folder)
});

#[cfg(unix)]
host_store_suite!(postgres, {
    use meddah_host::storage::PostgresHost;
    use meddah_host::storage::suite::PostgresServer;
    let Some(server) = PostgresServer::shared() else { return };
    (PostgresHost::open(&server.new_database().await).await.expect("opens"), ())
});
