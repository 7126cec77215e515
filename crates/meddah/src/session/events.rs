//! The event log of one session: what was said to the game, in order, with a cursor to come back to.
//!
//! One lock guards the log and the cut marks of turns, so that "no line after an interrupt" holds
//! whatever threads do. An event that no reader has fetched yet when its turn is cut is taken back: it
//! was never heard, and the game must not carry it out.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use meddah_protocol::{ErrorCode, Event, EventKind, WireError};
use tokio::sync::watch;

use crate::voice::Voices;

/// Events kept for readers that come back. A turn has about ten.
pub const EVENTS_KEPT_MAX: usize = 4096;
/// Events handed out in one answer.
pub const EVENTS_PER_READ_MAX: usize = 512;

/// What belongs to an event beside its kind.
#[derive(Clone, Debug, Default)]
pub struct EventOrigin {
    /// The turn.
    pub turn: Option<String>,
    /// The request.
    pub req_id: Option<String>,
    /// The character.
    pub character: Option<String>,
}

#[derive(Default)]
struct Inner {
    events: VecDeque<Event>,
    last_seq: u64,
    first_kept_seq: u64,
    delivered_seq: u64,
    /// Turns that were cut and have not ended yet, with what that took back.
    cut_turns: BTreeMap<String, Retracted>,
    /// Turns that are being written down; a cut comes too late for them.
    sealed_turns: BTreeSet<String>,
    closed: bool,
}

/// The log.
pub struct EventLog {
    inner: Mutex<Inner>,
    /// Where the sounds are that events tell of.
    voices: Arc<Voices>,
    newest: watch::Sender<u64>,
}

/// What happened to the lines of a turn when it was cut.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Retracted {
    /// Numbers of the lines that nobody fetched.
    pub lines: BTreeSet<u32>,
    /// Call ids of the actions that nobody fetched.
    pub calls: BTreeSet<String>,
    /// Nobody fetched the feeling either.
    pub emotion: bool,
    /// Nor how the character stands to somebody now.
    pub relationship: bool,
}

impl Default for EventLog {
    fn default() -> Self {
        let inner = Inner { first_kept_seq: 1, ..Inner::default() };
        EventLog { inner: Mutex::new(inner), voices: Arc::default(), newest: watch::Sender::new(0) }
    }
}

impl EventLog {
    /// A log of what these say.
    pub fn new(voices: Arc<Voices>) -> EventLog {
        EventLog { voices, ..EventLog::default() }
    }

    /// Appends an event and returns its seq; `None` if its turn was cut and the event belongs to what
    /// the player would have heard.
    pub fn push(&self, origin: &EventOrigin, kind: EventKind) -> Option<u64> {
        let mut inner = self.lock();
        if is_heard(&kind) && origin.turn.as_ref().is_some_and(|turn| inner.cut_turns.contains_key(turn)) {
            return None;
        }
        if let (EventKind::TurnEnded { .. }, Some(turn)) = (&kind, &origin.turn) {
            inner.cut_turns.remove(turn);
            inner.sealed_turns.remove(turn);
        }
        inner.last_seq += 1;
        let seq = inner.last_seq;
        let EventOrigin { turn, req_id, character } = origin.clone();
        inner.events.push_back(Event { seq, kind, turn, req_id, character });
        if inner.events.len() > EVENTS_KEPT_MAX
            && let Some(dropped) = inner.events.pop_front()
        {
            inner.first_kept_seq = dropped.seq + 1;
        }
        drop(inner);
        self.newest.send_replace(seq);
        Some(seq)
    }

    /// From now on nothing that is heard or done is added for this turn, and what nobody fetched is taken
    /// back. Nothing happens to a turn that is sealed or over: all of it is said already.
    pub fn cut(&self, turn: &str) {
        let mut inner = self.lock();
        let ends = |event: &Event| {
            event.turn.as_deref() == Some(turn) && matches!(event.kind, EventKind::TurnEnded { .. })
        };
        if inner.sealed_turns.contains(turn) || inner.events.iter().rev().any(ends) {
            return;
        }
        let delivered = inner.delivered_seq;
        let mut retracted = inner.cut_turns.remove(turn).unwrap_or_default();
        inner.events.retain(|event| {
            let stays =
                event.seq <= delivered || event.turn.as_deref() != Some(turn) || !is_heard(&event.kind);
            match (&event.kind, stays) {
                (EventKind::Line { line, .. }, false) => {
                    retracted.lines.insert(*line);
                }
                (EventKind::Action { call_id, .. }, false) => {
                    retracted.calls.insert(call_id.clone());
                }
                (EventKind::Emotion { .. }, false) => retracted.emotion = true,
                (EventKind::Relationship { .. }, false) => retracted.relationship = true,
                _ => {}
            }
            stays
        });
        inner.cut_turns.insert(turn.to_owned(), retracted);
    }

    /// The turn has said all it will say: what is in the log now is what is remembered. Returns what a cut
    /// took back, if there was one. The seal ends with the `turn_ended` event.
    pub fn seal(&self, turn: &str) -> Option<Retracted> {
        let mut inner = self.lock();
        inner.sealed_turns.insert(turn.to_owned());
        inner.cut_turns.get(turn).cloned()
    }

    /// The seq of the newest event.
    pub fn cursor(&self) -> u64 {
        self.lock().last_seq
    }

    /// Events after `cursor`, oldest first, at most [`EVENTS_PER_READ_MAX`].
    pub fn after(&self, cursor: u64) -> Result<Vec<Event>, WireError> {
        let mut inner = self.lock();
        if cursor + 1 < inner.first_kept_seq || cursor > inner.last_seq {
            let first = inner.first_kept_seq - 1;
            return Err(WireError::new(
                ErrorCode::CursorExpired,
                format!("cursor {cursor} is not among the kept events ({first} to {})", inner.last_seq),
            )
            .with_help(format!("Go on from cursor {first}, or open a new session.")));
        }
        let start = inner.events.partition_point(|event| event.seq <= cursor);
        let mut events: Vec<Event> =
            inner.events.iter().skip(start).take(EVENTS_PER_READ_MAX).cloned().collect();
        if let Some(last) = events.last() {
            inner.delivered_seq = inner.delivered_seq.max(last.seq);
        }
        drop(inner);
        self.voices.fill(&mut events);
        Ok(events)
    }

    /// Like [`EventLog::after`], but waits up to `wait` for the first event.
    pub async fn wait_after(&self, cursor: u64, wait: Duration) -> Result<Vec<Event>, WireError> {
        let deadline = tokio::time::Instant::now() + wait;
        let mut newest = self.newest.subscribe();
        loop {
            newest.borrow_and_update();
            let events = self.after(cursor)?;
            if !events.is_empty() || self.is_closed() {
                return Ok(events);
            }
            if tokio::time::timeout_at(deadline, newest.changed()).await.is_err() {
                return Ok(Vec::new());
            }
        }
    }

    /// Events of one turn that are still kept, oldest first.
    pub fn of_turn(&self, turn: &str) -> Vec<Event> {
        let mut inner = self.lock();
        let mut events: Vec<Event> =
            inner.events.iter().filter(|event| event.turn.as_deref() == Some(turn)).cloned().collect();
        if let Some(last) = events.last() {
            inner.delivered_seq = inner.delivered_seq.max(last.seq);
        }
        drop(inner);
        self.voices.fill(&mut events);
        events
    }

    /// Waits up to `wait` until a turn's end is in the log. Nothing counts as fetched by that.
    pub async fn wait_for_end(&self, turn: &str, wait: Duration) -> bool {
        let mut newest = self.newest.subscribe();
        let ended = async {
            loop {
                newest.borrow_and_update();
                if self.any_of_turn(turn, |kind| matches!(kind, EventKind::TurnEnded { .. })) {
                    return true;
                }
                if newest.changed().await.is_err() {
                    return false;
                }
            }
        };
        tokio::time::timeout(wait, ended).await.unwrap_or(false)
    }

    /// Whether an event of this turn that is still kept is such a one. Nothing counts as fetched by that.
    pub fn any_of_turn(&self, turn: &str, wanted: impl Fn(&EventKind) -> bool) -> bool {
        let inner = self.lock();
        inner.events.iter().rev().any(|event| event.turn.as_deref() == Some(turn) && wanted(&event.kind))
    }

    /// No event will follow; readers that wait are let go.
    pub fn close(&self) {
        self.lock().closed = true;
        self.newest.send_modify(|_| {});
    }

    /// Whether the session has ended.
    pub fn is_closed(&self) -> bool {
        self.lock().closed
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a cut silences: everything the player hears or sees of the turn, but not its end.
fn is_heard(kind: &EventKind) -> bool {
    matches!(
        kind,
        EventKind::Line { .. }
            | EventKind::Delta { .. }
            | EventKind::Audio { .. }
            | EventKind::Action { .. }
            | EventKind::Emotion { .. }
            | EventKind::Relationship { .. }
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(number: u32) -> EventKind {
        EventKind::Line { line: number, text: "Aye.".into(), emotion: None, narration: false }
    }

    fn of(turn: &str) -> EventOrigin {
        EventOrigin { turn: Some(turn.into()), ..EventOrigin::default() }
    }

    #[test]
    fn a_cut_turn_adds_no_line_and_loses_the_unfetched_ones() {
        let log = EventLog::default();
        log.push(&of("t1"), line(0));
        assert_eq!(log.after(0).unwrap().len(), 1);
        log.push(&of("t1"), line(1));
        log.push(&of("t2"), line(0));
        log.cut("t1");
        assert_eq!(log.push(&of("t1"), line(2)), None);
        assert_eq!(log.seal("t1").unwrap().lines, BTreeSet::from([1]));
        let rest = log.after(1).unwrap();
        assert_eq!(rest.iter().map(|e| e.turn.as_deref()).collect::<Vec<_>>(), [Some("t2")]);
    }

    #[test]
    fn a_cut_comes_too_late_for_a_turn_that_is_written_down() {
        let log = EventLog::default();
        log.push(&of("t1"), line(0));
        assert_eq!(log.seal("t1"), None);
        log.cut("t1");
        assert_eq!(log.after(0).unwrap().len(), 1);
    }

    #[test]
    fn a_cursor_older_than_the_kept_events_is_refused_with_help() {
        let log = EventLog::default();
        for _ in 0..EVENTS_KEPT_MAX + 10 {
            log.push(&EventOrigin::default(), EventKind::Ping);
        }
        let error = log.after(3).unwrap_err();
        assert_eq!(error.code, ErrorCode::CursorExpired);
        assert!(error.help.contains("cursor 10"), "{}", error.help);
        assert_eq!(log.after(10).unwrap().len(), EVENTS_PER_READ_MAX);
    }

    #[tokio::test]
    async fn a_waiting_reader_gets_the_event_and_a_closed_log_lets_it_go() {
        let log = std::sync::Arc::new(EventLog::default());
        let reader = log.clone();
        let waiting = tokio::task::LocalSet::new();
        waiting
            .run_until(async {
                let read = reader.wait_after(0, Duration::from_secs(5));
                let write = async {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    log.push(&EventOrigin::default(), EventKind::Ping);
                };
                let (events, ()) = tokio::join!(read, write);
                assert_eq!(events.unwrap().len(), 1);
                let (events, ()) = tokio::join!(reader.wait_after(1, Duration::from_secs(60)), async {
                    log.close();
                });
                assert!(events.unwrap().is_empty());
            })
            .await;
    }
}
