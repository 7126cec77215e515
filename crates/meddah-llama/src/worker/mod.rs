//! The worker process: owns the model, and nothing else.
//!
//! llama.cpp ends the process on some errors and a driver can hang, so it runs apart from the sidecar. Three
//! threads: one reads requests (a cancel must not wait for a step to end, and the end of the input means
//! that the sidecar has gone), one tells that the work goes on, and this one computes.

mod control;
mod crowd;
mod decision;
mod engine;
mod grammar;
mod load;
mod measure;
mod neutral;
mod outbox;
mod pace;
mod places;
mod prepare;
mod reply;
mod sampling;
mod sequence;
mod slots;
mod state_file;
mod states;
mod threads;
mod words;

use std::io::{BufReader, stdin};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::time::{Duration, Instant};

use control::Control;
use crowd::{Crowd, Move};
use outbox::Outbox;

use crate::ffi::{cpu_time, exit_now, step_back, step_forward};
use crate::wire::{LINE_BYTES_MAX, Line, Reply, Request, WireError, WireErrorKind, read_line};

/// Requests between the reading thread and the computing one.
const REQUESTS_MAX: usize = 256;
/// How often a sign of life is sent.
const BEAT_EVERY: Duration = Duration::from_millis(500);

/// Cells of attention memory for so many replies at once. Half of them may be as long as a context can be;
/// when all are, the last ones wait.
pub(crate) fn memory_cells(context_tokens: u32, parallel: u32) -> u32 {
    context_tokens.saturating_mul(parallel.div_ceil(2)).saturating_add(pace::STEP_TOKENS_MAX as u32)
}

/// The body of `meddah worker`: reads requests on stdin, writes replies on stdout, until stdin ends.
pub fn worker_main() -> ExitCode {
    let (control, outbox) = (Arc::new(Control::default()), Arc::new(Outbox::new()));
    let (sender, requests) = sync_channel(REQUESTS_MAX);
    // Both threads end with the process, which this function ends itself.
    {
        let (control, outbox) = (Arc::clone(&control), Arc::clone(&outbox));
        std::thread::spawn(move || read_requests(&sender, &control, &outbox));
    }
    {
        let (control, outbox) = (Arc::clone(&control), Arc::clone(&outbox));
        std::thread::spawn(move || send_beats(&control, &outbox));
    }
    let Ok(Request::Load(request)) = requests.recv() else { exit_now(2) };
    match load::load(&request, Arc::clone(&outbox), control) {
        Ok(mut engine) => {
            engine.run(&requests);
            exit_now(0)
        }
        Err(error) => {
            outbox.send(&Reply::LoadFailed { error });
            exit_now(3)
        }
    }
}

fn read_requests(sender: &SyncSender<Request>, control: &Control, outbox: &Outbox) {
    let mut input = BufReader::new(stdin());
    let refuse = |id, kind, message: &str| {
        outbox.send(&Reply::Error { id, error: WireError::new(kind, message) });
    };
    loop {
        match read_line(&mut input, LINE_BYTES_MAX) {
            Ok(Line::Text(line)) => match serde_json::from_slice(&line) {
                Ok(Request::Cancel { id }) => control.cancel(id),
                Ok(request) => {
                    let id = id_of(&request);
                    match sender.try_send(request) {
                        Ok(()) => {}
                        Err(TrySendError::Full(_)) => {
                            refuse(id, WireErrorKind::Overloaded, "too many requests are waiting");
                        }
                        Err(TrySendError::Disconnected(_)) => exit_now(0),
                    }
                }
                Err(_) => refuse(id_in(&line), WireErrorKind::Refused, "a request is malformed"),
            },
            Ok(Line::TooLong) => refuse(0, WireErrorKind::Refused, "a request is too long"),
            Ok(Line::End) | Err(_) => exit_now(0),
        }
    }
}

/// Whoever sent something that is no request, a number that is none for example, still gets an answer.
fn id_in(line: &[u8]) -> u64 {
    #[derive(serde::Deserialize)]
    struct WithId {
        id: u64,
    }
    serde_json::from_slice(line).map_or(0, |WithId { id }| id)
}

fn id_of(request: &Request) -> u64 {
    match request {
        Request::Chat { id, .. }
        | Request::ReadAhead { id, .. }
        | Request::Cancel { id }
        | Request::Count { id, .. }
        | Request::Measure { id, .. }
        | Request::Stats { id } => *id,
        Request::Load(_) | Request::Shutdown => 0,
    }
}

/// Watches over the worker. A beat is sent only if the computation went on: a worker that hangs in the middle of a step is silent, and
/// so is one that has nothing to do.
fn send_beats(control: &Control, outbox: &Outbox) {
    let (mut last, mut crowd, mut moved) = (0, Crowd::default(), None);
    loop {
        std::thread::sleep(BEAT_EVERY);
        if control.yields.load(Ordering::Relaxed) {
            match crowd.look(Instant::now(), control.sight(cpu_time())) {
                Some(Move::Forward) => {
                    moved = Some(step_forward());
                    outbox.send(&Reply::Crowded);
                }
                Some(Move::Back) => moved.take().into_iter().for_each(step_back),
                None => {}
            }
        }
        let beats = control.pulse.beats.load(Ordering::Relaxed);
        if beats != last {
            outbox.send(&Reply::Beat);
        }
        last = beats;
    }
}
