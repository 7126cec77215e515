//! What reserving and settling a request costs: CPU time of this process, and how long each takes.
//!
//! `cargo run --release -p meddah-host --example quota_cost -- [requests] [at once]`
//!
//! On SQLite in a temporary folder, and on a Postgres server of its own where there is one (its CPU time is
//! not counted, and its disk does not sync).

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt as _;
use futures::stream;
use meddah_host::quota::{Allowance, Amounts, Book, BookSettings, Purpose, Tier};
use meddah_host::storage::{Ended, HostStore, Player, SqliteHost};

const PLAYERS: usize = 1_000;
const CLOSE_MAX: Duration = Duration::from_secs(60);

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
#[expect(clippy::print_stdout, reason = "that is what it is for")]
async fn main() {
    let mut numbers = std::env::args().skip(1).map(|number| number.parse().expect("a number"));
    let (requests, at_once) = (numbers.next().unwrap_or(100_000), numbers.next().unwrap_or(64));
    let folder = tempfile::tempdir().expect("a folder");
    let sqlite = SqliteHost::open(&folder.path().join("host.sqlite3")).expect("opens");
    println!("SQLite:   {}", measure(Arc::new(sqlite), requests, at_once).await);
    #[cfg(unix)]
    if let Some(server) = meddah_host::storage::suite::PostgresServer::start() {
        let postgres = meddah_host::storage::PostgresHost::open(&server.new_database().await).await;
        println!("Postgres: {}", measure(Arc::new(postgres.expect("opens")), requests, at_once).await);
    }
}

async fn measure(store: Arc<dyn HostStore>, requests: usize, at_once: usize) -> String {
    let day =
        Allowance { tokens: Some(1_000_000_000_000), micro: Some(1_000_000_000_000), ..Allowance::default() };
    let tier = Tier { name: "guest".into(), weight: 1, concurrent: 1, day, month: day };
    let settings = BookSettings { day, month: day, ..BookSettings::default() };
    let mut players = Vec::new();
    for number in 0..PLAYERS {
        let player = Player::new(&format!("player {number}"), "guest", 0);
        store.add_player(&player).await.expect("added");
        players.push(player.id);
    }
    let book: Arc<Book> = Book::open(store, settings).await.expect("opens");
    let most = Amounts { turns: 1, tokens: 1_000, speech_ms: 0, micro: 500 };
    let one = |number: usize| {
        let (book, player, tier) = (&book, &players[number * 7_919 % PLAYERS], &tier);
        async move {
            let begun = Instant::now();
            let leave = book.reserve(player, tier, most, &Purpose::default()).await.expect("leave");
            let reserved = begun.elapsed();
            let actual = Amounts { tokens: 400, micro: 200, ..most };
            leave.settle(actual, Ended::Answered).await.expect("written");
            (reserved, begun.elapsed() - reserved)
        }
    };
    let (begun, cpu) = (Instant::now(), cpu_time());
    let times: Vec<_> = stream::iter(0..requests).map(one).buffer_unordered(at_once).collect().await;
    let (wall, cpu) = (begun.elapsed(), cpu_time().zip(cpu).map(|(after, before)| after - before));
    assert!(book.close(CLOSE_MAX).await);
    let (reserves, settles): (Vec<_>, Vec<_>) = times.into_iter().unzip();
    let cpu = cpu.map_or("unknown".into(), |cpu| format!("{:.1}", cpu.as_secs_f64() * 1e6 / requests as f64));
    format!(
        "{requests} requests, {at_once} at once: CPU {cpu} µs each, {:.0} a second; reserve {}, settle {}",
        requests as f64 / wall.as_secs_f64(),
        percentiles(reserves),
        percentiles(settles),
    )
}

fn percentiles(mut times: Vec<Duration>) -> String {
    times.sort_unstable();
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
    format!("p50 {:.3} ms p99 {:.3} ms", at(0.5), at(0.99))
}

/// Of this process, where the system tells it in a file.
fn cpu_time() -> Option<Duration> {
    // Fields 14 and 15, behind the name in parentheses: ticks of 10 ms.
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = |place: usize| fields.get(place)?.parse::<u64>().ok();
    Some(Duration::from_millis((ticks(11)? + ticks(12)?) * 10))
}
