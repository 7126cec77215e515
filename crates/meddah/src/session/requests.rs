//! Which request led to which turn, so that a game that asks again does not talk twice.

use std::collections::{HashMap, VecDeque};

/// Requests remembered per session.
pub const REQUESTS_MAX: usize = 1024;

/// The newest [`REQUESTS_MAX`] requests.
#[derive(Default)]
pub struct Requests {
    turns: HashMap<String, String>,
    order: VecDeque<String>,
}

impl Requests {
    /// The turn that answers this request, if it was made before.
    pub fn turn_of(&self, req_id: &str) -> Option<&str> {
        self.turns.get(req_id).map(String::as_str)
    }

    /// Remembers a request.
    pub fn remember(&mut self, req_id: &str, turn: &str) {
        if self.order.len() == REQUESTS_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.turns.remove(&oldest);
        }
        self.turns.insert(req_id.to_owned(), turn.to_owned());
        self.order.push_back(req_id.to_owned());
    }
}
