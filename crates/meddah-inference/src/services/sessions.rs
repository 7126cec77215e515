//! What a service remembers of each conversation: its own session id, kept while the conversation lasts.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OwnedMutexGuard;

/// Conversations whose session is kept; beyond it, the one that was quiet longest begins anew.
const CONVERSATIONS_MAX: usize = 256;

/// One session per conversation. Turns of one conversation wait for each other.
pub(super) struct Sessions<T> {
    held: Mutex<Held<T>>,
}

struct Held<T> {
    by_conversation: HashMap<String, Entry<T>>,
    /// Counts uses; the smallest is the oldest.
    uses: u64,
}

struct Entry<T> {
    session: Arc<tokio::sync::Mutex<T>>,
    used: u64,
}

impl<T: Default> Sessions<T> {
    pub(super) fn new() -> Self {
        Sessions { held: Mutex::new(Held { by_conversation: HashMap::new(), uses: 0 }) }
    }

    /// The conversation's session, once no other turn uses it; an empty one if there is none yet.
    pub(super) async fn enter(&self, conversation: &str) -> OwnedMutexGuard<T> {
        let session = self.find(conversation);
        session.lock_owned().await
    }

    fn find(&self, conversation: &str) -> Arc<tokio::sync::Mutex<T>> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.uses += 1;
        let used = held.uses;
        if let Some(entry) = held.by_conversation.get_mut(conversation) {
            entry.used = used;
            return entry.session.clone();
        }
        if held.by_conversation.len() >= CONVERSATIONS_MAX {
            let oldest = held.by_conversation.iter().min_by_key(|(_, entry)| entry.used);
            if let Some(oldest) = oldest.map(|(conversation, _)| conversation.clone()) {
                held.by_conversation.remove(&oldest);
            }
        }
        let session = Arc::new(tokio::sync::Mutex::new(T::default()));
        held.by_conversation.insert(conversation.to_owned(), Entry { session: session.clone(), used });
        session
    }

    /// Takes the session away. A turn that still runs writes into what nobody will ask for again.
    pub(super) fn forget(&self, conversation: &str) -> Option<Arc<tokio::sync::Mutex<T>>> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.by_conversation.remove(conversation).map(|entry| entry.session)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_session_is_kept_until_it_is_forgotten() {
        let sessions: Sessions<String> = Sessions::new();
        sessions.enter("a").await.push_str("one");
        sessions.enter("b").await.push_str("two");
        assert_eq!(*sessions.enter("a").await, "one");
        assert!(sessions.forget("a").is_some() && sessions.forget("a").is_none());
        assert_eq!(*sessions.enter("a").await, "");
        assert_eq!(*sessions.enter("b").await, "two");
    }

    #[tokio::test]
    async fn the_one_that_was_quiet_longest_makes_room() {
        let sessions: Sessions<u32> = Sessions::new();
        for place in 0..CONVERSATIONS_MAX {
            *sessions.enter(&place.to_string()).await = 7;
        }
        assert_eq!(*sessions.enter("0").await, 7);
        assert_eq!(*sessions.enter("one more").await, 0);
        assert_eq!(*sessions.enter("0").await, 7, "it was used just now");
        assert_eq!(*sessions.enter("1").await, 0, "it was the oldest");
    }

    #[tokio::test]
    async fn a_turn_that_outlives_its_session_does_not_bring_it_back() {
        let sessions: Sessions<u32> = Sessions::new();
        let mut running = sessions.enter("a").await;
        sessions.forget("a");
        *running = 9;
        assert_eq!(*sessions.enter("a").await, 0);
    }
}
