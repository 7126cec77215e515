//! What only a file has: versions, owners, damage, locks and copies.

use rusqlite::Connection;
use tempfile::TempDir;

use super::*;
use crate::quota::room::SHARE;
use crate::storage::suite::{NOON_MS, Store, batch, entry, newcomer, tokens};
use crate::storage::{Batch, LeaseAsk, StorageErrorKind};

fn place() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("host.sqlite3");
    (folder, file)
}

fn open(path: &Path) -> SqliteHost {
    SqliteHost::open(path).expect("opens")
}

fn version(path: &Path) -> usize {
    let connection = Connection::open(path).expect("opens");
    connection.query_row("PRAGMA user_version", [], |row| row.get(0)).expect("readable")
}

#[tokio::test]
async fn a_file_of_an_older_version_keeps_its_data() {
    let (_folder, file) = place();
    let old = [open::MIGRATIONS, &["CREATE TABLE later (one INTEGER) STRICT"]].concat();
    let player = Player::new("ann", "guest", NOON_MS);
    // As long as there is one version, a second one is made up.
    open(&file).add_player(&player).await.expect("added");
    assert_eq!(version(&file), open::MIGRATIONS.len());
    let newer = SqliteHost::open_with(&file, &old).expect("brought up to date");
    assert_eq!(newer.player(&player.id).await.expect("readable"), Some(player));
    drop(newer);
    assert_eq!(version(&file), open::MIGRATIONS.len() + 1);
    let refused = SqliteHost::open(&file).err().expect("refused");
    assert_eq!(refused.kind, StorageErrorKind::Unusable);
    assert!(refused.message.contains("newer version") && refused.help.contains("Update"), "{refused}");
}

#[test]
fn a_migration_that_fails_leaves_the_file_as_it_was() {
    let (_folder, file) = place();
    drop(open(&file));
    let broken =
        [open::MIGRATIONS, &["CREATE TABLE half (one INTEGER); SELECT nonsense FROM nowhere"]].concat();
    assert!(SqliteHost::open_with(&file, &broken).is_err());
    assert_eq!(version(&file), open::MIGRATIONS.len());
    let connection = Connection::open(&file).expect("opens");
    let half = "SELECT count(*) FROM sqlite_schema WHERE name = 'half'";
    assert_eq!(connection.query_row(half, [], |row| row.get::<_, u32>(0)).expect("readable"), 0);
}

#[test]
fn a_file_that_is_not_ours_is_refused_and_left_alone() {
    let (folder, file) = place();
    let text = folder.path().join("notes.txt");
    std::fs::write(&text, "some notes, which are longer than a header").expect("written");
    let other = Connection::open(&file).expect("opens");
    other.execute_batch("CREATE TABLE theirs (one INTEGER)").expect("written");
    drop(other);
    for file in [text, file] {
        let before = std::fs::read(&file).expect("readable");
        let error = SqliteHost::open(&file).err().expect("refused");
        assert!(error.message.contains("is not a database of a host"), "{error}");
        assert_eq!(std::fs::read(&file).expect("readable"), before);
    }
}

#[cfg(unix)]
#[tokio::test]
async fn nobody_else_can_read_the_file() {
    use std::os::unix::fs::PermissionsExt as _;
    let (folder, file) = place();
    let host = open(&file);
    host.add_player(&Player::new("ann", "guest", 0)).await.expect("added");
    host.backup(&folder.path().join("copy.sqlite3")).await.expect("copied");
    for name in ["host.sqlite3", "host.sqlite3-wal", "copy.sqlite3"] {
        let mode = std::fs::metadata(folder.path().join(name)).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_is_whole_while_the_host_works() {
    let (folder, file) = place();
    let host = std::sync::Arc::new(open(&file));
    let store: Store = host.clone();
    let ann = newcomer(&store, "ann").await;
    let program = store.join(NOON_MS).await.expect("joined");
    let work = async {
        for number in 1_u64.. {
            let entries = (0..20).map(|_| entry(&ann, 1, 1)).collect();
            store.post(program, &Batch { entries, ..batch(number) }).await.expect("written");
        }
    };
    let copy = folder.path().join("copy.sqlite3");
    let backup = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        store.backup(&copy).await
    };
    tokio::select! {
        copied = backup => copied.expect("copied"),
        () = work => unreachable!("it never ends"),
    }
    let refused = store.backup(&copy).await.expect_err("it is there");
    assert_eq!(refused.kind, StorageErrorKind::Taken);
    let connection = Connection::open(&copy).expect("opens");
    let text = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, String>(0)).expect("readable");
    assert_eq!(text("PRAGMA integrity_check"), "ok");
    let lines: u64 = text("SELECT CAST(count(*) AS TEXT) FROM ledger").parse().expect("a number");
    assert!(lines > 0);
    assert_eq!(
        text("SELECT CAST(sum(tokens) AS TEXT) FROM usage_window WHERE player IS NULL"),
        (2 * lines).to_string()
    );
    drop(connection);
    let copy = open(&copy);
    assert!(copy.player(&ann).await.expect("readable").is_some(), "a host can work with it");
}

#[tokio::test]
async fn leases_of_a_program_that_is_gone_come_back_at_the_next_start() {
    let (_folder, file) = place();
    let dead: Store = std::sync::Arc::new(open(&file));
    let ann = newcomer(&dead, "ann").await;
    let host = dead.join(NOON_MS).await.expect("joined");
    let window = Window::all_of(&ann, NOON_MS)[0].clone();
    let limit = crate::quota::Allowance { tokens: Some(SHARE * 10), ..Default::default() };
    let (keep, open_now) = (tokens(0), tokens(0));
    let ask = LeaseAsk { window: window.clone(), limit, keep, open: open_now, ahead: tokens(100) };
    dead.post(host, &Batch { leases: vec![ask], ..batch(1) }).await.expect("written");
    let other = open(&file);
    let living = other.join(NOON_MS).await.expect("joined");
    let leased = async || other.sums(std::slice::from_ref(&window)).await.expect("readable")[0].leased;
    assert_eq!(leased().await, tokens(10), "it lives");
    drop(dead);
    other.upkeep(living, NOON_MS).await.expect("looked");
    assert_eq!(leased().await, tokens(0));
}
