//! The worker process: owns the model, and nothing else.
//!
//! ggml ends the process on some errors, so it runs apart from the sidecar. One thread reads requests, because a
//! cancel must not wait for the end of a computation; this one computes.

use std::io::{BufReader, Write as _, stdin, stdout};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use meddah_llama::hardware;
use meddah_llama::wire::{Line, read_line};
use meddah_speech::{LISTEN_RATE_HZ, UTTERANCE_MAX};
use thread_priority::{ThreadPriority, ThreadPriorityValue, set_current_thread_priority};

use crate::ffi::{self, Whisper, WhisperError};
use crate::hearing::{Sound, understand};
use crate::model_file::ModelFile;
use crate::wire::{HearRequest, LINE_BYTES_MAX, Reply, Request, read_samples};

/// Requests between the reading thread and the computing one; the sidecar sends one at a time.
const REQUESTS_MAX: usize = 4;
/// Sound of one request.
const SAMPLES_MAX: usize = UTTERANCE_MAX.as_secs() as usize * LISTEN_RATE_HZ as usize;
/// Of 0 to 99, where 50 is usual: "below normal" on Windows, a nice value of 7 elsewhere.
const PRIORITY: u8 = 30;
/// When the sidecar has gone, a computation gets so long to notice.
const LEAVE_WAIT: Duration = Duration::from_secs(2);

/// What the reading thread may touch while the model computes.
#[derive(Default)]
struct Control {
    /// Looked at between any two operations.
    stop: AtomicBool,
    /// Requests up to this one are cancelled.
    cancelled: AtomicU64,
}

enum Task {
    Load { model_path: std::path::PathBuf, threads: u32 },
    Hear(HearRequest, Vec<i16>),
}

/// The body of the worker: reads requests on stdin, writes replies on stdout, until stdin ends.
pub fn worker_main() -> ExitCode {
    // Without it listening is only less considerate.
    let value = ThreadPriorityValue::try_from(PRIORITY).ok();
    value.and_then(|value| set_current_thread_priority(ThreadPriority::Crossplatform(value)).ok());
    let control = Arc::new(Control::default());
    let (sender, tasks) = sync_channel(REQUESTS_MAX);
    {
        let control = Arc::clone(&control);
        std::thread::spawn(move || {
            read_requests(&sender, &control);
            drop(sender);
            std::thread::sleep(LEAVE_WAIT);
            std::process::exit(2);
        });
    }
    let Ok(Task::Load { model_path, threads }) = tasks.recv() else { return ExitCode::from(2) };
    match load(&model_path) {
        Ok(mut model) => {
            send(&Reply::Ready);
            serve(&mut model, threads, &tasks, &control);
            ExitCode::SUCCESS
        }
        Err(reply) => {
            send(&reply);
            ExitCode::from(3)
        }
    }
}

/// Everything that can be known to be wrong is found before whisper.cpp sees the file.
fn load(path: &Path) -> Result<Whisper, Reply> {
    let failed = |message: String, help: String| Reply::LoadFailed { message, help };
    hardware::check_cpu(hardware::cpu_features())
        .map_err(|error| failed(error.to_string(), "Let an online service listen.".into()))?;
    ModelFile::check(path).map_err(|error| failed(error.message, error.help))?;
    Whisper::open(path).map_err(|error| {
        failed(format!("{}: {error}", path.display()), "Import the model again, or take another.".into())
    })
}

fn serve(model: &mut Whisper, threads: u32, tasks: &Receiver<Task>, control: &Control) {
    while let Ok(task) = tasks.recv() {
        let Task::Hear(request, samples) = task else { return };
        let id = request.id;
        // A cancel of an earlier request must not stop this one; one of this request is seen here or there.
        control.stop.store(false, Ordering::SeqCst);
        if control.cancelled.load(Ordering::SeqCst) >= id {
            send(&Reply::Stopped { id });
            continue;
        }
        let Ok(language) = language(model, request.language.as_deref()) else {
            send(&Reply::UnknownLanguage { id });
            continue;
        };
        let sound = Sound { samples: &samples, language, names: &request.names, threads };
        let reply = match understand(model, &sound, &control.stop) {
            Ok(text) => Reply::Heard { id, text },
            Err(WhisperError::Stopped) => Reply::Stopped { id },
            Err(error) => Reply::Failed { id, message: error.to_string() },
        };
        send(&reply);
    }
}

/// A model of English alone understands nothing else; others find out what they are not told.
fn language<'a>(model: &Whisper, language: Option<&'a str>) -> Result<Option<&'a str>, ()> {
    // `en-GB` is `en` here.
    let language = language.map(|language| language.split(['-', '_']).next().unwrap_or(language));
    match language {
        None if model.is_multilingual() => Ok(None),
        None | Some("en") => Ok(Some("en")),
        Some(language) if model.is_multilingual() && ffi::knows_language(language) => Ok(Some(language)),
        Some(_) => Err(()),
    }
}

fn read_requests(sender: &SyncSender<Task>, control: &Control) {
    let mut input = BufReader::new(stdin());
    while let Ok(Line::Text(line)) = read_line(&mut input, LINE_BYTES_MAX) {
        let task = match serde_json::from_slice(&line) {
            Ok(Request::Load { model_path, threads }) => Task::Load { model_path, threads },
            Ok(Request::Hear(request)) if request.samples <= SAMPLES_MAX => {
                let Ok(samples) = read_samples(&mut input, request.samples) else { break };
                Task::Hear(request, samples)
            }
            Ok(Request::Cancel { id }) => {
                control.cancelled.fetch_max(id, Ordering::SeqCst);
                control.stop.store(true, Ordering::SeqCst);
                continue;
            }
            // Where the next line begins is not known any more.
            Ok(Request::Hear(_)) | Err(_) => break,
        };
        if sender.send(task).is_err() {
            return;
        }
    }
    // The sidecar has gone, or talks nonsense.
    control.cancelled.store(u64::MAX, Ordering::SeqCst);
    control.stop.store(true, Ordering::SeqCst);
}

/// If nobody is there to read it, the end of the input tells so.
fn send(reply: &Reply) {
    let Ok(mut line) = serde_json::to_vec(reply) else { return };
    line.push(b'\n');
    let mut out = stdout().lock();
    out.write_all(&line).and_then(|()| out.flush()).ok(); // see above
}
