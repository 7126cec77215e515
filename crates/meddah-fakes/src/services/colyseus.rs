//! Frames as the server of Colyseus 0.14 writes and reads them.

use serde_json::Value;

/// The client is in. The room has no state, so its serializer is called `none`.
pub(super) fn joined() -> Vec<u8> {
    [vec![10, 4], b"none".to_vec()].concat()
}

/// A refusal; code 0 for none.
pub(super) fn error(code: u16, message: &str) -> Vec<u8> {
    let mut frame = vec![11];
    match code {
        0 => frame.push(0),
        code => {
            frame.push(0xcd);
            frame.extend(code.to_le_bytes());
        }
    }
    frame.extend(name(message));
    frame
}

/// A message of the room.
pub(super) fn data(name_of: &str, payload: &Value) -> Vec<u8> {
    let mut frame = vec![13];
    frame.extend(name(name_of));
    if !payload.is_null() {
        frame.extend(rmp_serde::to_vec_named(payload).expect("JSON can be packed"));
    }
    frame
}

fn name(text: &str) -> Vec<u8> {
    let mut bytes = match text.len() {
        length @ 0..32 => vec![0xa0 | length as u8],
        length => vec![0xd9, length as u8],
    };
    bytes.extend(text.as_bytes());
    bytes
}

/// Takes a message apart.
pub(super) fn parse(data: &[u8]) -> Option<(String, Value)> {
    let (prefix, rest) = data.split_first()?;
    let (length, rest) = match prefix {
        0xa1..0xc0 => (usize::from(prefix & 0x1f), rest),
        0xd9 => (usize::from(*rest.first()?), &rest[1..]),
        _ => return None,
    };
    let (name, payload) = rest.split_at_checked(length)?;
    let name = String::from_utf8(name.to_vec()).ok()?;
    let payload = if payload.is_empty() { Value::Null } else { rmp_serde::from_slice(payload).ok()? };
    Some((name, payload))
}
