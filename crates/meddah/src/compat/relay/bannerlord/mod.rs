//! The relay of the Bannerlord mod: characters over HTTP, talks over a WebSocket.

mod campaigns;
mod chat;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use axum::routing::{any, delete, get, post};
use meddah_protocol::{WireError, check_id};
use serde_json::{Value, json};
use tracing::warn;

use super::cast::{Cast, KINDS_MAX, Knowledge, RECORDS_MAX};
use super::conversation::Talks;
use super::http::{answer, aside, body, no_route};
use super::notes::Notes;
use super::sheet::{self, Sheet};
use crate::transport::App;
use crate::wire::invalid;
use campaigns::Campaigns;

/// The id that stands for whatever nameless townsman the player speaks to.
const VILLAGER: &str = "unique-villager-fact";
/// Where the list of campaigns is kept.
const CAMPAIGNS: [&str; 2] = ["bannerlord", "campaigns"];
/// Ids that one request may ask for.
const IDS_MAX: usize = 1024;
/// Kinds of news whose list is sent as a whole.
const LISTS: [&str; 2] = ["war", "scene"];
/// The mod tells of the wars of a new campaign before it says that the campaign is a new one: within this time.
const WARS_TOLD_EARLY: Duration = Duration::from_secs(15 * 60);
/// What the player is called until the first talk tells the name.
const SOMEBODY: &str = "the player";

/// What all clients of the face share.
pub(super) struct Bannerlord {
    app: Arc<App>,
    cast: Cast,
    talks: Arc<Talks>,
    state: Mutex<Played>,
}

/// Held while characters or knowledge change: the mod sends many requests at once.
struct Played {
    campaigns: Campaigns,
    /// When the wars were last told of, and what was known before that.
    wars: Option<(Instant, Vec<String>)>,
}

pub(super) fn router(app: &Arc<App>) -> Router<Arc<App>> {
    let face = Arc::new(Bannerlord::open(app.clone()));
    Router::new()
        .route("/", get(async || "Meddah answers here."))
        .route("/createNewCharacter", post(create))
        .route("/updateCharacter", post(update))
        .route("/checkCharacters", post(check))
        .route("/checkCharacter", post(check))
        .route("/updateCommonKnowledge", post(learn))
        .route("/createSave", post(play))
        .route("/deleteCharacter", delete(remove).post(remove))
        .route("/deleteEverything", any(begin_anew))
        .route("/freshStart", any(begin_anew))
        .route("/chatWithCharacter", get(chat::open))
        .fallback(no_route)
        .with_state(face)
}

type Face = State<Arc<Bannerlord>>;

async fn create(State(face): Face, request: Body) -> Response {
    with_body(face, request, Bannerlord::create).await
}

async fn update(State(face): Face, request: Body) -> Response {
    with_body(face, request, Bannerlord::update).await
}

async fn check(State(face): Face, request: Body) -> Response {
    with_body(face, request, Bannerlord::missing).await
}

async fn learn(State(face): Face, request: Body) -> Response {
    with_body(face, request, Bannerlord::learn).await
}

async fn play(State(face): Face, request: Body) -> Response {
    with_body(face, request, Bannerlord::play).await
}

async fn remove(State(face): Face, request: Body) -> Response {
    with_body(face, request, Bannerlord::remove).await
}

/// The body is empty, or text that says nothing.
async fn begin_anew(State(face): Face) -> Response {
    answer(aside(move || face.begin_anew()).await)
}

async fn with_body(
    face: Arc<Bannerlord>,
    request: Body,
    work: fn(&Bannerlord, &Value) -> Result<Value, WireError>,
) -> Response {
    let done = match body(request).await {
        Ok(value) => aside(move || work(&face, &value)).await,
        Err(error) => Err(error),
    };
    // The mod looks at the status alone and tells nobody.
    answer(
        done.inspect_err(|error| warn!("the Bannerlord mod was refused: {} {}", error.message, error.help)),
    )
}

impl Bannerlord {
    fn open(app: Arc<App>) -> Bannerlord {
        let notes = Notes::new(&app.sidecar.settings.data);
        let cast = Cast::new(app.sidecar.worlds.clone(), notes, "Calradia");
        let campaigns = cast.notes.read::<Campaigns>(&CAMPAIGNS).unwrap_or_default().checked();
        let face = Bannerlord {
            app,
            cast,
            talks: Arc::default(),
            state: Mutex::new(Played { campaigns, wars: None }),
        };
        face.wake(&face.played());
        face
    }

    /// Characters that are there already keep their ways: the mod draws half of them by lot at each request.
    fn create(&self, fields: &Value) -> Result<Value, WireError> {
        let id = id(fields, "id")?;
        let played = self.played();
        let campaign = played.campaigns.current();
        let mut sheet = Sheet { id: id.clone(), ..Sheet::default() };
        if let Some(known) = self.cast.sheet(&campaign.world, &id) {
            let lasting = (known.description.clone(), known.personality, known.temporary_facts.clone());
            sheet = known;
            sheet.update(fields);
            (sheet.description, sheet.personality, sheet.temporary_facts) = lasting;
        } else {
            sheet.update(fields);
        }
        self.cast.keep(&campaign.world, &sheet, called(&campaign.player))?;
        Ok(json!({"id": id, "name": sheet.name, "isSuccess": true}))
    }

    fn update(&self, fields: &Value) -> Result<Value, WireError> {
        let id = id(fields, "id")?;
        let played = self.played();
        let campaign = played.campaigns.current();
        let known = self.cast.sheet(&campaign.world, &id);
        let (mut sheet, player) = match known {
            _ if id == VILLAGER => (villager(known, fields), "the stranger"),
            Some(known) => (known, called(&campaign.player)),
            None => {
                return Ok(json!({"isSuccess": false, "reason": "There is no character with this id."}));
            }
        };
        sheet.update(fields);
        self.cast.keep(&campaign.world, &sheet, player)?;
        Ok(json!({"isSuccess": true}))
    }

    /// The ids that no character has yet.
    fn missing(&self, fields: &Value) -> Result<Value, WireError> {
        let ids = [&fields["characters"], &fields["character"]].into_iter().find_map(sheet::list);
        let ids = ids.ok_or_else(|| invalid("`characters` is missing", "Send a list of ids."))?;
        let played = self.played();
        let world = self.cast.worlds.find(&played.campaigns.current().world).ok();
        let is_there = |id: &String| {
            id == VILLAGER || world.as_ref().is_some_and(|world| world.characters.contains_key(id))
        };
        Ok(ids.into_iter().take(IDS_MAX).filter(|id| !is_there(id)).collect())
    }

    fn learn(&self, fields: &Value) -> Result<Value, WireError> {
        let kind = id(fields, "type")?;
        let news = sheet::list(&fields["information"])
            .ok_or_else(|| invalid("`information` is missing", "Send a text, or a list of texts."))?;
        let mut played = self.played();
        let world = played.campaigns.current().world.clone();
        let mut knowledge = self.cast.knowledge(&world);
        if !knowledge.0.contains_key(&kind) && knowledge.0.len() >= KINDS_MAX {
            return Err(invalid(
                "too many kinds of knowledge",
                "The kinds are war, scene, event and player.",
            ));
        }
        let records = knowledge.0.entry(kind.clone()).or_default();
        if LISTS.contains(&kind.as_str()) {
            let before = std::mem::replace(records, news);
            if kind == "war" {
                played.wars = Some((Instant::now(), before));
            }
        } else {
            let mut newest = VecDeque::from(std::mem::take(records));
            newest.extend(news);
            newest.drain(..newest.len().saturating_sub(RECORDS_MAX));
            *records = newest.into();
        }
        self.cast.keep_knowledge(&world, &knowledge)?;
        Ok(json!(true))
    }

    fn play(&self, fields: &Value) -> Result<Value, WireError> {
        let save = id(fields, "id")?;
        let mut played = self.played();
        let former = played.campaigns.current().world.clone();
        let matches = played.campaigns.play(&save, &self.cast.worlds)?;
        self.cast.notes.write(&CAMPAIGNS, &played.campaigns)?;
        if !matches {
            self.take_wars_along(&mut played, &former)?;
        }
        if played.campaigns.current().world != former {
            played.wars = None;
            self.wake(&played);
        }
        Ok(json!({"isMatch": matches}))
    }

    /// A new campaign has told of its wars before it said that it is one.
    fn take_wars_along(&self, played: &mut Played, former: &str) -> Result<(), WireError> {
        let Some((told, before)) = played.wars.take() else { return Ok(()) };
        if told.elapsed() > WARS_TOLD_EARLY {
            return Ok(());
        }
        let mut knowledge = self.cast.knowledge(former);
        let wars = knowledge.0.insert("war".to_owned(), before).unwrap_or_default();
        self.cast.keep_knowledge(former, &knowledge)?;
        let world = &played.campaigns.current().world;
        self.cast.keep_knowledge(world, &Knowledge([("war".to_owned(), wars)].into()))
    }

    fn remove(&self, fields: &Value) -> Result<Value, WireError> {
        let id = id(fields, "name")?;
        let played = self.played();
        let world = &played.campaigns.current().world;
        if self.cast.character(world, &id).is_none() {
            return Ok(json!({"isSuccess": false, "message": "There is no character with this id."}));
        }
        self.cast.remove(world, &id)?;
        Ok(json!({"isSuccess": true, "message": "The character is gone; what it lived through is kept."}))
    }

    fn begin_anew(&self) -> Result<Value, WireError> {
        let mut played = self.played();
        played.campaigns.begin_anew(&self.cast.worlds)?;
        played.wars = None;
        self.cast.notes.write(&CAMPAIGNS, &played.campaigns)?;
        Ok(json!("Everything begins anew. Nothing was deleted."))
    }

    fn wake(&self, played: &Played) {
        if let Err(error) = self.cast.wake(&played.campaigns.current().world) {
            warn!("what characters know beyond the most important is missing: {}", error.message);
        }
    }

    fn played(&self) -> MutexGuard<'_, Played> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Each townsman is somebody else and remembers nothing of the one before. An update that only adds to what is
/// known is about the same one.
fn villager(known: Option<Sheet>, fields: &Value) -> Sheet {
    let same = known.filter(|known| {
        let is_same = |field: &Value, text: &str| sheet::text(field).is_none_or(|new| new == text);
        is_same(&fields["name"], &known.name) && is_same(&fields["description"], &known.description)
    });
    same.unwrap_or_else(|| Sheet {
        id: VILLAGER.to_owned(),
        name: "Villager".to_owned(),
        description: "A plain villager of Calradia who lives from the work of every day.".to_owned(),
        role: "villager".to_owned(),
        motivation: "to get back to work".to_owned(),
        facts: vec![
            "{Character} joins no warband and sends no recruits; the notables of the place decide that."
                .to_owned(),
            "{Character} sells nothing; goods are for sale in the market.".to_owned(),
        ],
        person: ulid::Ulid::new().to_string(),
        ..Sheet::default()
    })
}

fn called(player: &str) -> &str {
    if player.is_empty() { SOMEBODY } else { player }
}

fn id(fields: &Value, name: &str) -> Result<String, WireError> {
    let id = sheet::text(&fields[name]).unwrap_or_default();
    check_id(name, &id)?;
    Ok(id)
}
