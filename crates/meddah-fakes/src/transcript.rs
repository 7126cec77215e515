//! Transcripts: what a server sends, byte for byte, with the pauses and cuts in between.
//!
//! ```text
//! # What is odd about this case.
//! HTTP/1.1 200 OK
//! content-type: text/event-stream
//!
//! data: {"choices":[]}
//! @pause 50
//! data: [DONE]
//! @join
//! ```
//!
//! Comments come first, then the status line, headers, an empty line, and the body. Body lines end in LF.
//! Lines that begin with `@` are directives: `@pause MS`, `@cut` (the connection breaks), `@hang` (silence),
//! `@crlf`, `@cr` and `@lf` (how lines end from here on), `@join` (the line before has no end),
//! `@bytes HEX` (those bytes, no end of line), `@repeat N` (the next line, so many times).

use std::time::Duration;

use include_dir::{Dir, include_dir};

static TRANSCRIPTS: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/transcripts");

/// One thing that a server does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Sends bytes of the body.
    Send(Vec<u8>),
    /// Waits.
    Pause(Duration),
    /// Breaks the connection.
    Cut,
    /// Is silent until the client goes.
    Hang,
}

/// What a server sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transcript {
    /// The status line without the protocol, as in `200 OK`.
    pub status: String,
    /// Headers, in order.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub steps: Vec<Step>,
}

/// The transcript of this name.
///
/// # Panics
/// If there is none, or it cannot be read: a test names it.
pub fn transcript(dialect: &str, case: &str) -> Transcript {
    let path = format!("{dialect}/{case}.txt");
    let file = TRANSCRIPTS.get_file(&path).unwrap_or_else(|| panic!("no transcript {path}"));
    let text = file.contents_utf8().unwrap_or_else(|| panic!("{path} is not UTF-8"));
    Transcript::parse(text).unwrap_or_else(|problem| panic!("{path}: {problem}"))
}

/// The names of all transcripts of a dialect.
pub fn case_names(dialect: &str) -> Vec<String> {
    let files = TRANSCRIPTS.get_dir(dialect).into_iter().flat_map(Dir::files);
    let mut names: Vec<String> =
        files.filter_map(|file| Some(file.path().file_stem()?.to_str()?.to_owned())).collect();
    names.sort();
    names
}

impl Transcript {
    /// Reads the text form.
    ///
    /// # Errors
    /// Says what cannot be understood.
    pub fn parse(text: &str) -> Result<Transcript, String> {
        let mut lines = text.lines().skip_while(|line| line.starts_with('#') || line.is_empty());
        let status = lines.next().and_then(|line| line.strip_prefix("HTTP/1.1 "));
        let status = status.ok_or("no status line after the comments")?.to_owned();
        let mut headers = Vec::new();
        for line in lines.by_ref().take_while(|line| !line.is_empty()) {
            let (name, value) = line.split_once(':').ok_or(format!("no header: {line}"))?;
            headers.push((name.trim().to_owned(), value.trim().to_owned()));
        }
        Ok(Transcript { status, headers, steps: body(lines)? })
    }

    /// An answer with this body.
    pub fn answer(status: &str, headers: &[(&str, &str)], body: &str) -> Transcript {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Transcript {
            status: status.to_owned(),
            headers: headers.collect(),
            steps: vec![Step::Send(body.as_bytes().to_vec())],
        }
    }

    /// All bytes of the body, without pauses.
    pub fn body(&self) -> Vec<u8> {
        let sent = self.steps.iter().filter_map(|step| match step {
            Step::Send(bytes) => Some(bytes.as_slice()),
            _ => None,
        });
        sent.collect::<Vec<_>>().concat()
    }
}

fn body<'t>(lines: impl Iterator<Item = &'t str>) -> Result<Vec<Step>, String> {
    let mut steps = Vec::new();
    let mut bytes: Vec<u8> = Vec::new();
    let mut end = "\n";
    let mut times = 1;
    for line in lines {
        let Some(directive) = line.strip_prefix('@') else {
            for _ in 0..std::mem::replace(&mut times, 1) {
                bytes.extend_from_slice(line.as_bytes());
                bytes.extend_from_slice(end.as_bytes());
            }
            continue;
        };
        let (word, argument) = directive.split_once(' ').unwrap_or((directive, ""));
        let number = || argument.trim().parse::<u64>().map_err(|_| format!("no number: {line}"));
        let step = match word {
            "crlf" | "cr" | "lf" => {
                end = [("crlf", "\r\n"), ("cr", "\r"), ("lf", "\n")]
                    .into_iter()
                    .find_map(|(name, end)| (name == word).then_some(end))
                    .unwrap_or("\n");
                None
            }
            "join" => {
                bytes.truncate(bytes.len().saturating_sub(end.len()));
                None
            }
            "bytes" => {
                bytes.extend(hex(argument)?);
                None
            }
            "repeat" => {
                times = number()?;
                None
            }
            "pause" => Some(Step::Pause(Duration::from_millis(number()?))),
            "cut" => Some(Step::Cut),
            "hang" => Some(Step::Hang),
            _ => return Err(format!("unknown directive: {line}")),
        };
        if let Some(step) = step {
            steps.push(Step::Send(std::mem::take(&mut bytes)));
            steps.push(step);
        }
    }
    steps.push(Step::Send(bytes));
    steps.retain(|step| !matches!(step, Step::Send(bytes) if bytes.is_empty()));
    Ok(steps)
}

fn hex(text: &str) -> Result<Vec<u8>, String> {
    let digits = text.split_whitespace().map(|byte| u8::from_str_radix(byte, 16));
    digits.collect::<Result<_, _>>().map_err(|_| format!("no bytes: {text}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directives_are_carried_out() {
        let text = "# Odd.\nHTTP/1.1 200 OK\nA: b\n\nx\n@crlf\ny\n@join\n@bytes 0a ff\n@pause 5\n@repeat 2\nz\n@cut\n";
        let transcript = Transcript::parse(text).unwrap();
        assert_eq!(transcript.status, "200 OK");
        assert_eq!(transcript.headers, [("A".to_owned(), "b".to_owned())]);
        let expected = [
            Step::Send(b"x\ny\n\xFF".to_vec()),
            Step::Pause(Duration::from_millis(5)),
            Step::Send(b"z\r\nz\r\n".to_vec()),
            Step::Cut,
        ];
        assert_eq!(transcript.steps, expected);
    }

    #[test]
    fn every_transcript_can_be_read() {
        let mut count = 0;
        for folder in TRANSCRIPTS.dirs() {
            let dialect = folder.path().to_str().unwrap();
            for case in case_names(dialect) {
                transcript(dialect, &case);
                count += 1;
            }
        }
        assert!(count > 0);
    }
}
