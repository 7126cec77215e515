//! What a local model needs to know before it starts.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How keys and values of the attention are stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KvType {
    /// Two bytes a number. From 512 tokens on, sums are split among the threads, so that another number of
    /// threads can round differently.
    F16,
    /// A bit over one byte a number: half the memory, about 10 % slower (SmolLM2-135M on two cores: 97 or 87
    /// tokens written per second, 342 or 253 MiB resident). Does not depend on the number of threads.
    #[default]
    Q8_0,
}

/// Configuration of a [`crate::LocalModel`].
#[derive(Clone, Debug)]
pub struct LocalConfig {
    /// The GGUF file.
    pub model_path: PathBuf,
    /// Program and arguments that run [`crate::worker_main`].
    pub worker_command: Vec<OsString>,
    /// Tokens of one prompt and its reply; the model's own limit caps it.
    pub context_tokens: u32,
    /// Replies thought up at once.
    pub parallel: u32,
    /// Compute threads; 0 chooses, see [`crate::hardware::choose_threads`].
    pub threads: u32,
    /// Memory for characters that are not talking, MiB.
    pub state_memory_mb: u32,
    /// Disk for characters beyond that, MiB; 0 writes none.
    pub state_disk_mb: u32,
    /// Where the disk part goes; without it none is written.
    pub state_dir: Option<PathBuf>,
    /// How the attention's memory is stored.
    pub kv_type: KvType,
    /// A worker with work to do that shows no sign of life for so long is killed.
    pub hang_timeout: Duration,
    /// A model that has not loaded by then is given up.
    pub load_timeout: Duration,
    /// The worker yields to everything else on the machine.
    pub background: bool,
    /// What may be asked soon is thought up while nobody waits.
    pub read_ahead: bool,
}

impl LocalConfig {
    /// The defaults for this file.
    pub fn new(model_path: impl Into<PathBuf>, worker_command: Vec<OsString>) -> Self {
        LocalConfig {
            model_path: model_path.into(),
            worker_command,
            context_tokens: 4096,
            parallel: 4,
            threads: 0,
            state_memory_mb: 512,
            state_disk_mb: 2048,
            state_dir: None,
            kv_type: KvType::default(),
            hang_timeout: Duration::from_secs(20),
            load_timeout: Duration::from_secs(120),
            background: true,
            read_ahead: true,
        }
    }
}
