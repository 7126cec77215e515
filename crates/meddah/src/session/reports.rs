//! What a game reports of turns: how actions went, and what was heard of lines.
//!
//! A report amends the entry of its turn, so one that comes while the turn still runs waits for its end.

use std::sync::Arc;

use meddah_engine::goal;
use meddah_engine::timeline::EntryKind;
use meddah_protocol::{ActionResult, ErrorCode, EventKind, WireError};
use tokio::sync::mpsc;

use super::commands::DONE;
use super::{Accepted, Call, Session};
use crate::turn::Turn;
use crate::wire::{invalid, notice};

/// Reports on one running turn.
const REPORTS_MAX: usize = 256;

impl Session {
    pub(super) async fn action_result(&self, result: ActionResult) -> Result<Accepted, WireError> {
        let call_id = result.call_id.clone();
        let turn = call_id.split('.').next().unwrap_or_default();
        let report = EntryKind::ActionResult {
            turn: self.record_id(turn),
            result: ActionResult { call_id: self.record_id(&call_id), ..result },
        };
        let good = matches!(&report, EntryKind::ActionResult { result, .. } if result.ok);
        let done = |action: &str| if good { action.to_owned() } else { String::new() };
        let running = self.state().running.get(turn).map(|running| running.character.clone());
        if let Some(action) = self.called_by_turn(turn, &call_id)
            && self.keep_reports(turn, std::slice::from_ref(&report))?
        {
            let done = done(&action);
            self.pursue(running.as_slice(), goal::Moment { done: &done, ..goal::Moment::default() }).await?;
            return Ok(DONE);
        }
        let call = self.state().calls.iter().find(|call| call.id == call_id).cloned();
        let Some(Call { character, action, .. }) = call else {
            return Err(WireError::new(ErrorCode::UnknownTurn, format!("no action call {call_id:?}"))
                .with_help("Send the `call_id` of the `action` event, in the same session."));
        };
        self.append(report, Some(&character), vec![character.clone()]).await?;
        let done = done(&action);
        self.pursue(&[character], goal::Moment { done: &done, ..goal::Moment::default() }).await?;
        Ok(DONE)
    }

    /// The action of a call, as long as its turn's events are kept.
    fn called_by_turn(&self, turn: &str, call_id: &str) -> Option<String> {
        let events = self.events.of_turn(turn).into_iter();
        let mut names = events.filter_map(|event| match event.kind {
            EventKind::Action { call_id: id, name, .. } if id == call_id => Some(name),
            _ => None,
        });
        names.next()
    }

    pub(super) async fn heard(&self, turn: &str, line: u32, fraction: f32) -> Result<Accepted, WireError> {
        if !(0.0..=1.0).contains(&fraction) {
            return Err(invalid("`fraction` must be 0 to 1", "1 is a line that was heard to its end."));
        }
        self.sounding.heard(turn, line, fraction);
        let report = |line, fraction| EntryKind::Heard { turn: self.record_id(turn), line, fraction };
        let mut reports = vec![report(line, fraction)];
        if fraction < 1.0 {
            // Who stopped in the middle of a line did not hear what comes after it, unless the game says so.
            reports.extend(self.lines_after(turn, line).into_iter().map(|later| report(later, 0.0)));
        }
        if self.keep_reports(turn, &reports)? {
            return Ok(DONE);
        }
        let number = turn.strip_prefix('t').and_then(|number| number.parse::<u64>().ok());
        if number.is_none_or(|number| number == 0 || number > self.state().turns_started) {
            return Err(WireError::new(ErrorCode::UnknownTurn, "there is no such turn in this session")
                .with_help("Send the `turn` of the `line` event, in the same session."));
        }
        self.append_all(reports, None, Vec::new()).await?;
        Ok(DONE)
    }

    /// The lines behind this one, as long as its turn's events are kept.
    fn lines_after(&self, turn: &str, line: u32) -> Vec<u32> {
        let events = self.events.of_turn(turn).into_iter();
        let later = events.filter_map(|event| match event.kind {
            EventKind::Line { line: number, .. } if number > line => Some(number),
            _ => None,
        });
        later.collect()
    }

    /// Takes note of what was heard of lines that this PC plays, if the game leaves that to it.
    pub fn follow_playback(self: &Arc<Self>) {
        if !self.audio.is_some_and(|form| form.played_here) {
            return;
        }
        let (reports, mut heard) = mpsc::channel(REPORTS_MAX);
        self.playback.set(reports).ok(); // a session is opened once
        let session = self.clone();
        self.tasks.spawn(async move {
            loop {
                let report = tokio::select! {
                    () = session.playback_ends.cancelled() => return,
                    report = heard.recv() => report,
                };
                let Some((turn, line, share)) = report else { return };
                // All of it is what is remembered anyway.
                if share < 1.0
                    && let Err(error) = session.heard(&turn, line, share).await
                {
                    session.emit(notice("not_remembered", error));
                }
            }
        });
    }

    /// A turn has ended: what was reported of it while it ran is written down, and results of its actions may come.
    pub(super) async fn turn_is_over(&self, turn: &Turn, calls: Vec<(String, String)>) {
        loop {
            let reports = {
                let mut state = self.state();
                let running =
                    state.running.get_mut(&turn.id).map(|running| std::mem::take(&mut running.reports));
                let reports = running.unwrap_or_default();
                if reports.is_empty() {
                    state.running.remove(&turn.id);
                    for (id, action) in calls {
                        state.expect_result(Call { id, character: turn.character.id.clone(), action });
                    }
                    return;
                }
                reports
            };
            for report in reports {
                let witnesses = report_witnesses(&report, &turn.character.id);
                if let Err(error) = self.append(report, Some(&turn.character.id), witnesses).await {
                    self.emit(notice("not_remembered", error));
                }
            }
        }
    }

    /// Keeps a report on a turn that still runs. `Ok(false)`: it does not run.
    fn keep_reports(&self, turn: &str, reports: &[EntryKind]) -> Result<bool, WireError> {
        let mut state = self.state();
        let Some(running) = state.running.get_mut(turn) else { return Ok(false) };
        if running.reports.len() + reports.len() > REPORTS_MAX {
            return Err(WireError::new(
                ErrorCode::Busy,
                format!("{REPORTS_MAX} reports wait for this turn's end"),
            )
            .with_help("Report a line once, when its playback ends."));
        }
        running.reports.extend_from_slice(reports);
        Ok(true)
    }
}

/// What was heard, everybody heard who was there; how an action went is for whoever did it.
fn report_witnesses(report: &EntryKind, character: &str) -> Vec<String> {
    match report {
        EntryKind::ActionResult { .. } => vec![character.to_owned()],
        _ => Vec::new(),
    }
}
