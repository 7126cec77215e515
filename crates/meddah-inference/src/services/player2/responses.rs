//! What Player2's characters answer: one stream for all of them, open while anybody waits.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::ModelError;
use crate::http::{self, Call, LineSplitter, SseParser, TooLong};
use crate::services::line::Line;

/// Answers of one character that nobody has read.
const ANSWERS_WAITING_MAX: usize = 16;
/// Until the stream stands; then the talk begins anyway.
const OPEN_WAIT: Duration = Duration::from_secs(3);

/// One answer. Anything may be absent or null.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Answer {
    npc_id: String,
    pub(super) message: Option<String>,
    pub(super) command: Option<Vec<Command>>,
    pub(super) error: Option<Value>,
}

/// A call of something that the character may do.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Command {
    pub(super) name: String,
    /// JSON in a string, as the schema says, or an object, as the documentation shows.
    pub(super) arguments: Value,
}

type Told = Result<Answer, ModelError>;

/// The stream, and who waits for what.
pub(super) struct Responses {
    hub: Arc<Mutex<Hub>>,
}

#[derive(Default)]
struct Hub {
    waiting: HashMap<String, mpsc::Sender<Told>>,
    /// Reads the stream; dropping it closes the connection.
    reader: Option<Reader>,
    readers: u64,
}

struct Reader {
    number: u64,
    is_open: watch::Receiver<bool>,
    _task: JoinSet<()>,
}

/// Waits for one character's answers.
pub(super) struct Waiter {
    npc: String,
    answers: mpsc::Receiver<Told>,
    hub: Arc<Mutex<Hub>>,
}

fn lock(hub: &Mutex<Hub>) -> MutexGuard<'_, Hub> {
    hub.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Responses {
    pub(super) fn new() -> Responses {
        Responses { hub: Arc::default() }
    }

    /// Listens to a character, before it is spoken to so that nothing is missed.
    pub(super) async fn listen(&self, npc: &str, line: &Arc<Line>, call: Call) -> Waiter {
        let (tell, answers) = mpsc::channel(ANSWERS_WAITING_MAX);
        let is_open = {
            let mut hub = lock(&self.hub);
            hub.waiting.insert(npc.to_owned(), tell);
            if hub.reader.is_none() {
                hub.readers += 1;
                hub.reader = Some(self.start(hub.readers, line.clone(), call));
            }
            hub.reader.as_ref().map(|reader| reader.is_open.clone())
        };
        let waiter = Waiter { npc: npc.to_owned(), answers, hub: self.hub.clone() };
        // An error also ends the wait; the waiter is told of it.
        if let Some(mut is_open) = is_open {
            tokio::time::timeout(OPEN_WAIT, is_open.wait_for(|open| *open)).await.ok();
        }
        waiter
    }

    fn start(&self, number: u64, line: Arc<Line>, call: Call) -> Reader {
        let (opened, is_open) = watch::channel(false);
        let hub = self.hub.clone();
        let mut task = JoinSet::new();
        task.spawn(async move {
            let error = read(&line, call, &hub, &opened).await;
            let mut hub = lock(&hub);
            if hub.reader.as_ref().is_none_or(|reader| reader.number != number) {
                // Nobody waits for this reader any more.
                return;
            }
            for (_, waiter) in hub.waiting.drain() {
                waiter.try_send(Err(error.clone())).ok();
            }
            hub.reader = None;
        });
        Reader { number, is_open, _task: task }
    }
}

impl Waiter {
    /// The next answer; none if somebody else listens to this character now.
    pub(super) async fn next(&mut self) -> Option<Told> {
        self.answers.recv().await
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        let mut hub = lock(&self.hub);
        // Another waiter may have taken the place in the meantime.
        self.answers.close();
        if hub.waiting.get(&self.npc).is_some_and(mpsc::Sender::is_closed) {
            hub.waiting.remove(&self.npc);
        }
        if hub.waiting.is_empty() {
            hub.reader = None;
        }
    }
}

/// Reads until the stream ends, and says why it did.
async fn read(line: &Line, call: Call, hub: &Mutex<Hub>, opened: &watch::Sender<bool>) -> ModelError {
    let mut reply = match line.ask(call).await {
        Ok(reply) => reply,
        Err(error) => return error,
    };
    opened.send_replace(true);
    let mut feed = Feed::of(&reply);
    let never = CancellationToken::new();
    loop {
        let answers = match reply.next(&never).await {
            Ok(Some(bytes)) => feed.push(&bytes),
            Ok(None) => return line.broke(),
            Err(error) => return error,
        };
        let Ok(answers) = answers else { return line.nonsense("a line without end") };
        let hub = lock(hub);
        for answer in answers {
            if let Some(waiter) = hub.waiting.get(&answer.npc_id) {
                waiter.try_send(Ok(answer)).ok();
            }
        }
    }
}

/// Lines of JSON, or the same as events: servers differ in what they make of `accept`.
enum Feed {
    Lines(LineSplitter),
    Events(SseParser),
}

impl Feed {
    fn of(reply: &http::Reply) -> Feed {
        match reply.media_type().as_str() {
            "text/event-stream" => Feed::Events(SseParser::default()),
            _ => Feed::Lines(LineSplitter::default()),
        }
    }

    /// The answers that these bytes complete. What is none (a ping, nonsense) is skipped.
    fn push(&mut self, bytes: &[u8]) -> Result<Vec<Answer>, TooLong> {
        let mut answers = Vec::new();
        let mut take = |line: &str| answers.extend(serde_json::from_str::<Answer>(line).ok());
        match self {
            Feed::Lines(lines) => lines.push(bytes, |line| {
                take(line);
                Ok::<_, TooLong>(())
            })?,
            Feed::Events(events) => events.push(bytes)?.iter().for_each(|event| take(&event.data)),
        }
        Ok(answers)
    }
}
