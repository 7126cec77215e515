//! `meddah talk`: a conversation in the terminal, or a scripted one with `--say`.

use std::io::{BufRead as _, IsTerminal as _};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use meddah_protocol::{Capabilities, Command, EventKind, Finish, Hello, Load, Player, Say, WireError};
use tokio::sync::mpsc;

use super::say::LineFiles;
use super::setup::{Common, Setup};
use super::{DONE, Failure, INTERRUPTED, NO_ANSWER, WRONG_USAGE, explain, print};
use crate::session::Session;
use crate::tavern;
use crate::turn::{Explainer, Explanation};
use crate::voice::Voices;

#[derive(clap::Args)]
pub struct TalkArguments {
    #[command(flatten)]
    common: Common,
    /// Whom to talk with; without it, the first character of the world
    #[arg(long, value_name = "ID")]
    character: Option<String>,
    /// Say this and end; may be given several times
    #[arg(long, value_name = "TEXT")]
    say: Vec<String>,
    /// Print events, one JSON object a line
    #[arg(long)]
    json: bool,
    /// Your name; characters remember each name's talk apart. Without it you are the traveller
    #[arg(long, value_name = "NAME")]
    player: Option<String>,
    /// Say aloud what the character says; where this PC has no loudspeaker, write it into the folder `said`. With a
    /// folder: write it there, a WAV file for each line
    #[arg(long, value_name = "FOLDER", num_args = 0..=1)]
    voice: Option<Option<PathBuf>>,
    /// Show what the model read, part by part with its tokens, and why; on standard error
    #[arg(long)]
    explain: bool,
}

/// Where sound goes that cannot be played.
const SAID_FOLDER: &str = "said";
/// Lines of input that may wait; more than a person types.
const INPUT_LINES_MAX: usize = 64;

pub async fn run(arguments: TalkArguments) -> Result<u8, Failure> {
    let mut setup = Setup::open(&arguments.common)?;
    // There is no game here that has to go first.
    setup.settings.local.background = false;
    let explanations = arguments.explain.then(|| {
        let (explainer, explanations) = Explainer::new();
        setup.settings.turn.explain = Some(explainer);
        explanations
    });
    let sidecar = setup.sidecar()?;
    let ladders = sidecar.ports.ladders.clone();
    // A pack comes before worlds that a game or an import created.
    let pack = sidecar.worlds.find("").ok();
    let world = pack.or_else(|| sidecar.worlds.list().into_iter().next()).ok_or_else(|| {
        Failure::new(WRONG_USAGE, "there is no world\nName a world pack with `--world DIR`.")
    })?;
    let character = match &arguments.character {
        Some(id) => world.characters.get(id),
        None => tavern::first_character(&world),
    };
    let character = character.cloned().ok_or_else(|| {
        let known: Vec<&str> = world.characters.keys().map(String::as_str).collect();
        Failure::new(
            WRONG_USAGE,
            format!("no such character\nCharacters of {}: {}.", world.name, known.join(", ")),
        )
    })?;
    let voices = &sidecar.ports.voices;
    let sound = SoundGoes::of(arguments.voice.as_ref(), voices);
    let files = match &sound {
        SoundGoes::IntoFiles(folder) => {
            Some(LineFiles::new(voices.clone(), folder, &character.id, !arguments.json)?)
        }
        SoundGoes::Nowhere | SoundGoes::ToLoudspeaker => None,
    };
    let audio = files.iter().map(|_| "wav".to_owned()).collect();
    let self_playback = matches!(sound, SoundGoes::ToLoudspeaker);
    let hello = Hello {
        game: "talk".into(),
        world: world.id.clone(),
        player: arguments.player.clone().map_or_else(traveller, |name| Player { id: name.clone(), name }),
        capabilities: Capabilities {
            audio,
            self_playback,
            visemes: arguments.json,
            ..Capabilities::default()
        },
        ..Hello::default()
    };
    let session = sidecar.open_session(hello).await?;
    let mut talk = Talk {
        session,
        voices: voices.clone(),
        character: character.id.clone(),
        name: character.name.clone(),
        json: arguments.json,
        cursor: 0,
        requests: 0,
        refused: None,
        files,
        explanations,
    };
    let code = if arguments.say.is_empty() {
        talk.interactive(&world.name).await
    } else {
        talk.scripted(&arguments.say).await
    };
    sidecar.shutdown().await;
    ladders.shutdown().await;
    code
}

/// Who plays when nobody says so.
fn traveller() -> Player {
    Player { id: "player".into(), name: "Traveller".into() }
}

/// What becomes of the sound.
enum SoundGoes {
    Nowhere,
    ToLoudspeaker,
    IntoFiles(PathBuf),
}

impl SoundGoes {
    /// As it was asked for; into files where it cannot be played.
    fn of(asked: Option<&Option<PathBuf>>, voices: &Voices) -> SoundGoes {
        match asked {
            None => SoundGoes::Nowhere,
            Some(Some(folder)) => SoundGoes::IntoFiles(folder.clone()),
            Some(None) => match voices.open_loudspeaker() {
                Ok(()) => SoundGoes::ToLoudspeaker,
                Err(error) => {
                    let instead = format!("What is said goes into files in the folder `{SAID_FOLDER}`.");
                    print::warning(&format!("{}\n{} {instead}", error.message, error.help));
                    SoundGoes::IntoFiles(SAID_FOLDER.into())
                }
            },
        }
    }
}

struct Talk {
    session: Arc<Session>,
    voices: Arc<Voices>,
    character: String,
    name: String,
    json: bool,
    cursor: u64,
    requests: u64,
    /// Exit code of a text that was refused.
    refused: Option<u8>,
    /// Writes down the sound of what is said, if that is wanted.
    files: Option<LineFiles>,
    /// What models read, if that is to be shown.
    explanations: Option<mpsc::Receiver<Explanation>>,
}

impl Talk {
    async fn scripted(&mut self, texts: &[String]) -> Result<u8, Failure> {
        let mut worst = DONE;
        for text in texts {
            if !self.json {
                print::line(&format!("> {text}"));
            }
            match self.say(text).await? {
                Finish::Complete => {}
                Finish::Interrupted => return Ok(INTERRUPTED),
                Finish::Failed => worst = NO_ANSWER,
            }
        }
        Ok(self.refused.unwrap_or(worst))
    }

    async fn interactive(&mut self, world: &str) -> Result<u8, Failure> {
        let terminal = std::io::stdin().is_terminal();
        if terminal && !self.json {
            print::aside(&format!(
                "{world}. You talk with {}. /quit ends, /save and /load keep and bring back a moment, Ctrl-C cuts in.",
                self.name
            ));
        }
        let mut input = read_lines();
        let mut worst = DONE;
        loop {
            if terminal && !self.json {
                print::prompt("> ");
            }
            let line = tokio::select! {
                line = input.recv() => line,
                _ = tokio::signal::ctrl_c() => return Ok(INTERRUPTED),
            };
            // A person has seen what went wrong; a script asks for the exit code.
            let Some(line) = line else { return Ok(self.refused.unwrap_or(worst)) };
            match line.trim() {
                "" => {}
                "/quit" | "/exit" => return Ok(DONE),
                "/save" => self.command(Command::Save { name: Some("talk".into()) }).await?,
                "/load" => {
                    let load = Load { name: Some("talk".into()), ..Load::default() };
                    self.command(Command::Load(load)).await?;
                }
                text => {
                    if self.say(text).await? == Finish::Failed && !terminal {
                        worst = NO_ANSWER;
                    }
                }
            }
        }
    }

    async fn say(&mut self, text: &str) -> Result<Finish, Failure> {
        self.requests += 1;
        let say = Say {
            req_id: format!("r{}", self.requests),
            to: self.character.clone(),
            text: text.to_owned(),
            ..Say::default()
        };
        match self.session.command(Command::Say(say)).await {
            Ok(accepted) => self.follow(accepted.turn.as_deref()).await,
            Err(error) => {
                // One text that is refused does not end the talk.
                print::failure(&format!("{}\n{}", error.message, error.help));
                self.refused = Some(Failure::from(error).code);
                Ok(Finish::Complete)
            }
        }
    }

    /// Prints events until this turn has ended. Ctrl-C cuts the character short.
    async fn follow(&mut self, turn: Option<&str>) -> Result<Finish, Failure> {
        loop {
            let events = tokio::select! {
                events = self.session.events.wait_after(self.cursor, Duration::from_secs(10)) => events?,
                _ = tokio::signal::ctrl_c() => {
                    self.session.command(Command::Interrupt { turn: None }).await?;
                    continue;
                }
            };
            for mut event in events {
                self.explain();
                self.cursor = event.seq;
                if let Some(files) = &mut self.files {
                    files.write(&mut event);
                }
                if self.json {
                    print::json(&event)
                } else {
                    print::event(&event, &self.name)
                }
                if let EventKind::TurnEnded { finish, error, .. } = event.kind
                    && event.turn.as_deref() == turn
                {
                    // A line from the character's file keeps a game going; here it is asked what the model says.
                    let unanswered = finish == Finish::Complete && error.is_some();
                    self.listen_to_the_end().await?;
                    return Ok(if unanswered { Finish::Failed } else { finish });
                }
            }
        }
    }

    /// Waits until this PC has played what was said. Ctrl-C cuts the character short.
    async fn listen_to_the_end(&self) -> Result<(), Failure> {
        tokio::select! {
            () = self.voices.played(&self.session.id) => {}
            _ = tokio::signal::ctrl_c() => {
                self.session.command(Command::Interrupt { turn: None }).await?;
            }
        }
        Ok(())
    }

    /// Shows what was read for what is about to be shown.
    fn explain(&mut self) {
        let Some(explanations) = &mut self.explanations else { return };
        while let Ok(explanation) = explanations.try_recv() {
            explain::show(&explanation);
        }
    }

    async fn command(&mut self, command: Command) -> Result<(), Failure> {
        match self.session.command(command).await {
            Ok(_) if self.json => self.print_new(),
            Ok(_) => {
                print::aside("done");
                self.print_new()
            }
            Err(WireError { message, help, .. }) => {
                print::failure(&format!("{message}\n{help}"));
                Ok(())
            }
        }
    }

    fn print_new(&mut self) -> Result<(), Failure> {
        for event in self.session.events.after(self.cursor)? {
            self.cursor = event.seq;
            if self.json { print::json(&event) } else { print::event(&event, &self.name) }
        }
        Ok(())
    }
}

/// Standard input line by line, from a thread of its own: a blocked read must not block the talk.
fn read_lines() -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel(INPUT_LINES_MAX);
    std::thread::spawn(move || {
        // Bytes and not text: a pipe may come from a program that writes another character set.
        for line in std::io::stdin().lock().split(b'\n') {
            let Ok(line) = line else { break };
            let line = String::from_utf8_lossy(&line).into_owned();
            if sender.blocking_send(line).is_err() {
                break;
            }
        }
    });
    receiver
}
