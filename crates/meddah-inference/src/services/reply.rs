//! A service's reply on its way to the caller: straight code writes, the caller reads a stream.
//!
//! The work runs only while somebody reads, inside the stream itself. So there is no task to look after, and
//! dropping the stream drops the work and with it the connection.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures::{Future, StreamExt as _};
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::actions::Call;
use super::emotions;
use crate::service::{ACTION_DECISION, EMOTION_DECISION};
use crate::{ChatStream, Chunk, ErrorKind, ModelError, ServiceRequest, StopReason, TokenUsage};

/// Chunks that wait for the caller; then the work waits.
const CHUNKS_WAITING_MAX: usize = 32;
/// The words of one reply, bytes; what is beyond is not told.
const REPLY_BYTES_MAX: usize = 64 * 1024;
/// Actions of one reply.
const ACTIONS_MAX: usize = 4;
/// A reply as a whole, whatever keeps it from ending.
const REPLY_TIME_MAX: Duration = Duration::from_secs(180);

/// Where an adapter writes a reply.
pub(super) struct Reply {
    chunks: mpsc::Sender<Chunk>,
    request: Arc<ServiceRequest>,
    felt: Option<String>,
    actions: usize,
    bytes: usize,
    /// Nothing has been said for so long that a space is due before the next words.
    apart: bool,
}

/// The reader is gone, or the reply is long enough: the work is over.
pub(super) struct Enough;

impl Reply {
    /// What is answered.
    pub(super) fn request(&self) -> &Arc<ServiceRequest> {
        &self.request
    }

    /// Whether any words were told.
    pub(super) fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    /// Tells words as they come.
    pub(super) async fn text(&mut self, text: &str) -> Result<(), Enough> {
        if text.is_empty() {
            return Ok(());
        }
        if self.bytes + text.len() > REPLY_BYTES_MAX {
            return Err(Enough);
        }
        let mut piece = String::new();
        if std::mem::take(&mut self.apart) && !self.is_empty() && !text.starts_with(char::is_whitespace) {
            piece.push(' ');
        }
        piece.push_str(text);
        self.bytes += piece.len();
        self.send(Chunk::Text(piece)).await
    }

    /// The next words belong to another line.
    pub(super) fn new_line(&mut self) {
        self.apart = true;
    }

    /// Tells a feeling in the service's word, once per change.
    pub(super) async fn feels(&mut self, word: &str) -> Result<(), Enough> {
        let Some(label) = emotions::emotion(word, &self.request.emotions).map(str::to_owned) else {
            return Ok(());
        };
        if self.felt.as_deref() == Some(&label) {
            return Ok(());
        }
        self.felt = Some(label.clone());
        self.decide(EMOTION_DECISION, label, None).await
    }

    /// Tells an action, or nothing if there is none.
    pub(super) async fn acts(&mut self, call: Option<Call>) -> Result<(), Enough> {
        let Some(call) = call.filter(|_| self.actions < ACTIONS_MAX) else { return Ok(()) };
        self.actions += 1;
        self.decide(ACTION_DECISION, call.name, call.arguments).await
    }

    async fn decide(&self, decision: &str, choice: String, arguments: Option<Value>) -> Result<(), Enough> {
        self.send(Chunk::Decided { decision: decision.to_owned(), choice, arguments }).await
    }

    async fn send(&self, chunk: Chunk) -> Result<(), Enough> {
        self.chunks.send(chunk).await.map_err(|_| Enough)
    }
}

/// Why the work ended before its end.
pub(super) enum Stop {
    /// The reply is long enough, or nobody reads it.
    Enough,
    /// It failed.
    Failed(ModelError),
}

impl From<Enough> for Stop {
    fn from(_: Enough) -> Stop {
        Stop::Enough
    }
}

impl From<ModelError> for Stop {
    fn from(error: ModelError) -> Stop {
        Stop::Failed(error)
    }
}

type Work = Pin<Box<dyn Future<Output = Result<(), Stop>> + Send>>;

/// The stream of what `work` writes, ended by `Done` or its error. Waits for the first piece, so that
/// a service that cannot answer is an error of this call and the caller can ask somebody else.
pub(super) async fn begin<F, W>(
    request: ServiceRequest,
    cancel: CancellationToken,
    work: F,
) -> Result<ChatStream, ModelError>
where
    F: FnOnce(Reply) -> W,
    W: Future<Output = Result<(), Stop>> + Send + 'static,
{
    let (chunks, waiting) = mpsc::channel(CHUNKS_WAITING_MAX);
    let request = Arc::new(request);
    let reply = Reply { chunks, request, felt: None, actions: 0, bytes: 0, apart: false };
    let work: Work = Box::pin(work(reply));
    let until = Instant::now() + REPLY_TIME_MAX;
    let running = Running { work: Some(work), waiting, cancel, until, end: Ok(StopReason::End) };
    let mut stream = Box::pin(futures::stream::unfold(Some(running), next));
    match stream.next().await {
        Some(Err(error)) => Err(error),
        first => Ok(Box::pin(futures::stream::iter(first).chain(stream))),
    }
}

struct Running {
    work: Option<Work>,
    waiting: mpsc::Receiver<Chunk>,
    cancel: CancellationToken,
    until: Instant,
    /// What comes after everything that the work wrote.
    end: Result<StopReason, ModelError>,
}

/// The next piece; after `Done` or an error there is none.
async fn next(running: Option<Running>) -> Option<(Result<Chunk, ModelError>, Option<Running>)> {
    let mut running = running?;
    let mut drained = false;
    while !(drained && running.work.is_none()) {
        let Running { work, waiting, cancel, until, end } = &mut running;
        let working = async {
            match work {
                Some(work) => work.await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = cancel.cancelled() => {
                return Some((Err(ModelError::new(ErrorKind::Cancelled, "cancelled")), None));
            }
            chunk = waiting.recv(), if !drained => match chunk {
                Some(chunk) => return Some((Ok(chunk), Some(running))),
                None => drained = true,
            },
            () = tokio::time::sleep_until(*until) => return Some((Err(endless()), None)),
            result = working => {
                // Dropping the work closes its connection, and the queue once it is read.
                *work = None;
                *end = match result {
                    Ok(()) => Ok(StopReason::End),
                    Err(Stop::Enough) => Ok(StopReason::Length),
                    Err(Stop::Failed(error)) => Err(error),
                };
            }
        }
    }
    let done = |stop| Chunk::Done { stop, usage: TokenUsage::default() };
    Some((running.end.map(done), None))
}

fn endless() -> ModelError {
    ModelError::new(ErrorKind::Timeout, "the service does not come to an end")
        .with_help("The service may have trouble at the moment; try again later.")
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn told<F, W>(work: F) -> Vec<Result<Chunk, ModelError>>
    where
        F: FnOnce(Reply) -> W,
        W: Future<Output = Result<(), Stop>> + Send + 'static,
    {
        let emotions = vec!["neutral".to_owned(), "joy".to_owned()];
        let request = ServiceRequest { emotions, ..Default::default() };
        match begin(request, CancellationToken::new(), work).await {
            Ok(stream) => stream.collect().await,
            Err(error) => vec![Err(error)],
        }
    }

    fn text(text: &str) -> Chunk {
        Chunk::Text(text.to_owned())
    }

    fn done(stop: StopReason) -> Chunk {
        Chunk::Done { stop, usage: TokenUsage::default() }
    }

    fn feels(choice: &str) -> Chunk {
        Chunk::Decided { decision: "emotion".into(), choice: choice.into(), arguments: None }
    }

    #[tokio::test]
    async fn what_was_written_is_read_in_order_and_a_feeling_once_per_change() {
        let chunks = told(|mut reply| async move {
            for word in ["ecstasy", "happy"] {
                reply.feels(word).await?;
            }
            reply.text("One.").await?;
            reply.new_line();
            reply.feels("nobody knows this word").await?;
            reply.text("Two.").await?;
            Ok(())
        });
        let chunks: Vec<Chunk> = chunks.await.into_iter().map(Result::unwrap).collect();
        let expected = [feels("joy"), text("One."), feels("neutral"), text(" Two."), done(StopReason::End)];
        assert_eq!(chunks, expected);
    }

    #[tokio::test]
    async fn a_failure_comes_after_the_words_before_it_and_at_once_if_there_are_none() {
        let failed = || Stop::from(ModelError::new(ErrorKind::Network, "cut"));
        let chunks = told(|mut reply| async move {
            reply.text("One").await?;
            Err(failed())
        });
        let chunks = chunks.await;
        assert_eq!(chunks[0].as_ref().unwrap(), &text("One"));
        assert!(chunks[1].is_err() && chunks.len() == 2);
        let chunks = told(|_reply| async move { Err(failed()) }).await;
        assert!(matches!(chunks.as_slice(), [Err(error)] if error.kind == ErrorKind::Network));
    }

    #[tokio::test]
    async fn a_reply_without_end_is_ended() {
        let chunks = told(|mut reply| async move {
            loop {
                reply.text(&"talk ".repeat(200)).await?;
            }
        });
        let chunks = chunks.await;
        assert_eq!(chunks.last().unwrap().as_ref().unwrap(), &done(StopReason::Length));
        assert_eq!(chunks.len(), REPLY_BYTES_MAX / 1000 + 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_reply_that_never_ends_is_given_up() {
        let begun = Instant::now();
        let chunks = told(|mut reply| async move {
            loop {
                tokio::time::sleep(Duration::from_secs(7)).await;
                reply.text("Well. ").await?;
            }
        });
        let error = chunks.await.pop().unwrap().unwrap_err();
        assert_eq!((error.kind, begun.elapsed().as_secs()), (ErrorKind::Timeout, 180));
    }

    #[tokio::test]
    async fn cancelling_ends_it_and_drops_the_work() {
        struct Told(Option<tokio::sync::oneshot::Sender<()>>);
        impl Drop for Told {
            fn drop(&mut self) {
                self.0.take().map(|told| told.send(()));
            }
        }
        let (tell, dropped) = tokio::sync::oneshot::channel();
        let cancel = CancellationToken::new();
        let told = Told(Some(tell));
        let work = |mut reply: Reply| async move {
            let _told = told;
            reply.text("One").await?;
            std::future::pending().await
        };
        let mut stream = begin(ServiceRequest::default(), cancel.clone(), work).await.unwrap();
        assert_eq!(stream.next().await.unwrap().unwrap(), text("One"));
        cancel.cancel();
        let error = stream.next().await.unwrap().unwrap_err();
        assert_eq!(error.kind, ErrorKind::Cancelled);
        assert!(stream.next().await.is_none());
        tokio::time::timeout(Duration::from_secs(5), dropped).await.unwrap().unwrap();
    }
}
