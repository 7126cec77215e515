//! Deleting what a host's player has left behind.

use super::connection::Connection;
use super::error::Failed;
use super::locked::in_transaction;

/// In an order in which nothing refers to what is gone.
const TABLES: [(&str, &str); 5] = [
    ("posting", "timeline"),
    ("save_point", "timeline"),
    ("entry", "timeline"),
    ("branch", "timeline"),
    ("timeline", "id"),
];

/// Deletes the timelines of players whose id begins so. A prefix has no character that `LIKE` reads otherwise.
pub(super) async fn players(connection: &Connection, prefix: &str) -> Result<(), Failed> {
    let client = &connection.client;
    let pattern = format!("{}%", prefix.replace(['\\', '%', '_'], ""));
    let forget = async {
        client.batch_execute("BEGIN").await?;
        for (table, column) in TABLES {
            let delete = format!(
                "DELETE FROM {table} WHERE {column} IN (SELECT id FROM timeline WHERE player LIKE $1)"
            );
            client.execute(&delete, &[&pattern]).await?;
        }
        client.batch_execute("COMMIT").await?;
        Ok(())
    };
    in_transaction(connection, forget).await
}
