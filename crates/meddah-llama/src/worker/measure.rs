//! Speed of the bare model, as llama-bench takes it: no sampling, no other work, an empty memory.

use std::time::Instant;

use super::pace::STEP_TOKENS_MAX;
use crate::ffi::{Batch, Context, DecodeError, Token};
use crate::wire::RawSpeed;

/// Most tokens or repetitions that are asked of a measurement.
const TOKENS_MAX: u32 = 4096;
const REPETITIONS_MAX: u32 = 100;

/// Reads `prompt_tokens`, then writes `decode_tokens` into an empty memory, so often.
pub fn raw_speed(
    context: &mut Context,
    prompt_tokens: u32,
    decode_tokens: u32,
    repetitions: u32,
) -> Result<RawSpeed, DecodeError> {
    let vocab = context.model().vocab_size().max(1);
    let token = |index: usize| ((index * 7919 + 13) % vocab) as Token;
    let mut batch = Batch::new(STEP_TOKENS_MAX as u32);
    let mut speed = RawSpeed::default();
    let (prompt, decode) = (prompt_tokens.min(TOKENS_MAX) as usize, decode_tokens.min(TOKENS_MAX) as usize);
    read(context, &mut batch, prompt.min(16), token)?;
    for _ in 0..repetitions.min(REPETITIONS_MAX) {
        let begun = Instant::now();
        read(context, &mut batch, prompt, token)?;
        speed.prompt_tokens_per_s.push(prompt as f64 / begun.elapsed().as_secs_f64());
        let begun = Instant::now();
        for index in 0..decode {
            batch.clear();
            batch.add(token(index), index, SEQUENCE, true);
            context.decode(&batch)?;
        }
        speed.decode_tokens_per_s.push(decode as f64 / begun.elapsed().as_secs_f64());
        context.clear(SEQUENCE);
    }
    Ok(speed)
}

const SEQUENCE: i32 = 0;

fn read(
    context: &mut Context,
    batch: &mut Batch,
    count: usize,
    token: impl Fn(usize) -> Token,
) -> Result<(), DecodeError> {
    context.clear(SEQUENCE);
    for begin in (0..count).step_by(STEP_TOKENS_MAX) {
        batch.clear();
        for index in begin..count.min(begin + STEP_TOKENS_MAX) {
            batch.add(token(index), index, SEQUENCE, index + 1 == count);
        }
        context.decode(batch)?;
    }
    context.clear(SEQUENCE);
    Ok(())
}
