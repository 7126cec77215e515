//! What a model does on this machine, through the same worker that games use.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt;
use meddah_inference::{ChatModel, ChatRequest, Chunk, Message, ModelError, Role, Sampling};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::hardware;
use crate::{LocalConfig, LocalModel};

/// How much is measured.
#[derive(Clone, Debug)]
pub struct BenchPlan {
    /// Repetitions of the bare model's speed.
    pub repetitions: u32,
    /// Tokens read per repetition.
    pub prompt_tokens: u32,
    /// Tokens written per repetition.
    pub decode_tokens: u32,
    /// Characters that are talked to in turn.
    pub characters: u32,
    /// Tokens of a character's prompt, about.
    pub character_tokens: u32,
    /// For the states on disk; they are deleted afterwards.
    pub scratch_dir: PathBuf,
}

impl BenchPlan {
    /// What a report is made from.
    pub fn full(scratch_dir: impl Into<PathBuf>) -> BenchPlan {
        BenchPlan {
            repetitions: 5,
            prompt_tokens: 512,
            decode_tokens: 128,
            characters: 20,
            character_tokens: 1000,
            scratch_dir: scratch_dir.into(),
        }
    }

    /// A few seconds, to choose settings by.
    pub fn quick(scratch_dir: impl Into<PathBuf>) -> BenchPlan {
        BenchPlan {
            repetitions: 2,
            prompt_tokens: 128,
            decode_tokens: 32,
            characters: 3,
            character_tokens: 200,
            scratch_dir: scratch_dir.into(),
        }
    }
}

/// A figure that was taken several times.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Figure {
    /// Mean.
    pub mean: f64,
    /// Standard deviation.
    pub deviation: f64,
    /// The one in the middle.
    pub median: f64,
    /// Least.
    pub min: f64,
    /// Most.
    pub max: f64,
}

impl Figure {
    /// Of these measurements.
    pub fn of(values: &[f64]) -> Figure {
        let count = values.len() as f64;
        if values.is_empty() {
            return Figure::default();
        }
        let mean = values.iter().sum::<f64>() / count;
        let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / count;
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        Figure {
            mean,
            deviation: variance.sqrt(),
            median: sorted[sorted.len() / 2],
            min: sorted[0],
            max: sorted[sorted.len() - 1],
        }
    }
}

/// What came out.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct BenchReport {
    /// The model.
    pub model: String,
    /// Compute threads.
    pub threads: u32,
    /// Time to load, milliseconds.
    pub load_ms: u64,
    /// Memory of the worker after all of it, MiB.
    pub worker_resident_mb: u64,
    /// Reading, bare, tokens per second.
    pub prompt_tokens_per_s: Figure,
    /// Writing, bare, tokens per second.
    pub decode_tokens_per_s: Figure,
    /// Writing a real reply with sampling, tokens per second.
    pub reply_tokens_per_s: Figure,
    /// The same, held to a JSON Schema.
    pub schema_tokens_per_s: Figure,
    /// Tokens of a character's first prompt.
    pub character_prompt_tokens: u32,
    /// First word to a character that was never talked to, milliseconds.
    pub cold_first_token_ms: Figure,
    /// First word on coming back, its state in memory, milliseconds.
    pub memory_first_token_ms: Figure,
    /// First word on coming back, its state on disk, milliseconds.
    pub disk_first_token_ms: Figure,
    /// Bytes kept per character.
    pub state_bytes_per_character: u64,
}

/// Measures. Takes minutes with [`BenchPlan::full`].
pub async fn run(config: &LocalConfig, plan: &BenchPlan) -> Result<BenchReport, ModelError> {
    let mut config = config.clone();
    config.context_tokens = config.context_tokens.max(plan.character_tokens * 2);
    // Everybody fits in memory in the first part, and nobody in the second.
    (config.state_memory_mb, config.state_dir) = (u32::MAX, None);
    let model = LocalModel::new(config.clone());
    let ready = model.ready().await?;
    let raw = model.measure(plan.prompt_tokens, plan.decode_tokens, plan.repetitions).await?;
    let (reply, schema) = reply_speeds(&model, plan.repetitions).await?;
    let in_memory = characters_in_turn(&model, plan).await?;
    let stats = model.stats().await?;
    let resident = model.worker_pid().and_then(hardware::resident_bytes).unwrap_or(0);
    let name = model.info().await?.name;
    model.shutdown().await;

    let dir = plan.scratch_dir.join("meddah-bench-states");
    (config.state_memory_mb, config.state_disk_mb, config.state_dir) = (0, u32::MAX, Some(dir.clone()));
    let model = LocalModel::new(config);
    let on_disk = characters_in_turn(&model, plan).await;
    model.shutdown().await;
    std::fs::remove_dir_all(dir).ok(); // left behind at worst
    let on_disk = on_disk?;
    let cold: Vec<f64> = in_memory.cold_ms.iter().chain(&on_disk.cold_ms).copied().collect();
    Ok(BenchReport {
        model: name,
        threads: ready.threads,
        load_ms: ready.load_ms,
        worker_resident_mb: resident >> 20,
        prompt_tokens_per_s: Figure::of(&raw.prompt_tokens_per_s),
        decode_tokens_per_s: Figure::of(&raw.decode_tokens_per_s),
        reply_tokens_per_s: Figure::of(&reply),
        schema_tokens_per_s: Figure::of(&schema),
        character_prompt_tokens: in_memory.prompt_tokens,
        cold_first_token_ms: Figure::of(&cold),
        memory_first_token_ms: Figure::of(&in_memory.back_ms),
        disk_first_token_ms: Figure::of(&on_disk.back_ms),
        state_bytes_per_character: stats.memory_bytes / u64::from(stats.parked_in_memory.max(1)),
    })
}

/// Times of one reply.
struct Timed {
    first: Duration,
    after_first: Duration,
    text: String,
    tokens: u32,
    prompt_tokens: u32,
}

async fn timed(model: &LocalModel, request: ChatRequest) -> Result<Timed, ModelError> {
    let begun = Instant::now();
    let mut stream = model.stream(request, CancellationToken::new()).await?;
    let (mut first, mut text) = (None, String::new());
    let (mut tokens, mut prompt_tokens) = (0, 0);
    while let Some(piece) = stream.next().await {
        match piece? {
            Chunk::Text(words) => {
                first.get_or_insert_with(|| begun.elapsed());
                text += &words;
            }
            Chunk::Decided { .. } | Chunk::Usage(_) | Chunk::Notice(_) => {}
            Chunk::Done { usage, .. } => {
                (tokens, prompt_tokens) = (usage.completion_tokens, usage.prompt_tokens);
            }
        }
    }
    let first = first.unwrap_or_else(|| begun.elapsed());
    Ok(Timed { first, after_first: begun.elapsed() - first, text, tokens, prompt_tokens })
}

async fn reply_speeds(model: &Arc<LocalModel>, repetitions: u32) -> Result<(Vec<f64>, Vec<f64>), ModelError> {
    const REPLY_TOKENS: u32 = 96;
    let (mut free, mut held) = (Vec::new(), Vec::new());
    for seed in 0..u64::from(repetitions) {
        let mut request = ChatRequest {
            conversation: "bench".into(),
            messages: vec![
                Message::new(Role::System, "You are Bran, the blacksmith of Oakvale. You tell long tales."),
                Message::new(
                    Role::User,
                    "Tell me everything about the war in the north, as long as you can.",
                ),
            ],
            max_tokens: REPLY_TOKENS,
            sampling: Sampling { seed, ..Sampling::default() },
            ..ChatRequest::default()
        };
        let speed =
            |timed: &Timed| f64::from(timed.tokens.saturating_sub(1)) / timed.after_first.as_secs_f64();
        let reply = timed(model, request.clone()).await?;
        if reply.tokens > 16 {
            free.push(speed(&reply));
        }
        request.json_schema = Some(json!({
            "type": "object",
            "properties": {
                "mood": { "enum": ["calm", "angry", "afraid", "amused"] },
                "line": { "type": "string", "minLength": 200, "maxLength": 400 },
            },
            "required": ["mood", "line"],
            "additionalProperties": false,
        }));
        let reply = timed(model, request).await?;
        held.push(speed(&reply));
    }
    Ok((free, held))
}

struct InTurn {
    cold_ms: Vec<f64>,
    back_ms: Vec<f64>,
    prompt_tokens: u32,
}

/// Talks to each character once, then comes back to each, about 40 tokens later in its conversation.
async fn characters_in_turn(model: &Arc<LocalModel>, plan: &BenchPlan) -> Result<InTurn, ModelError> {
    model.ready().await?;
    let mut in_turn = InTurn { cold_ms: Vec::new(), back_ms: Vec::new(), prompt_tokens: 0 };
    let mut requests = Vec::new();
    for character in 0..plan.characters {
        requests.push(ChatRequest {
            conversation: format!("character {character}"),
            messages: vec![
                Message::new(Role::System, description(character, plan.character_tokens)),
                Message::new(Role::User, "Hail! What is new in town?"),
            ],
            max_tokens: 12,
            sampling: Sampling { temperature: 0.0, ..Sampling::default() },
            ..ChatRequest::default()
        });
    }
    let ms = |time: Duration| time.as_secs_f64() * 1000.0;
    for request in &mut requests {
        let reply = timed(model, request.clone()).await?;
        in_turn.cold_ms.push(ms(reply.first));
        in_turn.prompt_tokens = reply.prompt_tokens;
        request.messages.push(Message::new(Role::Assistant, reply.text));
        let next =
            "I see. And what do you make of the stranger who came with the last ship from the islands?";
        request.messages.push(Message::new(Role::User, next));
    }
    for request in requests {
        in_turn.back_ms.push(ms(timed(model, request).await?.first));
    }
    Ok(in_turn)
}

/// A character of about so many tokens, unlike every other from its first word on.
fn description(character: u32, tokens: u32) -> String {
    const WORDS: [&str; 24] = [
        "river", "castle", "north", "miller", "tower", "forest", "keeps", "ancient", "silver", "the", "and",
        "guards", "harbour", "winter", "king", "road", "never", "speaks", "of", "gold", "brother", "lost",
        "at", "sea",
    ];
    let mut random = fastrand::Rng::with_seed(u64::from(character));
    let mut text = format!("{character} is the number of your house.");
    for _ in 0..tokens * 4 / 5 {
        text.push(' ');
        text.push_str(WORDS[random.usize(..WORDS.len())]);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_tells_mean_and_spread() {
        let figure = Figure::of(&[1.0, 3.0, 5.0]);
        assert_eq!((figure.mean, figure.median, figure.min, figure.max), (3.0, 3.0, 1.0, 5.0));
        assert!((figure.deviation - 1.633).abs() < 0.001);
        assert_eq!(Figure::of(&[]), Figure::default());
    }
}
