//! A short scene: one call writes what several characters say to each other.
//!
//! Only a model of medium size or larger is asked, and only the preferred one of who speaks next; where it cannot,
//! each line is asked for by itself as always. What the writer reads, all of them know (the engine's
//! `prompt/short_scene.rs`). What it wrote is said in turns like any other: judged, and recorded as its speaker's own.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use futures::StreamExt as _;
use meddah_engine::prompt::{PromptSize, ShortScene};
use meddah_engine::reply::read_scene;
use meddah_engine::timeline::recall;
use meddah_engine::world::{Character, World};
use meddah_inference::ladder::{Ladder, Question, Thinker};
use meddah_inference::{
    ChatModel, ChatRequest, Chunk, ErrorKind, ModelError, Notice, Sampling, ServiceRequest, StopReason,
};
use meddah_store::{EntryFilter, StoredEntry};
use tracing::debug;

use super::Session;
use super::among::Moment;
use crate::request;
use crate::turn::{Written, conversation, form_for};

/// Entries that are looked at for what all of them heard.
const ENTRIES_MAX: usize = 32;
/// Fewer lines are no scene: one call each costs no more.
const LINES_MIN: u32 = 2;
/// Tokens of a line, and of all lines.
const LINE_TOKENS: u32 = 48;
const TOKENS_MAX: u32 = 400;
/// A longer text is cut.
const REPLY_BYTES_MAX: usize = 8 * 1024;

/// The lines that follow, with who says them.
pub(super) type Lines = VecDeque<(String, Written)>;

impl Session {
    /// Lines for those who are there, to be said after what `last` said; `None` if no call can write them.
    pub(super) async fn short_scene(
        &self,
        there: &[String],
        last: &str,
        lines_max: u32,
        moment: &Moment,
    ) -> Option<Lines> {
        if !self.scenes.one_call || lines_max < LINES_MIN {
            return None;
        }
        let world = self.world().ok()?;
        let cast: Vec<&Character> = there.iter().filter_map(|id| world.characters.get(id)).collect();
        let place = cast.iter().position(|character| character.id == last)?;
        let next = cast.iter().find(|character| character.id != last)?;
        let ladder = self.writer(&world, next).await?;
        let heard = self.heard_by_all(there).await?;
        let past = recall(heard.iter().map(|stored| &*stored.entry), there.first()?);
        let language = self.language.as_deref().unwrap_or(&world.language);
        let scene = ShortScene {
            world: &world,
            there: &cast,
            place: moment.scene.place.as_deref(),
            time: moment.scene.time.as_deref(),
            past: &past,
            language,
            lines_max,
        };
        let asking = Asking { session: self, request: self.scene_request(&scene, next) };
        let (text, model) = asking.written(&ladder).await.ok()?;
        let names: Vec<&str> = cast.iter().map(|character| character.name.as_str()).collect();
        let absent = world.characters.values().filter(|other| !there.contains(&other.id));
        let others: Vec<&str> =
            absent.map(|other| other.name.as_str()).chain([self.player.name.as_str()]).collect();
        let lines = read_scene(&text, &names, &others, place, lines_max as usize);
        debug!(lines = lines.len(), "one call wrote a scene");
        let written = lines
            .into_iter()
            .map(|line| (cast[line.speaker].id.clone(), Written { text: line.text, model: model.clone() }));
        Some(written.collect::<Lines>()).filter(|lines| !lines.is_empty())
    }

    /// The preferred rung of who speaks next, if it is a model that can write for several.
    async fn writer(&self, world: &World, next: &Character) -> Option<Ladder> {
        let ladder = self.ports.ladders.in_background(world, next);
        let first = ladder.rungs().first().filter(|rung| !rung.rests())?;
        let Ok(Thinker::Model(model)) = first.thinker() else { return None };
        let info = model.info().await.ok()?;
        let is_able = form_for(self.settings.prompt, &info).size >= PromptSize::Medium;
        is_able.then(|| Ladder::new(vec![first.clone()]))
    }

    /// What every one of them perceived of late, oldest first.
    async fn heard_by_all(&self, there: &[String]) -> Option<Vec<StoredEntry>> {
        let first = there.first()?;
        let filter = EntryFilter::PerceivedBy(first.clone());
        let mut entries = self.ports.store.recent(&self.timeline(), filter, ENTRIES_MAX, None).await.ok()?;
        entries.retain(|stored| there.iter().all(|id| stored.entry.perceived_by(id)));
        Some(entries)
    }

    fn scene_request(&self, scene: &ShortScene<'_>, next: &Character) -> ChatRequest {
        let settings = &self.settings;
        ChatRequest {
            conversation: format!("{}/scene", conversation(&self.timeline(), &next.id)),
            messages: scene.messages().into_iter().map(request::message).collect(),
            max_tokens: (scene.lines_max * LINE_TOKENS).min(TOKENS_MAX),
            sampling: Sampling {
                temperature: settings.temperature,
                min_p: settings.min_p,
                dry_multiplier: settings.dry_multiplier,
                seed: u64::try_from(settings.seed).unwrap_or_else(|_| getrandom::u64().unwrap_or_default()),
            },
            ..ChatRequest::default()
        }
    }
}

/// A scene that is asked for.
struct Asking<'s> {
    session: &'s Session,
    request: ChatRequest,
}

impl Asking<'_> {
    /// The scene, and who wrote it. A last line that was cut off is left out.
    async fn written(&self, ladder: &Ladder) -> Result<(String, String), ModelError> {
        let patience = Duration::from_millis(self.session.settings.timeout_ms);
        let deadline = tokio::time::Instant::from_std(Instant::now() + patience);
        let write = async {
            let mut answer = ladder.ask(self, 0, deadline, &self.session.closing).await?;
            let mut text = String::new();
            while let Some(chunk) = answer.stream.next().await {
                match chunk? {
                    Chunk::Text(piece) => text.push_str(&piece),
                    Chunk::Done { stop: StopReason::Length, .. } => cut_last_line(&mut text),
                    _ => {}
                }
                if text.len() > REPLY_BYTES_MAX {
                    cut_last_line(&mut text);
                    break;
                }
            }
            Ok((text, answer.label.0))
        };
        let too_late = || ModelError::new(ErrorKind::Timeout, "no scene was written in time");
        tokio::time::timeout_at(deadline, write).await.unwrap_or_else(|_| Err(too_late()))
    }
}

fn cut_last_line(text: &mut String) {
    text.truncate(text.trim_end().rfind('\n').unwrap_or(0));
}

#[async_trait]
impl Question for Asking<'_> {
    async fn for_model(&self, model: &dyn ChatModel) -> Result<ChatRequest, ModelError> {
        let info = model.info().await?;
        let texts: Vec<&str> = self.request.messages.iter().map(|message| message.text.as_str()).collect();
        let overhead = info.message_overhead_tokens * texts.len() as u32;
        let tokens: u32 = model.count_tokens(&texts).await?.iter().sum();
        if tokens + overhead + self.request.max_tokens > info.context_tokens {
            return Err(ModelError::new(ErrorKind::ContextFull, "no scene fits into the window"));
        }
        Ok(self.request.clone())
    }

    fn for_service(&self) -> Option<ServiceRequest> {
        None
    }

    fn conversation(&self) -> &str {
        &self.request.conversation
    }

    fn tell(&self, notice: Notice) {
        debug!(code = notice.code, "notice of the ladder");
    }
}
