//! A reply under watch: one that stops in the middle is an error, and how it went is told to the breaker.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::Stream;
use tokio::time::{Instant, Sleep};

use super::Rung;
use crate::{ChatStream, Chunk, ErrorKind, ModelError};

/// Passes a reply on.
pub(super) struct Watched {
    inner: ChatStream,
    first: Option<Chunk>,
    rung: Arc<Rung>,
    stall: Duration,
    silence: Pin<Box<Sleep>>,
    over: bool,
}

impl Watched {
    /// A reply of which `first` was taken already, and which may not fall silent for `stall`.
    pub fn new(inner: ChatStream, first: Chunk, rung: Arc<Rung>, stall: Duration) -> Watched {
        let silence = Box::pin(tokio::time::sleep(stall));
        Watched { inner, first: Some(first), rung, stall, silence, over: false }
    }

    /// Notes a piece; the last one says that the rung is well.
    fn passed(&mut self, chunk: &Chunk) {
        if matches!(chunk, Chunk::Done { .. }) {
            self.over = true;
            self.rung.breaker.succeeded();
        }
    }

    fn end(&mut self, error: &ModelError) {
        self.over = true;
        self.rung.failed(error);
    }
}

impl Drop for Watched {
    /// Who is cut off in the middle of a sentence was well.
    fn drop(&mut self) {
        if !self.over {
            self.rung.breaker.succeeded();
        }
    }
}

impl Stream for Watched {
    type Item = Result<Chunk, ModelError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Some(first) = self.first.take() {
            self.passed(&first);
            return Poll::Ready(Some(Ok(first)));
        }
        if self.over {
            return Poll::Ready(None);
        }
        match self.inner.as_mut().poll_next(context) {
            Poll::Ready(Some(Ok(chunk))) => {
                let next = Instant::now() + self.stall;
                self.silence.as_mut().reset(next);
                self.passed(&chunk);
                Poll::Ready(Some(Ok(chunk)))
            }
            Poll::Ready(Some(Err(error))) => {
                self.end(&error);
                Poll::Ready(Some(Err(error)))
            }
            Poll::Ready(None) => {
                let error = ModelError::new(ErrorKind::Protocol, "the reply broke off without an end");
                self.end(&error);
                Poll::Ready(Some(Err(error)))
            }
            Poll::Pending => match self.silence.as_mut().poll(context) {
                Poll::Pending => Poll::Pending,
                Poll::Ready(()) => {
                    let message =
                        format!("nothing came for {} ms in the middle of a reply", self.stall.as_millis());
                    let error = ModelError::new(ErrorKind::Timeout, message);
                    self.end(&error);
                    Poll::Ready(Some(Err(error)))
                }
            },
        }
    }
}
