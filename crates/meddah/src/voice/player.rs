//! Lines that this PC plays itself, for games that cannot play a file: one after another, until somebody cuts in.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use meddah_protocol::WireError;
use meddah_speech::{Mark, Pcm};
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinSet;

use super::sounding::Sounding;

/// Lines that wait to be played, of all games.
const LINES_WAITING_MAX: usize = 256;

/// Plays a line at a time.
#[async_trait]
pub trait LinePlayer: Send + Sync {
    /// Plays a line and returns which share of it was heard, 0 to 1, when it is over or was stopped.
    async fn play(&self, line: &LineToPlay) -> Result<f32, WireError>;

    /// Ends the line that plays, within 50 ms.
    fn stop(&self);
}

/// What was heard of a line: turn, line, share.
pub type HeardReport = (String, u32, f32);

/// A line that waits for its turn.
pub struct LineToPlay {
    /// Which game's it is.
    pub session: String,
    /// The turn.
    pub turn: String,
    /// Its number in the turn.
    pub line: u32,
    /// Its words, for how much of them was heard.
    pub text: String,
    /// Its sound.
    pub pcm: Pcm,
    /// When each word of it is spoken.
    pub marks: Vec<Mark>,
    /// Where to tell what was heard.
    pub reports: mpsc::Sender<HeardReport>,
    /// What a microphone may hear of it.
    pub(crate) sounding: Arc<Sounding>,
}

/// The lines that wait, and the task that plays them.
pub struct Player {
    device: Arc<dyn LinePlayer>,
    queue: Arc<Queue>,
    /// Dropping it ends the task.
    _task: JoinSet<()>,
}

#[derive(Default)]
struct Queue {
    lines: Mutex<Lines>,
    added: Notify,
    /// A line is over, or will not be played.
    done: Notify,
}

#[derive(Default)]
struct Lines {
    waiting: VecDeque<LineToPlay>,
    /// Whose line plays now.
    playing: Option<String>,
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, Lines> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn next(&self) -> LineToPlay {
        loop {
            let added = self.added.notified();
            {
                let mut lines = self.lock();
                if let Some(line) = lines.waiting.pop_front() {
                    lines.playing = Some(line.session.clone());
                    return line;
                }
            }
            added.await;
        }
    }
}

impl Player {
    /// Plays with this.
    pub fn new(device: Arc<dyn LinePlayer>) -> Player {
        let queue = Arc::<Queue>::default();
        let mut task = JoinSet::new();
        task.spawn(play(device.clone(), queue.clone()));
        Player { device, queue, _task: task }
    }

    /// Plays a line after those that wait.
    pub fn add(&self, line: LineToPlay) {
        let mut lines = self.queue.lock();
        if lines.waiting.len() < LINES_WAITING_MAX {
            lines.waiting.push_back(line);
        }
        drop(lines);
        self.queue.added.notify_one();
    }

    /// Waits until no line of this game waits or plays.
    pub async fn played(&self, session: &str) {
        loop {
            let done = self.queue.done.notified();
            tokio::pin!(done);
            done.as_mut().enable(); // or a line that ends now would be missed
            {
                let lines = self.queue.lock();
                let is_waiting = lines.waiting.iter().any(|line| line.session == session);
                if !is_waiting && lines.playing.as_deref() != Some(session) {
                    return;
                }
            }
            done.await;
        }
    }

    /// Nothing more of this game is heard; what waits was not heard at all.
    pub fn stop(&self, session: &str) {
        let (dropped, playing): (VecDeque<LineToPlay>, bool) = {
            let mut lines = self.queue.lock();
            let waiting = std::mem::take(&mut lines.waiting);
            let (dropped, kept) = waiting.into_iter().partition(|line| line.session == session);
            lines.waiting = kept;
            (dropped, lines.playing.as_deref() == Some(session))
        };
        if playing {
            self.device.stop();
        }
        self.queue.done.notify_waiters();
        for line in dropped {
            line.reports.try_send((line.turn, line.line, 0.0)).ok(); // nobody may be there any more
        }
    }
}

async fn play(device: Arc<dyn LinePlayer>, queue: Arc<Queue>) {
    loop {
        let line = queue.next().await;
        line.sounding.begins(&line.turn, line.line, &line.pcm);
        let heard = device.play(&line).await;
        line.sounding.heard(&line.turn, line.line, heard.as_ref().copied().unwrap_or(0.0));
        queue.lock().playing = None;
        queue.done.notify_waiters();
        match heard {
            Ok(heard) => {
                line.reports.send((line.turn, line.line, heard)).await.ok(); // likewise
            }
            Err(error) => tracing::warn!("a line cannot be played: {} {}", error.message, error.help),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// A line takes 50 ms, unless it is stopped.
    #[derive(Default)]
    struct ScriptedPlayer {
        stopped: Notify,
        played: Mutex<Vec<String>>,
    }

    #[async_trait]
    impl LinePlayer for ScriptedPlayer {
        async fn play(&self, line: &LineToPlay) -> Result<f32, WireError> {
            self.played.lock().unwrap().push(line.text.clone());
            tokio::select! {
                () = tokio::time::sleep(Duration::from_millis(50)) => Ok(1.0),
                () = self.stopped.notified() => Ok(0.5),
            }
        }

        fn stop(&self) {
            self.stopped.notify_one();
        }
    }

    fn line(session: &str, line: u32, reports: &mpsc::Sender<HeardReport>) -> LineToPlay {
        LineToPlay {
            session: session.into(),
            turn: "t1".into(),
            line,
            text: format!("{session}{line}"),
            pcm: Pcm::default(),
            marks: Vec::new(),
            reports: reports.clone(),
            sounding: Arc::default(),
        }
    }

    #[tokio::test]
    async fn lines_are_played_in_order_and_told_of() {
        let device = Arc::new(ScriptedPlayer::default());
        let player = Player::new(device.clone());
        let (reports, mut heard) = mpsc::channel(8);
        (0..3).for_each(|number| player.add(line("a", number, &reports)));
        for number in 0..3 {
            assert_eq!(heard.recv().await, Some(("t1".into(), number, 1.0)));
        }
        assert_eq!(*device.played.lock().unwrap(), ["a0", "a1", "a2"]);
        player.played("a").await; // all of it was
        (3..5).for_each(|number| player.add(line("a", number, &reports)));
        player.played("a").await;
        assert_eq!(device.played.lock().unwrap().len(), 5);
    }

    #[tokio::test]
    async fn who_is_cut_short_is_silent_and_others_go_on() {
        let device = Arc::new(ScriptedPlayer::default());
        let player = Player::new(device.clone());
        let (reports, mut heard) = mpsc::channel(8);
        player.add(line("a", 0, &reports));
        player.add(line("a", 1, &reports));
        player.add(line("b", 0, &reports));
        tokio::time::sleep(Duration::from_millis(20)).await;
        player.stop("a");
        assert_eq!(heard.recv().await, Some(("t1".into(), 1, 0.0)), "it never began");
        assert_eq!(heard.recv().await, Some(("t1".into(), 0, 0.5)));
        assert_eq!(heard.recv().await, Some(("t1".into(), 0, 1.0)));
        assert_eq!(*device.played.lock().unwrap(), ["a0", "b0"]);
    }
}
