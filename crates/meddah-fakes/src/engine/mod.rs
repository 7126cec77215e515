//! A made-up engine with real slots: an HTTP server that answers as llama-server does, but thinks nothing.
//!
//! Requests wait in one first-come queue for a slot, pay for their prompt in time, and then get words at a
//! fixed pace. So a client that sends more than there are slots sees the delays that it would see at a real
//! engine. Faults are switched while it runs, from the program or by `POST /fault`.

mod chat;
mod facts;
mod fault;
mod request;
mod server;
mod slots;
mod words;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use fault::Fault;
pub use slots::Figures;

use slots::Slots;

/// What an engine is like.
#[derive(Clone, Debug)]
pub struct EngineShape {
    /// Requests that it works on at a time; at least 1.
    pub slots: usize,
    /// Time for each token of the prompt that is not cached.
    pub prefill: Duration,
    /// Time from one token of the answer to the next.
    pub token: Duration,
    /// Tokens of prompt and answer together.
    pub context_tokens: u32,
    /// The name of its one model.
    pub model: String,
    /// It wants this key, if any.
    pub key: Option<String>,
}

impl Default for EngineShape {
    fn default() -> Self {
        EngineShape {
            slots: 4,
            prefill: Duration::from_micros(100),
            token: Duration::from_millis(2),
            context_tokens: 8192,
            model: "fake".into(),
            key: None,
        }
    }
}

/// An engine on this computer. Dropping it breaks all its connections, as a crash would.
pub struct FakeEngine {
    /// Its address, without a path.
    pub base_url: String,
    state: Arc<State>,
    end: CancellationToken,
}

pub(crate) struct State {
    pub shape: EngineShape,
    pub slots: Arc<Slots>,
    pub fault: fault::Switch,
    pub tasks: TaskTracker,
}

impl FakeEngine {
    /// Starts one on a free port.
    pub async fn start(shape: EngineShape) -> FakeEngine {
        FakeEngine::start_on(shape, 0).await
    }

    /// Starts one on this port, for example where another was before.
    pub async fn start_on(shape: EngineShape, port: u16) -> FakeEngine {
        let listener = server::listen(port).await;
        let address: SocketAddr = listener.local_addr().expect("the port");
        let state = Arc::new(State {
            slots: Slots::new(shape.slots),
            shape,
            fault: fault::Switch::default(),
            tasks: TaskTracker::new(),
        });
        let end = CancellationToken::new();
        let serving = server::serve(listener, state.clone(), end.clone());
        state.tasks.spawn(serving);
        FakeEngine { base_url: format!("http://{address}"), state, end }
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.base_url.rsplit(':').next().and_then(|port| port.parse().ok()).expect("the port")
    }

    /// From now on, also in answers that are under way, this goes wrong.
    pub fn set_fault(&self, fault: Fault) {
        self.state.fault.set(Some(fault));
    }

    /// All is well again.
    pub fn clear_fault(&self) {
        self.state.fault.set(None);
    }

    /// What it has done so far.
    pub fn figures(&self) -> Figures {
        self.state.slots.figures()
    }

    /// Waits until the figures are as wanted.
    ///
    /// # Errors
    /// The figures after `wait`.
    pub async fn wait_for(
        &self,
        wait: Duration,
        wanted: impl Fn(&Figures) -> bool,
    ) -> Result<Figures, Figures> {
        let until = tokio::time::Instant::now() + wait;
        loop {
            let figures = self.figures();
            if wanted(&figures) {
                return Ok(figures);
            }
            if tokio::time::Instant::now() >= until {
                return Err(figures);
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// Breaks all connections, and waits until the port is free.
    pub async fn stop(self) {
        self.end.cancel();
        self.state.tasks.close();
        self.state.tasks.wait().await;
    }
}

impl Drop for FakeEngine {
    fn drop(&mut self) {
        self.end.cancel();
    }
}
