//! Answers of services as they come: bare sound, JSON in lines, in events, in frames or as a whole.

use base64::Engine as _;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use meddah_inference::http::{LineSplitter, SseParser, TooLong};
use serde_json::Value;

use super::fault;
use super::line::Line;
use super::server::{BODY_BYTES_MAX, PIECE_BYTES_MAX, Server};
use super::sound::SoundReader;
use crate::SpeechError;

/// Whether more is to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Then {
    /// As far as is known.
    More,
    /// The service says that it was all.
    Over,
}

/// Reads one answer.
pub(super) trait Reader: Send {
    /// Bytes as they come; of a socket, one frame.
    fn push(&mut self, server: &Server, bytes: &[u8], line: &mut Line) -> Result<Then, SpeechError>;

    /// Nothing more comes.
    fn finish(&mut self, server: &Server, line: &mut Line) -> Result<(), SpeechError>;
}

/// What a JSON value of a service means.
pub(super) type Meaning = fn(&Server, &Value, &mut Line) -> Result<Then, SpeechError>;

/// Sound without anything around it.
pub(super) struct Bare(SoundReader);

impl Bare {
    pub fn new(rate_hz: u32) -> Bare {
        Bare(SoundReader::new(rate_hz))
    }
}

impl Reader for Bare {
    fn push(&mut self, server: &Server, bytes: &[u8], line: &mut Line) -> Result<Then, SpeechError> {
        let read = self.0.push(bytes).map_err(|why| fault::nonsense(&server.name, why))?;
        line.sound(read.0, &read.1)?;
        Ok(Then::More)
    }

    fn finish(&mut self, _: &Server, _: &mut Line) -> Result<(), SpeechError> {
        Ok(())
    }
}

/// JSON values, one in each line.
pub(super) struct JsonLines {
    lines: LineSplitter,
    meaning: Meaning,
}

impl JsonLines {
    pub fn new(meaning: Meaning) -> JsonLines {
        JsonLines { lines: LineSplitter::up_to(PIECE_BYTES_MAX), meaning }
    }
}

/// Ends the reading of lines.
enum Stop {
    TooLong,
    Error(SpeechError),
}

impl From<TooLong> for Stop {
    fn from(_: TooLong) -> Stop {
        Stop::TooLong
    }
}

impl Stop {
    fn error(self, server: &Server) -> SpeechError {
        match self {
            Stop::TooLong => fault::nonsense(&server.name, "a line without an end"),
            Stop::Error(error) => error,
        }
    }
}

impl JsonLines {
    fn take(
        meaning: Meaning,
        server: &Server,
        text: &str,
        line: &mut Line,
        then: &mut Then,
    ) -> Result<(), Stop> {
        if text.trim().is_empty() || *then == Then::Over {
            return Ok(());
        }
        *then = json(server, text).and_then(|value| meaning(server, &value, line)).map_err(Stop::Error)?;
        Ok(())
    }
}

impl Reader for JsonLines {
    fn push(&mut self, server: &Server, bytes: &[u8], line: &mut Line) -> Result<Then, SpeechError> {
        let (meaning, mut then) = (self.meaning, Then::More);
        let read = self.lines.push(bytes, |text| JsonLines::take(meaning, server, text, line, &mut then));
        read.map_err(|stop: Stop| stop.error(server))?;
        Ok(then)
    }

    fn finish(&mut self, server: &Server, line: &mut Line) -> Result<(), SpeechError> {
        let (meaning, mut then) = (self.meaning, Then::More);
        let read = self.lines.finish(|text| JsonLines::take(meaning, server, text, line, &mut then));
        read.map_err(|stop: Stop| stop.error(server))
    }
}

/// JSON values, one in each event; the service says when it was all.
pub(super) struct JsonEvents {
    events: SseParser,
    meaning: Meaning,
}

impl JsonEvents {
    pub fn new(meaning: Meaning) -> JsonEvents {
        JsonEvents { events: SseParser::up_to(PIECE_BYTES_MAX), meaning }
    }
}

impl Reader for JsonEvents {
    fn push(&mut self, server: &Server, bytes: &[u8], line: &mut Line) -> Result<Then, SpeechError> {
        let events = self.events.push(bytes);
        for event in events.map_err(|_| fault::nonsense(&server.name, "an event without an end"))? {
            if event.data == "[DONE]"
                || (self.meaning)(server, &json(server, &event.data)?, line)? == Then::Over
            {
                return Ok(Then::Over);
            }
        }
        Ok(Then::More)
    }

    fn finish(&mut self, server: &Server, line: &mut Line) -> Result<(), SpeechError> {
        let events = self.events.finish();
        for event in events.map_err(|_| fault::nonsense(&server.name, "an event without an end"))? {
            if (self.meaning)(server, &json(server, &event.data)?, line)? == Then::Over {
                return Ok(());
            }
        }
        Err(broke_off(server))
    }
}

/// JSON values, one in each frame of a socket; the service says when it was all.
pub(super) struct JsonFrames(pub Meaning);

impl Reader for JsonFrames {
    fn push(&mut self, server: &Server, bytes: &[u8], line: &mut Line) -> Result<Then, SpeechError> {
        self.0(server, &json(server, &String::from_utf8_lossy(bytes))?, line)
    }

    fn finish(&mut self, server: &Server, _: &mut Line) -> Result<(), SpeechError> {
        Err(broke_off(server))
    }
}

/// One JSON value.
pub(super) struct WholeJson {
    body: Vec<u8>,
    meaning: Meaning,
}

impl WholeJson {
    pub fn new(meaning: Meaning) -> WholeJson {
        WholeJson { body: Vec::new(), meaning }
    }
}

impl Reader for WholeJson {
    fn push(&mut self, server: &Server, bytes: &[u8], _: &mut Line) -> Result<Then, SpeechError> {
        if self.body.len() + bytes.len() > BODY_BYTES_MAX {
            return Err(fault::nonsense(&server.name, "an answer without an end"));
        }
        self.body.extend_from_slice(bytes);
        Ok(Then::More)
    }

    fn finish(&mut self, server: &Server, line: &mut Line) -> Result<(), SpeechError> {
        let value = json(server, &String::from_utf8_lossy(&self.body))?;
        (self.meaning)(server, &value, line).map(|_| ())
    }
}

fn json(server: &Server, text: &str) -> Result<Value, SpeechError> {
    serde_json::from_str(text).map_err(|_| fault::nonsense(&server.name, "words that are no JSON"))
}

/// The end came without the word that it is the end.
fn broke_off(server: &Server) -> SpeechError {
    SpeechError::new(
        crate::SpeechErrorKind::Network,
        format!("{} broke off in the middle", server.name),
        "Try again, or let another voice speak.",
    )
}

/// Services leave the padding out now and then.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Sound in base64, whose pieces may have heads of their own. No text and `null` are no sound.
pub(super) fn packed_sound(
    server: &Server,
    packed: &Value,
    rate_hz: u32,
    line: &mut Line,
) -> Result<(), SpeechError> {
    let Some(packed) = packed.as_str().filter(|packed| !packed.is_empty()) else { return Ok(()) };
    let bytes =
        BASE64.decode(packed).map_err(|_| fault::nonsense(&server.name, "sound that is no base64"))?;
    let (rate_hz, samples) =
        SoundReader::whole(rate_hz, &bytes).map_err(|why| fault::nonsense(&server.name, why))?;
    line.sound(rate_hz, &samples)
}

/// Numbers of a JSON list; none where it is no list.
pub(super) fn numbers(list: &Value) -> Vec<f64> {
    list.as_array().into_iter().flatten().map(|number| number.as_f64().unwrap_or(f64::NAN)).collect()
}

/// Texts of a JSON list, likewise.
pub(super) fn texts(list: &Value) -> Vec<&str> {
    list.as_array().into_iter().flatten().map(|text| text.as_str().unwrap_or_default()).collect()
}
