//! What the system may write down of this process.

/// Turns core dumps off for this process and those that it starts, where the system has them: keys and players'
/// words would be in them. Programs that collect dumps from the kernel heed this limit as well.
pub fn no_core_dumps() {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
        let limit = Rlimit { current: Some(0), ..getrlimit(Resource::Core) };
        // A system that refuses to write less keeps what it has.
        setrlimit(Resource::Core, limit).ok();
    }
}

/// New files are the user's alone on Unix, as those in a user's profile are on Windows: they hold what players
/// say and what they spend.
pub fn private_files() {
    #[cfg(unix)]
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
}

#[cfg(all(test, unix))]
mod tests {
    #[test]
    fn core_dumps_are_off() {
        super::no_core_dumps();
        assert_eq!(rustix::process::getrlimit(rustix::process::Resource::Core).current, Some(0));
    }
}
