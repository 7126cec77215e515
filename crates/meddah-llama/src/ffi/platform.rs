//! Leaving at once, and yielding to the game.

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
    const NICE_MAX: i32 = 19;
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
    const NICE_MAX: i32 = 19;
    // SAFETY: a plain system call with valid arguments.
    unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, NICE_MAX) };
}
