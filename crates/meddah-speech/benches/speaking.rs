//! How soon a line is heard and what it costs: `cargo bench -p meddah-speech --bench speaking -- FOLDER [VOICE]`.
//!
//! Prints one JSON object per line, so that a script can put other programs beside it. CPU time is that of the whole
//! process, so that waiting for a busy machine does not count.

use std::io::Write as _;
use std::path::PathBuf;
use std::time::Instant;

use cpu_time::ProcessTime;
use futures::StreamExt as _;
use meddah_speech::{LocalSpeech, SpeechRequest, TextToSpeech as _, VoiceSettings, WavWriter};

/// Other programs speak the same.
const LINES: &str = include_str!("lines.txt");
/// Every line is spoken so often; the first time warms caches.
const ROUNDS: usize = 3;
/// Beside a game more would not be free.
const THREADS: usize = 2;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1).filter(|argument| !argument.starts_with("--"));
    // `cargo test` builds benches and runs them without arguments.
    let Some(folder) = arguments.next().map(PathBuf::from) else { return Ok(()) };
    let settings = VoiceSettings { voice: arguments.next(), ..VoiceSettings::default() };
    let sounds = arguments.next().map(PathBuf::from);
    let threads = std::env::var("THREADS").ok().and_then(|threads| threads.parse().ok()).unwrap_or(THREADS);
    let speech = LocalSpeech::new(folder, threads)?;
    let began = Instant::now();
    let request = |text: &str| SpeechRequest { settings: settings.clone(), ..SpeechRequest::new(text) };
    let mut nothing = speech.speak(request("")).await?;
    while nothing.next().await.transpose()?.is_some() {}
    let mut out = std::io::stdout();
    writeln!(out, "{}", serde_json::json!({"load_ms": began.elapsed().as_millis() as u64}))?;
    let (mut cpu_seconds, mut audio_seconds) = (0.0, 0.0);
    for round in 0..ROUNDS {
        for (number, text) in LINES.lines().enumerate() {
            let (cpu, began) = (ProcessTime::now(), Instant::now());
            let mut stream = speech.speak(request(text)).await?;
            let (mut first_ms, mut seconds, mut pieces) = (None, 0.0, Vec::new());
            while let Some(piece) = stream.next().await.transpose()? {
                first_ms.get_or_insert(began.elapsed().as_secs_f64() * 1000.0);
                seconds += piece.pcm.duration().as_secs_f64();
                pieces.push(piece.pcm);
            }
            if let (Some(folder), true) = (&sounds, round == 0) {
                let file =
                    std::io::BufWriter::new(std::fs::File::create(folder.join(format!("{number}.wav")))?);
                let mut wav = WavWriter::new(file, pieces[0].sample_rate_hz)?;
                pieces.iter().try_for_each(|pcm| wav.write(pcm))?;
                wav.finish()?;
            }
            let row = serde_json::json!({
                "round": round,
                "line": number,
                "first_audio_ms": first_ms,
                "wall_ms": began.elapsed().as_secs_f64() * 1000.0,
                "cpu_ms": cpu.elapsed().as_secs_f64() * 1000.0,
                "audio_ms": seconds * 1000.0,
            });
            writeln!(out, "{row}")?;
            if round > 0 {
                cpu_seconds += cpu.elapsed().as_secs_f64();
                audio_seconds += seconds;
            }
        }
    }
    writeln!(out, "{}", serde_json::json!({"cpu_real_time_factor": cpu_seconds / audio_seconds}))?;
    Ok(())
}
