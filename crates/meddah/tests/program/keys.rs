//! A key goes into its place and comes out nowhere.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use meddah_fakes::services::FakePlayer2;
use serde_json::Value;

use crate::process::{files_with, home, meddah, script, shows};

const SECRET: &str = "sk-live-7f3a9c51d2e84b60";

/// A data folder whose settings touch no keyring, and log everything.
fn quiet(data: &Path) -> Command {
    let mut command = meddah(data);
    command.env("MEDDAH_KEYS", "file").env("MEDDAH_LOG", "trace");
    command
}

/// Everything that the command said, and its exit code. No word of it may have a part of the key.
fn said(mut command: Command, arguments: &[&str], input: &str) -> (i32, String) {
    let mut child = command.args(arguments).stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).ok(); // it may not read
    let Output { status, stdout, stderr } = child.wait_with_output().unwrap();
    let text = String::from_utf8([stdout, stderr].concat()).unwrap();
    assert!(!shows(SECRET, text.as_bytes()), "{arguments:?}: {text}");
    (status.code().unwrap_or(-1), text)
}

#[test]
fn a_key_is_in_its_store_and_nowhere_else() {
    let (folder, world) = home();
    let data = folder.path().join("data");
    let (code, text) = said(quiet(&data), &["key", "set", "openai"], &format!("  {SECRET}\r\n"));
    assert_eq!(code, 0, "{text}");
    let (code, text) = said(quiet(&data), &["key", "list"], "");
    assert!(code == 0 && text.contains("openai  file, since 20"), "{text}");
    let (code, _) = said(quiet(&data), &["key", "allow", "openai", "https://models.example/v1"], "");
    assert_eq!(code, 0);
    let (_, text) = said(quiet(&data), &["key", "list", "--json"], "");
    let listed: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    assert_eq!(listed[0]["allowed"], serde_json::json!(["https://models.example"]));

    let model = script(folder.path(), 0);
    let talk = ["talk", "--world", world.to_str().unwrap(), "--model", &model, "--say", "Hail!"];
    assert_eq!(said(quiet(&data), &talk, "").0, 0);
    for command in [["doctor", "--json"], ["doctor", "--settings"], ["budget", "--json"]] {
        said(quiet(&data), &command, "");
    }
    assert_eq!(files_with(SECRET, &data), ["keys.toml"]);

    assert_eq!(said(quiet(&data), &["key", "remove", "openai"], "").0, 0);
    assert_eq!(files_with(SECRET, &data), Vec::<String>::new());
    assert_eq!(said(quiet(&data), &["key", "remove", "openai"], "").0, 2);
}

#[test]
fn a_key_as_an_argument_is_refused_and_not_shown() {
    let (folder, _) = home();
    let data = folder.path().join("data");
    let as_option = format!("--key={SECRET}");
    let refused = [
        vec!["key", "set", "openai", SECRET],
        vec!["key", "set", SECRET],
        vec!["key", "set", &as_option],
        vec!["key", "set", "openai", "--key", SECRET],
        vec!["key", "set"],
    ];
    for arguments in refused {
        let (code, text) = said(quiet(&data), &arguments, SECRET);
        assert_eq!(code, 2, "{arguments:?}: {text}");
        assert!(text.contains("meddah key set") || text.contains("provider"), "{text}");
    }
    let (code, text) = said(quiet(&data), &["key", "set", "openai"], &format!("{SECRET}\nand more\n"));
    assert!(code == 3 && text.contains("more than one word"), "{text}");
    let (code, _) = said(quiet(&data), &["key", "set", "openai"], &SECRET.repeat(400));
    assert_eq!(code, 3, "it is too long");
    assert_eq!(files_with(SECRET, &data), Vec::<String>::new());
    let (code, text) = said(quiet(&data), &["key", "set", "--help"], "");
    assert!(code == 0 && text.contains("meddah key set NAME"), "{text}");
}

#[test]
fn a_key_of_the_environment_is_listed_without_a_warning() {
    let (folder, _) = home();
    let data = folder.path().join("data");
    let mut command = quiet(&data);
    command.env("MEDDAH_KEY_OPENAI", SECRET);
    let (code, text) = said(command, &["key", "list"], "");
    assert!(code == 0 && text.contains("openai  environment"), "{text}");
    assert!(!text.contains("unknown setting"), "{text}");
    assert_eq!(files_with(SECRET, &data), Vec::<String>::new());
}

#[tokio::test]
async fn a_login_keeps_the_key_that_the_service_hands_out() {
    let (folder, _) = home();
    let (cloud, app) = (FakePlayer2::start_cloud().await, FakePlayer2::start_app().await);
    cloud.approve();
    for (fake, is_app) in [(&cloud, false), (&app, true)] {
        let data = folder.path().join(format!("data {is_app}"));
        let mut login = quiet(&data);
        login.args([
            "key",
            "login",
            "player2",
            "--client-id",
            FakePlayer2::GAME,
            "--base-url",
            &fake.base_url(),
        ]);
        if is_app {
            login.arg("--app");
        }
        let output = tokio::task::spawn_blocking(move || login.output().unwrap()).await.unwrap();
        let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert!(output.status.success() && text.contains("The key player2 is kept"), "{text}");
        assert!(is_app || text.contains(" and type "), "{text}");
        let store = std::fs::read_to_string(data.join("keys.toml")).unwrap();
        assert!(store.contains(FakePlayer2::KEY) && !text.contains(FakePlayer2::KEY), "{text}");
    }
}
