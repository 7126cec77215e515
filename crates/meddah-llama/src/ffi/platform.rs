//! Leaving at once, and yielding to the game.

use std::time::Duration;

/// Ends the process without destructors: ggml's threads may be in the middle of a step, and static
/// destructors would pull their data from under them.
pub fn exit_now(code: u8) -> ! {
    #[cfg(unix)]
    // SAFETY: never returns, runs nothing of ours.
    unsafe {
        libc::_exit(i32::from(code))
    }
    #[cfg(windows)]
    {
        use windows_sys::Win32::System::Threading::{GetCurrentProcess, TerminateProcess};
        // SAFETY: the pseudo handle of this process is always valid.
        unsafe { TerminateProcess(GetCurrentProcess(), u32::from(code)) };
    }
    #[cfg(not(unix))]
    std::process::exit(i32::from(code))
}

/// Lowers the calling thread, and threads that it starts from now on, below everything else. On Linux all
/// of it is needed: desktops group processes by session, and across groups neither the idle class nor nice
/// counts, only the group's own (half of the frames of a game were missed without it). The session must be
/// our own first, or the sidecar, and a game that started it, would be lowered too.
#[cfg(target_os = "linux")]
pub fn yield_to_others() {
    // SAFETY: plain system calls on the calling thread with valid arguments.
    unsafe {
        let params: libc::sched_param = std::mem::zeroed();
        libc::sched_setscheduler(0, libc::SCHED_IDLE, &raw const params);
        libc::setpriority(libc::PRIO_PROCESS, 0, NICE_MAX);
    }
    // SAFETY: plain system calls without arguments that could be wrong.
    let own_session = unsafe { libc::setsid() >= 0 || libc::getsid(0) == libc::getpid() };
    if own_session {
        // Absent on kernels without autogroups, where it is not needed either.
        std::fs::write("/proc/self/autogroup", NICE_MAX.to_string()).ok();
    }
}

/// As low as nice goes.
#[cfg(unix)]
const NICE_MAX: i32 = 19;
/// About a tenth of a core that others want whole.
#[cfg(target_os = "linux")]
const NICE_FORWARD: i32 = 10;

/// What [`step_forward`] changed.
pub struct Forward {
    #[cfg(target_os = "linux")]
    threads: Vec<libc::pid_t>,
}

/// Asks for a small share, below that of ordinary programs. On Linux the session's own group may always be
/// raised again; threads only where the system lets this user (`RLIMIT_NICE`), which is no matter on desktops
/// that group by session.
#[cfg(target_os = "linux")]
pub fn step_forward() -> Forward {
    set_group(NICE_FORWARD);
    let tasks = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let ids = tasks.filter_map(|task| task.file_name().to_str()?.parse::<libc::pid_t>().ok());
    let raised = ids.filter(|&id| {
        // SAFETY: plain system calls with the number of a thread; of one that has ended they fail.
        unsafe {
            let params: libc::sched_param = std::mem::zeroed();
            libc::sched_getscheduler(id) == libc::SCHED_IDLE
                && libc::setpriority(libc::PRIO_PROCESS, id.unsigned_abs(), NICE_FORWARD) == 0
                && libc::sched_setscheduler(id, libc::SCHED_OTHER, &raw const params) == 0
        }
    });
    Forward { threads: raised.collect() }
}

/// Takes [`step_forward`] back.
#[cfg(target_os = "linux")]
pub fn step_back(forward: Forward) {
    set_group(NICE_MAX);
    for id in forward.threads {
        // SAFETY: as in `step_forward`.
        unsafe {
            let params: libc::sched_param = std::mem::zeroed();
            libc::sched_setscheduler(id, libc::SCHED_IDLE, &raw const params);
            libc::setpriority(libc::PRIO_PROCESS, id.unsigned_abs(), NICE_MAX);
        }
    }
}

/// Only of a session that is our own: the game may be in the sidecar's.
#[cfg(target_os = "linux")]
fn set_group(nice: i32) {
    // SAFETY: plain system calls without arguments that could be wrong.
    let own_session = unsafe { libc::getsid(0) == libc::getpid() };
    if own_session {
        // Absent on kernels without autogroups, where it is not needed either.
        std::fs::write("/proc/self/autogroup", nice.to_string()).ok();
    }
}

/// Asks for a small share, below that of ordinary programs.
#[cfg(windows)]
pub fn step_forward() -> Forward {
    use windows_sys::Win32::System::Threading::{
        BELOW_NORMAL_PRIORITY_CLASS, GetCurrentProcess, SetPriorityClass,
    };
    // SAFETY: the pseudo handle of this process is always valid.
    unsafe { SetPriorityClass(GetCurrentProcess(), BELOW_NORMAL_PRIORITY_CLASS) };
    Forward {}
}

/// Takes [`step_forward`] back.
#[cfg(windows)]
pub fn step_back(_: Forward) {
    yield_to_others();
}

/// Nobody may raise what was lowered there.
#[cfg(all(unix, not(target_os = "linux")))]
pub fn step_forward() -> Forward {
    Forward {}
}

/// Takes [`step_forward`] back.
#[cfg(all(unix, not(target_os = "linux")))]
pub fn step_back(_: Forward) {}

/// Processor time of all threads of this process so far.
#[cfg(unix)]
pub fn cpu_time() -> Option<Duration> {
    // SAFETY: the struct is plain data, and is filled in by the call.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        (libc::getrusage(libc::RUSAGE_SELF, &raw mut usage) == 0).then_some(usage)?
    };
    let part = |time: libc::timeval| {
        let (seconds, micros) = (u64::try_from(time.tv_sec), u64::try_from(time.tv_usec));
        Duration::from_secs(seconds.unwrap_or_default()) + Duration::from_micros(micros.unwrap_or_default())
    };
    Some(part(usage.ru_utime) + part(usage.ru_stime))
}

/// Processor time of all threads of this process so far.
#[cfg(windows)]
pub fn cpu_time() -> Option<Duration> {
    use windows_sys::Win32::Foundation::FILETIME;
    use windows_sys::Win32::System::Threading::{GetCurrentProcess, GetProcessTimes};
    let zero = FILETIME { dwLowDateTime: 0, dwHighDateTime: 0 };
    let (mut created, mut ended, mut kernel, mut user) = (zero, zero, zero, zero);
    // SAFETY: the pseudo handle is always valid, and the four places are ours.
    let known = unsafe {
        GetProcessTimes(GetCurrentProcess(), &raw mut created, &raw mut ended, &raw mut kernel, &raw mut user)
    };
    // In steps of 100 nanoseconds.
    let part = |time: FILETIME| u64::from(time.dwHighDateTime) << 32 | u64::from(time.dwLowDateTime);
    (known != 0).then(|| Duration::from_nanos((part(kernel) + part(user)) * 100))
}

/// Lowers the process below everything else.
#[cfg(windows)]
pub fn yield_to_others() {
    use windows_sys::Win32::System::Threading::{GetCurrentProcess, IDLE_PRIORITY_CLASS, SetPriorityClass};
    // SAFETY: the pseudo handle of this process is always valid.
    unsafe { SetPriorityClass(GetCurrentProcess(), IDLE_PRIORITY_CLASS) };
}

/// Lowers the process as far as nice goes.
#[cfg(all(unix, not(target_os = "linux")))]
pub fn yield_to_others() {
    // SAFETY: a plain system call with valid arguments.
    unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, NICE_MAX) };
}
