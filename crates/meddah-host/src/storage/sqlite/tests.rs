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
    drop(connection);
    let copy = open(&copy);
    for window in Window::all_of(&ann, NOON_MS) {
        let sums = copy.sums(std::slice::from_ref(&window)).await.expect("readable");
        assert_eq!(sums[0].used.tokens, lines, "{window}");
    }
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

async fn used(host: &SqliteHost, player: &PlayerId) -> [u64; 4] {
    let sums = host.sums(&Window::all_of(player, NOON_MS)).await.expect("readable");
    std::array::from_fn(|place| sums[place].used.tokens)
}

async fn lines_of(host: &SqliteHost, player: &PlayerId) -> usize {
    let page = LedgerPage { player: Some(player.clone()), after: 0, limit: PAGE_MAX };
    host.ledger(&page).await.expect("readable").len()
}

#[tokio::test]
async fn lines_of_a_file_from_before_they_were_counted_later_are_counted_once() {
    let (_folder, file) = place();
    let old = SqliteHost::open_with(&file, &open::MIGRATIONS[..2]).expect("opens");
    let (ann, bert) = (Player::new("ann", "guest", NOON_MS), Player::new("bert", "guest", NOON_MS));
    old.add_player(&ann).await.expect("added");
    old.add_player(&bert).await.expect("added");
    drop(old);
    let connection = Connection::open(&file).expect("opens");
    for player in [&ann.id, &bert.id, &ann.id] {
        let line = entry(player, 10, 0);
        let row = rusqlite::params![line.request.to_string(), player.0.as_ref(), NOON_MS];
        let insert = "INSERT INTO ledger (request, player, class, model, turns, tokens, speech_ms, micro, at_ms, \
                      settled_ms, ended) VALUES (?1, ?2, 'live', 'model', 1, 10, 0, 0, ?3, ?3, 'answered')";
        connection.execute(insert, row).expect("written");
        for window in line.windows() {
            let sum = "INSERT INTO usage_window (key, player, tokens) VALUES (?1, ?2, 10) \
                       ON CONFLICT (key) DO UPDATE SET tokens = tokens + 10";
            let player = window.player().map(|player| player.0.to_string());
            connection.execute(sum, rusqlite::params![window.key(), player]).expect("written");
        }
    }
    drop(connection);
    let host = open(&file);
    assert_eq!(used(&host, &ann.id).await, [20, 20, 30, 30]);
    assert_eq!([lines_of(&host, &ann.id).await, lines_of(&host, &bert.id).await], [2, 1]);
    let program = host.join(NOON_MS).await.expect("joined");
    let entries = vec![entry(&ann.id, 5, 0)];
    host.post(program, &Batch { entries, ..batch(1) }).await.expect("written");
    for _ in 0..2 {
        assert_eq!(used(&host, &ann.id).await, [25, 25, 35, 35]);
        host.upkeep(program, NOON_MS).await.expect("lives");
    }
    host.delete_player(&bert.id).await.expect("deleted");
    assert_eq!([lines_of(&host, &ann.id).await, lines_of(&host, &bert.id).await], [3, 0]);
    assert_eq!(used(&host, &bert.id).await, [0, 0, 35, 35]);
}

#[tokio::test]
async fn it_makes_no_difference_when_lines_are_counted() {
    const EACH: u64 = 100;
    let (_folder, file) = place();
    let host = open(&file);
    let (ann, bert) = (Player::new("ann", "guest", NOON_MS), Player::new("bert", "guest", NOON_MS));
    host.add_player(&ann).await.expect("added");
    host.add_player(&bert).await.expect("added");
    let program = host.join(NOON_MS).await.expect("joined");
    let uncounted = || count::uncounted(&Connection::open(&file).expect("opens")).expect("readable");
    let mut most = 0;
    for number in 1..=25 {
        let entries = (0..EACH).map(|_| entry(&ann.id, 1, 0)).chain([entry(&bert.id, 2, 0)]).collect();
        host.post(program, &Batch { entries, ..batch(number) }).await.expect("written");
        let (anns, berts) = (number * EACH, number * 2);
        assert_eq!(used(&host, &ann.id).await, [anns, anns, anns + berts, anns + berts]);
        assert_eq!(used(&host, &bert.id).await[..2], [berts, berts]);
        most = most.max(uncounted());
    }
    assert!((1_000..1_024).contains(&most), "{most} lines were not counted");
    assert!(uncounted() > 0);
    host.delete_player(&bert.id).await.expect("deleted");
    assert_eq!((uncounted(), used(&host, &bert.id).await), (0, [0, 0, 2_550, 2_550]));
    let nobodys = host.ledger(&LedgerPage { limit: 101, ..LedgerPage::default() }).await.expect("readable");
    assert_eq!(nobodys.iter().filter(|line| line.entry.player.is_none()).count(), 1);
    // The numbers of lines begin anew, and the next lines are counted nevertheless.
    let dropped = host.forget_before(NOON_MS + 1).await.expect("written");
    assert_eq!((dropped, lines_of(&host, &ann.id).await), (25 * 101, 0));
    let entries = vec![entry(&ann.id, 7, 0)];
    host.post(program, &Batch { entries, ..batch(26) }).await.expect("written");
    assert_eq!((uncounted(), lines_of(&host, &ann.id).await, uncounted()), (1, 1, 0));
    assert_eq!(used(&host, &ann.id).await, [2_507, 2_507, 2_557, 2_557]);
}
