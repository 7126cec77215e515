//! Frames of Colyseus 0.14: one byte that says what it is, then a name and MessagePack.
//!
//! Names are written in the game server's own variant of MessagePack, whose lengths stand the other way
//! round (little end first). What a frame carries is JSON to us: bytes and extension types (`undefined` is
//! one) become null.

use rmpv::Value as Packed;
use serde_json::Value;

/// One frame, bytes. Speech would be larger, but is not asked for.
pub(super) const FRAME_BYTES_MAX: usize = 1024 * 1024;
/// Lists within lists of a frame.
const DEPTH_MAX: usize = 32;

const JOIN_ROOM: u8 = 10;
const ERROR: u8 = 11;
const LEAVE_ROOM: u8 = 12;
const ROOM_DATA: u8 = 13;

/// What a server sends.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Frame {
    /// The client is in, and has to say that it knows.
    Joined,
    /// The server refuses.
    Error {
        /// Its code, 4210 to 4216 for its own.
        code: i64,
        /// Why.
        message: String,
    },
    /// The server wants the client to leave.
    Leave,
    /// A message of the room.
    Data {
        /// Its name.
        name: String,
        /// What it carries; null if nothing.
        payload: Value,
    },
    /// State of the room and whatever else concerns only games; nothing for us.
    Other,
}

/// Says that the client knows it is in.
pub(super) fn acknowledge() -> Vec<u8> {
    vec![JOIN_ROOM]
}

/// Says goodbye.
pub(super) fn leave() -> Vec<u8> {
    vec![LEAVE_ROOM]
}

/// A message to the room.
pub(super) fn data(name: &str, payload: &Value) -> Vec<u8> {
    let mut frame = vec![ROOM_DATA];
    write_name(&mut frame, name);
    // Writing to memory cannot fail.
    let _ = rmpv::encode::write_value(&mut frame, &pack(payload));
    frame
}

fn write_name(frame: &mut Vec<u8>, name: &str) {
    match name.len() {
        length @ 0..32 => frame.push(0xa0 | length as u8),
        length @ 32..256 => frame.extend([0xd9, length as u8]),
        length => {
            let length = length.min(u16::MAX.into()) as u16;
            frame.push(0xda);
            frame.extend(length.to_le_bytes());
        }
    }
    frame.extend(name.as_bytes());
}

/// Reads a frame; what is no frame is none.
pub(super) fn read(bytes: &[u8]) -> Option<Frame> {
    let (kind, mut rest) = bytes.split_first()?;
    match *kind {
        JOIN_ROOM => Some(Frame::Joined),
        ERROR => {
            let code = read_number(&mut rest)?;
            let message = read_name(&mut rest).unwrap_or_default();
            Some(Frame::Error { code, message })
        }
        LEAVE_ROOM => Some(Frame::Leave),
        ROOM_DATA => {
            // Names may be numbers; then they are none of ours.
            let Some(name) = read_name(&mut rest) else { return Some(Frame::Other) };
            if rest.is_empty() {
                return Some(Frame::Data { name, payload: Value::Null });
            }
            let packed = rmpv::decode::read_value_with_max_depth(&mut rest, DEPTH_MAX).ok()?;
            Some(Frame::Data { name, payload: unpack(packed) })
        }
        _ => Some(Frame::Other),
    }
}

fn take<'bytes>(bytes: &mut &'bytes [u8], count: usize) -> Option<&'bytes [u8]> {
    let (taken, rest) = bytes.split_at_checked(count)?;
    *bytes = rest;
    Some(taken)
}

/// An unsigned number of `count` bytes, little end first.
fn take_unsigned(bytes: &mut &[u8], count: usize) -> Option<u64> {
    let taken = take(bytes, count)?;
    Some(taken.iter().rev().fold(0, |number, byte| (number << 8) | u64::from(*byte)))
}

fn read_name(bytes: &mut &[u8]) -> Option<String> {
    let mut rest = *bytes;
    let length = match *take(&mut rest, 1)?.first()? {
        prefix @ 0xa0..0xc0 => u64::from(prefix & 0x1f),
        0xd9 => take_unsigned(&mut rest, 1)?,
        0xda => take_unsigned(&mut rest, 2)?,
        0xdb => take_unsigned(&mut rest, 4)?,
        _ => return None,
    };
    let text = take(&mut rest, usize::try_from(length).ok()?)?;
    *bytes = rest;
    Some(String::from_utf8_lossy(text).into_owned())
}

fn read_number(bytes: &mut &[u8]) -> Option<i64> {
    Some(match *take(bytes, 1)?.first()? {
        small @ 0..0x80 => i64::from(small),
        0xca => f32::from_bits(take_unsigned(bytes, 4)? as u32) as i64,
        0xcb => f64::from_bits(take_unsigned(bytes, 8)?) as i64,
        0xcc => take_unsigned(bytes, 1)? as i64,
        0xcd => take_unsigned(bytes, 2)? as i64,
        0xce => take_unsigned(bytes, 4)? as i64,
        0xcf | 0xd3 => take_unsigned(bytes, 8)? as i64,
        0xd0 => i64::from(take_unsigned(bytes, 1)? as i8),
        0xd1 => i64::from(take_unsigned(bytes, 2)? as i16),
        0xd2 => i64::from(take_unsigned(bytes, 4)? as i32),
        negative @ 0xe0.. => i64::from(negative as i8),
        _ => return None,
    })
}

fn pack(value: &Value) -> Packed {
    match value {
        Value::Null => Packed::Nil,
        Value::Bool(value) => Packed::Boolean(*value),
        Value::Number(number) => match (number.as_u64(), number.as_i64(), number.as_f64()) {
            (Some(number), ..) => number.into(),
            (_, Some(number), _) => number.into(),
            (.., number) => number.unwrap_or_default().into(),
        },
        Value::String(text) => text.as_str().into(),
        Value::Array(values) => Packed::Array(values.iter().map(pack).collect()),
        Value::Object(fields) => {
            Packed::Map(fields.iter().map(|(key, value)| (key.as_str().into(), pack(value))).collect())
        }
    }
}

fn unpack(packed: Packed) -> Value {
    match packed {
        Packed::Boolean(value) => value.into(),
        Packed::Integer(number) => match (number.as_u64(), number.as_i64()) {
            (Some(number), _) => number.into(),
            (_, number) => number.into(),
        },
        Packed::F32(number) => f64::from(number).into(),
        Packed::F64(number) => number.into(),
        Packed::String(text) => String::from_utf8_lossy(text.as_bytes()).into_owned().into(),
        Packed::Array(values) => values.into_iter().map(unpack).collect(),
        Packed::Map(fields) => {
            let named = fields.into_iter().filter_map(|(key, value)| {
                let key = match key {
                    Packed::String(key) => key.into_str()?,
                    Packed::Integer(key) => key.to_string(),
                    _ => return None,
                };
                Some((key, unpack(value)))
            });
            Value::Object(named.collect())
        }
        Packed::Nil | Packed::Binary(_) | Packed::Ext(..) => Value::Null,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn bytes(hex: &str) -> Vec<u8> {
        let pairs = (0..hex.len()).step_by(2);
        pairs.map(|place| u8::from_str_radix(&hex[place..place + 2], 16).unwrap()).collect()
    }

    /// Written by the packages `@colyseus/core` 0.14 (server) and `colyseus.js` 0.14 (client).
    #[test]
    fn frames_of_the_real_server_are_read() {
        let cases = [
            ("0a046e6f6e65", Frame::Joined),
            ("0a06736368656d61800102", Frame::Joined),
            (
                "0bcd7710ad6f6e41757468206661696c6564",
                Frame::Error { code: 4215, message: "onAuth failed".into() },
            ),
            (
                "0b00b973656174207265736572766174696f6e20657870697265642e",
                Frame::Error { code: 0, message: "seat reservation expired.".into() },
            ),
            (
                "0da76d65737361676584a16101a16296c3c0d40000fbcb3ff8000000000000a2c3a9a16ecd012ca3626967cf0000001cbe991a14",
                Frame::Data {
                    name: "message".into(),
                    payload: json!({"a": 1, "b": [true, null, null, -5, 1.5, "é"], "n": 300, "big": 123456789012u64}),
                },
            ),
            ("0da6737461747573", Frame::Data { name: "status".into(), payload: Value::Null }),
            (
                "0da76d65737361676581a5617564696fc403010203",
                Frame::Data { name: "message".into(), payload: json!({"audio": null}) },
            ),
            ("0d0780", Frame::Other),
            ("0c", Frame::Leave),
            ("0e0102", Frame::Other),
        ];
        for (hex, frame) in cases {
            assert_eq!(read(&bytes(hex)), Some(frame), "{hex}");
        }
        let long = format!("0dd928{}a26869", "78".repeat(40));
        let name = "x".repeat(40);
        assert_eq!(read(&bytes(&long)), Some(Frame::Data { name, payload: "hi".into() }));
        let long = format!("0dda2c01{}a26869", "79".repeat(300));
        let name = "y".repeat(300);
        assert_eq!(read(&bytes(&long)), Some(Frame::Data { name, payload: "hi".into() }));
    }

    #[test]
    fn frames_are_those_of_the_real_client() {
        let reply = json!({"text": "Hello there", "conversationUuid": "c-1"});
        assert_eq!(
            data("reply", &reply),
            bytes(
                "0da57265706c7982a474657874ab48656c6c6f207468657265b0636f6e766572736174696f6e55756964a3632d31"
            )
        );
        let start = json!({"sceneIndex": 2, "x": -40, "y": 70000, "conversationUuid": "c-1"});
        assert_eq!(
            data("start", &start),
            bytes(
                "0da5737461727484aa7363656e65496e64657802a178d0d8a179ce00011170b0636f6e766572736174696f6e55756964a3632d31"
            )
        );
        for length in [31, 32, 255, 256, 300] {
            let name = "n".repeat(length);
            let read = read(&data(&name, &Value::Null));
            assert_eq!(read, Some(Frame::Data { name, payload: Value::Null }), "{length}");
        }
    }

    #[test]
    fn garbage_is_no_frame_and_never_a_panic() {
        assert_eq!(read(&[]), None);
        for hex in
            ["0b", "0bcd", "0bc1", "0da761", "0dddffffffff", "0da161ddffffffff", "0da161c1", "0da161d9"]
        {
            let _ = read(&bytes(hex));
        }
        let deep = [bytes("0da161"), vec![0x91; 5000]].concat();
        assert_eq!(read(&deep), None);
        let mut seed = 7u32;
        for length in 0..600 {
            let noise = (0..length % 60).map(|_| {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (seed >> 24) as u8
            });
            let noise: Vec<u8> = [(length % 4 + 10) as u8].into_iter().chain(noise).collect();
            let _ = read(&noise);
        }
    }
}
