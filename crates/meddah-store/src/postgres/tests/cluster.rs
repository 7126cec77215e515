//! A database server of the tests' own, in a temporary folder, on a port of its own.

use std::io::Write;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use tempfile::TempDir;

use crate::postgres::PostgresSettings;

/// Where Linux distributions, and then others, keep the server's programs.
const FOLDERS: [&str; 4] =
    ["/usr/lib/postgresql", "/usr/pgsql", "/usr/local/opt/postgresql", "/opt/homebrew/opt/postgresql"];

/// A server that keeps what a killed process leaves, not what a power cut does; it ends with the process that started it.
pub(super) struct Cluster {
    programs: PathBuf,
    folder: PathBuf,
    port: u16,
    /// A shell that waits for this process to end, however it ends, and then stops the server.
    _watcher: Child,
}

impl Cluster {
    /// The server that the tests of this process share. `None` on a machine without one, which is said aloud.
    pub fn shared() -> Option<&'static Cluster> {
        static SHARED: OnceLock<Option<Cluster>> = OnceLock::new();
        SHARED.get_or_init(Cluster::start).as_ref()
    }

    /// A server of a test's own, which may stop it.
    pub fn start() -> Option<Cluster> {
        Cluster::with("fsync = off")
    }

    /// A server of a test's own, with a line of its configuration.
    pub fn with(line: &str) -> Option<Cluster> {
        let Some(programs) = programs() else {
            println!(
                "SKIPPED: no Postgres server on this machine (looked for initdb in {FOLDERS:?} and PATH)"
            );
            return None;
        };
        // Kept beyond this process: the watcher removes it.
        let folder = TempDir::new().expect("a temporary folder").keep();
        if is_root() {
            run(Command::new("chown").arg("postgres").arg(&folder));
        }
        let port =
            TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a port").port();
        let data = folder.join("data");
        run(as_server_user(&programs.join("initdb"))
            .args(["--auth=trust", "--no-sync", "--encoding=UTF8", "--locale=C", "--username=meddah", "-D"])
            .arg(&data));
        let settings = format!(
            "port = {port}\nlisten_addresses = '127.0.0.1'\nunix_socket_directories = ''\nmax_connections = 200\n{line}\n"
        );
        std::fs::File::options()
            .append(true)
            .open(data.join("postgresql.conf"))
            .and_then(|mut file| file.write_all(settings.as_bytes()))
            .expect("configured");
        let watcher = watcher(&programs, &folder);
        let cluster = Cluster { programs, folder, port, _watcher: watcher };
        cluster.control(&["start"]);
        Some(cluster)
    }

    /// Starts or stops the server, as the arguments of `pg_ctl` say, and waits for it.
    pub fn control(&self, arguments: &[&str]) {
        let log = self.folder.join("log");
        run(as_server_user(&self.programs.join("pg_ctl"))
            .args(["-w", "-D"])
            .arg(self.folder.join("data"))
            .arg("-l")
            .arg(log)
            .args(arguments));
    }

    /// The same database, and a schema that nobody has used yet.
    pub fn empty(&self) -> PostgresSettings {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let schema = format!("test_{}", NEXT.fetch_add(1, Ordering::Relaxed));
        self.settings().with_schema(&schema).expect("a name")
    }

    pub fn settings(&self) -> PostgresSettings {
        PostgresSettings::new(&self.address()).expect("an address")
    }

    /// The number of the server's first process.
    pub fn postmaster(&self) -> String {
        let text = std::fs::read_to_string(self.folder.join("data/postmaster.pid")).expect("it runs");
        text.lines().next().expect("a number").to_owned()
    }

    pub fn address(&self) -> String {
        format!("host=127.0.0.1 port={} user=meddah dbname=postgres", self.port)
    }
}

/// Its input ends with this process, even with one that is killed.
fn watcher(programs: &Path, folder: &Path) -> Child {
    Command::new("sh")
        .args(["-c", "trap '' INT TERM HUP; cat > /dev/null; \"$@\" > /dev/null 2>&1; rm -rf \"$0\""])
        .arg(folder)
        .args(words(&as_server_user(&programs.join("pg_ctl"))))
        .args(["-m", "immediate", "stop", "-D"])
        .arg(folder.join("data"))
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("a shell")
}

fn words(command: &Command) -> Vec<&std::ffi::OsStr> {
    std::iter::once(command.get_program()).chain(command.get_args()).collect()
}

/// The server refuses to run as root.
fn as_server_user(program: &Path) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("runuser");
    command.args(["-u", "postgres", "--"]).arg(program).current_dir("/");
    command
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output().expect("`id` runs");
    id.stdout.trim_ascii() == b"0"
}

fn run(command: &mut Command) {
    // Into no pipe of ours: a server that stays would hold it open.
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    assert!(status.expect("started").success(), "failed: {command:?}");
}

/// The folder of the newest server's programs.
fn programs() -> Option<PathBuf> {
    let versions = FOLDERS.iter().filter_map(|folder| std::fs::read_dir(folder).ok()).flatten().flatten();
    let mut found: Vec<PathBuf> = versions.map(|version| version.path().join("bin")).collect();
    found.extend(FOLDERS.iter().map(|folder| Path::new(folder).join("bin")));
    found.sort();
    let in_path = std::env::var_os("PATH").unwrap_or_default();
    let mut all = found.into_iter().rev().chain(std::env::split_paths(&in_path));
    all.find(|folder| folder.join("initdb").is_file() && folder.join("pg_ctl").is_file())
}
