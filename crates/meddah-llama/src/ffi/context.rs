//! The attention memory (KV cache) of several sequences, and the steps of the model over them.

use std::ffi::c_void;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use llama_cpp_sys_2 as sys;

use super::model::{Model, Token};
use crate::config::KvType;

/// Shared with llama.cpp's compute loop, which touches it between two operations of the graph.
#[derive(Debug, Default)]
pub struct Pulse {
    /// Set to abort the step that is running.
    pub abort: AtomicBool,
    /// Goes up as long as the computation goes on.
    pub beats: AtomicU64,
}

/// What the context is made for.
#[derive(Clone, Debug)]
pub struct ContextParams {
    /// Tokens that fit in the memory, of all sequences together.
    pub cells: u32,
    /// Most tokens of one step.
    pub batch_tokens: u32,
    /// Sequences.
    pub sequences: u32,
    /// Compute threads.
    pub threads: u32,
    /// How keys and values are stored.
    pub kv_type: KvType,
}

/// Why a step did not happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// No room for these tokens.
    #[error("no room in the attention memory")]
    NoRoom,
    /// [`Pulse::abort`] was set; sequences may hold a part of the step.
    #[error("the step was aborted")]
    Aborted,
    /// Anything else.
    #[error("llama.cpp failed with code {0}")]
    Failed(i32),
}

/// Tokens for one step.
pub struct Batch {
    raw: sys::llama_batch,
    room: usize,
    wants_logits: Vec<bool>,
}

impl Batch {
    /// Room for so many tokens.
    pub fn new(room: u32) -> Batch {
        let room = room.min(i32::MAX as u32);
        // SAFETY: allocates; each token belongs to one sequence.
        let raw = unsafe { sys::llama_batch_init(room as i32, 0, 1) };
        Batch { raw, room: room as usize, wants_logits: Vec::with_capacity(room as usize) }
    }

    /// Forgets the tokens.
    pub fn clear(&mut self) {
        self.raw.n_tokens = 0;
        self.wants_logits.clear();
    }

    /// Tokens in it.
    pub fn len(&self) -> usize {
        self.wants_logits.len()
    }

    /// Tokens that still fit.
    pub fn free(&self) -> usize {
        self.room - self.len()
    }

    /// Adds a token; its row in the batch, or none if it is full.
    pub fn add(&mut self, token: Token, position: usize, sequence: i32, logits: bool) -> Option<usize> {
        let row = self.len();
        let position = i32::try_from(position).ok()?;
        if row >= self.room {
            return None;
        }
        // SAFETY: `row` is below the length that the arrays were allocated with.
        unsafe {
            *self.raw.token.add(row) = token;
            *self.raw.pos.add(row) = position;
            *self.raw.n_seq_id.add(row) = 1;
            **self.raw.seq_id.add(row) = sequence;
            *self.raw.logits.add(row) = i8::from(logits);
        }
        self.raw.n_tokens += 1;
        self.wants_logits.push(logits);
        Some(row)
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        // SAFETY: came from llama_batch_init.
        unsafe { sys::llama_batch_free(self.raw) }
    }
}

/// One context of a model. Belongs to one thread at a time.
pub struct Context {
    pointer: *mut sys::llama_context,
    pool: *mut sys::ggml_threadpool,
    rows: Vec<bool>,
    vocab_size: usize,
    sequences: i32,
    threads_max: i32,
    model: Model,
    _pulse: Arc<Pulse>,
}

unsafe extern "C" fn on_graph_node(data: *mut c_void) -> bool {
    // SAFETY: `data` is the pulse that the context holds a reference to.
    let pulse = unsafe { &*data.cast::<Pulse>() };
    pulse.beats.fetch_add(1, Ordering::Relaxed);
    pulse.abort.load(Ordering::Relaxed)
}

/// How long compute threads spin for the next step before they sleep, 0 to 100. Even 10 would keep them busy
/// all the time, also those that are not used, because the next step comes before they give up.
const POLL: u32 = 0;

impl Context {
    /// None if llama.cpp cannot make it, which in practice means that memory is short.
    pub fn new(model: &Model, params: &ContextParams, pulse: Arc<Pulse>) -> Option<Context> {
        let threads = i32::try_from(params.threads).ok()?.max(1);
        let kv_type = match params.kv_type {
            KvType::F16 => sys::GGML_TYPE_F16,
            KvType::Q8_0 => sys::GGML_TYPE_Q8_0,
        };
        // SAFETY: the model and the pulse are kept alive by the result; the pool is freed after the context.
        unsafe {
            let mut raw = sys::llama_context_default_params();
            raw.n_ctx = params.cells;
            raw.n_batch = params.batch_tokens;
            raw.n_ubatch = params.batch_tokens;
            raw.n_seq_max = params.sequences;
            // One row of logits per sequence is all that is ever asked for; the default reserves one per
            // token, 0.5 GB with a vocabulary of 262,144.
            raw.n_outputs_max = params.sequences;
            raw.n_threads = threads;
            raw.n_threads_batch = threads;
            raw.flash_attn_type = sys::LLAMA_FLASH_ATTN_TYPE_ENABLED;
            raw.kv_unified = true;
            raw.type_k = kv_type;
            raw.type_v = kv_type;
            raw.abort_callback = Some(on_graph_node);
            raw.abort_callback_data = Arc::as_ptr(&pulse).cast_mut().cast();
            let pointer = sys::llama_init_from_model(model.pointer(), raw);
            if pointer.is_null() {
                return None;
            }
            let mut pool_params = sys::ggml_threadpool_params_default(threads);
            pool_params.poll = POLL;
            // Without a pool of its own, each step would start its threads anew.
            let pool = sys::ggml_threadpool_new(&raw mut pool_params);
            if !pool.is_null() {
                sys::llama_attach_threadpool(pointer, pool, pool);
            }
            let sequences = i32::try_from(params.sequences).ok()?;
            let vocab_size = model.vocab_size();
            let model = model.clone();
            let (rows, threads_max) = (Vec::new(), threads);
            Some(Context { pointer, pool, rows, vocab_size, sequences, threads_max, model, _pulse: pulse })
        }
    }

    /// The model it computes.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// Runs the model over a batch.
    pub fn decode(&mut self, batch: &Batch) -> Result<(), DecodeError> {
        self.rows.clear();
        if batch.len() == 0 {
            return Ok(());
        }
        // SAFETY: the batch is well formed by construction; llama.cpp checks positions and sequences.
        let code = unsafe { sys::llama_decode(self.pointer, batch.raw) };
        match code {
            0 => {
                self.rows.extend_from_slice(&batch.wants_logits);
                Ok(())
            }
            1 => Err(DecodeError::NoRoom),
            2 => Err(DecodeError::Aborted),
            code => Err(DecodeError::Failed(code)),
        }
    }

    /// What the model thinks comes next after this row of the last batch, one number per vocabulary entry.
    pub fn logits(&self, row: usize) -> Option<&[f32]> {
        if self.rows.get(row) != Some(&true) {
            return None;
        }
        // SAFETY: the row asked for logits; they stay until the next step, which needs `&mut self`.
        unsafe {
            let logits = sys::llama_get_logits_ith(self.pointer, i32::try_from(row).ok()?);
            (!logits.is_null()).then(|| std::slice::from_raw_parts(logits, self.vocab_size))
        }
    }

    /// Compute threads from the next step on; at most as many as the context was made with.
    pub fn set_threads(&mut self, threads: u32) {
        let threads = i32::try_from(threads).unwrap_or(i32::MAX).clamp(1, self.threads_max);
        // SAFETY: sets two fields; the pool has as many threads.
        unsafe { sys::llama_set_n_threads(self.pointer, threads, threads) };
    }

    fn memory(&self) -> sys::llama_memory_t {
        // SAFETY: reads a field.
        unsafe { sys::llama_get_memory(self.pointer) }
    }

    fn is_sequence(&self, sequence: i32) -> bool {
        (0..self.sequences).contains(&sequence)
    }

    /// Keeps the first `tokens` of a sequence. False if the model's memory cannot do that, or if what is
    /// left would miss a part of the attention window; the sequence must then be cleared.
    #[must_use]
    pub fn cut(&mut self, sequence: i32, tokens: usize) -> bool {
        let Ok(end) = i32::try_from(tokens) else { return false };
        if !self.is_sequence(sequence) {
            return false;
        }
        // SAFETY: the sequence exists.
        let (removed, first) = unsafe {
            let removed = sys::llama_memory_seq_rm(self.memory(), sequence, end, -1);
            (removed, sys::llama_memory_seq_pos_min(self.memory(), sequence))
        };
        let window = i32::try_from(self.model.window_tokens()).unwrap_or(0);
        removed && (tokens == 0 || first == 0 || (first > 0 && window > 0 && first <= end - window))
    }

    /// Forgets a sequence.
    pub fn clear(&mut self, sequence: i32) {
        if self.is_sequence(sequence) {
            // SAFETY: the sequence exists; removing all of it always works.
            unsafe { sys::llama_memory_seq_rm(self.memory(), sequence, -1, -1) };
        }
    }

    /// Lets `to` share the first `tokens` of `from`; copies nothing.
    pub fn share(&mut self, from: i32, to: i32, tokens: usize) {
        let Ok(end) = i32::try_from(tokens) else { return };
        if self.is_sequence(from) && self.is_sequence(to) && from != to {
            // SAFETY: both sequences exist.
            unsafe { sys::llama_memory_seq_cp(self.memory(), from, to, 0, end) };
        }
    }

    /// A copy of what a sequence holds.
    pub fn save(&mut self, sequence: i32) -> Option<Vec<u8>> {
        if !self.is_sequence(sequence) {
            return None;
        }
        // SAFETY: the buffer is as long as llama.cpp asked for and stated.
        unsafe {
            let size = sys::llama_state_seq_get_size(self.pointer, sequence);
            let mut bytes = vec![0_u8; size];
            let written = sys::llama_state_seq_get_data(self.pointer, bytes.as_mut_ptr(), size, sequence);
            bytes.truncate(written);
            (written > 0).then_some(bytes)
        }
    }

    /// Fills a sequence from [`Context::save`]. The bytes must be ours: llama.cpp checks only shapes.
    #[must_use]
    pub fn restore(&mut self, sequence: i32, bytes: &[u8]) -> bool {
        if !self.is_sequence(sequence) {
            return false;
        }
        // SAFETY: the buffer is as long as stated.
        unsafe {
            sys::llama_state_seq_set_data(self.pointer, bytes.as_ptr(), bytes.len(), sequence) == bytes.len()
        }
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        // SAFETY: both came from llama.cpp, this is their only owner, and the context goes first.
        unsafe {
            sys::llama_free(self.pointer);
            if !self.pool.is_null() {
                sys::ggml_threadpool_free(self.pool);
            }
        }
    }
}
