//! Replies that are being made, for mods that look in or call it off by a key of their own.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::StreamExt as _;
use meddah_inference::TokenUsage;
use tokio_util::sync::CancellationToken;

use crate::compat::reply::{Piece, Pieces, Why};

/// All that run.
#[derive(Default)]
pub(super) struct Running {
    inner: Arc<Mutex<BTreeMap<u64, One>>>,
    made: AtomicU64,
}

struct One {
    key: String,
    text: String,
    cancel: CancellationToken,
}

/// Takes a reply off the list when its reader is gone.
struct Listed {
    inner: Arc<Mutex<BTreeMap<u64, One>>>,
    number: u64,
}

impl Drop for Listed {
    fn drop(&mut self) {
        lock(&self.inner).remove(&self.number);
    }
}

impl Running {
    /// The same reply, on the list while it runs. Called off, it ends with what was said until then.
    pub fn watch(&self, key: &str, pieces: Pieces) -> Pieces {
        let number = self.made.fetch_add(1, Ordering::Relaxed);
        let cancel = CancellationToken::new();
        let one = One { key: key.to_owned(), text: String::new(), cancel: cancel.clone() };
        lock(&self.inner).insert(number, one);
        let listed = Listed { inner: self.inner.clone(), number };
        let state = Some((pieces, listed, cancel));
        futures::stream::unfold(state, |state| async move {
            let (mut pieces, listed, cancel) = state?;
            let piece = tokio::select! {
                biased;
                () = cancel.cancelled() => {
                    let usage = TokenUsage::default();
                    return Some((Ok(Piece::End { why: Why::Stop, usage }), None));
                }
                piece = pieces.next() => piece?,
            };
            if let (Ok(Piece::Text(text)), Some(one)) = (&piece, lock(&listed.inner).get_mut(&listed.number))
            {
                one.text.push_str(text);
            }
            Some((piece, Some((pieces, listed, cancel))))
        })
        .boxed()
    }

    /// What the reply with this key says so far; without a key, the newest.
    pub fn text(&self, key: &str) -> String {
        let running = lock(&self.inner);
        let fits = running.values().rev().find(|one| key.is_empty() || one.key == key);
        fits.map(|one| one.text.clone()).unwrap_or_default()
    }

    /// Calls off the replies with this key; without a key, those that have none either.
    pub fn abort(&self, key: &str) -> bool {
        let running = lock(&self.inner);
        let found: Vec<&One> = running.values().filter(|one| one.key == key).collect();
        found.iter().for_each(|one| one.cancel.cancel());
        !found.is_empty()
    }

    /// How many run.
    pub fn count(&self) -> usize {
        lock(&self.inner).len()
    }

    /// How many were begun since the start.
    pub fn made(&self) -> u64 {
        self.made.load(Ordering::Relaxed)
    }
}

fn lock(inner: &Mutex<BTreeMap<u64, One>>) -> MutexGuard<'_, BTreeMap<u64, One>> {
    inner.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_reply_can_be_looked_at_and_called_off() {
        let running = Running::default();
        let words = futures::stream::iter([Ok(Piece::Text("One ".into())), Ok(Piece::Text("two".into()))]);
        let mut pieces = running.watch("k", words.chain(futures::stream::pending()).boxed());
        pieces.next().await.unwrap().unwrap();
        pieces.next().await.unwrap().unwrap();
        assert_eq!(
            (running.text("k"), running.text(""), running.count()),
            ("One two".into(), "One two".into(), 1)
        );
        assert!(!running.abort("other") && running.abort("k"));
        assert!(matches!(pieces.next().await, Some(Ok(Piece::End { why: Why::Stop, .. }))));
        assert!(pieces.next().await.is_none());
        assert_eq!((running.count(), running.made()), (0, 1));
    }
}
