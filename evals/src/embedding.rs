//! What the embedder costs: time to load it, memory, and milliseconds per text.

use std::path::PathBuf;
use std::time::Instant;

use anyhow::Context as _;
use meddah_embedding::Encoder;

/// Each text is embedded so often.
const ROUNDS: usize = 20;
/// Questions of about 12 tokens, the two marks counted in.
const QUESTIONS: [&str; 5] = [
    "Where did you hide the key to the cellar?",
    "Who was with you the night of the fire?",
    "What did the captain say about my brother?",
    "How much do you want for the brown horse?",
    "When does the next ship leave for the islands?",
];
/// Turns of about 40 tokens.
const TURNS: [&str; 3] = [
    "Mira: The cellar has been locked since the winter my husband died, and I do not give that key to strangers, \
     whatever they pay, so drink your ale and ask me something else tonight.",
    "Corvin: I saw the baron's carriage at the chapel long past midnight, with both lamps out, and the driver was \
     not one of ours, so I kept to the hedge and counted four men.",
    "Osk: My brother sailed north last spring on the herring boat and we have had no letter since, only a rumour \
     from a trader that the ice came early and closed the bay behind them.",
];

/// `embedding MODEL.onnx`: measures.
pub fn run(mut arguments: impl Iterator<Item = String>) -> anyhow::Result<()> {
    let model = PathBuf::from(arguments.next().context("MODEL.onnx is missing")?);
    let before = resident_mb();
    let began = Instant::now();
    let encoder = Encoder::open(&model)?;
    println!("{}: loaded and tried out in {:.0} ms", encoder.name(), began.elapsed().as_secs_f64() * 1e3);
    for (what, texts) in [("question", &QUESTIONS[..]), ("turn", &TURNS[..])] {
        let tokens: usize = texts.iter().map(|text| encoder.count_tokens(text)).sum();
        let mut times = Vec::new();
        let processor = processor_ms();
        for text in std::iter::repeat_n(texts, ROUNDS).flatten() {
            let began = Instant::now();
            encoder.embed(text)?;
            times.push(began.elapsed().as_secs_f64() * 1e3);
        }
        let processor =
            processor.zip(processor_ms()).map(|(before, after)| (after - before) / times.len() as f64);
        times.sort_by(f64::total_cmp);
        let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
        let mean_tokens = tokens as f64 / texts.len() as f64;
        println!(
            "{what} of {mean_tokens:.1} tokens: p50 {:.1} ms, p95 {:.1} ms ({} times)",
            at(0.5),
            at(0.95),
            times.len()
        );
        // What others who share the processor do not lengthen.
        if let Some(processor) = processor {
            println!("  {processor:.1} ms of one core each, on average");
        }
    }
    match before.zip(resident_mb()) {
        Some((before, after)) => println!("resident memory: {before} MB before, {after} MB after"),
        None => println!("this system does not tell the resident memory this way"),
    }
    Ok(())
}

/// What the processor has done for this process, ms; on Linux, where its clock ticks 100 times a second.
fn processor_ms() -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // After the name, which may have spaces: the state is field 3, user and system time are fields 14 and 15.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = |field: usize| fields.get(field - 3)?.parse::<f64>().ok();
    Some((ticks(14)? + ticks(15)?) * 10.0)
}

/// Resident memory of this process, MB; on Linux.
fn resident_mb() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.trim().trim_end_matches("kB").trim().parse::<u64>().ok()? * 1024 / 1_000_000)
}
