//! What people see: colour on a terminal, plain text elsewhere. `--json` is printed by nobody else.

use std::io::Write as _;

use anstyle::{AnsiColor, Style};
use meddah_protocol::{Event, EventKind, Finish, GoalProgress};

const NAME: Style = AnsiColor::Yellow.on_default().bold();
const NARRATION: Style = Style::new().italic().dimmed();
const ASIDE: Style = Style::new().dimmed();
const ACTION: Style = AnsiColor::Cyan.on_default();
const PROBLEM: Style = AnsiColor::Red.on_default().bold();
const CAUTION: Style = AnsiColor::Yellow.on_default();

/// A line on standard output; a closed pipe is no reason to stop.
pub fn line(text: &str) {
    let mut out = anstream::stdout().lock();
    writeln!(out, "{text}").and_then(|()| out.flush()).ok(); // the reader left
}

/// Text without a newline, at once.
pub fn prompt(text: &str) {
    let mut out = anstream::stdout().lock();
    write!(out, "{text}").and_then(|()| out.flush()).ok(); // the reader left
}

/// A problem, on standard error.
pub fn failure(message: &str) {
    let mut out = anstream::stderr().lock();
    writeln!(out, "{PROBLEM}meddah:{PROBLEM:#} {message}").ok(); // nobody reads it
}

/// Something to know, on standard error.
pub fn warning(message: &str) {
    let mut out = anstream::stderr().lock();
    writeln!(out, "{CAUTION}meddah: warning:{CAUTION:#} {message}").ok(); // nobody reads it
}

/// How far something is, on standard error.
pub fn note(message: &str) {
    let mut out = anstream::stderr().lock();
    writeln!(out, "{ASIDE}{message}{ASIDE:#}").ok(); // nobody reads it
}

/// An event as one line of JSON.
pub fn json(event: &Event) {
    match serde_json::to_string(event) {
        Ok(text) => line(&text),
        Err(error) => failure(&format!("cannot print an event: {error}")),
    }
}

/// An event for a person.
pub fn event(event: &Event, name: &str) {
    match &event.kind {
        EventKind::Line { text, narration: true, .. } => line(&format!("{NARRATION}* {text}{NARRATION:#}")),
        EventKind::Line { text, .. } => line(&format!("{NAME}{name}:{NAME:#} {text}")),
        EventKind::Emotion { label, .. } => line(&format!("{ASIDE}({label}){ASIDE:#}")),
        EventKind::Action { name, arguments, target, .. } => {
            let arguments = serde_json::Value::Object(arguments.clone());
            let target = target.as_ref().map(|target| format!(" → {target}")).unwrap_or_default();
            line(&format!("{ACTION}[{name} {arguments}{target}]{ACTION:#}"));
        }
        EventKind::Goal { goal, progress, text } => {
            let word = match progress {
                GoalProgress::Active => "wants",
                GoalProgress::Reached => "reached",
                GoalProgress::Failed => "gave up",
            };
            line(&format!("{ACTION}[goal: {word} {goal}]{ACTION:#}"));
            if let Some(text) = text {
                line(&format!("{NARRATION}* {text}{NARRATION:#}"));
            }
        }
        EventKind::Notice { message, help, .. } => warning(&format!("{message}. {help}")),
        EventKind::Error(error) => failure(&format!("{}\n{}", error.message, error.help)),
        EventKind::TurnEnded { finish: Finish::Failed, error: Some(error), .. } => {
            failure(&format!("{}\n{}", error.message, error.help));
        }
        EventKind::TurnEnded { finish: Finish::Interrupted, .. } => line(&format!("{ASIDE}—{ASIDE:#}")),
        _ => {}
    }
}

/// Dimmed text.
pub fn aside(text: &str) {
    line(&format!("{ASIDE}{text}{ASIDE:#}"));
}
