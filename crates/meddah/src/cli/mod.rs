//! The command line. Each command is one file; this one says what there is and what an exit code means.

mod bench;
mod budget;
mod check;
mod doctor;
mod explain;
mod export;
mod host;
mod import;
mod join;
mod key;
mod listen;
mod models;
mod new;
mod print;
mod say;
mod serve;
mod setup;
mod talk;
mod voices;
mod world;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Everything went as asked.
pub const DONE: u8 = 0;
/// A flag or argument makes no sense.
pub const WRONG_USAGE: u8 = 2;
/// A world pack, settings file or model file cannot be used.
pub const BAD_INPUT: u8 = 3;
/// No model could answer.
pub const NO_ANSWER: u8 = 4;
/// Ctrl-C.
pub const INTERRUPTED: u8 = 130;

/// Program and contract, because a mod author asks for both. A test keeps the number true.
const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), " (protocol 1)");

/// A mind and a voice for the characters of any game.
#[derive(Parser)]
#[command(name = "meddah", version = VERSION, about, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Talk with a character here and now
    Talk(talk::TalkArguments),
    /// Run beside a game: answer on the loopback address
    Serve(serve::ServeArguments),
    /// See what is missing
    Doctor(doctor::DoctorArguments),
    /// List, download, import and remove models
    Models(models::ModelsArguments),
    /// Keep keys of online models
    Key(key::KeyArguments),
    /// Join a host: an invite link becomes the first rung of your ladder
    Join(join::JoinArguments),
    /// Show what was spent on paid models, and change the ceilings
    Budget(budget::BudgetArguments),
    /// Measure this PC and this program
    Bench(bench::BenchArguments),
    /// See what worlds there are and what is remembered in them; take it out, in, and make room
    World(world::WorldArguments),
    /// Begin a world pack of your own
    New(new::NewArguments),
    /// Try the characters of a world out: an ordinary talk with each, and the pack's own talks
    Check(check::CheckArguments),
    /// Add characters from cards, lorebooks, tables, or the files of a mod
    ///
    /// With --world DIR they go into that folder, which may be new; without it into the folder `imported` of Meddah's
    /// data.
    Import(import::ImportArguments),
    /// Write a character as a card for other programs
    Export(export::ExportArguments),
    /// Speak a text into a sound file
    Say(say::SayArguments),
    /// Write down what is said in a sound file
    Listen(listen::ListenArguments),
    /// List the voices of this PC
    Voices(voices::VoicesArguments),
    /// Serve this machine's model to many players
    Host(host::HostArguments),
}

/// An error with the exit code that it leads to.
#[derive(Debug)]
pub struct Failure {
    /// See the constants of this module.
    pub code: u8,
    /// For a person, with what to do about it.
    pub message: String,
}

impl Failure {
    /// A failure with this exit code.
    pub fn new(code: u8, message: impl Into<String>) -> Self {
        Failure { code, message: message.into() }
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Failure::new(1, format!("{error:#}"))
    }
}

impl From<meddah_protocol::WireError> for Failure {
    fn from(error: meddah_protocol::WireError) -> Self {
        use meddah_protocol::ErrorCode as Code;
        let code = match error.code {
            Code::NoModel
            | Code::ModelFailed
            | Code::Timeout
            | Code::OutOfMemory
            | Code::ContextFull
            | Code::Auth
            | Code::Quota
            | Code::RateLimited
            | Code::OverBudget
            | Code::Network
            | Code::BadRequest
            | Code::UnknownModel
            | Code::Moderation
            | Code::Protocol => NO_ANSWER,
            Code::InvalidRequest | Code::TooLarge | Code::UnknownCharacter | Code::UnknownWorld => {
                WRONG_USAGE
            }
            _ => 1,
        };
        Failure::new(code, format!("{}\n{}", error.message, error.help))
    }
}

/// Runs the command that was asked for.
pub fn main() -> ExitCode {
    crate::keys::no_core_dumps();
    crate::keys::private_files();
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            let code = if error.use_stderr() { WRONG_USAGE } else { DONE };
            error.print().ok(); // standard output may be closed
            return ExitCode::from(code);
        }
    };
    match dispatch(arguments.command) {
        Ok(code) => ExitCode::from(code),
        Err(failure) => {
            print::failure(&failure.message);
            ExitCode::from(failure.code)
        }
    }
}

fn dispatch(command: Command) -> Result<u8, Failure> {
    match command {
        Command::Talk(arguments) => setup::block_on(talk::run(arguments)),
        Command::Serve(arguments) => setup::block_on(serve::run(arguments)),
        Command::Doctor(arguments) => setup::block_on(doctor::run(arguments)),
        Command::Models(arguments) => setup::block_on(models::run(arguments)),
        Command::Key(arguments) => key::run(arguments),
        Command::Join(arguments) => setup::block_on(join::run(arguments)),
        Command::Budget(arguments) => setup::block_on(budget::run(arguments)),
        Command::Bench(arguments) => setup::block_on(bench::run(arguments)),
        Command::World(arguments) => world::run(arguments),
        Command::New(arguments) => new::run(arguments),
        Command::Check(arguments) => setup::block_on(check::run(arguments)),
        Command::Import(arguments) => import::run(arguments),
        Command::Export(arguments) => export::run(arguments),
        Command::Say(arguments) => setup::block_on(say::run(arguments)),
        Command::Listen(arguments) => setup::block_on(listen::run(arguments)),
        Command::Voices(arguments) => setup::block_on(voices::run(arguments)),
        Command::Host(arguments) => host::run(arguments),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_version_names_the_contract_and_the_flags_are_consistent() {
        assert!(VERSION.ends_with(&format!("(protocol {})", meddah_protocol::PROTOCOL_VERSION)));
        Arguments::command().debug_assert();
    }
}
