//! A running `meddah`, and what a game says to it.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Mutex;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

pub use crate::model_path::model_path;

/// No wait of a test is longer; a test that hangs fails.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The program, without settings from outside.
pub fn meddah(data: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_meddah"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("MEDDAH_") {
            command.env_remove(name);
        }
    }
    command.env("MEDDAH_DATA", data).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// A key that every sidecar has in its environment.
pub const SIDECAR_KEY: &str = "sk-nobody-needs-this";

/// Runs a command to its end: exit code, standard output, standard error.
pub fn run(data: &Path, arguments: &[&str]) -> (i32, String, String) {
    let Output { status, stdout, stderr } = meddah(data).args(arguments).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (status.code().unwrap_or(-1), text(stdout), text(stderr))
}

const BRAN: &str = "name = \"Bran\"\nrole = \"smith\"\ndescription = \"Bran shoes horses.\"\n";

/// A world with one character and hardly a word, so that a model reads it in no time.
pub fn small_world(folder: &Path) -> PathBuf {
    let world = folder.join("hut");
    std::fs::create_dir_all(world.join("characters")).unwrap();
    std::fs::write(world.join("world.toml"), "name = \"The Hut\"\n").unwrap();
    std::fs::write(world.join("characters/bran.toml"), BRAN).unwrap();
    world
}

/// A file with a scripted model: three lines, a word at a time.
pub fn script(folder: &Path, delay_ms: u64) -> String {
    let path = folder.join("script.toml");
    let text = format!(
        "delay_ms = {delay_ms}\nchunk_chars = 6\n[[reply]]\ntext = \"Good evening. Sit down by the fire. What is it?\"\n"
    );
    std::fs::write(&path, text).unwrap();
    format!("scripted:{}", path.display())
}

/// `meddah serve` on a free port. Killed when dropped.
pub struct Serving {
    child: Mutex<Child>,
    pub pid: u32,
    port: u16,
    http: reqwest::Client,
}

impl Serving {
    pub fn start(data: &Path, world: &Path, model: &str) -> Serving {
        let mut command = meddah(data);
        command.args(["serve", "--model", model]);
        Serving::run(command, world)
    }

    /// With the ladder of the settings.
    pub fn of(mut command: Command, world: &Path) -> Serving {
        command.arg("serve");
        Serving::run(command, world)
    }

    fn run(mut command: Command, world: &Path) -> Serving {
        command.args(["--port", "0", "--world"]).arg(world);
        command.env("MEDDAH_KEY_NOBODY", SIDECAR_KEY);
        let mut child = command.stderr(Stdio::null()).spawn().unwrap();
        let mut line = String::new();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        output.read_line(&mut line).unwrap();
        let ready: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"));
        assert_eq!(ready["ready"], true, "{ready}");
        // Kept open: a program that writes to a closed pipe may end.
        std::thread::spawn(move || output.read_to_end(&mut Vec::new()));
        rustls::crypto::ring::default_provider().install_default().ok(); // the first test of a process does it
        let http = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build().unwrap();
        let pid = child.id();
        Serving {
            child: Mutex::new(child),
            pid,
            port: u16::try_from(ready["port"].as_u64().unwrap()).unwrap(),
            http,
        }
    }

    /// Status and JSON body; an error if the sidecar is gone.
    pub async fn post(&self, path: &str, body: &Value) -> Result<(u16, Value), reqwest::Error> {
        let request = self.http.post(format!("http://127.0.0.1:{}{path}", self.port)).json(body);
        let response = request.send().await?;
        Ok((response.status().as_u16(), response.json().await?))
    }

    pub async fn get(&self, path: &str) -> Result<(u16, Value), reqwest::Error> {
        let response = self.http.get(format!("http://127.0.0.1:{}{path}", self.port)).send().await?;
        Ok((response.status().as_u16(), response.json().await?))
    }

    /// One whole turn.
    pub async fn talk(&self, req_id: &str, text: &str) -> Result<(u16, Value), reqwest::Error> {
        let said = json!({"character": "bran", "player": "Ayla", "text": text, "req_id": req_id});
        self.post("/v1/talk", &said).await
    }

    /// As by a crash or by the system: nothing is tidied up.
    pub fn kill(&self) {
        let mut child = self.child.lock().unwrap();
        child.kill().ok(); // it may have ended
        child.wait().unwrap();
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A data folder with the small world beside it.
pub fn home() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let world = small_world(folder.path());
    (folder, world)
}

/// Whether eight characters of a secret in a row are among the bytes.
pub fn shows(secret: &str, bytes: &[u8]) -> bool {
    secret.as_bytes().windows(8).any(|part| bytes.windows(8).any(|other| other == part))
}

/// Names of the files in the folder and below that have the secret in them.
pub fn files_with(secret: &str, folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files_with(secret, &path));
        } else if shows(secret, &std::fs::read(&path).unwrap()) {
            found.push(path.file_name().unwrap().to_string_lossy().into_owned());
        }
    }
    found
}
