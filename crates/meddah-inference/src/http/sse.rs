//! Server-sent events (WHATWG HTML, section 9.2), as servers really send them.

use super::{LineSplitter, TooLong};

/// One event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SseEvent {
    /// Empty if it has no `event:` line; [`COMMENT`] for a comment.
    pub name: String,
    /// Its `data:` lines, joined by line feeds.
    pub data: String,
}

/// The name of comments, for who reads them. No event is called so.
pub const COMMENT: &str = ":";

/// Makes events of bytes. Beyond the standard: `[DONE]` ends the event before it even without an empty line,
/// and the last event counts without one too.
#[derive(Debug, Default)]
pub struct SseParser {
    lines: LineSplitter,
    event: Option<SseEvent>,
    comments: bool,
}

const DONE: &str = "[DONE]";

impl SseParser {
    /// For events of at most so many bytes, where a server has sound in them.
    pub fn up_to(event_bytes_max: usize) -> SseParser {
        SseParser { lines: LineSplitter::up_to(event_bytes_max), ..SseParser::default() }
    }

    /// Comments are events, too; the standard passes over them.
    pub fn with_comments() -> SseParser {
        SseParser { comments: true, ..SseParser::default() }
    }

    /// Takes bytes and gives back the events that they complete.
    ///
    /// # Errors
    /// A line or an event beyond the limit.
    pub fn push(&mut self, bytes: &[u8]) -> Result<Vec<SseEvent>, TooLong> {
        let mut events = Vec::new();
        let (pending, most, comments) = (&mut self.event, self.lines.line_bytes_max(), self.comments);
        self.lines.push(bytes, |line| take_line(line, pending, (most, comments), &mut events))?;
        Ok(events)
    }

    /// Nothing more will come.
    ///
    /// # Errors
    /// As [`SseParser::push`].
    pub fn finish(&mut self) -> Result<Vec<SseEvent>, TooLong> {
        let mut events = Vec::new();
        let (pending, most, comments) = (&mut self.event, self.lines.line_bytes_max(), self.comments);
        self.lines.finish(|line| take_line(line, pending, (most, comments), &mut events))?;
        dispatch(pending, &mut events);
        Ok(events)
    }
}

fn take_line(
    line: &str,
    pending: &mut Option<SseEvent>,
    (event_bytes_max, comments): (usize, bool),
    events: &mut Vec<SseEvent>,
) -> Result<(), TooLong> {
    if line.is_empty() {
        dispatch(pending, events);
        return Ok(());
    }
    let (field, value) = line.split_once(':').unwrap_or((line, ""));
    let value = value.strip_prefix(' ').unwrap_or(value);
    match field {
        "data" if value.trim() == DONE => {
            dispatch(pending, events);
            events.push(SseEvent { name: String::new(), data: DONE.to_owned() });
        }
        "data" => {
            let event = pending.get_or_insert_default();
            if event.data.len() + value.len() > event_bytes_max {
                return Err(TooLong);
            }
            if !event.data.is_empty() {
                event.data.push('\n');
            }
            event.data.push_str(value);
        }
        "event" => pending.get_or_insert_default().name = value.to_owned(),
        // Comments have an empty name.
        "" if comments => events.push(SseEvent { name: COMMENT.to_owned(), data: value.to_owned() }),
        // `id`, `retry` and fields that nobody knows mean nothing here.
        _ => {}
    }
    Ok(())
}

fn dispatch(pending: &mut Option<SseEvent>, events: &mut Vec<SseEvent>) {
    // An event without data is none.
    events.extend(pending.take().filter(|event| !event.data.is_empty()));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The events of these bytes, cut after every so many bytes.
    fn events(bytes: &[u8], sizes: &[usize]) -> Vec<(String, String)> {
        let mut parser = SseParser::default();
        let mut events = Vec::new();
        let mut rest = bytes;
        let mut sizes = sizes.iter().cycle();
        while !rest.is_empty() {
            let (piece, after) = rest.split_at(sizes.next().unwrap().min(&rest.len()).to_owned());
            events.extend(parser.push(piece).unwrap());
            rest = after;
        }
        events.extend(parser.finish().unwrap());
        events.into_iter().map(|event| (event.name, event.data)).collect()
    }

    fn check(text: &str, expected: &[(&str, &str)]) {
        let expected: Vec<_> = expected.iter().map(|(n, d)| ((*n).to_owned(), (*d).to_owned())).collect();
        assert_eq!(events(text.as_bytes(), &[usize::MAX]), expected, "{text:?}");
    }

    #[test]
    fn what_servers_send_is_understood() {
        check("data: a\n\ndata: b\n\n", &[("", "a"), ("", "b")]);
        check("event: x\r\ndata: a\r\n\r\n", &[("x", "a")]);
        check("data:a\rdata:b\r\r", &[("", "a\nb")]);
        check(": OPENROUTER PROCESSING\n\n: keep-alive\ndata: a\n\n", &[("", "a")]);
        check("\u{FEFF}data: a\n\n", &[("", "a")]);
        check("event: ping\n\nid: 3\nretry: 1\ndata: a\n\n", &[("", "a")]);
    }

    #[test]
    fn ends_that_break_the_standard_are_understood() {
        check("data: a\n\ndata: [DONE]", &[("", "a"), ("", "[DONE]")]);
        check("data: a\ndata: [DONE]\n", &[("", "a"), ("", "[DONE]")]);
        check("data: a", &[("", "a")]);
        check("data: a\n", &[("", "a")]);
    }

    #[test]
    fn comments_are_events_for_who_reads_them() {
        let mut parser = SseParser::with_comments();
        let events = parser.push(b": queue {}\n\ndata: a\n:b\ndata: c\n\n").unwrap();
        let events: Vec<_> = events.iter().map(|event| (&*event.name, &*event.data)).collect();
        assert_eq!(events, [(COMMENT, "queue {}"), (COMMENT, "b"), ("", "a\nc")]);
    }

    proptest! {
        #[test]
        fn any_chunking_gives_the_same_events(
            lines in prop::collection::vec(
                prop_oneof![
                    Just("data: {\"a\":\"grüße 🍺\"}"), Just(""), Just(": c"), Just("event: e"),
                    Just("data: [DONE]"), Just("data"), Just("nonsense"), Just("data:x"),
                ],
                0..24,
            ),
            end in prop_oneof![Just("\n"), Just("\r"), Just("\r\n")],
            sizes in prop::collection::vec(1usize..9, 1..8),
            mark in any::<bool>(),
        ) {
            let text = lines.join(end);
            let text = if mark { format!("\u{FEFF}{text}") } else { text };
            let whole = events(text.as_bytes(), &[usize::MAX]);
            prop_assert_eq!(&events(text.as_bytes(), &sizes), &whole);
            prop_assert_eq!(&events(text.as_bytes(), &[1]), &whole);
        }

        #[test]
        fn garbage_is_survived(bytes in prop::collection::vec(any::<u8>(), 0..512)) {
            let whole = events(&bytes, &[usize::MAX]);
            prop_assert_eq!(events(&bytes, &[1]), whole);
        }
    }
}
