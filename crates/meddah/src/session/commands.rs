//! Carries out commands: one function each, found from [`Session::command`].

use std::sync::Arc;
use std::time::{Duration, Instant};

use meddah_engine::timeline::EntryKind;
use meddah_protocol::{
    ActionDeclaration, ActionResult, Command, ErrorCode, EventKind, Load, Player, Say, Scene, TEXT_BYTES_MAX,
    TalkRequest, WireError, WorldEvent, check_id,
};
use meddah_store::LoadBy;

use super::scene::{self, Noticed};
use super::{Accepted, Session};
use crate::turn::Cause;

/// How long `load` waits for turns that it cut.
const CUT_TURNS_WAIT: Duration = Duration::from_secs(2);
/// The longest time that a game can allow a turn.
const TIMEOUT_MS_MAX: u64 = 10 * 60 * 1000;
/// Witnesses of an event, ids in a scene.
const IDS_MAX: usize = 256;

/// Nothing was begun, the command is done.
const DONE: Accepted = Accepted { turn: None, repeated: false };

impl Session {
    /// Carries out one command. A turn that it begins goes on by itself.
    pub async fn command(self: &Arc<Self>, command: Command) -> Result<Accepted, WireError> {
        let now = Instant::now();
        match command {
            Command::Hello(_) => Err(invalid("`hello` comes once, at the start", "Open another session.")),
            Command::Say(say) => self.say(say, now, None).await,
            Command::Listen(_) => Err(WireError::new(ErrorCode::Unsupported, "this build cannot hear yet")
                .with_help("Send the player's words as text with `say`.")),
            Command::Event(event) => self.world_event(event, now).await,
            Command::Scene(scene) => {
                let also = if scene.present.is_empty() { self.everybody()? } else { Vec::new() };
                self.take_scene(scene, &also).await?;
                Ok(DONE)
            }
            Command::Actions { list } => self.set_actions(list),
            Command::ActionResult(result) => self.action_result(result).await,
            Command::Heard { turn, line, fraction } => self.heard(&turn, line, fraction).await,
            Command::Interrupt { turn } => Ok(self.interrupt(turn.as_deref())),
            Command::Cancel { req_id } => {
                self.cut_where(|_, running| running.req_id.as_deref() == Some(req_id.as_str()));
                Ok(DONE)
            }
            Command::Save { name } => self.save(name).await,
            Command::Load(load) => self.load(load).await,
            Command::Pressure(_) => Ok(DONE), // taken for the governor that is to come
            Command::End { character } => {
                self.cut_where(|_, running| character.as_ref().is_none_or(|id| *id == running.character));
                Ok(DONE)
            }
            Command::Ping => {
                self.emit(EventKind::Ping);
                Ok(DONE)
            }
        }
    }

    /// The one-shot form: scene, actions and events first, then the words.
    pub async fn talk(self: &Arc<Self>, request: TalkRequest) -> Result<Accepted, WireError> {
        let now = Instant::now();
        for event in request.events {
            self.world_event(WorldEvent { react: false, ..event }, now).await?;
        }
        let say = Say {
            req_id: request.req_id,
            to: request.character,
            from: None,
            text: request.text,
            scene: request.scene,
            actions: request.actions,
        };
        let timeout_ms = request.timeout_ms.map(|timeout_ms| timeout_ms.min(TIMEOUT_MS_MAX));
        self.say(say, now, timeout_ms.map(Duration::from_millis)).await
    }

    async fn say(
        self: &Arc<Self>,
        say: Say,
        now: Instant,
        timeout: Option<Duration>,
    ) -> Result<Accepted, WireError> {
        check_text(&say.text)?;
        for (field, id) in [("to", &say.to), ("req_id", &say.req_id)] {
            if !id.is_empty() {
                check_id(field, id)?;
            }
        }
        if let Some(scene) = say.scene {
            let addressed = Some(say.to.clone()).filter(|to| !to.is_empty());
            self.take_scene(scene, addressed.as_slice()).await?;
        }
        if let Some(actions) = say.actions {
            self.set_actions(actions)?;
        }
        let (speaker, speaker_name) = self.speaker(say.from)?;
        let character = self.addressed(&say.to, &say.text)?;
        let cause = Cause::Said { speaker, speaker_name, text: say.text };
        self.begin_turn(&character, cause, &say.req_id, now, timeout).await
    }

    /// Id and name of who speaks: the player, a character of the world, or somebody the game names.
    fn speaker(&self, from: Option<String>) -> Result<(String, String), WireError> {
        let Player { id, name } = &self.player;
        match from.filter(|from| !from.is_empty() && from != id) {
            None => Ok((id.clone(), name.clone())),
            Some(from) => {
                check_id("from", &from)?;
                let name = self.world()?.characters.get(&from).map_or(from.clone(), |c| c.name.clone());
                Ok((from, name))
            }
        }
    }

    fn addressed(&self, to: &str, text: &str) -> Result<String, WireError> {
        if !to.is_empty() {
            return Ok(to.to_owned());
        }
        let world = self.world()?;
        let state = self.state();
        scene::who_answers(&world, &state.scene, text, state.last_spoken_to.as_deref()).ok_or_else(|| {
            invalid("nobody is there to answer", "Name a character in `to`, or list `present` in the scene.")
        })
    }

    async fn world_event(self: &Arc<Self>, event: WorldEvent, now: Instant) -> Result<Accepted, WireError> {
        check_text(&event.text)?;
        let witnesses = self.witnesses(&event)?;
        if event.react {
            let to = event.to.clone().unwrap_or_default();
            let character = self.addressed(&to, &event.text)?;
            let cause = Cause::Happened(event.text);
            return self.begin_turn(&character, cause, &event.req_id, now, None).await;
        }
        self.append(EntryKind::Event { text: event.text }, None, witnesses).await?;
        Ok(DONE)
    }

    /// Those named, else those who are there, else everybody: the game that sends no scene wants it simple.
    fn witnesses(&self, event: &WorldEvent) -> Result<Vec<String>, WireError> {
        let witnesses = match &event.witnesses {
            Some(witnesses) => witnesses.clone(),
            None => {
                let present = self.state().scene.present.clone();
                if present.is_empty() { self.everybody()? } else { present }
            }
        };
        check_ids("witnesses", &witnesses)?;
        Ok(witnesses)
    }

    fn everybody(&self) -> Result<Vec<String>, WireError> {
        Ok(self.world()?.characters.keys().cloned().collect())
    }

    /// The scene from now on. Whoever is in it notices what changed; `also` are in it without being listed.
    async fn take_scene(&self, scene: Scene, also: &[String]) -> Result<(), WireError> {
        check_ids("present", &scene.present)?;
        check_ids("hearing", &scene.hearing)?;
        let world = self.world()?;
        let before = {
            let mut state = self.state();
            state.actions =
                Arc::new(scene::action_set(&world, state.declared.as_deref(), &scene, &self.player.id)?);
            std::mem::replace(&mut state.scene, scene.clone())
        };
        for Noticed { text, witnesses } in scene::what_is_noticed(&before, &scene, also) {
            self.append(EntryKind::Event { text }, None, witnesses).await?;
        }
        Ok(())
    }

    fn set_actions(&self, list: Vec<ActionDeclaration>) -> Result<Accepted, WireError> {
        let world = self.world()?;
        let mut state = self.state();
        state.actions = Arc::new(scene::action_set(&world, Some(&list), &state.scene, &self.player.id)?);
        state.declared = Some(list);
        Ok(DONE)
    }

    async fn action_result(&self, result: ActionResult) -> Result<Accepted, WireError> {
        let call = self.state().calls.iter().find(|(call, _)| *call == result.call_id).cloned();
        let Some((call_id, character)) = call else {
            return Err(WireError::new(
                ErrorCode::UnknownTurn,
                format!("no action call {:?}", result.call_id),
            )
            .with_help("Send the `call_id` of the `action` event, in the same session."));
        };
        let turn = self.record_id(call_id.split('.').next().unwrap_or_default());
        let result = ActionResult { call_id: self.record_id(&call_id), ..result };
        let kind = EntryKind::ActionResult { turn, result };
        self.append(kind, Some(&character), vec![character.clone()]).await?;
        Ok(DONE)
    }

    async fn heard(&self, turn: &str, line: u32, fraction: f32) -> Result<Accepted, WireError> {
        if !(0.0..=1.0).contains(&fraction) {
            return Err(invalid("`fraction` must be 0 to 1", "1 is a line that was heard to its end."));
        }
        let kind = EntryKind::Heard { turn: self.record_id(turn), line, fraction };
        self.append(kind, None, Vec::new()).await?;
        Ok(DONE)
    }

    fn interrupt(&self, turn: Option<&str>) -> Accepted {
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
        let by = match (load.cursor, load.name, load.game_time) {
            (Some(cursor), _, _) => LoadBy::Cursor(cursor.parse().map_err(|error| {
                WireError::new(ErrorCode::UnknownSave, format!("{error}"))
                    .with_help("Send a cursor exactly as a `saved` event gave it.")
            })?),
            (None, Some(name), _) => LoadBy::Name(name),
            (None, None, Some(game_time)) => LoadBy::GameTime(game_time),
            (None, None, None) => {
                return Err(invalid("`load` needs `cursor`, `name` or `game_time`", "Send one of them."));
            }
        };
        self.cut_where(|_, _| true);
        self.wait_until_no_turn_runs().await?;
        let loaded = self.ports.store.load(&self.timeline(), by).await?;
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
        }
        Ok(())
    }

    async fn append(
        &self,
        kind: EntryKind,
        character: Option<&str>,
        witnesses: Vec<String>,
    ) -> Result<(), WireError> {
        let mut entry = crate::turn::entry(kind, character, witnesses);
        entry.game_time = self.state().scene.game_time;
        self.ports.store.append(&self.timeline(), vec![entry]).await?;
        Ok(())
    }

    /// A turn or call id of this session as the timeline knows it.
    fn record_id(&self, id: &str) -> String {
        format!("{}/{id}", self.id)
    }
}

fn invalid(message: &str, help: &str) -> WireError {
    WireError::new(ErrorCode::InvalidRequest, message).with_help(help)
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

fn check_ids(field: &str, ids: &[String]) -> Result<(), WireError> {
    if ids.len() > IDS_MAX {
        return Err(invalid(&format!("`{field}` has more than {IDS_MAX} ids"), "Name only those nearby."));
    }
    ids.iter().try_for_each(|id| check_id(field, id))
}
