//! `meddah doctor`: looks at everything that usually goes wrong, before it does, and says what to do.
//!
//! It knows nothing of the rest of the program. What is to be looked at comes in as arguments, so that each
//! answer can be tested on a machine that does not exist.

mod speech;

use std::io::{self, Read as _, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use indicatif::DecimalBytes;
use serde::Serialize;

use crate::embedder::Standing;
use crate::models::{InspectFn, Inspected};

pub use speech::{DevicesFound, Speech, check as check_speech};

/// For whoever listens on the port to take the connection and to answer.
const PORT_TIMEOUT: Duration = Duration::from_millis(500);
/// More of an answer is not needed to know who gives it.
const ANSWER_BYTES_MAX: u64 = 4096;
/// Less free disk space is worth a word, bytes.
const DISK_LOW_BYTES: u64 = 2_000_000_000;
/// With less, conversations cannot be kept for long, bytes.
const DISK_FULL_BYTES: u64 = 100_000_000;
/// Memory of a model's process besides weights and attention cache, bytes.
const PROCESS_BYTES: u64 = 200_000_000;
/// What a game wants for itself, bytes.
const GAME_BYTES: u64 = 3_000_000_000;

/// How a check came out; the worst one is the doctor's verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Nothing to do.
    Ok,
    /// It works, but not as well as it could.
    Warning,
    /// It does not work.
    Problem,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What: one word.
    pub name: &'static str,
    /// How it came out.
    pub status: Status,
    /// What was found.
    pub message: String,
    /// What a player can do; empty if there is nothing to do.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub help: String,
}

/// The model that would be used.
#[derive(Clone, Debug)]
pub enum Model {
    /// This file.
    File(PathBuf),
    /// None is installed and none is named.
    Missing,
    /// One is named that cannot be used.
    Unusable {
        /// Why.
        message: String,
        /// What to do.
        help: String,
    },
    /// It does not run from a file on this PC.
    Elsewhere(String),
}

/// What the machine has.
#[derive(Clone, Debug, Default)]
pub struct Machine {
    /// Processor features that local models need and that are missing.
    pub cpu_missing: Vec<&'static str>,
    /// `None` if the system does not say.
    pub memory: Option<Memory>,
    /// Free space in the data folder, bytes; `None` if the system does not say.
    pub disk_free_bytes: Option<u64>,
}

/// Working memory, bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    /// All of it.
    pub total_bytes: u64,
    /// What is free or would be freed.
    pub available_bytes: u64,
}

/// Everything to look at.
#[derive(Clone, Debug)]
pub struct Inputs<'a> {
    /// Of the program.
    pub version: &'a str,
    /// Version of the contract with games.
    pub protocol: u32,
    /// The data folder.
    pub data_dir: &'a Path,
    /// Where games find the sidecar; 0 takes a free port.
    pub port: u16,
    /// The model in use.
    pub model: Model,
    /// Reads a model's header.
    pub inspect: InspectFn,
    /// What finds memories by what they mean.
    pub embedder: Standing,
    /// Tries an embedder's file out.
    pub try_embedder: fn(&Path) -> Result<(), String>,
    /// Tokens kept by all conversations at once.
    pub kv_tokens: u64,
    /// What the machine has.
    pub machine: Machine,
}

impl Machine {
    /// Looks at this machine.
    pub fn detect(data_dir: &Path) -> Machine {
        Machine {
            cpu_missing: cpu_missing(),
            memory: memory(),
            disk_free_bytes: fs4::available_space(data_dir).ok(),
        }
    }
}

fn memory() -> Option<Memory> {
    let mut system = sysinfo::System::new().ok()?;
    system.refresh_memory();
    let (total_bytes, available_bytes) = (system.total_memory(), system.available_memory());
    // A container may have less than the machine.
    Some(match system.cgroup_limits().filter(|limits| limits.total_memory > 0) {
        Some(limits) => Memory {
            total_bytes: total_bytes.min(limits.total_memory),
            available_bytes: available_bytes.min(limits.free_memory),
        },
        None => Memory { total_bytes, available_bytes },
    })
}

/// Those of the features that llama.cpp is built with which this processor lacks.
fn cpu_missing() -> Vec<&'static str> {
    #[cfg(target_arch = "x86_64")]
    let features = [
        ("AVX2", std::is_x86_feature_detected!("avx2")),
        ("FMA", std::is_x86_feature_detected!("fma")),
        ("F16C", std::is_x86_feature_detected!("f16c")),
        ("BMI2", std::is_x86_feature_detected!("bmi2")),
    ];
    #[cfg(not(target_arch = "x86_64"))]
    let features: [(&str, bool); 0] = [];
    features.into_iter().filter(|(_, present)| !present).map(|(name, _)| name).collect()
}

/// Looks at everything.
pub fn run(inputs: &Inputs<'_>) -> Vec<Check> {
    let (model, inspected) = check_model(&inputs.model, inputs.inspect);
    let version = format!("{}, protocol {}", inputs.version, inputs.protocol);
    let mut checks = vec![
        ok("version", version),
        check_data_folder(inputs.data_dir),
        check_disk(inputs.machine.disk_free_bytes),
        check_processor(&inputs.machine.cpu_missing),
        check_port(inputs.port),
        model,
    ];
    if let Some((inspected, memory)) = inspected.zip(inputs.machine.memory) {
        checks.push(check_memory(&inspected, inputs.kv_tokens, memory));
    }
    checks.push(check_embedder(&inputs.embedder, inputs.try_embedder));
    checks
}

/// The worst status; `Ok` if nothing was checked.
pub fn verdict(checks: &[Check]) -> Status {
    checks.iter().map(|check| check.status).max().unwrap_or(Status::Ok)
}

fn ok(name: &'static str, message: impl Into<String>) -> Check {
    Check { name, status: Status::Ok, message: message.into(), help: String::new() }
}

fn warning(name: &'static str, message: impl Into<String>, help: impl Into<String>) -> Check {
    Check { name, status: Status::Warning, message: message.into(), help: help.into() }
}

fn problem(name: &'static str, message: impl Into<String>, help: impl Into<String>) -> Check {
    Check { name, status: Status::Problem, message: message.into(), help: help.into() }
}

fn check_data_folder(folder: &Path) -> Check {
    // Asking for permissions would miss full quotas, read-only disks and virus scanners; writing does not.
    let write = || -> io::Result<()> {
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        file.write_all(b"meddah")?;
        file.as_file().sync_all()?;
        file.close()
    };
    match write() {
        Ok(()) => ok("data", folder.display().to_string()),
        Err(error) => problem(
            "data",
            format!("cannot write to {}: {error}", folder.display()),
            "Set MEDDAH_DATA to a folder that you may write to, and allow Meddah in your virus scanner.",
        ),
    }
}

fn check_disk(free_bytes: Option<u64>) -> Check {
    let help =
        "Free some space on the disk of the data folder, or set MEDDAH_DATA to a folder on another one.";
    match free_bytes {
        None => ok("disk", "the system does not say how much is free"),
        Some(free) => {
            let message = format!("{} free", DecimalBytes(free));
            match free {
                ..DISK_FULL_BYTES => problem("disk", message, help),
                DISK_FULL_BYTES..DISK_LOW_BYTES => warning("disk", message, help),
                _ => ok("disk", message),
            }
        }
    }
}

fn check_processor(missing: &[&str]) -> Check {
    if missing.is_empty() {
        return ok("processor", format!("{}, all that local models need", std::env::consts::ARCH));
    }
    problem(
        "processor",
        format!("it lacks {}, which local models need", missing.join(", ")),
        "Use an online model on this PC; processors since about 2013 can run local ones.",
    )
}

fn check_port(port: u16) -> Check {
    if port == 0 {
        return ok("port", "a free one is taken at each start");
    }
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    if let Ok(stream) = TcpStream::connect_timeout(&address, PORT_TIMEOUT) {
        return match ask_who(stream, port) {
            Some(version) => ok("port", format!("{port}: Meddah {version} is running there")),
            None => problem(
                "port",
                format!("{port}: another program listens there"),
                format!("Close that program ({WHO_LISTENS} shows it), or set `port` in meddah.toml."),
            ),
        };
    }
    match TcpListener::bind(address) {
        Ok(_) => ok("port", format!("{port}: free")),
        Err(error) => problem(
            "port",
            format!("{port}: cannot be used: {error}"),
            "The system keeps it for itself or a program holds it: set `port` in meddah.toml to another number.",
        ),
    }
}

#[cfg(windows)]
const WHO_LISTENS: &str = "`netstat -ano`";
#[cfg(not(windows))]
const WHO_LISTENS: &str = "`lsof -i` or `ss -ltnp`";

/// The version of the Meddah behind this connection; `None` if it is something else.
fn ask_who(mut stream: TcpStream, port: u16) -> Option<String> {
    stream.set_read_timeout(Some(PORT_TIMEOUT)).ok()?;
    stream.set_write_timeout(Some(PORT_TIMEOUT)).ok()?;
    let request = format!("GET /v1/health HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = Vec::new();
    // A timeout after the answer is no matter; what has come is in `answer`.
    stream.take(ANSWER_BYTES_MAX).read_to_end(&mut answer).ok();
    let answer = String::from_utf8_lossy(&answer);
    let (_, body) = answer.split_once("\r\n\r\n")?;
    let health = body.get(body.find('{')?..=body.rfind('}')?)?;
    let health: serde_json::Value = serde_json::from_str(health).ok()?;
    health["name"].as_str().filter(|name| name.eq_ignore_ascii_case("meddah"))?;
    Some(health["version"].as_str().unwrap_or("of an unknown version").to_owned())
}

/// The model, and what its header says if it can be read.
fn check_model(model: &Model, inspect: InspectFn) -> (Check, Option<Inspected>) {
    let file = match model {
        Model::File(file) => file,
        Model::Elsewhere(what) => return (ok("model", what.as_str()), None),
        Model::Unusable { message, help } => return (problem("model", message, help), None),
        Model::Missing => {
            let help =
                "Install one with `meddah models pull NAME`; `meddah models list` shows what there is.";
            return (problem("model", "none is installed", help), None);
        }
    };
    let name = file.file_name().unwrap_or(file.as_os_str()).to_string_lossy();
    match inspect(file) {
        Err(why) => {
            let help = "Remove it with `meddah models remove NAME` and pull it again, or choose another.";
            (problem("model", format!("{name}: {why}"), help), None)
        }
        Ok(inspected) if !inspected.has_chat_template => {
            let message = format!("{name}: it does not know how a conversation is written");
            let help = "Choose a model made for talking; its name often has `Instruct` or `Chat` in it.";
            (warning("model", message, help), Some(inspected))
        }
        Ok(inspected) => {
            let message = format!(
                "{name}: {}, {}, {}",
                inspected.architecture,
                inspected.file_type,
                DecimalBytes(inspected.weight_bytes)
            );
            (ok("model", message), Some(inspected))
        }
    }
}

fn check_memory(model: &Inspected, kv_tokens: u64, memory: Memory) -> Check {
    let kv_bytes = model.kv_bytes_per_token.saturating_mul(kv_tokens);
    let needed = model.weight_bytes.saturating_add(kv_bytes).saturating_add(PROCESS_BYTES);
    let Memory { available_bytes: free, total_bytes: total } = memory;
    let message = format!(
        "the model needs about {}; {} of {} are free",
        DecimalBytes(needed),
        DecimalBytes(free),
        DecimalBytes(total)
    );
    let smaller = "Choose a smaller model (`meddah models list`) or set `local.context_tokens` lower.";
    if needed > total {
        problem("memory", message, smaller)
    } else if needed > free {
        warning("memory", message, format!("Close other programs. {smaller}"))
    } else if needed.saturating_add(GAME_BYTES) > free {
        warning("memory", message, format!("A large game may not fit beside it. {smaller}"))
    } else {
        ok("memory", message)
    }
}

/// What finds memories by what they mean. It works without, so nothing here is more than a warning.
fn check_embedder(embedder: &Standing, try_out: fn(&Path) -> Result<(), String>) -> Check {
    let without = "memories are found by their words alone";
    match embedder {
        Standing::Off => ok("embedder", format!("off: {without}")),
        Standing::Missing => warning(
            "embedder",
            format!("none is installed: {without}"),
            "Install it with `meddah models pull minilm` (23 MB), or set `embedder` to \"off\" in meddah.toml.",
        ),
        Standing::Unusable(error) => {
            warning("embedder", format!("{}: {without}", error.message), error.help.as_str())
        }
        Standing::File(file) => {
            let name = file.file_name().unwrap_or(file.as_os_str()).to_string_lossy();
            match try_out(file) {
                Ok(()) => ok("embedder", format!("{name}: memories are found by what they mean")),
                Err(why) => warning(
                    "embedder",
                    format!("{name}: {why}; {without}"),
                    "Remove it with `meddah models remove NAME` and pull it again: `meddah models pull minilm`.",
                ),
            }
        }
    }
}

/// Writes the checks for people, one line each and the help below.
pub fn render(checks: &[Check], styled: bool, out: &mut dyn Write) -> io::Result<()> {
    for check in checks {
        let (word, style) = match check.status {
            Status::Ok => ("ok", AnsiColor::Green.on_default()),
            Status::Warning => ("warning", AnsiColor::Yellow.on_default()),
            Status::Problem => ("problem", AnsiColor::Red.on_default().bold()),
        };
        let style = if styled { style } else { Style::new() };
        writeln!(out, "{style}{word:8}{style:#} {:10} {}", check.name, check.message)?;
        if !check.help.is_empty() {
            writeln!(out, "{:8} {:10} {}", "", "", check.help)?;
        }
    }
    Ok(())
}

/// The checks and the verdict, for programs.
pub fn to_json(checks: &[Check]) -> serde_json::Value {
    serde_json::json!({ "status": verdict(checks), "checks": checks })
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    const GB: u64 = 1_000_000_000;

    fn good_header(_: &Path) -> Result<Inspected, String> {
        Ok(Inspected {
            architecture: "llama".into(),
            file_type: "Q4_0".into(),
            parameters: 3_000_000_000,
            context_tokens: 8192,
            licence: None,
            has_chat_template: true,
            weight_bytes: 2 * GB,
            kv_bytes_per_token: 100_000,
        })
    }

    fn machine() -> Machine {
        Machine {
            cpu_missing: Vec::new(),
            memory: Some(Memory { total_bytes: 16 * GB, available_bytes: 10 * GB }),
            disk_free_bytes: Some(50 * GB),
        }
    }

    /// Runs with a change to good inputs and shows the checks but the data folder's.
    fn check(change: impl FnOnce(&mut Inputs<'_>), expected: Expect) {
        let folder = tempfile::tempdir().unwrap();
        let mut inputs = Inputs {
            version: "1.2.3",
            protocol: 1,
            data_dir: folder.path(),
            port: 0,
            model: Model::File("models/m.gguf".into()),
            inspect: good_header,
            embedder: Standing::File("models/minilm.onnx".into()),
            try_embedder: |_| Ok(()),
            kv_tokens: 4096,
            machine: machine(),
        };
        change(&mut inputs);
        let mut checks = run(&inputs);
        checks.retain(|check| check.name != "data" || check.status != Status::Ok);
        let mut out = Vec::new();
        render(&checks, false, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap().replace(std::env::consts::ARCH, "ARCH");
        expected.assert_eq(&text);
    }

    #[test]
    fn a_good_machine_is_well() {
        check(
            |_| {},
            expect![[r#"
            ok       version    1.2.3, protocol 1
            ok       disk       50.00 GB free
            ok       processor  ARCH, all that local models need
            ok       port       a free one is taken at each start
            ok       model      m.gguf: llama, Q4_0, 2.00 GB
            ok       memory     the model needs about 2.61 GB; 10.00 GB of 16.00 GB are free
            ok       embedder   minilm.onnx: memories are found by what they mean
        "#]],
        );
    }

    #[test]
    fn an_old_pc_is_told_what_it_lacks() {
        check(
            |inputs| {
                inputs.machine.cpu_missing = vec!["AVX2", "BMI2"];
                inputs.machine.memory = Some(Memory { total_bytes: 2 * GB, available_bytes: GB });
                inputs.machine.disk_free_bytes = Some(50_000_000);
            },
            expect![[r#"
                ok       version    1.2.3, protocol 1
                problem  disk       50.00 MB free
                                    Free some space on the disk of the data folder, or set MEDDAH_DATA to a folder on another one.
                problem  processor  it lacks AVX2, BMI2, which local models need
                                    Use an online model on this PC; processors since about 2013 can run local ones.
                ok       port       a free one is taken at each start
                ok       model      m.gguf: llama, Q4_0, 2.00 GB
                problem  memory     the model needs about 2.61 GB; 1.00 GB of 2.00 GB are free
                                    Choose a smaller model (`meddah models list`) or set `local.context_tokens` lower.
                ok       embedder   minilm.onnx: memories are found by what they mean
            "#]],
        );
    }

    #[test]
    fn a_base_model_gets_a_warning_and_so_does_little_memory() {
        check(
            |inputs| {
                inputs.inspect = |path| Ok(Inspected { has_chat_template: false, ..good_header(path)? });
                inputs.machine.memory = Some(Memory { total_bytes: 16 * GB, available_bytes: 4 * GB });
                inputs.machine.disk_free_bytes = Some(GB);
            },
            expect![[r#"
                ok       version    1.2.3, protocol 1
                warning  disk       1.00 GB free
                                    Free some space on the disk of the data folder, or set MEDDAH_DATA to a folder on another one.
                ok       processor  ARCH, all that local models need
                ok       port       a free one is taken at each start
                warning  model      m.gguf: it does not know how a conversation is written
                                    Choose a model made for talking; its name often has `Instruct` or `Chat` in it.
                warning  memory     the model needs about 2.61 GB; 4.00 GB of 16.00 GB are free
                                    A large game may not fit beside it. Choose a smaller model (`meddah models list`) or set `local.context_tokens` lower.
                ok       embedder   minilm.onnx: memories are found by what they mean
            "#]],
        );
    }

    #[test]
    fn without_an_embedder_it_works_and_the_price_is_told() {
        let check = |embedder, try_out: fn(&Path) -> Result<(), String>| {
            let check = check_embedder(&embedder, try_out);
            assert!(check.status == Status::Ok || !check.help.is_empty());
            assert!(check.status != Status::Problem);
            (check.status, check.message)
        };
        let (status, message) = check(Standing::Missing, |_| Ok(()));
        assert_eq!(status, Status::Warning);
        assert!(message.contains("words alone"), "{message}");
        assert_eq!(check(Standing::Off, |_| Ok(())).0, Status::Ok);
        let damaged = check(Standing::File("a/m.onnx".into()), |_| Err("it is cut short".into()));
        assert_eq!(damaged.0, Status::Warning);
        assert!(damaged.1.starts_with("m.onnx: it is cut short"), "{}", damaged.1);
    }

    #[test]
    fn a_model_that_is_missing_or_damaged_is_a_problem() {
        let model = |model, inspect: InspectFn| {
            let (check, inspected) = check_model(&model, inspect);
            assert_eq!(inspected, None);
            assert!(check.status == Status::Ok || !check.help.is_empty());
            (check.status, check.message)
        };
        assert_eq!(model(Model::Missing, good_header).0, Status::Problem);
        let damaged = model(Model::File("a/m.gguf".into()), |_| Err("it is cut short".into()));
        assert_eq!(damaged, (Status::Problem, "m.gguf: it is cut short".into()));
        let unusable = Model::Unusable { message: "no file".into(), help: "Look again.".into() };
        assert_eq!(model(unusable, good_header).0, Status::Problem);
        assert_eq!(model(Model::Elsewhere("online".into()), good_header).0, Status::Ok);
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_a_problem() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(check_data_folder(folder.path()).status, Status::Ok);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        let missing = check_data_folder(&folder.path().join("none"));
        assert_eq!((missing.status, missing.help.is_empty()), (Status::Problem, false));
    }

    /// Listens on a free port and answers every connection with this.
    fn listen(answer: &'static str) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || {
            for mut stream in listener.incoming().map_while(Result::ok) {
                let mut request = [0; 1024];
                stream.read(&mut request).and_then(|_| stream.write_all(answer.as_bytes())).ok();
            }
        });
        port
    }

    #[test]
    fn the_port_tells_meddah_from_others() {
        let ours = listen(
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{\"name\": \"meddah\", \"version\": \"0.9.0\"}",
        );
        let found = check_port(ours);
        assert_eq!(
            (found.status, found.message),
            (Status::Ok, format!("{ours}: Meddah 0.9.0 is running there"))
        );
        for answer in
            ["", "SSH-2.0-x\r\n", "HTTP/1.1 200 OK\r\n\r\n{\"name\":\"other\"}", "HTTP/1.1 200 OK\r\n\r\n}{"]
        {
            assert_eq!(check_port(listen(answer)).status, Status::Problem, "{answer}");
        }
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        assert_eq!(check_port(free).status, Status::Ok);
    }

    #[test]
    fn the_verdict_is_the_worst() {
        let checks = [ok("a", "x"), warning("b", "y", "Do.")];
        assert_eq!(verdict(&checks), Status::Warning);
        assert_eq!(verdict(&[]), Status::Ok);
        expect![[r#"{"status":"warning","checks":[{"name":"a","status":"ok","message":"x"},{"name":"b","status":"warning","message":"y","help":"Do."}]}"#]]
            .assert_eq(&to_json(&checks).to_string());
    }

    #[test]
    fn this_machine_can_be_looked_at() {
        let machine = Machine::detect(&std::env::temp_dir());
        let memory = machine.memory.unwrap();
        assert!(memory.available_bytes > 0);
        assert!(memory.total_bytes >= memory.available_bytes);
        assert!(machine.disk_free_bytes.is_some());
    }
}
