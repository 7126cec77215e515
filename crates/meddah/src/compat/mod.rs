//! Faces: protocols of others, so that mods which exist talk with Meddah unmodified.
//!
//! A face is a port of its own with routes of its own, opened only when it is asked for. It lets nobody in
//! whom our own port would not let in. A mod that builds its own prompt reaches the model as it is
//! ([`Sidecar::model`](crate::sidecar::Sidecar::model)); the model name `character:<id>` reaches a whole
//! character with memory, feelings and actions.

mod aloud;
mod answer;
mod asked;
mod character;
mod embeddings;
mod instruct;
mod koboldcpp;
mod ollama;
pub(crate) mod openai;
pub(crate) mod passthrough;
mod path;
mod player2;
pub mod relay;
mod reply;
mod sent;
mod stop;
mod streaming;

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use anyhow::Context as _;
use axum::Router;
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use meddah_protocol::WireError;
use serde::{Serialize, Serializer};
use tokio::net::TcpListener;
use tracing::warn;

use crate::transport::{self, App};

/// A protocol of others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaceKind {
    /// Chat completions, models, embeddings.
    OpenAi,
    /// The Player2 app.
    Player2,
    /// Ollama.
    Ollama,
    /// KoboldCpp.
    KoboldCpp,
    /// The relay of a Bannerlord mod.
    BannerlordRelay,
    /// The relay of a Skyrim mod.
    SkyrimRelay,
    /// The relay of a Baldur's Gate 3 mod.
    BaldursGateRelay,
}

impl FaceKind {
    /// All of them.
    pub const ALL: [FaceKind; 7] = [
        FaceKind::OpenAi,
        FaceKind::Player2,
        FaceKind::Ollama,
        FaceKind::KoboldCpp,
        FaceKind::BannerlordRelay,
        FaceKind::SkyrimRelay,
        FaceKind::BaldursGateRelay,
    ];

    /// Its name in settings and flags.
    pub fn name(self) -> &'static str {
        match self {
            FaceKind::OpenAi => "openai",
            FaceKind::Player2 => "player2",
            FaceKind::Ollama => "ollama",
            FaceKind::KoboldCpp => "koboldcpp",
            FaceKind::BannerlordRelay => "bannerlord-relay",
            FaceKind::SkyrimRelay => "skyrim-relay",
            FaceKind::BaldursGateRelay => "baldursgate-relay",
        }
    }

    /// Where mods look for it if nobody told them otherwise.
    pub fn usual_port(self) -> u16 {
        match self {
            FaceKind::OpenAi => 7843, // mods take any address; this one is next to our own
            FaceKind::Player2 => 4315,
            FaceKind::Ollama => 11434,
            FaceKind::KoboldCpp => 5001,
            FaceKind::BannerlordRelay | FaceKind::SkyrimRelay => 3000,
            FaceKind::BaldursGateRelay => 3001, // written into the mod's program; 3030 only into its connector
        }
    }

    /// How the guard's refusals look: a mod shows what it can read.
    fn refuse(self) -> fn(WireError) -> Response {
        match self {
            FaceKind::OpenAi => |error| openai::error::Refused(error).into_response(),
            FaceKind::Player2 => |error| player2::error::Refused(error).into_response(),
            FaceKind::Ollama => |error| ollama::Refused(error).into_response(),
            FaceKind::KoboldCpp => |error| koboldcpp::Refused(error).into_response(),
            FaceKind::BannerlordRelay | FaceKind::SkyrimRelay | FaceKind::BaldursGateRelay => {
                transport::refused
            }
        }
    }
}

impl Serialize for FaceKind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// A face that is asked for: `player2`, or `openai:8080`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FaceSetting {
    /// Which.
    pub kind: FaceKind,
    /// On which port; 0 takes a free one.
    pub port: u16,
}

/// A face that does not exist.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct UnknownFace(String);

impl fmt::Display for UnknownFace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = FaceKind::ALL.iter().map(|kind| kind.name()).collect();
        write!(f, "there is no face {:?}; write one of {}, or NAME:PORT", self.0, names.join(", "))
    }
}

impl fmt::Display for FaceSetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.kind.name(), self.port)
    }
}

impl FromStr for FaceSetting {
    type Err = UnknownFace;

    fn from_str(text: &str) -> Result<FaceSetting, UnknownFace> {
        let unknown = || UnknownFace(text.to_owned());
        let (name, port) = match text.split_once(':') {
            Some((name, port)) => (name, Some(port.parse().map_err(|_| unknown())?)),
            None => (text, None),
        };
        let kind = FaceKind::ALL.into_iter().find(|kind| kind.name() == name.trim()).ok_or_else(unknown)?;
        Ok(FaceSetting { kind, port: port.unwrap_or(kind.usual_port()) })
    }
}

/// A face as `GET /v1/health` shows it.
#[derive(Clone, Debug, Serialize)]
pub struct FaceState {
    /// Which.
    pub name: FaceKind,
    /// Its port.
    pub port: u16,
    /// `open`, or `closed` when somebody else has the port.
    pub state: &'static str,
}

/// A face with its port open, or without one.
pub(crate) struct OpenFace {
    pub kind: FaceKind,
    pub state: FaceState,
    pub listeners: Vec<TcpListener>,
}

/// Opens the ports of the faces that the settings name.
pub(crate) async fn open(settings: &[String]) -> anyhow::Result<Vec<OpenFace>> {
    let mut faces = Vec::new();
    for text in settings {
        let FaceSetting { kind, port } = text.parse().context("cannot open a face")?;
        let (listeners, port, state) = match transport::bind(port).await {
            Ok((listeners, port)) => (listeners, port, "open"),
            Err(error) => {
                warn!(
                    face = kind.name(),
                    port, "somebody else has this port, so this face stays closed: {error:#}"
                );
                (Vec::new(), port, "closed")
            }
        };
        faces.push(OpenFace { kind, state: FaceState { name: kind, port, state }, listeners });
    }
    Ok(faces)
}

/// The routes of a face, behind the guard.
pub(crate) fn router(kind: FaceKind, app: Arc<App>) -> Router {
    let routes: Router<Arc<App>> = match kind {
        FaceKind::OpenAi => path::forgiving(openai::face().with_state(app.clone())),
        FaceKind::Player2 => path::forgiving(player2::face(&app)),
        FaceKind::Ollama => path::forgiving(ollama::face().with_state(app.clone())),
        FaceKind::KoboldCpp => path::forgiving(koboldcpp::face(&app)),
        FaceKind::BannerlordRelay => relay::bannerlord(&app),
        FaceKind::SkyrimRelay => relay::skyrim(&app),
        FaceKind::BaldursGateRelay => relay::baldursgate(&app),
    };
    let guarded = move |State(app): State<Arc<App>>, request: Request, next: Next| async move {
        let face_token = app.sidecar.settings.face_token;
        let check = |parts: &Parts| app.guard.check_face(parts, face_token);
        transport::guard_with(&app, request, next, check, kind.refuse()).await
    };
    routes.layer(middleware::from_fn_with_state(app.clone(), guarded)).with_state(app)
}

/// A request as each of the faces understands it.
#[cfg(test)]
fn read_as_every_face(body: &serde_json::Value) -> [Result<asked::Asked, meddah_protocol::WireError>; 4] {
    [openai::request::chat(body), ollama::chat_of(body), ollama::prompt_of(body), koboldcpp::prompt_of(body)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_face_is_named_with_or_without_a_port() {
        let setting = |text: &str| text.parse::<FaceSetting>().map(|face| (face.kind, face.port));
        assert_eq!(setting("player2"), Ok((FaceKind::Player2, 4315)));
        assert_eq!(setting("openai:0"), Ok((FaceKind::OpenAi, 0)));
        let error = setting("openapi").unwrap_err().to_string();
        assert!(error.contains("bannerlord-relay") && error.contains("\"openapi\""), "{error}");
        assert!(setting("ollama:port").is_err() && setting("ollama:99999").is_err());
    }

    #[tokio::test]
    async fn a_port_that_somebody_else_holds_is_left_to_them() {
        let (_held, port) = transport::bind(0).await.unwrap();
        let faces = open(&[format!("ollama:{port}"), "koboldcpp:0".into()]).await.unwrap();
        let states: Vec<_> = faces.iter().map(|face| (face.state.state, face.listeners.is_empty())).collect();
        assert_eq!(states, [("closed", true), ("open", false)]);
        assert!(open(&["telnet".into()]).await.is_err());
    }
}
