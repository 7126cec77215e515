//! What a player hears at the command line.

use meddah_fakes::speech::FakeSpeech;
use meddah_speech::suite::voice_file;
use serde_json::Value;

use crate::process::{home, meddah, run, script};

/// Samples per second and how many of a file that we wrote: 44 bytes, then 16 bits each.
fn wav(file: &std::path::Path) -> (u32, usize) {
    let bytes = std::fs::read(file).unwrap();
    assert!(bytes.starts_with(b"RIFF"));
    (u32::from_le_bytes(bytes[24..28].try_into().unwrap()), (bytes.len() - 44) / 2)
}

#[test]
fn a_pc_without_a_voice_speaks_all_the_same() {
    let (folder, _) = home();
    let (data, out) = (folder.path().join("data"), folder.path().join("hail.wav"));
    let picture = folder.path().join("hail.png");
    let (code, listed, _) = run(&data, &["voices"]);
    assert!(code == 0 && listed.starts_with("robot  en_US, 16000 Hz"), "{listed}");
    let say = [
        "say",
        "--out",
        out.to_str().unwrap(),
        "--json",
        "--picture",
        picture.to_str().unwrap(),
        "--pronounce",
        "Nrk=NERK",
        "Hail,",
        "Nrk of 12!",
    ];
    let (code, shown, err) = run(&data, &say);
    assert_eq!((code, err.as_str()), (0, ""));
    let shown: Value = serde_json::from_str(&shown).unwrap();
    let words: Vec<&str> =
        shown["words"].as_array().unwrap().iter().map(|word| word["word"].as_str().unwrap()).collect();
    assert_eq!(words, ["Hail", "Nrk", "of", "12"]);
    assert!(shown["visemes"].as_array().unwrap().len() > 8, "{shown}");
    let (rate, samples) = wav(&out);
    let milliseconds = samples as u64 * 1000 / u64::from(rate);
    assert!(shown["duration_ms"].as_u64().unwrap().abs_diff(milliseconds) <= 1, "{shown}");
    assert!(std::fs::read(picture).unwrap().starts_with(b"\x89PNG"));
}

#[test]
fn a_talk_is_spoken_line_by_line() {
    let (folder, world) = home();
    let (data, sounds) = (folder.path().join("data"), folder.path().join("sounds"));
    let model = script(folder.path(), 0);
    let talk = ["talk", "--world", world.to_str().unwrap(), "--model", &model, "--say", "Hail!"];
    let (code, said, err) = run(&data, &[&talk[..], &["--voice", sounds.to_str().unwrap()]].concat());
    assert!(code == 0 && said.contains("Sit down by the fire."), "{said} {err}");
    let mut files: Vec<String> = std::fs::read_dir(&sounds)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    files.sort();
    assert_eq!(files, ["01-bran.wav", "02-bran.wav", "03-bran.wav"]);
    for file in files {
        let (rate, samples) = wav(&sounds.join(file));
        assert!(samples as u32 > rate / 3, "{samples} samples at {rate} Hz");
    }
}

#[test]
fn what_cannot_be_said_leaves_no_file() {
    let (folder, _) = home();
    let (data, out) = (folder.path().join("data"), folder.path().join("no.wav"));
    for (arguments, message) in [
        (&["--voice", "nobody", "Hail."][..], "there is no voice"),
        (&["--speed", "9", "Hail."], "`speed` is 9"),
        (&["--pronounce", "Nrk", "Hail."], "has no `=`"),
        (&["--pronounce", "Nrk=/nrk/", "Hail."], "has no vowel"),
        (&["..."], "there is no word to say"),
    ] {
        let (code, _, err) = run(&data, &[&["say", "--out", out.to_str().unwrap()], arguments].concat());
        assert!(code == 2 && err.contains(message), "{code} {err}");
    }
    assert!(!out.exists());
}

#[test]
fn a_voice_is_imported_listed_used_and_removed() {
    let (folder, _) = home();
    let (data, out, file) = (folder.path().join("data"), folder.path().join("hail.wav"), voice_file());
    let name = file.file_stem().unwrap().to_str().unwrap();
    let (code, _, err) = run(&data, &["models", "import", "--link", file.to_str().unwrap()]);
    assert_eq!(code, 0, "{err}");
    let (_, listed, _) = run(&data, &["models", "list"]);
    assert!(listed.contains(&format!("{name}  63 MB, installed, a voice\n")), "{listed}");
    let (_, voices, _) = run(&data, &["voices"]);
    assert!(voices.starts_with(&format!("{name}  en_US, 22050 Hz\n")), "{voices}");
    let (code, _, err) = run(&data, &["say", "--out", out.to_str().unwrap(), "Hail."]);
    assert_eq!(code, 0, "{err}");
    assert_eq!(wav(&out).0, 22_050);
    let (code, _, err) = run(&data, &["models", "remove", name]);
    assert_eq!(code, 0, "{err}");
    let left: Vec<_> =
        std::fs::read_dir(data.join("models")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, [".lock"], "the description goes with its voice");
}

/// A talk with `--voice` alone, on a PC whose sound system is what this file says. Tells what was written to standard
/// error, and how many files there are.
#[cfg(target_os = "linux")]
fn aloud(alsa: &str) -> (String, usize) {
    let (folder, world) = home();
    let devices = folder.path().join("alsa.conf");
    std::fs::write(&devices, alsa).unwrap();
    let talk = ["talk", "--model", &script(folder.path(), 0), "--say", "Hail!", "--voice", "--world"];
    let mut command = meddah(&folder.path().join("data"));
    command.args(talk).arg(world).current_dir(folder.path()).env("ALSA_CONFIG_PATH", devices);
    let output = command.output().unwrap();
    let err = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{err}");
    assert!(String::from_utf8_lossy(&output.stdout).contains("Sit down by the fire."), "{err}");
    let files = std::fs::read_dir(folder.path().join("said")).map_or(0, Iterator::count);
    (err, files)
}

#[cfg(target_os = "linux")]
#[test]
fn what_cannot_be_played_is_written() {
    let (err, files) = aloud("# no device\n");
    assert!(files == 3 && err.contains("goes into files in the folder `said`"), "{files} {err}");
}

#[cfg(all(target_os = "linux", feature = "devices"))]
#[test]
fn a_talk_is_played_to_its_end() {
    let (err, files) = aloud("pcm.!default { type null hint { show on description \"Nowhere\" } }\n");
    assert_eq!((err.as_str(), files), ("", 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_tells_of_its_voices() {
    let (_folder, data) = home();
    let service = FakeSpeech::start().await;
    let settings = format!(
        "[speech_services.narrator]\nservice = \"elevenlabs\"\nbase_url = \"{}\"\n",
        service.base_url()
    );
    std::fs::write(data.join("meddah.toml"), settings).unwrap();
    let voices = |key: &str| {
        let mut command = meddah(&data);
        command.args(["voices", "--service", "narrator"]).env("MEDDAH_KEY_ELEVENLABS", key);
        let output = command.output().unwrap();
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    let (listed, err) = voices(FakeSpeech::KEY);
    assert!(listed.starts_with("Rachel") && listed.contains("22050 Hz"), "{listed} {err}");
    let (told, err) = voices("a-wrong-key-0123456789");
    assert!(told.starts_with("narrator tells of no voices"), "{told} {err}");
}

#[test]
fn a_service_without_a_key_says_which_command_sets_it() {
    let (folder, _) = home();
    let say = ["say", "--service", "elevenlabs", "--out", "never.wav", "Hail."];
    let (code, _, err) = run(&folder.path().join("data"), &say);
    assert!(code != 0 && err.contains("meddah key set elevenlabs"), "{code} {err}");
    let (code, _, err) = run(&folder.path().join("data"), &["say", "--service", "elevenlab", "Hail."]);
    assert!(code == 2 && err.contains("Did you mean \"elevenlabs\"?"), "{code} {err}");
}
