//! The voice of one turn: its lines become sound, one after another, while the model still writes.
//!
//! Text never waits for sound and never fails with it: a voice that cannot speak costs a notice.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use futures::StreamExt as _;
use meddah_protocol::{Audio, EventKind};
use meddah_speech::{
    Lexicon, Mark, Pcm, Resampler, SpeechError, SpeechPiece, SpeechRequest, SpeechStream, TextToSpeech,
    VoiceSettings,
};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::form::AudioForm;
use super::player::{HeardReport, LineToPlay};
use super::sounding::Sounding;
use super::spoken::Sound;
use super::{Voices, mouth};
use crate::turn::TurnEvents;
use crate::wire::{self, ms_since, notice, speech_error};

/// Lines that wait to be spoken; more than a turn has.
const LINES_WAITING_MAX: usize = 64;
/// How long a voice may take over each piece of a line.
const PIECE_WAIT: Duration = Duration::from_secs(20);
/// When a character makes a sound of thinking if no line is there yet: with the time that it takes to make one, it
/// is heard within a quarter of a second.
const THINKING_AFTER: Duration = Duration::from_millis(100);

/// Speaks the lines of one turn. Dropping it ends that at once.
pub(crate) struct Speaker {
    lines: mpsc::Sender<(u32, Said)>,
    task: JoinSet<()>,
    first_audio: Arc<OnceLock<f64>>,
}

/// What a speaker needs to know.
pub(super) struct Part {
    pub voices: Arc<Voices>,
    pub engine: Arc<dyn TextToSpeech>,
    pub form: AudioForm,
    pub settings: VoiceSettings,
    pub lexicon: Arc<Lexicon>,
    /// Begins the ids of its sounds; unguessable.
    pub id: String,
    pub events: TurnEvents,
    pub accepted: Instant,
    /// What is said while nothing is said yet.
    pub thinking: Option<String>,
    /// Where it is told what was heard of lines that are played here.
    pub playback: Option<(String, mpsc::Sender<HeardReport>)>,
    /// What the player's microphone may hear of it.
    pub sounding: Arc<Sounding>,
}

impl Speaker {
    pub(super) fn begin(part: Part) -> Speaker {
        let (lines, waiting) = mpsc::channel(LINES_WAITING_MAX);
        let first_audio = Arc::new(OnceLock::new());
        let speaking = Speaking { part, told_silent: false, first_audio: first_audio.clone() };
        let mut task = JoinSet::new();
        task.spawn(speaking.run(waiting));
        Speaker { lines, task, first_audio }
    }

    /// Speaks this line after those before it. An `authored` one stands in the character's file.
    pub fn say(&self, line: u32, text: &str, authored: bool) {
        // Full: the game shows the text of a turn that is far too long.
        self.lines.try_send((line, Said { text: text.to_owned(), authored })).ok();
    }

    /// Waits until everything is spoken, the turn is cut, or it is time. Returns when the first sound was there, ms
    /// after the turn was accepted.
    pub async fn finish(self, cancel: &CancellationToken, deadline: tokio::time::Instant) -> Option<f64> {
        let Speaker { lines, mut task, first_audio } = self;
        drop(lines);
        tokio::select! {
            biased;
            () = cancel.cancelled() => {}
            _ = tokio::time::timeout_at(deadline, task.join_next()) => {}
        }
        first_audio.get().copied()
    }
}

struct Speaking {
    part: Part,
    /// The game was told that nothing is heard here.
    told_silent: bool,
    first_audio: Arc<OnceLock<f64>>,
}

/// What is to be spoken.
struct Said {
    text: String,
    authored: bool,
}

/// What a piece of sound belongs to.
struct Place {
    line: u32,
    thinking: bool,
}

/// The turn was cut: nobody listens any more.
struct Cut;

/// Why a line was not spoken to its end.
enum Stop {
    Cut,
    Failed(SpeechError),
}

impl From<SpeechError> for Stop {
    fn from(error: SpeechError) -> Self {
        Stop::Failed(error)
    }
}

impl From<Cut> for Stop {
    fn from(_: Cut) -> Self {
        Stop::Cut
    }
}

impl Speaking {
    async fn run(mut self, mut lines: mpsc::Receiver<(u32, Said)>) {
        if let Err(Stop::Failed(error)) = self.speak(&mut lines).await {
            debug!(kind = ?error.kind, "no voice for the rest of this turn");
            self.part.events.log.push(&self.part.events.origin, notice("no_voice", speech_error(error)));
        }
    }

    async fn speak(&mut self, lines: &mut mpsc::Receiver<(u32, Said)>) -> Result<(), Stop> {
        let mut next = match self.part.thinking.take() {
            Some(sound) => match tokio::time::timeout(THINKING_AFTER, lines.recv()).await {
                Ok(first) => first,
                Err(_) => {
                    let said = Said { text: sound, authored: true };
                    self.line(Place { line: 0, thinking: true }, said).await?;
                    lines.recv().await
                }
            },
            None => lines.recv().await,
        };
        while let Some((line, said)) = next {
            self.line(Place { line, thinking: false }, said).await?;
            next = lines.recv().await;
        }
        Ok(())
    }

    async fn line(&mut self, place: Place, Said { text, authored }: Said) -> Result<(), Stop> {
        let Part { engine, settings, lexicon, .. } = &self.part;
        let request = SpeechRequest {
            text: text.clone(),
            settings: settings.clone(),
            lexicon: lexicon.clone(),
            authored,
        };
        let late = |_| SpeechError::late(PIECE_WAIT);
        let begun = tokio::time::timeout(PIECE_WAIT, engine.speak_and_tell(request)).await;
        let (stream, notice) = begun.map_err(late)??;
        if let Some(notice) = notice {
            self.part.events.log.push(&self.part.events.origin, wire::told(notice));
        }
        match self.part.form.parts {
            true => self.in_parts(&place, stream).await,
            false => self.whole(&place, text, stream).await,
        }
    }

    async fn whole(&mut self, place: &Place, text: String, mut stream: SpeechStream) -> Result<(), Stop> {
        let mut spoken = SpeechPiece::default();
        while let Some(piece) = next(&mut stream).await? {
            spoken.add(&piece);
        }
        let SpeechPiece { pcm, marks } = spoken;
        if pcm.samples.is_empty() {
            return Ok(()); // no word in it
        }
        let audio = Audio { line: place.line, thinking: place.thinking, ..Audio::default() };
        let Some((session, reports)) = &self.part.playback else {
            return self.emit(audio, pcm, &marks, None).await;
        };
        let line = LineToPlay {
            session: session.clone(),
            turn: self.part.events.origin.turn.clone().unwrap_or_default(),
            line: place.line,
            text,
            pcm: pcm.clone(),
            marks: marks.clone(),
            reports: reports.clone(),
            sounding: self.part.sounding.clone(),
        };
        self.emit(audio, pcm, &marks, None).await?;
        if let Err(error) = self.part.voices.play(line)
            && !std::mem::replace(&mut self.told_silent, true)
        {
            self.part.events.log.push(&self.part.events.origin, notice("no_loudspeaker", error));
        }
        Ok(())
    }

    async fn in_parts(&mut self, place: &Place, mut stream: SpeechStream) -> Result<(), Stop> {
        let (mut part, mut at, mut last) = (0, Duration::ZERO, None);
        // One for the whole line, so that its parts join; none where the voice has the rate that is wanted.
        let mut resampler = None;
        while let Some(piece) = next(&mut stream).await? {
            let sample_rate_hz = self.part.form.sample_rate_hz.unwrap_or(piece.pcm.sample_rate_hz);
            if part == 0 {
                resampler = Resampler::between(piece.pcm.sample_rate_hz, sample_rate_hz);
            }
            let pcm = match &mut resampler {
                Some(resampler) => Pcm { sample_rate_hz, samples: resampler.push(&piece.pcm.samples) },
                None => piece.pcm,
            };
            let audio = Audio {
                line: place.line,
                thinking: place.thinking,
                part: Some(part),
                at_ms: at.as_millis() as u32,
                ..Audio::default()
            };
            at += pcm.duration();
            part += 1;
            last = Some(pcm.sample_rate_hz);
            self.emit(audio, pcm, &piece.marks, Some(part - 1)).await?;
        }
        let Some(sample_rate_hz) = last else { return Ok(()) };
        // Which part is the last is known only behind it, and no part waits for that.
        let end = Audio {
            line: place.line,
            thinking: place.thinking,
            part: Some(part),
            last: true,
            at_ms: at.as_millis() as u32,
            format: self.part.form.format.extension().into(),
            sample_rate_hz,
            ..Audio::default()
        };
        let rest = resampler.map(|mut resampler| resampler.finish()).unwrap_or_default();
        match rest.is_empty() {
            true => Ok(self.push(end)?),
            false => self.emit(end, Pcm { sample_rate_hz, samples: rest }, &[], Some(part)).await,
        }
    }

    /// Makes the file, keeps it and tells the game.
    async fn emit(
        &mut self,
        mut audio: Audio,
        pcm: Pcm,
        marks: &[Mark],
        part: Option<u32>,
    ) -> Result<(), Stop> {
        let Part { voices, form, id, .. } = &self.part;
        let name = match (audio.thinking, part) {
            (true, None) => format!("{id}-thinking"),
            (true, Some(part)) => format!("{id}-thinking-{part}"),
            (false, None) => format!("{id}-{}", audio.line),
            (false, Some(part)) => format!("{id}-{}-{part}", audio.line),
        };
        audio.format = form.format.extension().into();
        audio.sample_rate_hz = form.sample_rate_hz.unwrap_or(pcm.sample_rate_hz);
        audio.duration_ms = pcm.duration().as_millis() as u32;
        if let Some(set) = form.visemes {
            mouth::shapes(&mut audio, set, &pcm, marks);
        }
        let line = audio.line;
        let sound = Arc::new(Sound::new(pcm));
        voices.make(&name, &sound, form, &mut audio).await?;
        voices.spoken.keep(name.clone(), sound.clone());
        self.push(audio).inspect_err(|Cut| self.part.voices.spoken.forget(&name))?;
        if !form.played_here {
            let turn = self.part.events.origin.turn.as_deref().unwrap_or_default();
            self.part.sounding.begins(turn, line, &sound.pcm); // or will, behind those that sound
        }
        Ok(())
    }

    fn push(&self, audio: Audio) -> Result<(), Cut> {
        let Part { events, accepted, .. } = &self.part;
        events.log.push(&events.origin, EventKind::Audio(audio)).ok_or(Cut)?;
        self.first_audio.get_or_init(|| ms_since(*accepted));
        Ok(())
    }
}

/// The next piece, in time.
async fn next(stream: &mut SpeechStream) -> Result<Option<SpeechPiece>, SpeechError> {
    match tokio::time::timeout(PIECE_WAIT, stream.next()).await {
        Ok(piece) => piece.transpose(),
        Err(_) => Err(SpeechError::late(PIECE_WAIT)),
    }
}
