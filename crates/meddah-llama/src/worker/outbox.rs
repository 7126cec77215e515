//! The worker's stdout, which carries replies and nothing else.

use std::io::{Stdout, Write, stdout};
use std::sync::{Mutex, PoisonError};

use crate::ffi::exit_now;
use crate::wire::Reply;

/// Where replies go; any thread may send.
pub struct Outbox(Mutex<Stdout>);

impl Outbox {
    /// To the sidecar.
    pub fn new() -> Outbox {
        Outbox(Mutex::new(stdout()))
    }

    /// Sends one. If nobody is there to read it, there is nobody to work for.
    pub fn send(&self, reply: &Reply) {
        let Ok(mut line) = serde_json::to_vec(reply) else { return };
        line.push(b'\n');
        let mut out = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if out.write_all(&line).and_then(|()| out.flush()).is_err() {
            exit_now(0);
        }
    }
}
