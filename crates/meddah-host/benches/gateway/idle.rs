//! Ten thousand connections that were used once and are quiet. The host ends such connections after a while, so
//! they are opened within that time.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::load::process::Process;
use crate::load::programs::Pace;
use crate::sides::Sides;

const CONNECTIONS: usize = 10_000;
const ASK: &[u8] = b"GET /v1/health HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n";
const ANSWER_BYTES_MAX: usize = 4096;

pub async fn measure() -> Result<(), String> {
    let sides = Sides::start(Pace { slots: 4, token_us: 0, prefill_us: 0 }, false).await?;
    println!("\n## {CONNECTIONS} connections that are quiet after one request\n");
    println!(
        "| side | before MB | with all MB | kB a connection | opened | opened within s | open at the end |"
    );
    println!("|---|---|---|---|---|---|---|");
    for side in &sides.sides {
        let Some(process) = &side.process else { continue };
        let look = || process.figures().unwrap_or_default();
        let (before, begun) = (look(), Instant::now());
        let (mut held, mut failed) = (Vec::with_capacity(CONNECTIONS), None);
        while held.len() < CONNECTIONS && failed.is_none() {
            match open(&side.target.url).await {
                Ok(stream) => held.push(stream),
                Err(error) => failed = Some(error),
            }
        }
        let (within, after) = (begun.elapsed(), look());
        println!(
            "| {} | {:.1} | {:.1} | {:.2} | {} | {:.1} | {} |",
            side.target.name,
            before.memory as f64 / 1e6,
            after.memory as f64 / 1e6,
            (after.memory as f64 - before.memory as f64) / 1e3 / held.len().max(1) as f64,
            held.len(),
            within.as_secs_f64(),
            after.files.saturating_sub(before.files)
        );
        if let Some(error) = failed {
            println!("\n{}: {error}\n", side.target.name);
        }
        drop(held);
        settle(process).await;
    }
    sides.end().await;
    Ok(())
}

async fn open(url: &str) -> std::io::Result<TcpStream> {
    let mut stream = TcpStream::connect(url.trim_start_matches("http://")).await?;
    stream.write_all(ASK).await?;
    let mut answer = [0; ANSWER_BYTES_MAX];
    let read = stream.read(&mut answer).await?;
    // Whatever it is: the engine behind the plain proxy does not know the path.
    if answer[..read].starts_with(b"HTTP/1.1 ") {
        Ok(stream)
    } else {
        Err(std::io::ErrorKind::InvalidData.into())
    }
}

/// Until the side has seen that they are gone.
async fn settle(process: &Process) {
    for _ in 0..20 {
        if process.figures().is_none_or(|figures| figures.files < CONNECTIONS / 10) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}
