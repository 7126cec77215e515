//! Turns a CTranslate2 folder into a file of whisper.cpp, for scripts; players have `meddah models import`.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use meddah_whisper::{Conversion, Weights};

fn main() -> ExitCode {
    let paths: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let [from, to] = paths.as_slice() else { return say("usage: meddah-whisper-convert FOLDER FILE") };
    let file = match File::create(to) {
        Ok(file) => file,
        Err(error) => return say(&format!("{}: {error}", to.display())),
    };
    let mut out = BufWriter::new(file);
    let converted = Conversion::open(from, Weights::default())
        .and_then(|model| model.write(&mut out, &mut |_| (), &|| false));
    match converted {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => say(&format!("{error}\n{}", error.help)),
    }
}

fn say(message: &str) -> ExitCode {
    writeln!(std::io::stderr(), "meddah-whisper-convert: {message}").ok(); // nobody reads it
    ExitCode::from(2)
}
