//! What the tests of quotas share: stores, tiers, and processes to be killed.

#![allow(dead_code, reason = "each test program uses a part of it")]

use std::io::{BufRead as _, BufReader, Lines};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;

use meddah_host::player::PlayerId;
use meddah_host::quota::{Allowance, Amounts, Book, BookSettings, Tier, Window};
use meddah_host::storage::suite::Store;
use meddah_host::storage::{LedgerLine, LedgerPage, PAGE_MAX, Player, SqliteHost};

/// Where a store is, for this process and others.
pub const PLACE: &str = "MEDDAH_HOST_TEST_STORE";

/// The number of the environment's variable, or the one that is quick enough for every day.
pub fn number(variable: &str, every_day: u64) -> u64 {
    std::env::var(variable).map_or(every_day, |number| number.parse().expect("a number"))
}

/// Opens the store at `sqlite:<file>` or `postgres:<address>`.
pub async fn open(place: &str) -> Store {
    match place.split_once(':').expect("a place") {
        ("sqlite", file) => Arc::new(SqliteHost::open(file.as_ref()).expect("opens")),
        #[cfg(unix)]
        ("postgres", address) => {
            use meddah_host::storage::{PostgresHost, suite::PostgresServer};
            Arc::new(PostgresHost::open(&PostgresServer::settings(address)).await.expect("opens"))
        }
        _ => panic!("no place of a store: {place}"),
    }
}

pub fn sqlite_place(folder: &tempfile::TempDir) -> String {
    format!("sqlite:{}", folder.path().join("host.sqlite3").display())
}

/// A new database on the shared server, if there is one.
#[cfg(unix)]
pub async fn postgres_place() -> Option<String> {
    use meddah_host::storage::suite::PostgresServer;
    use secrecy::ExposeSecret as _;
    let server = PostgresServer::shared()?;
    Some(format!("postgres:{}", server.new_database().await.address.expose_secret()))
}

pub fn tokens(tokens: u64) -> Amounts {
    Amounts { turns: 1, tokens, ..Amounts::default() }
}

/// Only tokens are limited.
pub fn tier(day: u64) -> Tier {
    let day = Allowance { tokens: Some(day), ..Allowance::default() };
    Tier { name: "guest".into(), weight: 1, concurrent: 1, day, month: Allowance::default() }
}

pub fn unlimited() -> Tier {
    Tier { day: Allowance::default(), ..tier(0) }
}

pub fn server_day(micro: u64) -> BookSettings {
    BookSettings { day: Allowance { micro: Some(micro), ..Allowance::default() }, ..BookSettings::default() }
}

pub async fn book(store: &Store, settings: BookSettings) -> Arc<Book> {
    Book::open(store.clone(), settings).await.expect("opens")
}

pub async fn player(store: &Store, name: &str) -> PlayerId {
    let player = Player::new(name, "guest", 0);
    store.add_player(&player).await.expect("added");
    player.id
}

/// The whole ledger.
pub async fn ledger(store: &Store) -> Vec<LedgerLine> {
    let mut page = LedgerPage { limit: PAGE_MAX, ..LedgerPage::default() };
    let mut all = Vec::new();
    loop {
        let lines = store.ledger(&page).await.expect("readable");
        let Some(last) = lines.last() else { return all };
        page.after = last.seq;
        all.extend(lines);
    }
}

/// What is used and leased of the day of the player (or of the server) now.
pub async fn day(store: &Store, player: Option<&PlayerId>) -> (Amounts, Amounts) {
    let now_ms = (BookSettings::default().clock)();
    let nobody = PlayerId::from("");
    let window =
        Window::all_of(player.unwrap_or(&nobody), now_ms)[if player.is_some() { 0 } else { 2 }].clone();
    let sums = store.sums(&[window]).await.expect("readable")[0];
    (sums.used, sums.leased)
}

/// Numbers that are the same in each run and look like no pattern.
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Dice {
        Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// Below `end`.
    pub fn roll(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % end
    }
}

/// This test program once more, as another process that does one test, and its lines.
pub fn process(test: &str, place: &str) -> (Child, Lines<BufReader<ChildStdout>>) {
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command.args(["--exact", test, "--nocapture"]).env(PLACE, place);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("started");
    let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    (child, lines)
}
