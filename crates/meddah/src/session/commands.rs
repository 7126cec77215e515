//! Carries out commands: one function each, found from [`Session::command`].

use std::sync::Arc;
use std::time::{Duration, Instant};

use meddah_engine::goal;
use meddah_engine::timeline::{Entry, EntryKind, MEMORY_BYTES_MAX, MemoryKind, MemoryRecord};
use meddah_protocol::{
    ActionDeclaration, Command, ErrorCode, EventKind, Load, Player, Say, Scene, TEXT_BYTES_MAX, TalkRequest,
    WireError, WorldEvent, check_id,
};
use meddah_store::LoadBy;

use super::among::{Follow, Moment};
use super::scene::{self, Noticed};
use super::{Accepted, Session, Terms};
use crate::turn::Cause;
use crate::turn::conversation;
use crate::voice::AudioForm;
use crate::wire::invalid;

/// How long `load` waits for turns that it cut.
const CUT_TURNS_WAIT: Duration = Duration::from_secs(2);
/// The longest time that a game can allow a turn.
const TIMEOUT_MS_MAX: u64 = 10 * 60 * 1000;
/// Witnesses of an event, ids in a scene.
const IDS_MAX: usize = 256;

/// How sure a character is of what it was only told, and how much that matters to it, 0 to 1.
const HEARSAY_CONFIDENCE: f32 = 0.6;
const HEARSAY_IMPORTANCE: f32 = 0.5;

/// Nothing was begun, the command is done.
pub(super) const DONE: Accepted = Accepted { turn: None, repeated: false };

impl Session {
    /// Carries out one command. A turn that it begins goes on by itself.
    pub async fn command(self: &Arc<Self>, command: Command) -> Result<Accepted, WireError> {
        let now = Instant::now();
        let _taking = match &command {
            Command::Say(_) | Command::Event(_) | Command::Scene(_) | Command::Actions { .. } => {
                Some(self.taking.lock().await)
            }
            _ => None,
        };
        match command {
            Command::Hello(_) => Err(invalid("`hello` comes once, at the start", "Open another session.")),
            Command::Say(say) => self.say(say, Vec::new(), self.terms(now)).await,
            Command::Listen(listen) => self.listen(listen).await,
            Command::Event(event) => self.world_event(event, now).await,
            Command::Scene(scene) => {
                let also = if scene.present.is_empty() { self.everybody()? } else { Vec::new() };
                let there = if also.is_empty() { scene.present.clone() } else { also.clone() };
                let accepted = self.settle(Some(scene), None, &also).await?;
                self.pursue(&there, goal::Moment::default()).await?;
                self.speak_first(now).await?;
                Ok(accepted)
            }
            Command::Actions { list } => self.settle(None, Some(list), &[]).await,
            Command::ActionResult(result) => self.action_result(result).await,
            Command::Heard { turn, line, fraction } => self.heard(&turn, line, fraction).await,
            Command::Interrupt { turn } => Ok(self.interrupt(given(turn).as_deref())),
            Command::Cancel { req_id } => {
                self.stop_listening(Some(&req_id));
                self.cut_where(|_, running| running.req_id.as_deref() == Some(req_id.as_str()));
                Ok(DONE)
            }
            Command::Save { name } => self.save(given(name)).await,
            Command::Load(load) => self.load(load).await,
            Command::Pressure(_) => Ok(DONE), // taken for the governor that is to come
            Command::End { character } => {
                let character = given(character);
                self.ports.voices.stop_playing(&self.id);
                self.end_chains(|id| character.as_ref().is_none_or(|wanted| wanted == id));
                self.cut_where(|_, running| character.as_ref().is_none_or(|id| *id == running.character));
                self.reflection.talk_ended(&self.timeline(), character.as_deref());
                Ok(DONE)
            }
            Command::Ping => {
                self.emit(EventKind::Ping);
                Ok(DONE)
            }
        }
    }

    /// The one-shot form: scene and actions first, then what happened in it, then the words.
    pub async fn talk(self: &Arc<Self>, request: TalkRequest) -> Result<Accepted, WireError> {
        let now = Instant::now();
        let _taking = self.taking.lock().await;
        let say = Say {
            req_id: request.req_id,
            to: request.character,
            from: None,
            text: request.text,
            scene: request.scene,
            actions: request.actions,
            among: 0,
        };
        let timeout_ms = request.timeout_ms.map(|timeout_ms| timeout_ms.min(TIMEOUT_MS_MAX));
        let mut terms = Terms { timeout: timeout_ms.map(Duration::from_millis), ..self.terms(now) };
        if let Some(capabilities) = &request.capabilities {
            (terms.deltas, terms.audio) = (capabilities.deltas, AudioForm::of(capabilities)?);
            if terms.audio.is_some() {
                self.ports.voices.list_voices().await;
            }
        }
        self.say(say, request.events, terms).await
    }

    /// Everything is looked at before anything is changed: a request that is refused, or that was made before,
    /// leaves no trace.
    pub(super) async fn say(
        self: &Arc<Self>,
        say: Say,
        events: Vec<WorldEvent>,
        terms: Terms,
    ) -> Result<Accepted, WireError> {
        if let Some(accepted) = self.repeated(&say.req_id) {
            return Ok(accepted);
        }
        check_text(&say.text)?;
        events.iter().try_for_each(check_event)?;
        for (field, id) in [("to", &say.to), ("req_id", &say.req_id)] {
            if !id.is_empty() {
                check_id(field, id)?;
            }
        }
        if !say.to.is_empty() {
            self.check_character(&say.to)?;
        }
        let (speaker, speaker_name) = self.speaker(say.from)?;
        let also = Some(say.to.clone()).filter(|to| !to.is_empty());
        self.settle(say.scene, say.actions, also.as_slice()).await?;
        for event in events {
            let witnesses = self.witnesses(&event)?;
            self.happens(event, &witnesses).await?;
        }
        let mut answering = self.addressed(&say.to, &say.text, &speaker)?;
        let heard = goal::Moment { heard: &say.text, ..goal::Moment::default() };
        self.pursue(&answering, heard).await?;
        let others = answering.split_off(1.min(answering.len()));
        let character = answering.pop().unwrap_or_default();
        let by_player = speaker == self.player.id;
        if by_player {
            let there = self.state().scene.present.clone();
            self.end_chains(|id| id == character || there.iter().any(|other| other == id));
        }
        let cause = Cause::Said { speaker, speaker_name, text: say.text };
        let moment = self.state().moment();
        let accepted = self.begin_turn(&character, cause.clone(), &say.req_id, terms, None).await?;
        let follow = match (others.is_empty(), say.among) {
            (false, _) => Some(Follow::Answers(others)),
            (true, 0) => None,
            (true, turns) => Some(Follow::Talk(turns)),
        };
        self.follow_accepted(&accepted, &character, cause, moment, follow);
        Ok(accepted)
    }

    /// Lets others speak after a turn that was begun here and now.
    fn follow_accepted(
        self: &Arc<Self>,
        accepted: &Accepted,
        first: &str,
        cause: Cause,
        moment: Moment,
        follow: Option<Follow>,
    ) {
        if let (Some(turn), false, Some(follow)) = (&accepted.turn, accepted.repeated, follow) {
            self.follow(turn.clone(), first, cause, moment, follow);
        }
    }

    /// The answer to a request that was made before.
    pub(super) fn repeated(&self, req_id: &str) -> Option<Accepted> {
        let state = self.state();
        let turn = state.requests.turn_of(req_id)?;
        // An event that asks for no remark has no turn.
        Some(Accepted { turn: Some(turn.to_owned()).filter(|turn| !turn.is_empty()), repeated: true })
    }

    /// Id and name of who speaks: the player, a character of the world, or somebody the game names.
    pub(super) fn speaker(&self, from: Option<String>) -> Result<(String, String), WireError> {
        let Player { id, name } = &self.player;
        match from.filter(|from| !from.is_empty() && from != id) {
            None => Ok((id.clone(), name.clone())),
            Some(from) => {
                check_id("from", &from)?;
                let name = self.world()?.name_of(&from).to_owned();
                Ok((from, name))
            }
        }
    }

    /// Who answers what `speaker` said; nobody answers himself.
    pub(super) fn addressed(&self, to: &str, text: &str, speaker: &str) -> Result<Vec<String>, WireError> {
        if !to.is_empty() {
            return Ok(vec![to.to_owned()]);
        }
        let world = self.world()?;
        let state = self.state();
        let last = state.last_spoken_to.as_deref();
        let found = scene::who_answers(&world, &state.scene, text, speaker, last);
        if found.is_empty() {
            let help = "Name a character in `to`, or list `present` in the scene.";
            return Err(invalid("nobody is there to answer", help));
        }
        Ok(found)
    }

    async fn world_event(self: &Arc<Self>, event: WorldEvent, now: Instant) -> Result<Accepted, WireError> {
        if let Some(accepted) = self.repeated(&event.req_id) {
            return Ok(accepted);
        }
        check_event(&event)?;
        let witnesses = self.witnesses(&event)?;
        if event.react && given(event.told_by.clone()).is_some() {
            return Err(invalid(
                "`told_by` and `react` do not go together",
                "To hear an answer, send `say` with who tells it in `from` and who hears it in `to`.",
            ));
        }
        if event.react {
            let to = event.to.clone().unwrap_or_default();
            let character = self.addressed(&to, &event.text, "")?.into_iter().next().unwrap_or_default();
            let happened = event.name.unwrap_or_default();
            self.pursue(&witnesses, goal::Moment { happened: &happened, ..goal::Moment::default() }).await?;
            let cause = Cause::Happened { text: event.text, witnesses };
            let moment = self.state().moment();
            let terms = self.terms(now);
            let accepted = self.begin_turn(&character, cause.clone(), &event.req_id, terms, None).await?;
            let turns = if event.among == 0 { self.scenes.after_events } else { event.among };
            let follow = (turns > 0).then_some(Follow::Talk(turns));
            self.follow_accepted(&accepted, &character, cause, moment, follow);
            return Ok(accepted);
        }
        let req_id = event.req_id.clone();
        self.happens(event, &witnesses).await?;
        if !req_id.is_empty() {
            self.state().requests.remember(&req_id, "");
        }
        self.speak_first(now).await?;
        Ok(DONE)
    }

    /// What happened goes to its witnesses; whoever sees it may have waited for it. What somebody tells goes to each hearer as hearsay: an entry of
    /// its own, so that nobody becomes a witness of what it only heard of.
    async fn happens(&self, event: WorldEvent, witnesses: &[String]) -> Result<(), WireError> {
        let happened = event.name.unwrap_or_default();
        let Some(told_by) = given(event.told_by) else {
            self.append(EntryKind::Event { text: event.text }, None, witnesses.to_vec()).await?;
            return self
                .pursue(witnesses, goal::Moment { happened: &happened, ..goal::Moment::default() })
                .await;
        };
        let game_time = self.state().scene.game_time;
        let hearsay = MemoryRecord {
            kind: MemoryKind::Hearsay,
            text: event.text,
            about: vec![told_by.clone()],
            importance: HEARSAY_IMPORTANCE,
            confidence: HEARSAY_CONFIDENCE,
            told_by: Some(told_by),
            ..MemoryRecord::default()
        };
        let entry_of = |hearer: &String| {
            let kind = EntryKind::Memory(hearsay.clone());
            Entry { game_time, ..crate::turn::entry(kind, Some(hearer), Vec::new()) }
        };
        let entries = witnesses.iter().map(entry_of).collect();
        self.ports.store.append(&self.timeline(), entries).await?;
        Ok(())
    }

    /// Those named, else those who are there, else everybody: the game that sends no scene wants it simple.
    fn witnesses(&self, event: &WorldEvent) -> Result<Vec<String>, WireError> {
        let told_by = event.told_by.as_ref().filter(|told_by| !told_by.is_empty());
        let witnesses = match (&event.witnesses, told_by) {
            (Some(witnesses), _) => {
                check_ids("witnesses", witnesses)?;
                witnesses.clone()
            }
            (None, Some(_)) => event.to.iter().filter(|to| !to.is_empty()).cloned().collect(),
            (None, None) => {
                let present = self.state().scene.present.clone();
                if present.is_empty() { self.everybody()? } else { present }
            }
        };
        let Some(told_by) = told_by else { return Ok(witnesses) };
        let hearers: Vec<String> = witnesses.into_iter().filter(|hearer| hearer != told_by).collect();
        if hearers.is_empty() {
            return Err(invalid(
                "`told_by` needs somebody who is told",
                "Name the hearers in `witnesses`, or one of them in `to`.",
            ));
        }
        Ok(hearers)
    }

    fn everybody(&self) -> Result<Vec<String>, WireError> {
        Ok(self.world()?.characters.keys().cloned().collect())
    }

    /// Scene and actions from now on, both or none. Whoever is in the scene notices what changed; `also` are in
    /// it without being listed.
    async fn settle(
        &self,
        scene: Option<Scene>,
        list: Option<Vec<ActionDeclaration>>,
        also: &[String],
    ) -> Result<Accepted, WireError> {
        let scene = scene.map(checked_scene).transpose()?;
        let world = self.world()?;
        let (noticed, moved) = {
            let mut state = self.state();
            let declared = list.or_else(|| state.declared.clone());
            let new_scene = scene.unwrap_or_else(|| state.scene.clone());
            let (player, before) = (&self.player.id, &state.actions);
            let actions = scene::action_set(&world, declared.as_deref(), &new_scene, player, before)?;
            let noticed = scene::what_is_noticed(&state.scene, &new_scene, also);
            let elsewhere = (&state.scene.place, &state.scene.time) != (&new_scene.place, &new_scene.time);
            let moved = elsewhere.then(|| new_scene.clone());
            (state.actions, state.declared, state.scene) = (actions, declared, new_scene);
            (noticed, moved)
        };
        // Where and when things are said is part of what is remembered of them.
        if let Some(scene) = moved {
            self.append(EntryKind::Scene(scene), None, Vec::new()).await?;
        }
        for Noticed { text, witnesses } in noticed {
            self.append(EntryKind::Event { text }, None, witnesses).await?;
        }
        Ok(DONE)
    }

    pub(super) fn interrupt(&self, turn: Option<&str>) -> Accepted {
        match turn {
            Some(turn) => self.sounding.stops(turn),
            None => {
                self.end_chains(|_| true);
                self.sounding.stop();
            }
        }
        self.ports.voices.stop_playing(&self.id);
        let mut cut = self.cut_where(|id, _| turn.is_none_or(|turn| turn == id));
        Accepted { turn: if cut.len() == 1 { cut.pop() } else { None }, repeated: false }
    }

    async fn save(&self, name: Option<String>) -> Result<Accepted, WireError> {
        if let Some(name) = &name {
            check_id("name", name)?;
        }
        let game_time = self.state().scene.game_time;
        let cursor = self.ports.store.save(&self.timeline(), name.as_deref(), game_time).await?;
        self.emit(EventKind::Saved { cursor: cursor.to_string() });
        Ok(DONE)
    }

    /// The save that `hello` names.
    pub async fn load_save(&self, load: Load) -> Result<(), WireError> {
        self.load(load).await.map(|_| ())
    }

    /// Back to a saved moment. Turns that run belong to the time that is left: they are cut and kept there.
    async fn load(&self, load: Load) -> Result<Accepted, WireError> {
        let by = match (given(load.cursor), given(load.name), load.game_time) {
            (Some(cursor), _, _) => LoadBy::Cursor(cursor.parse().map_err(|error| {
                WireError::new(ErrorCode::UnknownSave, format!("{error}"))
                    .with_help("Send a cursor exactly as a `saved` event gave it.")
            })?),
            (None, Some(name), Some(game_time)) => LoadBy::NameAt { name, game_time },
            (None, Some(name), None) => LoadBy::Name(name),
            (None, None, Some(game_time)) => LoadBy::GameTime(game_time),
            (None, None, None) => {
                return Err(invalid("`load` needs `cursor`, `name` or `game_time`", "Send one of them."));
            }
        };
        self.end_chains(|_| true);
        self.cut_where(|_, _| true);
        self.wait_until_no_turn_runs().await?;
        let loaded = self.ports.store.load(&self.timeline(), by).await?;
        self.reflection.loaded(&self.timeline());
        let world = self.world()?;
        let key = self.timeline();
        let conversations: Vec<String> = world.characters.keys().map(|id| conversation(&key, id)).collect();
        self.ports.ladders.forget(&conversations).await;
        {
            // Where everybody is belongs to the time that was left; the game tells it anew.
            let mut state = self.state();
            state.scene = Scene::default();
            let (player, declared) = (&self.player.id, state.declared.as_deref());
            let actions = scene::action_set(&world, declared, &state.scene, player, &state.actions)?;
            (state.actions, state.last_spoken_to) = (actions, None);
            state.encounters.load();
        }
        self.emit(EventKind::Loaded {
            cursor: loaded.cursor.to_string(),
            branch: loaded.branch.to_string(),
            uncertain: loaded.uncertain,
        });
        Ok(DONE)
    }

    async fn wait_until_no_turn_runs(&self) -> Result<(), WireError> {
        let deadline = Instant::now() + CUT_TURNS_WAIT;
        while !self.state().running.is_empty() {
            if Instant::now() > deadline {
                return Err(
                    WireError::new(ErrorCode::Busy, "a turn is still ending").with_help("Send `load` again.")
                );
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
            // A turn may just have been begun by a talk among characters.
            self.cut_where(|_, _| true);
        }
        Ok(())
    }

    pub(super) async fn append(
        &self,
        kind: EntryKind,
        character: Option<&str>,
        witnesses: Vec<String>,
    ) -> Result<(), WireError> {
        self.append_all(vec![kind], character, witnesses).await
    }

    /// As [`Session::append`], all of it or nothing.
    pub(super) async fn append_all(
        &self,
        kinds: Vec<EntryKind>,
        character: Option<&str>,
        witnesses: Vec<String>,
    ) -> Result<(), WireError> {
        let game_time = self.state().scene.game_time;
        let entry = |kind| Entry { game_time, ..crate::turn::entry(kind, character, witnesses.clone()) };
        let entries = kinds.into_iter().map(entry).collect();
        self.ports.store.append(&self.timeline(), entries).await?;
        Ok(())
    }

    /// A turn or call id of this session as the timeline knows it.
    pub(super) fn record_id(&self, id: &str) -> String {
        format!("{}/{id}", self.id)
    }
}

fn check_text(text: &str) -> Result<(), WireError> {
    if text.trim().is_empty() {
        return Err(invalid("`text` is empty", "Send what was said or what happened."));
    }
    if text.len() > TEXT_BYTES_MAX {
        let message = format!("`text` has {} bytes, {TEXT_BYTES_MAX} are allowed", text.len());
        return Err(WireError::new(ErrorCode::TooLarge, message).with_help("Send it in smaller parts."));
    }
    Ok(())
}

fn check_event(event: &WorldEvent) -> Result<(), WireError> {
    check_text(&event.text)?;
    let told_by = event.told_by.as_deref().unwrap_or_default();
    if !told_by.is_empty() && event.text.len() > MEMORY_BYTES_MAX {
        let message = format!("hearsay has at most {MEMORY_BYTES_MAX} bytes, this has {}", event.text.len());
        return Err(WireError::new(ErrorCode::TooLarge, message).with_help("Tell it in a few sentences."));
    }
    let name = event.name.as_deref().unwrap_or_default();
    let to = event.to.as_deref().unwrap_or_default();
    for (field, id) in [("told_by", told_by), ("name", name), ("to", to), ("req_id", &event.req_id)] {
        if !id.is_empty() {
            check_id(field, id)?;
        }
    }
    Ok(())
}

/// A scene in bounds; an empty place or time is none.
pub(super) fn checked_scene(mut scene: Scene) -> Result<Scene, WireError> {
    check_ids("present", &scene.present)?;
    check_ids("hearing", &scene.hearing)?;
    (scene.place, scene.time) = (given(scene.place), given(scene.time));
    let texts = scene.facts.iter().chain(&scene.place).chain(&scene.time);
    let bytes = texts.map(String::len).sum::<usize>();
    if bytes > TEXT_BYTES_MAX {
        let message = format!("the scene has {bytes} bytes of text, {TEXT_BYTES_MAX} are allowed");
        return Err(WireError::new(ErrorCode::TooLarge, message).with_help("Tell what matters now."));
    }
    Ok(scene)
}

/// Some games write every field: an empty text stands for one that is left out.
fn given(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.trim().is_empty())
}

fn check_ids(field: &str, ids: &[String]) -> Result<(), WireError> {
    if ids.len() > IDS_MAX {
        return Err(invalid(format!("`{field}` has more than {IDS_MAX} ids"), "Name only those nearby."));
    }
    ids.iter().try_for_each(|id| check_id(field, id))
}
