//! Deepgram's socket: what is understood grows with the sound.

use axum::extract::ws::{Message, WebSocket};
use serde_json::{Value, json};

use super::{FakeSpeech, Services, close_with, json as answer_json, key_in_address, receive};
use crate::{Recorded, Transcript};

/// Bytes of sound for each word that it understands: 200 ms of 16 000 numbers in a second.
const BYTES_PER_WORD: usize = 6400;
/// Words of a stretch.
const STRETCH: usize = 2;

pub(super) fn check(asked: &Recorded) -> Option<Transcript> {
    let refuse = |status: &str, code: &str, message: &str| {
        Some(answer_json(status, &json!({"err_code": code, "err_msg": message, "request_id": "r-1"})))
    };
    if asked.header("authorization") != Some(&format!("Token {}", FakeSpeech::KEY)) || key_in_address(asked) {
        return refuse("401 Unauthorized", "INVALID_AUTH", "Invalid credentials.");
    }
    let is_sound = ["model=", "encoding=linear16", "sample_rate=16000", "channels=1"];
    if is_sound.iter().any(|part| !asked.path.contains(part)) {
        return refuse("400 Bad Request", "Bad Request", "unsupported encoding");
    }
    None
}

/// Says "word1 word2 ..." of the sound so far; the key terms behind them.
pub(super) async fn talk(socket: &mut WebSocket, state: &Services, asked: &Recorded) {
    let terms: Vec<String> = asked
        .path
        .split(['?', '&'])
        .filter_map(|pair| pair.strip_prefix("keyterm="))
        .map(|term| term.replace('+', " "))
        .collect();
    let interim = asked.path.contains("interim_results=true");
    let (mut bytes, mut told) = (0, 0);
    while let Some(said) = receive(socket, state).await {
        if let Some(count) =
            said.strip_prefix('<').and_then(|rest| rest.trim_end_matches('>').parse::<usize>().ok())
        {
            bytes += count;
            while told < bytes / BYTES_PER_WORD {
                told += 1;
                let first = (told - 1) / STRETCH * STRETCH + 1;
                let words: Vec<String> = (first..=told).map(|word| format!("word{word}")).collect();
                let is_final = told % STRETCH == 0;
                if (interim || is_final) && send(socket, &results(&words.join(" "), is_final)).await.is_err()
                {
                    return;
                }
            }
            continue;
        }
        let said: Value = serde_json::from_str(&said).unwrap_or_default();
        match said["type"].as_str() {
            Some("KeepAlive") => {}
            Some("CloseStream") => break,
            _ => return close_with(socket, state, 1008, "DATA-0000").await,
        }
    }
    let mut last: Vec<String> = if told % STRETCH > 0 { vec![format!("word{told}")] } else { Vec::new() };
    last.extend(terms);
    send(socket, &results(&last.join(" "), true)).await.ok();
    send(socket, &json!({"type": "Metadata", "request_id": "r-1", "duration": 1.0, "channels": 1}))
        .await
        .ok();
    close_with(socket, state, 1000, "").await;
}

fn results(text: &str, is_final: bool) -> Value {
    json!({
        "type": "Results", "channel_index": [0, 1], "is_final": is_final, "speech_final": false,
        "channel": {"alternatives": [{"transcript": text, "confidence": 0.99, "words": []}]},
    })
}

async fn send(socket: &mut WebSocket, value: &Value) -> Result<(), axum::Error> {
    socket.send(Message::Text(value.to_string().into())).await
}
