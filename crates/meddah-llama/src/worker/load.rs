//! From a path to an engine that can answer.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use super::control::Control;
use super::engine::{Engine, Parts};
use super::memory_cells;
use super::outbox::Outbox;
use super::pace::STEP_TOKENS_MAX;
use super::slots::Slots;
use super::state_file::Identity;
use super::states::{Disk, States};
use crate::ffi::{Context, ContextParams, Model, yield_to_others};
use crate::template::Template;
use crate::wire::{LoadRequest, Ready, Reply, WireError, WireErrorKind};

/// Most replies at once; llama.cpp knows 256 sequences and each reply may need two.
const PARALLEL_MAX: u32 = 64;
/// Shorter contexts hold no conversation.
const CONTEXT_TOKENS_MIN: u32 = 256;

/// Loads the model and tells how far it is.
pub fn load(request: &LoadRequest, outbox: Arc<Outbox>, control: Arc<Control>) -> Result<Engine, WireError> {
    crate::hardware::check_cpu(crate::hardware::cpu_features())
        .map_err(|error| WireError::new(WireErrorKind::BadModel, error.message).with_help(error.help))?;
    if request.background {
        yield_to_others();
        control.yields.store(true, Ordering::Relaxed);
    }
    let begun = Instant::now();
    let model = load_model(&request.model_path, &outbox, &control)?;
    let trained = model.trained_context_tokens().max(CONTEXT_TOKENS_MIN);
    let context_tokens = request.context_tokens.clamp(CONTEXT_TOKENS_MIN, trained);
    let parallel = request.parallel.clamp(1, PARALLEL_MAX);
    let cells = memory_cells(context_tokens, parallel);
    let params = ContextParams {
        cells,
        batch_tokens: STEP_TOKENS_MAX as u32,
        sequences: parallel * 2,
        threads: request.threads.max(1),
        kv_type: request.kv_type,
    };
    let context = Context::new(&model, &params, Arc::clone(&control.pulse)).ok_or_else(|| {
        WireError::new(WireErrorKind::OutOfMemory, "there is not enough memory for the conversations")
            .with_help("lower context_tokens or parallel, or choose a smaller model")
    })?;
    let template =
        Template::of(&model).map_err(|error| WireError::new(WireErrorKind::BadModel, error.to_string()))?;
    outbox.send(&Reply::Ready(Ready {
        name: model.meta(c"general.name").filter(|name| !name.is_empty()).unwrap_or_default(),
        context_tokens,
        message_overhead_tokens: template.overhead_tokens(&model),
        parameters: model.parameters(),
        load_ms: begun.elapsed().as_millis() as u64,
        threads: request.threads.max(1),
    }));
    Ok(Engine::new(Parts {
        context,
        template,
        states: States::open(request.state_memory_bytes, disk(request)),
        slots: Slots::new(parallel as usize, cells as usize),
        context_tokens: context_tokens as usize,
        parallel: parallel as usize,
        threads: request.threads.max(1),
        outbox,
        control,
    }))
}

fn load_model(path: &Path, outbox: &Outbox, control: &Control) -> Result<Model, WireError> {
    let mut told = u8::MAX;
    let mut progress = |progress: f32| {
        control.pulse.beats.fetch_add(1, Ordering::Relaxed);
        let percent = (progress.clamp(0.0, 1.0) * 100.0) as u8;
        if percent != told {
            told = percent;
            outbox.send(&Reply::Loading { percent });
        }
    };
    Model::load(path, &mut progress).map_err(|error| {
        WireError::new(WireErrorKind::BadModel, error.to_string())
            .with_help("this build cannot run the model; choose another one, or update Meddah")
    })
}

fn disk(request: &LoadRequest) -> Option<Disk> {
    let dir = request.state_dir.clone()?;
    let identity = Identity::of(&request.model_path, request.kv_type).ok()?;
    Some(Disk { dir, identity, bytes_max: request.state_disk_bytes })
}
