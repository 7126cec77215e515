//! Sentences as three players say them.

use std::path::Path;

use meddah_speech::{
    LISTEN_RATE_HZ, LocalSpeech, MarkKind, SpeechPiece, SpeechRequest, TextToSpeech as _, VoiceSettings,
};

use crate::scenes::{Clip, Player, Word};

/// What players say to characters. Every second one is for choosing constants.
const SENTENCES: [&str; 24] = [
    "Good evening, I am looking for a room and a hot meal for the night.",
    "Have you seen a tall man with a grey cloak pass through here?",
    "I will give you twelve coins for the sword behind the counter.",
    "Tell me everything that you know about the old tower on the hill.",
    "My brother went into the forest three days ago and he never came back.",
    "Who is the woman that sits alone at the table near the fire?",
    "Keep your voice down, because somebody is listening at the door.",
    "We should leave before the guards find out what happened to the captain.",
    "I do not believe a single word of that story about the dragon.",
    "Could you mend this shield until tomorrow morning, or is that too soon?",
    "The bridge in the north is broken, so we have to take the ferry.",
    "Where did you learn to fight like that with only one hand?",
    "If you help me find the key, half of the treasure is yours.",
    "That is far too much for an apple and a piece of stale bread.",
    "Please tell your mother that I am sorry for what I said yesterday.",
    "I heard that the king is ill and nobody is allowed to see him.",
    "Follow me quietly and do not touch anything on the shelves.",
    "What would you do with a thousand pieces of gold in your pocket?",
    "She promised to meet us at the harbour when the bells ring twice.",
    "Stop right there and put your weapon slowly on the ground.",
    "The potion smells like old fish, are you sure that it still works?",
    "I was born in a small village on the other side of the mountains.",
    "How long does it take to walk from here to the silver mine?",
    "Nobody has come back from that cave since the winter before last.",
];

/// Every sentence by every player.
pub async fn all(voice: &Path) -> Result<Vec<Clip>, Box<dyn std::error::Error>> {
    let name = voice.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let speech = LocalSpeech::new(voice.parent().unwrap_or(Path::new(".")).to_owned(), 2)?;
    let mut clips = Vec::new();
    for (number, text) in SENTENCES.into_iter().enumerate() {
        for player in Player::ALL {
            let (speed, pitch) = player.speed_and_pitch();
            let settings =
                VoiceSettings { voice: Some(name.clone()), speed, pitch, ..VoiceSettings::default() };
            let stream = speech.speak(SpeechRequest { settings, ..SpeechRequest::new(text) }).await?;
            let SpeechPiece { pcm, marks } = SpeechPiece::whole(stream).await?;
            let words = marks.into_iter().filter_map(|mark| match mark.kind {
                MarkKind::Word(bytes) => Some(Word {
                    end: bytes.end,
                    from: mark.at.as_secs_f64(),
                    until: (mark.at + mark.duration).as_secs_f64(),
                }),
                MarkKind::Phoneme(_) => None,
            });
            let words = words.collect();
            clips.push(Clip {
                number,
                player,
                text: text.into(),
                words,
                samples: pcm.resampled(LISTEN_RATE_HZ).samples,
            });
        }
    }
    Ok(clips)
}

/// Writes them down, to listen to or to evaluate again.
pub fn keep(clips: &[Clip], folder: &Path) -> Result<(), Box<dyn std::error::Error>> {
    std::fs::create_dir_all(folder)?;
    std::fs::write(folder.join("clips.json"), serde_json::to_vec(clips)?)?;
    Ok(())
}
