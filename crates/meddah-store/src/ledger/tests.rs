use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use tempfile::TempDir;

use super::*;
use crate::StoreErrorKind;

const NOON_MS: u64 = 20_000 * DAY_MS + DAY_MS / 2;

fn place() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("budget.sqlite3");
    (folder, file)
}

fn per_day(micro: u64) -> Ceilings {
    Ceilings { per_day: Some(micro), ..Ceilings::default() }
}

fn open(file: &Path, ceilings: Ceilings) -> SqliteLedger {
    SqliteLedger::open(file, ceilings, Box::new(|| NOON_MS)).expect("opens")
}

fn talk(micro: u64) -> Booking<'static> {
    Booking { part: "talk", source: "rung", model: "model", micro }
}

fn cost(micro: u64) -> Spent {
    Spent { micro, prompt_tokens: 100, completion_tokens: 10, ..Spent::default() }
}

fn spend(ledger: &SqliteLedger, micro: u64) {
    let id = ledger.reserve(&talk(micro)).expect("leave").id;
    ledger.settle(id, &cost(micro)).expect("written");
}

#[test]
fn what_was_spent_is_there_after_a_restart() {
    let (_folder, file) = place();
    let ledger = open(&file, per_day(100));
    spend(&ledger, 60);
    let open_one = ledger.reserve(&talk(30)).expect("leave");
    drop(ledger);
    let ledger = open(&file, per_day(100));
    let refused = ledger.reserve(&talk(41));
    assert_eq!(
        refused,
        Err(Refused::Ceiling { which: Which::Day, left: 40, of: 100 }),
        "what was open came back"
    );
    assert_eq!(ledger.report().expect("readable").run_out, 1);
    ledger.settle(open_one.id, &cost(5)).expect("written");
    let report = ledger.report().expect("readable");
    let sums = Sums { spent: 65, reserved: 0 };
    assert_eq!(report.parts, [PartLine { part: "talk".into(), today: sums, total: sums }]);
    let usage = Usage { calls: 2, prompt_tokens: 200, completion_tokens: 20, micro: 65, ..Usage::default() };
    assert_eq!((report.models[0].today, report.models[0].total), (usage, usage));
    assert_eq!((report.models.len(), report.day, report.run_out), (1, 20_000, 0));
}

#[test]
fn a_switch_works_at_once_in_every_program() {
    let (_folder, file) = place();
    let (sidecar, command) = (open(&file, per_day(100)), open(&file, Ceilings::default()));
    spend(&sidecar, 10);
    command.switch("talk", false).expect("written");
    command.switch("talk", false).expect("written");
    assert_eq!(sidecar.reserve(&talk(0)), Err(Refused::Off));
    assert!(sidecar.reserve(&Booking { part: "speech", ..talk(1) }).is_ok(), "only this part");
    assert_eq!(command.report().expect("readable").off, ["talk"]);
    command.switch("talk", true).expect("written");
    spend(&sidecar, 10);
}

#[test]
fn what_nobody_settles_runs_out_and_is_told_of() {
    let (_folder, file) = place();
    let now_ms = Arc::new(AtomicU64::new(NOON_MS));
    let clock = now_ms.clone();
    let clock = Box::new(move || clock.load(Ordering::SeqCst));
    let ledger = SqliteLedger::open(&file, per_day(100), clock).expect("opens");
    let hangs = open(&file, per_day(100));
    hangs.reserve(&talk(100)).expect("leave");
    assert!(ledger.reserve(&talk(1)).is_err());
    now_ms.fetch_add(RESERVATION_LIFE.as_millis() as u64, Ordering::SeqCst);
    spend(&ledger, 100);
    assert_eq!(ledger.report().expect("readable").run_out, 1);
    now_ms.store(NOON_MS - DAY_MS, Ordering::SeqCst);
    assert!(ledger.reserve(&talk(100)).is_ok(), "another day");
    now_ms.store(NOON_MS - 3 * DAY_MS, Ordering::SeqCst);
    ledger.reserve(&talk(1)).expect("leave");
    assert_eq!(ledger.report().expect("readable").run_out, 2, "reserved by a clock that was wrong");
}

#[test]
fn the_journal_forgets_and_the_sums_do_not() {
    let (_folder, file) = place();
    spend(&open(&file, Ceilings::default()), 10);
    let later = NOON_MS + (ENTRY_DAYS_KEPT + 1) * DAY_MS;
    let ledger = SqliteLedger::open(&file, Ceilings::default(), Box::new(move || later)).expect("opens");
    let rows =
        |sql| ledger.lock().connection.query_row(sql, [], |row| row.get::<_, u64>(0)).expect("readable");
    assert_eq!((rows("SELECT count(*) FROM entry"), rows("SELECT spent FROM tally WHERE day = -1")), (0, 10));
}

#[test]
fn sums_end_at_the_largest_integer() {
    let (_folder, file) = place();
    let ledger = open(&file, Ceilings::default());
    for _ in 0..3 {
        let id = ledger.reserve(&talk(0)).expect("leave").id;
        ledger.settle(id, &Spent { prompt_tokens: u32::MAX, ..cost(u64::MAX) }).expect("written");
        if ledger.reserve(&talk(1)).is_ok() {
            panic!("more than there is");
        }
    }
    assert_eq!(ledger.report().expect("readable").parts[0].total.spent, i64::MAX as u64);
}

#[test]
fn a_file_that_is_damaged_or_not_ours_is_refused() {
    let (folder, file) = place();
    spend(&open(&file, per_day(100)), 10);
    let whole = std::fs::read(&file).expect("readable");
    let page = 4096;
    for (damage, kind) in [(0..16, StoreErrorKind::Corrupt), (page..whole.len(), StoreErrorKind::Corrupt)] {
        let mut bytes = whole.clone();
        bytes[damage].fill(0x5a);
        let damaged = folder.path().join("damaged.sqlite3");
        std::fs::write(&damaged, &bytes).expect("written");
        let error = SqliteLedger::open(&damaged, per_day(100), Box::new(|| NOON_MS)).err().expect("refused");
        assert_eq!(error.kind, kind, "{error}");
        assert!(error.help.contains("budget.sqlite3"), "{}", error.help);
        assert_eq!(std::fs::read(&damaged).expect("readable"), bytes, "it is left as it is");
    }
    let memory = folder.path().join("timeline.sqlite3");
    drop(crate::SqliteStore::open(&memory).expect("opens"));
    let error = SqliteLedger::open(&memory, per_day(100), Box::new(|| NOON_MS)).err().expect("refused");
    assert!(error.message.contains("is not a budget file"), "{error}");
}

#[test]
fn a_file_that_breaks_while_it_is_used_grants_nothing() {
    let (_folder, file) = place();
    let ledger = open(&file, per_day(100));
    let reserved = ledger.reserve(&talk(10)).expect("leave");
    ledger.lock().connection.execute_batch("ALTER TABLE usage RENAME TO gone").expect("renamed");
    assert!(ledger.settle(reserved.id, &cost(7)).is_err());
    assert!(matches!(ledger.reserve(&talk(1)), Err(Refused::Unknown(_))), "the charge comes first");
    ledger.lock().connection.execute_batch("ALTER TABLE gone RENAME TO usage").expect("renamed");
    let refused = ledger.reserve(&talk(94));
    assert_eq!(refused, Err(Refused::Ceiling { which: Which::Day, left: 93, of: 100 }), "and is not lost");
    ledger.settle(reserved.id, &cost(7)).expect("written");
    spend(&ledger, 93);
}

#[test]
fn a_file_that_another_program_holds_grants_nothing() {
    let (_folder, file) = place();
    let ledger = open(&file, per_day(100));
    let other = open(&file, per_day(100));
    let mut other = other.lock();
    let held = begin(&mut other.connection).expect("held");
    match ledger.reserve(&talk(1)) {
        Err(Refused::Unknown(error)) => {
            assert_eq!(error.kind, StoreErrorKind::Unavailable);
            assert!(error.help.contains("budget file"), "{}", error.help);
        }
        other => panic!("{other:?}"),
    }
    drop(held);
    assert!(ledger.reserve(&talk(1)).is_ok());
}

const KILLED: &str = "ledger::tests::what_a_killed_program_had_reserved_comes_back_at_once";
const KILLED_FILE: &str = "MEDDAH_STORE_LEDGER_KILLED";

/// Says a word and waits for the parent: to be killed, or for the end of its input.
fn say_and_wait(word: &str) {
    println!("\n{word}");
    std::io::stdin().read_line(&mut String::new()).ok();
}

/// Another process of this test, and the rest of its line that begins with `word`.
fn start(test: &str, variable: &str, file: &Path, word: &str) -> (Child, String) {
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command.args(["--exact", test, "--nocapture"]).env(variable, file);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("started");
    let lines = BufReader::new(child.stdout.take().expect("its output")).lines().map_while(Result::ok);
    let said = { lines }.find_map(|line| line.strip_prefix(word).map(str::to_owned));
    (child, said.expect("it says something"))
}

#[test]
fn what_a_killed_program_had_reserved_comes_back_at_once() {
    if let Some(file) = std::env::var_os(KILLED_FILE) {
        let ledger = open(Path::new(&file), per_day(100));
        ledger.reserve(&talk(60)).expect("leave");
        return say_and_wait("reserved");
    }
    let (_folder, file) = place();
    let ledger = open(&file, per_day(100));
    ledger.reserve(&talk(10)).expect("leave");
    let (mut child, _) = start(KILLED, KILLED_FILE, &file, "reserved");
    let refused = Err(Refused::Ceiling { which: Which::Day, left: 30, of: 100 });
    assert_eq!(ledger.reserve(&talk(31)), refused, "it lives");
    assert_eq!(ledger.check(&talk(31)), Err(Refused::Ceiling { which: Which::Day, left: 30, of: 100 }));
    child.kill().expect("killed");
    child.wait().expect("gone");
    ledger.check(&talk(90)).expect("leave");
    let report = ledger.report().expect("readable");
    assert_eq!((report.run_out, report.parts[0].today), (1, Sums { spent: 0, reserved: 10 }));
    drop(ledger);
    let folder = file.parent().expect("a folder");
    drop(open(&file, per_day(100)));
    let names =
        std::fs::read_dir(folder).expect("readable").map(|entry| entry.expect("an entry").file_name());
    let locks = names.filter(|name| name.to_string_lossy().contains("owner")).count();
    assert_eq!(locks, 0, "nothing is left lying about");
}

const RACE: &str = "ledger::tests::programs_cannot_pass_a_ceiling_together";
const RACE_FILE: &str = "MEDDAH_STORE_LEDGER_RACE";
const RACE_CEILING: u64 = 300_000;

/// 2,500 requests from two threads; prints how much was granted.
fn race(file: &Path) {
    let ledger = open(file, per_day(RACE_CEILING));
    let granted = std::thread::scope(|scope| {
        let run = || {
            let asked = (0..1_250).map(|number: u64| 1 + number * 7919 % 100);
            asked.filter(|micro| ledger.reserve(&talk(*micro)).is_ok()).sum::<u64>()
        };
        let threads = [scope.spawn(run), scope.spawn(run)];
        threads.map(|thread| thread.join().expect("no panic")).iter().sum::<u64>()
    });
    // What it reserved is to stay reserved until the parent has counted.
    say_and_wait(&format!("granted {granted}"));
}

#[test]
fn programs_cannot_pass_a_ceiling_together() {
    if let Some(file) = std::env::var_os(RACE_FILE) {
        return race(Path::new(&file));
    }
    let (_folder, file) = place();
    let begin = || {
        std::thread::spawn({
            let file = file.clone();
            move || start(RACE, RACE_FILE, &file, "granted ")
        })
    };
    let programs = [begin(), begin(), begin(), begin()].map(|program| program.join().expect("no panic"));
    let granted = programs.each_ref().map(|(_, said)| said.parse::<u64>().expect("a number"));
    println!("granted to each program: {granted:?}");
    let sum: u64 = granted.iter().sum();
    // They ask for 505,000 together, in steps of at most 100.
    assert!(sum <= RACE_CEILING && sum > RACE_CEILING - 100, "{sum} of {RACE_CEILING}");
    let report = open(&file, per_day(RACE_CEILING)).report().expect("readable");
    assert_eq!(report.parts[0].today, Sums { spent: 0, reserved: sum });
    for (mut child, _) in programs {
        child.kill().expect("killed");
        child.wait().expect("gone");
    }
}

/// Printed, and held to a generous bound.
#[test]
fn a_reservation_takes_microseconds() {
    let (_folder, file) = place();
    let ledger = open(&file, per_day(u64::MAX));
    let mut took: Vec<u128> = (0..2_000)
        .map(|_| {
            let begun = Instant::now();
            spend(&ledger, 7);
            begun.elapsed().as_micros()
        })
        .collect();
    took.sort_unstable();
    let (median, p99, most) = (took[1_000], took[1_980], took[1_999]);
    println!("reserve and settle: p50 {median} µs, p99 {p99} µs, most {most} µs");
    assert!(median < 20_000, "{median} µs");
}
