//! One connection: set up the same each time, with every statement prepared.
//!
//! Statements are sent without waiting for the answer to the one before, wherever it does not depend on it: the way
//! to the server and back is most of what a question costs.

use std::time::Duration;

use futures::{FutureExt, try_join};
use tokio::task::JoinSet;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, NoTls, Statement};

use super::error::Failed;
use super::settings::PostgresSettings;

/// The longest that the server works on one statement.
pub(super) const STATEMENT_MAX: Duration = Duration::from_secs(10);
/// The longest that a statement waits for a lock: that of a timeline is held for some milliseconds.
const LOCK_WAIT_MAX: Duration = Duration::from_secs(5);
/// The longest that the server keeps the locks of somebody who began to write and fell silent.
const SILENT_WRITER_MAX: Duration = Duration::from_secs(10);
/// How long a connection may take to say goodbye.
const END_MAX: Duration = Duration::from_secs(2);

macro_rules! statements {
    ($($name:ident)*) => {
        /// Every statement, prepared; each is the file of its name in `sql/`.
        pub(super) struct Statements { $(pub $name: Statement,)* }

        impl Statements {
            async fn prepare(client: &Client) -> Result<Self, tokio_postgres::Error> {
                // All at once: one way to the server and back, not one for each.
                $(let $name = client.prepare(include_str!(concat!("sql/", stringify!($name), ".sql"))).boxed();)*
                let ($($name,)*) = try_join!($($name),*)?;
                Ok(Statements { $($name,)* })
            }
        }
    };
}

statements! {
    timeline_by_key timeline_list timeline_insert timeline_lock timeline_to_write timeline_set
    branch_insert branch_set_tip branch_list back_to lineage
    entry_insert posting_insert entry_at entry_hash scan
    newest newest_of_all newest_by_game_time
    save_point_insert save_point_by_name
    vector_get vector_put
}

pub(super) struct Connection {
    pub client: Client,
    pub sql: Statements,
    /// Carries bytes between the client and the server. Aborted with the connection.
    driver: Driver,
}

/// A parameter of a statement.
pub(super) type Param<'a> = &'a (dyn ToSql + Sync);

/// The task behind a connection that has no statements yet.
pub(super) type Driver = JoinSet<()>;

impl Connection {
    pub async fn open(settings: &PostgresSettings) -> Result<Self, Failed> {
        let (client, driver) = connect(settings).await?;
        let sql = Statements::prepare(&client).await?;
        Ok(Connection { client, sql, driver })
    }

    /// Takes leave of the server.
    pub async fn end(self) {
        let Connection { client, mut driver, .. } = self;
        drop(client);
        tokio::time::timeout(END_MAX, driver.join_next()).await.ok(); // then it is cut
    }
}

/// Connects and says how we work.
pub(super) async fn connect(settings: &PostgresSettings) -> Result<(Client, Driver), Failed> {
    let (client, connection) = settings.config.connect(NoTls).await?;
    let mut driver = JoinSet::new();
    driver.spawn(async move {
        if let Err(error) = connection.await {
            // Whoever waits for an answer is told as well.
            tracing::debug!(%error, "a connection to the memory database ended");
        }
    });
    client.batch_execute(&ways_of_work(&settings.schema)).await?;
    Ok((client, driver))
}

/// All questions go down an index. Plans are made once, when the tables may still be empty, and what is best for an
/// empty table (to read all of it) must not stay; nor is anything here worth compiling.
fn ways_of_work(schema: &str) -> String {
    format!(
        "SET search_path = \"{schema}\";
         SET statement_timeout = {};
         SET lock_timeout = {};
         SET idle_in_transaction_session_timeout = {};
         SET default_transaction_isolation = 'read committed';
         SET plan_cache_mode = force_generic_plan;
         SET enable_seqscan = off;
         SET jit = off;",
        STATEMENT_MAX.as_millis(),
        LOCK_WAIT_MAX.as_millis(),
        SILENT_WRITER_MAX.as_millis(),
    )
}
