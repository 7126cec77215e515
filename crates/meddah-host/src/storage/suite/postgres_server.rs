//! A Postgres server of its own for tests.

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use secrecy::SecretString;
use tokio_postgres::NoTls;

use crate::storage::PostgresSettings;

const SCRIPT: &str = include_str!("postgres_server.sh");
/// Where Debian puts the programs that users do not call.
const DEBIAN: &str = "/usr/lib/postgresql";

/// A running server in a folder of its own. It ends with this program, even if that is killed.
pub struct PostgresServer {
    folder: PathBuf,
    script: Mutex<Script>,
    databases: AtomicU32,
    /// Where it takes encrypted connections.
    port: Option<u16>,
}

/// What a server shows: PEM.
pub struct Identity<'p> {
    pub certificate: &'p str,
    pub key: &'p str,
}

/// Of `postgres`, for connections over the network.
pub const PASSWORD: &str = "a password of tests";

struct Script {
    child: Child,
    words: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl PostgresServer {
    /// The server that all tests of this program share. `None` if there is no Postgres on this machine; that
    /// is said where people see it.
    pub fn shared() -> Option<&'static PostgresServer> {
        static SHARED: OnceLock<Option<PostgresServer>> = OnceLock::new();
        SHARED.get_or_init(PostgresServer::start).as_ref()
    }

    /// A server of one's own, to be stopped and started.
    pub fn start() -> Option<PostgresServer> {
        PostgresServer::start_as(None)
    }

    /// One that takes encrypted connections as well, at `localhost`, and no others there.
    pub fn start_encrypted(identity: &Identity<'_>) -> Option<PostgresServer> {
        PostgresServer::start_as(Some(identity))
    }

    fn start_as(identity: Option<&Identity<'_>>) -> Option<PostgresServer> {
        let Some(programs) = programs() else {
            // Not by a macro: the test harness would keep it to itself.
            let hint = "scripts/install-packages installs it";
            writeln!(io::stderr(), "SKIPPED: no Postgres server on this machine; {hint}").ok();
            return None;
        };
        let mut command = if is_root() {
            // Postgres refuses to run as root.
            let mut command = Command::new("runuser");
            command.args(["-u", "postgres", "--", "sh"]);
            command
        } else {
            Command::new("sh")
        };
        command.args(["-c", SCRIPT, "postgres_server"]).arg(programs).current_dir("/");
        let port = identity.map(|identity| {
            let port = free_port();
            command.arg(port.to_string()).env("MEDDAH_TEST_CERTIFICATE", identity.certificate);
            command.env("MEDDAH_TEST_KEY", identity.key);
            port
        });
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("a shell can be started");
        let (words, answers) = (child.stdin.take(), child.stdout.take().expect("piped"));
        let mut script = Script { child, words, answers: BufReader::new(answers) };
        let folder = PathBuf::from(script.answer().strip_prefix("ready ").expect("the server starts"));
        Some(PostgresServer { folder, script: Mutex::new(script), databases: AtomicU32::new(0), port })
    }

    /// Settings for a new, empty database. Programs that are gone are found out in a moment.
    pub async fn new_database(&self) -> PostgresSettings {
        let name = format!("test_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        let (client, connection) = tokio_postgres::connect(&self.address("postgres"), NoTls)
            .await
            .expect("the server can be reached");
        let create = format!("CREATE DATABASE {name}");
        let password = format!("ALTER USER postgres PASSWORD '{PASSWORD}'");
        let create = async {
            client.batch_execute(&create).await.expect("created");
            if self.port.is_some() {
                client.batch_execute(&password).await.expect("set");
            }
        };
        // The connection works as long as it is waited for beside the statements.
        tokio::select! {
            () = create => {}
            ended = connection => panic!("the connection ended: {ended:?}"),
        }
        Self::settings(&self.address(&name))
    }

    /// Settings for a database that another process has made.
    pub fn settings(address: &str) -> PostgresSettings {
        let gone_after = std::time::Duration::from_secs(3);
        PostgresSettings { gone_after, ..PostgresSettings::new(SecretString::from(address)) }
    }

    fn address(&self, database: &str) -> String {
        let port = self.port.map_or(String::new(), |port| format!(" port={port}"));
        format!("host={} user=postgres dbname={database}{port}", self.folder.display())
    }

    /// Where it takes encrypted connections.
    pub fn port(&self) -> Option<u16> {
        self.port
    }

    /// Stops it as an operator would: transactions are broken off.
    pub fn stop(&self) {
        self.say("stop");
    }

    /// Starts it after a [`stop`](Self::stop).
    pub fn start_again(&self) {
        self.say("start");
    }

    fn say(&self, word: &str) {
        let mut script = self.script.lock().unwrap_or_else(PoisonError::into_inner);
        let words = script.words.as_mut().expect("it runs");
        writeln!(words, "{word}").expect("it listens");
        assert_eq!(script.answer(), format!("{word} done"));
    }
}

impl Script {
    fn answer(&mut self) -> String {
        let mut line = String::new();
        self.answers.read_line(&mut line).expect("it answers");
        line.trim_end().to_owned()
    }
}

impl Drop for PostgresServer {
    fn drop(&mut self) {
        let script = self.script.get_mut().unwrap_or_else(PoisonError::into_inner);
        script.words = None; // its input ends, and it tidies up
        script.child.wait().ok();
    }
}

fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    listener.local_addr().expect("bound").port()
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output();
    id.is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}

/// The folder of `initdb` and `postgres`.
fn programs() -> Option<PathBuf> {
    let versions = std::fs::read_dir(DEBIAN).into_iter().flatten().flatten();
    let debian = versions.map(|version| version.path().join("bin"));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = debian.chain(std::env::split_paths(&path));
    let is_it = |folder: &PathBuf| ["initdb", "postgres"].iter().all(|name| folder.join(name).is_file());
    folders.into_iter().find(is_it)
}
