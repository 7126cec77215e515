//! Programs that are killed, a database that goes away, keys that come twice, and the switch.

#![allow(clippy::print_stdout, reason = "processes of these tests speak to each other by it")]

mod support;

use std::collections::HashMap;
use std::time::{Duration, Instant};

use futures::future::join_all;
use meddah_host::player::Class;
use meddah_host::quota::{Allowance, Amounts, Book, BookSettings, Purpose, QuotaError};
use meddah_host::storage::suite::Store;
use meddah_host::storage::{Ended, Repeat, ServerState, StorageErrorKind};
use support::{PLACE, book, day, ledger, number, open, player, process, server_day, tier, tokens, unlimited};

const CLOSE_MAX: Duration = Duration::from_secs(30);
const KILLED: &str = "what_a_killed_program_settled_is_written_once";
/// `MEDDAH_HOST_KILLS=100` is the full size.
const KILLS: u64 = 10;
const SERVER_DAY: u64 = 1_000_000_000;
const PLAYER_DAY: u64 = 1_000_000_000;
/// How long until something that must happen has happened, on a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(40);

/// Reserves and settles without end, and prints each request whose settling returned.
async fn settle_until_killed(place: &str) {
    let store = open(place).await;
    let ann = store.players(None, 1).await.expect("readable").remove(0).id;
    let book = book(&store, server_day(SERVER_DAY)).await;
    let work = async |worker: u64| {
        for number in 0.. {
            let most = Amounts { micro: 50, ..tokens(40) };
            let leave =
                book.reserve(&ann, &tier(PLAYER_DAY), most, &Purpose::default()).await.expect("leave");
            let request = leave.request();
            tokio::task::yield_now().await;
            let actual = Amounts { micro: worker + 1, ..tokens(number % 40 + 1) };
            leave.settle(actual, Ended::Answered).await.expect("written");
            println!("\nsettled {request} {}", actual.tokens);
        }
    };
    join_all((0..8).map(work)).await;
}

/// Starts it, kills it after a while, and gives what it said was settled.
fn killed_after(place: &str, wait: Duration) -> HashMap<String, u64> {
    let (mut child, lines) = process(KILLED, place);
    let mut settled = HashMap::new();
    let mut lines = lines.map_while(Result::ok);
    let mut take = |line: &str| {
        let parts: Vec<&str> = line.split(' ').collect();
        // A line that the kill cut short was told to nobody; a request's name has 26 letters.
        if let ["settled", request, amount] = parts[..]
            && request.len() == 26
            && let Ok(amount) = amount.parse()
        {
            settled.insert(request.to_owned(), amount);
            return true;
        }
        false
    };
    // The clock starts with the first line, so that every round kills a program at work.
    for line in lines.by_ref() {
        if take(&line) {
            break;
        }
    }
    let killer = std::thread::spawn(move || {
        std::thread::sleep(wait);
        child.kill().expect("killed");
        child.wait().expect("gone")
    });
    let last: Vec<String> = lines.collect();
    let cut = last.len().saturating_sub(1);
    last[..cut].iter().for_each(|line| {
        take(line);
    });
    assert!(!killer.join().expect("joined").success());
    settled
}

async fn until_nothing_is_leased(store: &Store) {
    let begun = Instant::now();
    while day(store, None).await.1 != Amounts::default() {
        assert!(begun.elapsed() < PATIENCE, "leases of the dead are still there");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn kill_again_and_again(place: String) {
    let store = open(&place).await;
    let ann = player(&store, "ann").await;
    let mut settled = HashMap::new();
    let kills = number("MEDDAH_HOST_KILLS", KILLS);
    for round in 0..kills {
        let wait = Duration::from_micros(500 + round * 7_919 % 60_000);
        let place = place.clone();
        let said = tokio::task::spawn_blocking(move || killed_after(&place, wait)).await.expect("joined");
        assert!(!said.is_empty(), "round {round} settled nothing");
        settled.extend(said);
    }
    // Whoever comes next gives back what the dead had leased.
    let book = book(&store, server_day(SERVER_DAY)).await;
    until_nothing_is_leased(&store).await;
    assert!(book.close(CLOSE_MAX).await);
    let lines = ledger(&store).await;
    let (lost, written): (Vec<_>, Vec<_>) = lines.iter().partition(|line| line.entry.ended == Ended::Lost);
    let by_request: HashMap<String, u64> =
        written.iter().map(|line| (line.entry.request.to_string(), line.entry.amounts.tokens)).collect();
    assert_eq!(by_request.len(), written.len(), "none twice");
    let missing =
        settled.iter().filter(|(request, amount)| by_request.get(*request) != Some(*amount)).count();
    assert_eq!(missing, 0, "settled and not in the ledger");
    let sum = |lines: &[&meddah_host::storage::LedgerLine]| {
        lines.iter().fold(Amounts::default(), |sum, line| sum.plus(line.entry.amounts))
    };
    let (of_players, all) = (sum(&written), sum(&lines.iter().collect::<Vec<_>>()));
    assert_eq!(day(&store, Some(&ann)).await, (of_players, Amounts::default()), "tokens and turns came back");
    assert_eq!(day(&store, None).await, (all, Amounts::default()), "the sums are those of the ledger");
    // Each dead program may have had eight requests of 50 under way, and had leased some more.
    assert!((1..=kills as usize).contains(&lost.len()), "{} programs", lost.len());
    let (least, most) = (lost.len() as u64 * 50, lost.len() as u64 * 50 * (8 + 64));
    assert!((least..=most).contains(&sum(&lost).micro), "{:?}", sum(&lost));
    println!(
        "{kills} kills, {} told as settled, {} in the ledger, none lost, none twice",
        settled.len(),
        written.len()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_killed_program_settled_is_written_once() {
    if let Ok(place) = std::env::var(PLACE) {
        return settle_until_killed(&place).await;
    }
    let folder = tempfile::tempdir().expect("a folder");
    kill_again_and_again(support::sqlite_place(&folder)).await;
    #[cfg(unix)]
    if let Some(place) = support::postgres_place().await {
        kill_again_and_again(place).await;
    }
}

/// Requests one after the other, each with its outcome: settled, refused because the database is away, or
/// given leave and written later.
#[cfg(unix)]
async fn work(book: &Book, ann: &meddah_host::player::PlayerId, until: Instant) -> (usize, usize) {
    let (mut given, mut refused) = (0, 0);
    while Instant::now() < until {
        let purpose = Purpose { class: Class::Session, ..Purpose::default() };
        match book.reserve(ann, &tier(PLAYER_DAY), tokens(40), &purpose).await {
            Ok(reservation) => {
                given += 1;
                // Not waited for: it is written when the database is back.
                reservation.seen(tokens(7));
                drop(reservation);
            }
            Err(QuotaError::Unavailable { retry_after, .. }) => {
                assert!(retry_after > Duration::ZERO);
                refused += 1;
            }
            Err(error) => panic!("{error}"),
        }
        tokio::time::sleep(Duration::from_millis(3)).await;
    }
    (given, refused)
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_goes_away_and_comes_back_loses_nothing() {
    use meddah_host::storage::PostgresHost;
    use meddah_host::storage::suite::PostgresServer;
    let Some(server) = PostgresServer::start() else { return };
    let store: Store =
        std::sync::Arc::new(PostgresHost::open(&server.new_database().await).await.expect("opens"));
    let (book, ann) = (book(&store, server_day(SERVER_DAY)).await, player(&store, "ann").await);
    let until = Instant::now() + Duration::from_secs(5);
    let restarts = async {
        for _ in 0..2 {
            tokio::time::sleep(Duration::from_millis(700)).await;
            tokio::task::block_in_place(|| server.stop());
            let away = store.state().await.expect_err("it is away");
            assert_eq!(away.kind, StorageErrorKind::Unavailable, "{away}");
            tokio::time::sleep(Duration::from_millis(700)).await;
            tokio::task::block_in_place(|| server.start_again());
        }
    };
    let (outcomes, ()) = tokio::join!(join_all((0..8).map(|_| work(&book, &ann, until))), restarts);
    // Everybody gets leave again.
    let begun = Instant::now();
    while let Err(error) = book.reserve(&ann, &tier(PLAYER_DAY), tokens(1), &Purpose::default()).await {
        assert!(begun.elapsed() < PATIENCE, "{error}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(book.close(CLOSE_MAX).await);
    let given: usize = outcomes.iter().map(|(given, _)| given).sum::<usize>() + 1;
    let refused: usize = outcomes.iter().map(|(_, refused)| refused).sum();
    let lines = ledger(&store).await;
    let requests: std::collections::HashSet<_> = lines.iter().map(|line| line.entry.request).collect();
    assert_eq!((lines.len(), requests.len()), (given, given), "each is written, once");
    let sum = lines.iter().fold(Amounts::default(), |sum, line| sum.plus(line.entry.amounts));
    assert_eq!(day(&store, Some(&ann)).await, (sum, Amounts::default()));
    assert!(refused > 0, "the database was away for long enough to be felt");
    println!("two restarts: {given} given leave and written once, {refused} refused for the moment");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_too_much_waits_to_be_written_nothing_is_granted() {
    const REQUESTS_MAX: usize = 100;
    let folder = tempfile::tempdir().expect("a folder");
    let place = support::sqlite_place(&folder);
    let store = open(&place).await;
    let settings = BookSettings { requests_max: REQUESTS_MAX, ..BookSettings::default() };
    let (book, ann) = (book(&store, settings).await, player(&store, "ann").await);
    // Another program holds the file.
    let other = rusqlite::Connection::open(place.trim_start_matches("sqlite:")).expect("opens");
    other.execute_batch("BEGIN IMMEDIATE").expect("held");
    let tier = unlimited();
    for number in 0..REQUESTS_MAX {
        let reservation = book.reserve(&ann, &tier, tokens(1), &Purpose::default()).await;
        drop(reservation.unwrap_or_else(|error| panic!("request {number}: {error}")));
    }
    let refused = book.reserve(&ann, &tier, tokens(1), &Purpose::default()).await.err().expect("refused");
    assert!(matches!(refused, QuotaError::Unavailable { .. }), "{refused}");
    assert!(refused.retry_after().is_some());
    other.execute_batch("ROLLBACK").expect("let go");
    let begun = Instant::now();
    while book.figures() != (0, 0) {
        assert!(begun.elapsed() < PATIENCE, "{:?}", book.figures());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    book.reserve(&ann, &tier, tokens(1), &Purpose::default()).await.expect("leave");
    assert!(book.close(CLOSE_MAX).await);
    assert_eq!(ledger(&store).await.len(), REQUESTS_MAX + 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repeated_key_is_not_charged_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(&support::sqlite_place(&folder)).await;
    let (book, ann) = (book(&store, BookSettings::default()).await, player(&store, "ann").await);
    let bert = player(&store, "bert").await;
    let keyed = Purpose { key: Some("attempt 1".into()), ..Purpose::default() };
    let tier = tier(100);
    let ask = async |player| book.reserve(player, &tier, tokens(10), &keyed).await;
    let first = ask(&ann).await.expect("leave");
    let request = first.request();
    let repeat = |ended| Repeat { request, ended };
    match ask(&ann).await.err() {
        Some(QuotaError::Repeated(repeated)) => assert_eq!(repeated, repeat(None)),
        other => panic!("{other:?}"),
    }
    ask(&bert).await.expect("another player's key is another key");
    first.settle(tokens(4), Ended::Cut).await.expect("written");
    match ask(&ann).await.err() {
        Some(QuotaError::Repeated(repeated)) => assert_eq!(repeated, repeat(Some((Ended::Cut, tokens(4))))),
        other => panic!("{other:?}"),
    }
    assert_eq!(book.left(&ann, &tier).await.expect("readable").day.tokens, Some(96), "charged once");
    // One that cost nothing may be tried again.
    let other = Purpose { key: Some("attempt 2".into()), ..Purpose::default() };
    let failed = book.reserve(&ann, &tier, tokens(10), &other).await.expect("leave");
    failed.settle(Amounts::default(), Ended::Failed).await.expect("written");
    book.reserve(&ann, &tier, tokens(10), &other).await.expect("leave");
    assert!(book.close(CLOSE_MAX).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_switch_stops_every_program() {
    let folder = tempfile::tempdir().expect("a folder");
    let place = support::sqlite_place(&folder);
    let stores = [open(&place).await, open(&place).await];
    let books =
        [book(&stores[0], BookSettings::default()).await, book(&stores[1], BookSettings::default()).await];
    let ann = player(&stores[0], "ann").await;
    let ask = async |book: &Book| book.reserve(&ann, &tier(100), tokens(1), &Purpose::default()).await;
    let open_one = ask(&books[1]).await.expect("leave");
    let mut seen = books[1].state();
    books[0].set_state(ServerState::Closed).await.expect("written");
    assert!(matches!(ask(&books[0]).await.err(), Some(QuotaError::Closed(ServerState::Closed))), "at once");
    tokio::time::timeout(PATIENCE, seen.wait_for(|state| *state == ServerState::Closed))
        .await
        .expect("within a second or so")
        .expect("the book lives");
    assert!(matches!(ask(&books[1]).await.err(), Some(QuotaError::Closed(ServerState::Closed))));
    open_one.settle(tokens(1), Ended::Cut).await.expect("what is under way is still written");
    books[1].set_state(ServerState::Open).await.expect("written");
    ask(&books[1]).await.expect("leave");
    for book in books {
        assert!(book.close(CLOSE_MAX).await);
        assert!(matches!(ask(&book).await.err(), Some(QuotaError::Closed(_))), "it is closed");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn money_under_way_in_a_killed_program_counts_for_the_server_only() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(&support::sqlite_place(&folder)).await;
    let ann = player(&store, "ann").await;
    let month = Allowance { micro: Some(10_000), ..Allowance::default() };
    let settings = BookSettings { month, ..server_day(1_000) };
    let dead = open(&support::sqlite_place(&folder)).await;
    let book = book(&dead, settings.clone()).await;
    let most = Amounts { micro: 100, ..tokens(40) };
    let open_one = book.reserve(&ann, &tier(1_000), most, &Purpose::default()).await.expect("leave");
    let (_, leased) = day(&store, None).await;
    assert!((100..=160).contains(&leased.micro), "{leased:?}");
    // As if it were killed: nothing is settled, and the system lets go of its lock.
    std::mem::forget(open_one);
    drop(book);
    drop(dead);
    let book = support::book(&store, settings).await;
    until_nothing_is_leased(&store).await;
    assert_eq!(day(&store, Some(&ann)).await, (Amounts::default(), Amounts::default()));
    let lost = Amounts { micro: leased.micro, ..Amounts::default() };
    assert_eq!(day(&store, None).await, (lost, Amounts::default()));
    assert!(book.close(CLOSE_MAX).await);
    let lines = ledger(&store).await;
    let line = (lines[0].entry.ended, lines[0].entry.amounts, &lines[0].entry.player);
    assert_eq!((line, lines.len()), ((Ended::Lost, lost, &None), 1));
}
