//! A host under ordinary players for a long time: does its memory grow, does anything fail?
//!
//! `cargo bench -p meddah-host --bench soak -- MINUTES [--seed N] [--plot FILE.svg]`
//!
//! Sixty-four players with random habits keep four fifths of an engine's slots busy; some leave in the middle of an
//! answer. It fails if the host's memory or its open files grow after a warm-up, or if any request fails otherwise
//! than for want of room.

#![expect(clippy::print_stdout, reason = "a bench that prints a table")]

#[path = "../load/mod.rs"]
#[expect(dead_code, reason = "other benches use the rest")]
mod load;
mod players;
mod plot;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use load::process::{Figures, Process};
use load::{ms, percentile, programs};
use players::{PLAYERS, SLOTS, Talk};
use tokio::time::Instant;

const EVERY: Duration = Duration::from_secs(10);
/// The first part of the time, in which pools and caches fill; no longer than the second.
const WARM_UP_SHARE: f64 = 0.2;
const WARM_UP_MAX: Duration = Duration::from_secs(120);
/// The mean of the last quarter may be above that of the first quarter after the warm-up by so much, in bytes.
const MEMORY_GROWTH_MAX: f64 = 4e6;
/// And so many files: an answer under way has two.
const FILES_GROWTH_MAX: f64 = 2.0 * SLOTS as f64;
const END_WAIT: Duration = Duration::from_secs(40);

/// Ten seconds.
struct Row {
    at: Duration,
    host: Figures,
    p50: Duration,
    p99: Duration,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    match run(&arguments).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            println!("FAILED: {why}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: &[String]) -> Result<(), String> {
    let minutes = arguments.first().filter(|first| !first.starts_with("--"));
    let minutes: f64 = minutes.map_or(Ok(2.0), |text| text.parse()).map_err(|_| "MINUTES is a number")?;
    let seed = load::number(arguments, "--seed", 1)?;
    let file =
        arguments.iter().position(|argument| argument == "--plot").and_then(|place| arguments.get(place + 1));
    let file = file.map_or_else(|| std::env::temp_dir().join("host-soak.svg"), PathBuf::from);
    programs::build().await?;
    let (_engine, url) = programs::engine(players::PACE).await?;
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let (host, target) = programs::host(&url, folder.path(), PLAYERS).await?;
    let started = Instant::now();
    let until = started + Duration::from_secs_f64(minutes * 60.0);
    println!(
        "{minutes} minutes, seed {seed}, {PLAYERS} players, {SLOTS} slots, load {} at the start\n",
        load::load()
    );
    println!(
        "| minute | answers | left | no room | failed | slots busy | first token p50 ms | p99 | memory MB | files |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|");
    let (talk, mut talking) = Talk::begin(&target, seed, until);
    let mut rows = Vec::new();
    while Instant::now() < until {
        tokio::time::sleep_until((Instant::now() + EVERY).min(until)).await;
        rows.push(row(&talk, &host, started)?);
    }
    while talking.join_next().await.is_some() {}
    let total = talk.total();
    let processor = host.figures().map(|figures| figures.processor).unwrap_or_default();
    host.end(END_WAIT).await;
    plot::draw(&rows, &file).map_err(|error| error.to_string())?;
    let each = processor.as_secs_f64() * 1e6 / (total.answers + total.left).max(1) as f64;
    println!("\nprocessor time of the host: {each:.0} us an answer, load {} at the end", load::load());
    println!(
        "slots busy on average: {:.0} %",
        100.0 * total.busy.as_secs_f64() / started.elapsed().as_secs_f64() / f64::from(SLOTS)
    );
    println!("plot: {}", file.display());
    judge(&rows, &total.failed)
}

fn row(talk: &Talk, host: &Process, started: Instant) -> Result<Row, String> {
    let mut part = talk.take();
    let figures = host.figures().ok_or("the host has ended, or the system does not tell of processes")?;
    let (p50, p99) = (percentile(&mut part.first, 0.5), percentile(&mut part.first, 0.99));
    let row = Row { at: started.elapsed(), host: figures, p50, p99 };
    println!(
        "| {:.1} | {} | {} | {} | {} | {:.0} % | {:.1} | {:.1} | {:.2} | {} |",
        row.at.as_secs_f64() / 60.0,
        part.answers,
        part.left,
        part.shed,
        part.failed.len(),
        100.0 * part.busy.as_secs_f64() / EVERY.as_secs_f64() / f64::from(SLOTS),
        ms(p50),
        ms(p99),
        figures.memory as f64 / 1e6,
        figures.files
    );
    Ok(row)
}

fn judge(rows: &[Row], failed: &[String]) -> Result<(), String> {
    if let Some(first) = failed.first() {
        return Err(format!("{} requests failed, for example: {first}", failed.len()));
    }
    let all = rows.last().map_or(Duration::ZERO, |row| row.at);
    let warm = all.mul_f64(WARM_UP_SHARE).min(WARM_UP_MAX);
    let rest: Vec<&Row> = rows.iter().filter(|row| row.at >= warm).collect();
    let quarter = rest.len().div_ceil(4);
    let mean =
        |rows: &[&Row], of: fn(&Row) -> f64| rows.iter().map(|row| of(row)).sum::<f64>() / quarter as f64;
    let (early, late) = (&rest[..quarter], &rest[rest.len() - quarter..]);
    let memory = mean(late, |row| row.host.memory as f64) - mean(early, |row| row.host.memory as f64);
    let files = mean(late, |row| row.host.files as f64) - mean(early, |row| row.host.files as f64);
    println!(
        "growth after {:.1} minutes: {:.2} MB, {files:.1} files",
        warm.as_secs_f64() / 60.0,
        memory / 1e6
    );
    if memory > MEMORY_GROWTH_MAX {
        return Err(format!("memory grew by more than {} MB", MEMORY_GROWTH_MAX / 1e6));
    }
    if files > FILES_GROWTH_MAX {
        return Err(format!("open files grew by more than {FILES_GROWTH_MAX}"));
    }
    Ok(())
}
