//! A program as a process of its own, and what the system says of it.

use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, ChildStdout, Command};

/// The longest that a program takes to say its first line.
const START_WAIT: Duration = Duration::from_secs(60);
/// Ticks of the processor clock in a second, on all usual Linux machines.
const TICKS_PER_SECOND: u64 = 100;

/// A program that runs; it is ended when this is dropped.
pub struct Process {
    child: Child,
    /// Kept open, so that the program may go on writing.
    _said: Option<BufReader<ChildStdout>>,
    pid: u32,
}

/// What the system says of a process.
#[derive(Clone, Copy, Debug, Default)]
pub struct Figures {
    /// Processor time, of the program and of the system for it.
    pub processor: Duration,
    /// Memory that is in use, in bytes.
    pub memory: u64,
    /// Files, sockets among them.
    pub files: usize,
}

impl Process {
    /// Starts it, and gives its first line.
    ///
    /// # Errors
    /// It does not start, or says nothing in time.
    pub async fn start(command: &mut Command) -> Result<(Process, String), String> {
        let mut process = Process::silent(command.stdout(Stdio::piped()))?;
        let out = process.child.stdout.take().ok_or("its output is not ours")?;
        let (mut said, mut line) = (BufReader::new(out), String::new());
        match tokio::time::timeout(START_WAIT, said.read_line(&mut line)).await {
            Ok(Ok(bytes)) if bytes > 0 => {}
            _ => return Err(format!("{:?} said nothing", command.as_std().get_program())),
        }
        process._said = Some(said);
        Ok((process, line.trim().to_owned()))
    }

    /// Starts it without waiting for a word.
    ///
    /// # Errors
    /// It does not start.
    pub fn silent(command: &mut Command) -> Result<Process, String> {
        let child = command.stdin(Stdio::piped()).kill_on_drop(true).spawn();
        let child = child.map_err(|error| format!("{:?}: {error}", command.as_std().get_program()))?;
        let pid = child.id().ok_or("it ended at once")?;
        Ok(Process { child, _said: None, pid })
    }

    pub fn figures(&self) -> Option<Figures> {
        figures(self.pid)
    }

    /// Ends it in order, by the end of its input, or by force if that takes too long.
    pub async fn end(mut self, wait: Duration) {
        drop(self.child.stdin.take());
        if tokio::time::timeout(wait, self.child.wait()).await.is_err() {
            self.child.kill().await.ok(); // it has ended by itself
        }
    }
}

/// Of any process; `None` where the system does not tell it as Linux does.
pub fn figures(pid: u32) -> Option<Figures> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks: u64 = fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?;
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let memory = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = memory.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(Figures {
        processor: Duration::from_millis(ticks * 1000 / TICKS_PER_SECOND),
        memory: kib * 1024,
        files: std::fs::read_dir(format!("/proc/{pid}/fd")).ok()?.count(),
    })
}
