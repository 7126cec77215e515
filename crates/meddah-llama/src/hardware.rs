//! What this machine can do, asked before llama.cpp is touched: a missing CPU feature would end the process
//! with an illegal instruction, and a model that does not fit would take the game's memory.

use meddah_inference::{ErrorKind, ModelError};

/// CPU features that the build of llama.cpp uses without asking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CpuFeatures {
    /// Names of those that are missing; empty is good.
    pub missing: [Option<&'static str>; 4],
}

/// Looks at this CPU.
pub fn cpu_features() -> CpuFeatures {
    #[cfg(target_arch = "x86_64")]
    let missing = [
        (!std::is_x86_feature_detected!("avx2")).then_some("AVX2"),
        (!std::is_x86_feature_detected!("fma")).then_some("FMA"),
        (!std::is_x86_feature_detected!("f16c")).then_some("F16C"),
        (!std::is_x86_feature_detected!("bmi2")).then_some("BMI2"),
    ];
    #[cfg(not(target_arch = "x86_64"))]
    let missing = [None; 4];
    CpuFeatures { missing }
}

/// Fails if local models cannot run on this CPU at all.
pub fn check_cpu(features: CpuFeatures) -> Result<(), ModelError> {
    let missing: Vec<_> = features.missing.into_iter().flatten().collect();
    if missing.is_empty() {
        return Ok(());
    }
    let message = format!("this CPU lacks {}, which local models need", missing.join(", "));
    Err(ModelError::new(ErrorKind::BadModel, message)
        .with_help("choose an online provider; CPUs since about 2013 (Haswell, Zen) can run local models"))
}

/// Cores that are not just second threads of another.
pub fn physical_cores() -> usize {
    let logical = std::thread::available_parallelism().map_or(1, usize::from);
    // A container may be allowed fewer than the machine has.
    sysinfo::System::physical_core_count().unwrap_or(logical).clamp(1, logical)
}

/// Most threads that still make decoding faster on a desktop: memory bandwidth is the limit beyond.
const THREADS_MAX: usize = 8;

/// Compute threads for this many physical cores: all of them up to 2 (the worker runs only when nobody else
/// wants the core), then half of them but at least 2, so that a game keeps cores of its own, at most 8.
pub fn choose_threads(physical_cores: usize) -> usize {
    match physical_cores {
        0 | 1 => 1,
        cores => (cores / 2).clamp(2, THREADS_MAX),
    }
}

/// Memory that can be taken without swapping, bytes; a container's limit counts.
pub fn available_memory_bytes() -> u64 {
    let Ok(mut system) = sysinfo::System::new() else { return u64::MAX };
    system.refresh_memory();
    let available = system.available_memory();
    // Not its `free_memory`: that counts cached files as taken.
    match system.cgroup_limits() {
        Some(limits) => available.min(limits.total_memory.saturating_sub(limits.rss)),
        None => available,
    }
}

/// How often the kernel has killed something for memory since it started; none where it does not say.
pub(crate) fn out_of_memory_kills() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/vmstat").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("oom_kill "))?;
    line.trim().parse().ok()
}

/// Memory in use by a process, bytes.
pub fn resident_bytes(pid: u32) -> Option<u64> {
    let pid = sysinfo::Pid::from_u32(pid);
    let mut system = sysinfo::System::new().ok()?;
    system.refresh_processes_specifics(
        sysinfo::ProcessesToUpdate::Some(&[pid]),
        true,
        sysinfo::ProcessRefreshKind::nothing().with_memory(),
    );
    system.process(pid).map(sysinfo::Process::memory)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cpu_without_avx2_is_told_so_before_anything_runs() {
        let error = check_cpu(CpuFeatures { missing: [Some("AVX2"), None, None, Some("BMI2")] }).unwrap_err();
        assert_eq!(error.message, "this CPU lacks AVX2, BMI2, which local models need");
        assert!(!error.help.is_empty());
    }

    #[test]
    fn threads_leave_room_for_the_game() {
        let chosen: Vec<_> = [1, 2, 4, 6, 8, 16, 64].map(choose_threads).to_vec();
        assert_eq!(chosen, [1, 2, 2, 3, 4, 8, 8]);
    }

    #[test]
    fn this_machine_has_memory_and_cores() {
        assert!(available_memory_bytes() > 1 << 20);
        assert!(physical_cores() >= 1);
        assert!(resident_bytes(std::process::id()).unwrap() > 1 << 20);
    }
}
