//! Devices as a program meets them. A machine of tests has none, so ALSA is given a file that describes one which
//! takes everything and records silence; and another file that describes nothing.
//!
//! ALSA reads the environment when it is first asked. So each case is this program once more, with one test in it.

#![cfg(all(feature = "devices", target_os = "linux"))]

use std::process::Command;
use std::time::Duration;

use futures::StreamExt as _;
use meddah_speech::devices::{DeviceErrorKind, Loudspeaker, Microphone, PlayError, devices};
use meddah_speech::{LocalSpeech, ROBOT, SpeechRequest, TextToSpeech as _, VoiceSettings};

const CASE: &str = "MEDDAH_TEST_DEVICES_CASE";
/// A device that takes everything at once.
const A_DEVICE: &str = "pcm.!default { type null hint { show on description \"Nowhere\" } }\n";
const NO_DEVICE: &str = "# nothing\n";

/// Runs one case of below in a process of its own.
fn run(case: &str, alsa: &str) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("alsa.conf");
    std::fs::write(&file, alsa).unwrap();
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "case", "--nocapture"])
        .env(CASE, case)
        .env("ALSA_CONFIG_PATH", &file)
        .output()
        .unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{case}: {out}\n{err}");
    assert!(out.contains("1 passed"), "{case}: {out}");
}

#[test]
fn a_line_is_played_to_its_end() {
    run("play", A_DEVICE);
}

#[test]
fn a_line_is_stopped() {
    run("stop", A_DEVICE);
}

#[test]
fn silence_is_recorded() {
    run("record", A_DEVICE);
}

#[test]
fn without_devices_an_error_says_so() {
    run("none", NO_DEVICE);
}

/// Does nothing but where it is told which.
#[tokio::test]
async fn case() {
    match std::env::var(CASE).as_deref() {
        Ok("play") => play().await,
        Ok("stop") => stop().await,
        Ok("record") => record().await,
        Ok("none") => none(),
        _ => {}
    }
}

const TEXT: &str = "Good evening, stranger. Sit down.";

async fn line() -> meddah_speech::SpeechStream {
    let settings = VoiceSettings { voice: Some(ROBOT.into()), ..VoiceSettings::default() };
    let speech = LocalSpeech::new("/nowhere".into(), 1).unwrap();
    speech.speak(SpeechRequest { settings, ..SpeechRequest::new(TEXT) }).await.unwrap()
}

async fn play() {
    let loudspeaker = Loudspeaker::open(None).unwrap();
    let length: Duration =
        line().await.map(|piece| piece.unwrap().pcm.duration()).collect::<Vec<_>>().await.iter().sum();
    for volume in [1.0, 0.3] {
        let heard = loudspeaker.play(line().await, volume).await.unwrap();
        assert!(
            heard.whole && heard.time.abs_diff(length) < Duration::from_millis(20),
            "{heard:?} of {length:?}"
        );
        assert!(heard.text_until >= TEXT.len() - 1, "{heard:?}");
    }
}

async fn stop() {
    let loudspeaker = Loudspeaker::open(None).unwrap();
    // A voice that stops in the middle of a line, as an online one may.
    let piece = line().await.next().await.unwrap().unwrap();
    let unfinished = futures::stream::iter([Ok(piece)]).chain(futures::stream::pending()).boxed();
    let played = loudspeaker.play(unfinished, 1.0);
    let stopped = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        loudspeaker.stop();
    };
    let (heard, ()) = tokio::join!(tokio::time::timeout(Duration::from_secs(2), played), stopped);
    let heard = heard.expect("a stop is heard while the voice is waited for").unwrap();
    assert!(!heard.whole && heard.fraction(TEXT.len()) < 1.0, "{heard:?}");
    assert_eq!(loudspeaker.level(), None);
    let unfinished = || futures::stream::pending().boxed();
    let both =
        async { tokio::join!(loudspeaker.play(unfinished(), 1.0), loudspeaker.play(line().await, 1.0)) };
    let (first, second) = tokio::time::timeout(Duration::from_secs(5), both).await.unwrap();
    assert!(
        !first.unwrap().whole && second.unwrap().whole,
        "the next line takes the place of the one before"
    );
}

async fn record() {
    let mut microphone = Microphone::open(None).unwrap();
    let mut length = Duration::ZERO;
    while length < Duration::from_millis(500) {
        let pcm = microphone.next().await.unwrap();
        assert!(pcm.sample_rate_hz == 16_000 && pcm.samples.iter().all(|sample| *sample == 0.0));
        length += pcm.duration();
    }
    assert!(devices().unwrap().iter().any(|device| device.plays));
}

fn none() {
    let error = Loudspeaker::open(None).err().unwrap();
    assert_eq!((error.kind, error.message.as_str()), (DeviceErrorKind::None, "this PC has no loudspeaker"));
    let error = Microphone::open(None).err().unwrap();
    assert_eq!((error.kind, error.help), (DeviceErrorKind::None, "Plug one in, or go on by text."));
    let error = Loudspeaker::open(Some("Headphones of Ulfric")).err().unwrap();
    assert_eq!(error.kind, DeviceErrorKind::Unknown);
    assert!(PlayError::from(error).to_string().contains("Ulfric"));
}
