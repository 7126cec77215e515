//! Many requests at once, in one program and in several: limits hold to the last token, and everything is
//! written exactly once.

#![allow(clippy::print_stdout, reason = "processes of these tests speak to each other by it")]

mod support;

use std::collections::HashMap;
use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use meddah_host::player::PlayerId;
use meddah_host::quota::{Amounts, Book, Purpose, QuotaError, Reservation};
use meddah_host::storage::suite::Store;
use meddah_host::storage::{Ended, RequestId};
use support::{
    Dice, PLACE, book, day, ledger, number, open, player, process, server_day, tier, tokens, unlimited,
};

const CLOSE_MAX: Duration = Duration::from_secs(30);

/// Makes a test of a function for each database.
macro_rules! on_each_store {
    ($($case:ident)*) => {
        mod sqlite {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $case() {
                    let folder = tempfile::tempdir().expect("a folder");
                    super::$case(super::support::sqlite_place(&folder)).await;
                }
            )*
        }
        #[cfg(unix)]
        mod postgres {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $case() {
                    if let Some(place) = super::support::postgres_place().await {
                        super::$case(place).await;
                    }
                }
            )*
        }
    };
}

on_each_store!(
    two_books_never_pass_a_limit_together
    a_reservation_is_settled_once_wherever_it_is_dropped
    what_is_left_is_told
);

/// Tries again, as often as that, as long as what is open may come back.
async fn ask(book: &Book, player: &PlayerId, most: Amounts, tries: u32) -> Option<Reservation> {
    for _ in 0..tries {
        match book.reserve(player, &tier(PLAYER_DAY), most, &Purpose::default()).await {
            Ok(reservation) => return Some(reservation),
            Err(QuotaError::Exceeded(exceeded)) if !exceeded.lack.for_now => return None,
            Err(QuotaError::Exceeded(_)) => tokio::time::sleep(Duration::from_millis(20)).await,
            Err(error) => panic!("{error}"),
        }
    }
    None
}

/// `MEDDAH_HOST_RACES=10000` is the full size.
const RACES: u64 = 2_000;
const PLAYERS: u64 = 5;
/// Of what is asked for by 2,000 requests, a third fits.
const PLAYER_DAY: u64 = 8_000;
const SERVER_DAY: u64 = 35_000;

/// Each request takes up to 100 tokens and as many micro-units, uses a part of them and holds them for a
/// moment.
async fn two_books_never_pass_a_limit_together(place: String) {
    let stores = [open(&place).await, open(&place).await];
    let books =
        [book(&stores[0], server_day(SERVER_DAY)).await, book(&stores[1], server_day(SERVER_DAY)).await];
    let names = (0..PLAYERS).map(|number| format!("player {number}"));
    let players = join_all(names.map(|name| {
        let store = &stores[0];
        async move { player(store, &name).await }
    }))
    .await;
    let one = |number: u64| {
        let (book, player) = (&books[(number % 2) as usize], &players[(number % PLAYERS) as usize]);
        async move {
            let mut dice = Dice::new(number);
            tokio::time::sleep(Duration::from_millis(dice.roll(300))).await;
            let most = 1 + dice.roll(100);
            let most = Amounts { micro: most, ..tokens(most) };
            let Some(reservation) = ask(book, player, most, 100).await else { return 0 };
            tokio::time::sleep(Duration::from_millis(dice.roll(20))).await;
            let used = most.tokens - dice.roll(most.tokens / 2 + 1);
            let actual = Amounts { micro: used, ..tokens(used) };
            reservation.settle(actual, Ended::Answered).await.expect("written");
            used
        }
    };
    let watch = async {
        loop {
            for player in &players {
                let (used, leased) = day(&stores[0], Some(player)).await;
                assert!(used.tokens + leased.tokens <= PLAYER_DAY, "{used:?} {leased:?}");
            }
            let (used, leased) = day(&stores[0], None).await;
            assert!(used.micro + leased.micro <= SERVER_DAY, "{used:?} {leased:?}");
        }
    };
    let races = number("MEDDAH_HOST_RACES", RACES);
    let used = tokio::select! {
        used = join_all((0..races).map(one)) => used,
        () = watch => unreachable!("it never ends"),
    };
    for book in books {
        assert!(book.close(CLOSE_MAX).await);
    }
    let written: Vec<u64> = ledger(&stores[0]).await.iter().map(|line| line.entry.amounts.tokens).collect();
    let sum: u64 = written.iter().sum();
    assert_eq!(sum, used.iter().sum::<u64>(), "all that was used is written, once");
    let (server, leased) = day(&stores[0], None).await;
    assert_eq!((server.micro, leased), (sum, Amounts::default()));
    assert!(sum <= SERVER_DAY && sum > SERVER_DAY * 9 / 10, "{sum} of {SERVER_DAY} were given");
    println!("{races} requests, {} granted, {sum} of {SERVER_DAY} used, overshoot 0", written.len());
}

const DROPS: usize = 2_000;

/// Each of them is dropped somewhere else. Gives what its line in the ledger has to say.
async fn drop_somewhere(number: usize, reservation: Reservation) -> (RequestId, Amounts) {
    let request = reservation.request();
    let (some, all) = (tokens(number as u64 % 7 + 1), tokens(number as u64 % 11 + 20));
    match number % 6 {
        0 => return (request, Amounts::default()), // before anything was seen
        1 => reservation.seen(some),
        2 => {
            // In the middle of an answer, together with the task.
            let mut task = tokio::task::JoinSet::new();
            let seen = Arc::new(tokio::sync::Notify::new());
            let tell = seen.clone();
            task.spawn(async move {
                reservation.seen(some);
                tell.notify_one();
                std::future::pending::<()>().await;
            });
            seen.notified().await;
            task.shutdown().await;
        }
        3 => {
            // While it is settled: what was settled counts.
            reservation.seen(some);
            tokio::select! {
                biased;
                _ = reservation.settle(all, Ended::Cut) => {}
                () = std::future::ready(()) => {}
            }
            return (request, all);
        }
        4 => {
            // Its settling never began.
            reservation.seen(some);
            drop(reservation.settle(all, Ended::Answered));
        }
        _ => {
            reservation.settle(all, Ended::Answered).await.expect("written");
            return (request, all);
        }
    }
    (request, some)
}

async fn a_reservation_is_settled_once_wherever_it_is_dropped(place: String) {
    let store = open(&place).await;
    let (book, ann) = (book(&store, server_day(u64::MAX)).await, player(&store, "ann").await);
    let one = |number: usize| {
        let (book, ann) = (&book, &ann);
        async move {
            let reservation = book.reserve(ann, &tier(1_000_000), tokens(40), &Purpose::default()).await;
            drop_somewhere(number, reservation.expect("leave")).await
        }
    };
    let expected: HashMap<RequestId, Amounts> = join_all((0..DROPS).map(one)).await.into_iter().collect();
    assert!(book.close(CLOSE_MAX).await);
    let lines = ledger(&store).await;
    assert_eq!((lines.len(), expected.len()), (DROPS, DROPS), "one line for each");
    let written =
        lines.iter().map(|line| (line.entry.request, line.entry.amounts)).collect::<HashMap<_, _>>();
    assert_eq!(written, expected);
    let sum = expected.values().fold(Amounts::default(), |sum, amounts| sum.plus(*amounts));
    assert_eq!(day(&store, Some(&ann)).await, (sum, Amounts::default()));
}

async fn what_is_left_is_told(place: String) {
    let store = open(&place).await;
    let (book, ann) = (book(&store, server_day(1_000)).await, player(&store, "ann").await);
    let reserve = async |most: Amounts| book.reserve(&ann, &tier(100), most, &Purpose::default()).await;
    let left = async || book.left(&ann, &tier(100)).await.expect("readable").day.tokens;
    assert_eq!(left().await, Some(100));
    let first = reserve(tokens(30)).await.expect("leave");
    assert_eq!(left().await, Some(70), "what is reserved is not left");
    let second = reserve(tokens(60)).await.expect("leave");
    let Err(QuotaError::Exceeded(exceeded)) = reserve(tokens(11)).await else { panic!("more than there is") };
    assert_eq!((exceeded.lack.left, exceeded.lack.limit, exceeded.is_of_server()), (10, 100, false));
    assert!(exceeded.retry_after < Duration::from_secs(5), "what is open may come back");
    let after = first.settle(tokens(20), Ended::Answered).await.expect("written");
    assert_eq!((after.day.tokens, after.day.micro, after.month.tokens), (Some(20), None, None));
    drop(second);
    let third = reserve(tokens(80)).await.expect("leave");
    let after = third.settle(tokens(80), Ended::Answered).await.expect("written");
    assert_eq!((after.day.tokens, left().await), (Some(0), Some(0)));
    let Err(QuotaError::Exceeded(exceeded)) = reserve(tokens(1)).await else { panic!("more than there is") };
    assert!(!exceeded.lack.for_now);
    let dear = Amounts { micro: 1_001, ..Amounts::default() };
    let Err(QuotaError::Exceeded(exceeded)) = reserve(dear).await else { panic!("more than there is") };
    assert_eq!((exceeded.lack.left, exceeded.is_of_server()), (1_000, true));
    // A lying engine: what it says is written down in full.
    let tier = unlimited();
    let lied = book.reserve(&ann, &tier, tokens(1), &Purpose::default()).await.expect("leave");
    lied.settle(Amounts { micro: 5_000, ..tokens(7) }, Ended::Answered).await.expect("written");
    assert_eq!(day(&store, None).await.0.micro, 5_000);
    assert!(book.close(CLOSE_MAX).await);
}

const PROCESS: &str = "processes_never_pass_a_limit_together";

/// What each of the processes does: takes what it can get and holds it.
async fn take_all(place: &str) {
    let store = open(place).await;
    let book = book(&store, server_day(SERVER_DAY)).await;
    let players = store.players(None, PLAYERS as usize).await.expect("readable");
    println!("\nready");
    hear().await; // that the other is ready too
    let one = |number: u64| {
        let (book, player) = (&book, &players[(number % PLAYERS) as usize].id);
        async move {
            let mut dice = Dice::new(number);
            tokio::time::sleep(Duration::from_millis(dice.roll(500))).await;
            let most = 1 + dice.roll(100);
            ask(book, player, Amounts { micro: most, ..tokens(most) }, 1).await
        }
    };
    let granted: Vec<Reservation> =
        join_all((0..number("MEDDAH_HOST_RACES", RACES) / 2).map(one)).await.into_iter().flatten().collect();
    println!("\ngranted {}", granted.iter().map(|granted| granted.most().micro).sum::<u64>());
    // Held until the parent has counted.
    tokio::task::spawn_blocking(|| std::io::stdin().read_line(&mut String::new()).ok())
        .await
        .expect("no panic");
    for reservation in granted {
        let most = reservation.most();
        reservation.seen(most);
    }
    assert!(book.close(CLOSE_MAX).await);
}

/// A word of the parent, or its end.
async fn hear() {
    let line = || std::io::stdin().read_line(&mut String::new()).ok();
    tokio::task::spawn_blocking(line).await.expect("no panic");
}

async fn race_of_processes(place: String) {
    let store: Store = open(&place).await;
    for number in 0..PLAYERS {
        player(&store, &format!("player {number}")).await;
    }
    let processes = [0, 1].map(|_| process(PROCESS, &place));
    let mut children = processes.map(|(child, lines)| (child, lines.map_while(Result::ok)));
    for (_, lines) in &mut children {
        assert!(lines.any(|line| line == "ready"));
    }
    for (child, _) in &mut children {
        writeln!(child.stdin.as_mut().expect("piped"), "go").expect("it listens");
    }
    let granted = children.each_mut().map(|(_, lines)| {
        let said = lines.find_map(|line| line.strip_prefix("granted ").map(str::to_owned));
        said.expect("it says how much").parse::<u64>().expect("a number")
    });
    let sum: u64 = granted.iter().sum();
    let (used, leased) = day(&store, None).await;
    assert!(used.micro == 0 && leased.micro >= sum && leased.micro <= SERVER_DAY, "{leased:?} for {sum}");
    // They ask for about 100,000, or more at full size.
    assert!(sum <= SERVER_DAY && sum > SERVER_DAY * 9 / 10, "{granted:?} of {SERVER_DAY}");
    for (mut child, lines) in children {
        drop(child.stdin.take());
        lines.for_each(drop);
        assert!(child.wait().expect("gone").success());
    }
    let (used, leased) = day(&store, None).await;
    assert_eq!((used.micro, leased), (sum, Amounts::default()), "all is written and given back");
    println!("two processes: {granted:?}, {sum} of {SERVER_DAY}, overshoot 0");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn processes_never_pass_a_limit_together() {
    if let Ok(place) = std::env::var(PLACE) {
        return take_all(&place).await;
    }
    let folder = tempfile::tempdir().expect("a folder");
    race_of_processes(support::sqlite_place(&folder)).await;
    #[cfg(unix)]
    if let Some(place) = support::postgres_place().await {
        race_of_processes(place).await;
    }
}
