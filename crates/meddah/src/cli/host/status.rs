//! `meddah host status`, `drain`, `open` and `close`: the running host is asked on its own port.

use meddah_inference::http::{Call, ERROR_BODY_BYTES_MAX, Http, Method, Url};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::cli::setup::Setup;
use crate::cli::{BAD_INPUT, DONE, Failure, NO_ANSWER, WRONG_USAGE, print};

#[derive(clap::Args)]
pub struct StatusArguments {
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

pub async fn run(setup: &Setup, arguments: StatusArguments) -> Result<u8, Failure> {
    let status = ask(setup, "GET", "/status").await?;
    if arguments.json {
        print::line(&status.to_string());
        return Ok(DONE);
    }
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    print::line(&format!("{}  {}  {} slots", text(&status["url"]), text(&status["state"]), status["slots"]));
    for class in status["classes"].as_array().into_iter().flatten() {
        print::line(&format!(
            "  {}: {} running, {} waiting, {} since the start",
            text(&class["class"]),
            class["running"],
            class["waiting"],
            class["started"]
        ));
    }
    for engine in status["engines"].as_array().into_iter().flatten() {
        let draining = if engine["draining"] == true { ", draining" } else { "" };
        print::line(&format!(
            "  engine {}: {}{draining}, {} of {} slots busy, {} served, {} failed",
            text(&engine["name"]),
            text(&engine["health"]),
            engine["running"],
            engine["slots"],
            engine["served"],
            engine["failed"]
        ));
    }
    Ok(DONE)
}

pub async fn drain(setup: &Setup, engine: Option<String>, undo: bool) -> Result<u8, Failure> {
    let Some(engine) = engine else {
        return set_state(setup, if undo { "open" } else { "draining" }).await;
    };
    if !engine.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte)) {
        return Err(Failure::new(
            WRONG_USAGE,
            "this is no name of an engine\n`meddah host status` lists them.",
        ));
    }
    let method = if undo { "DELETE" } else { "POST" };
    ask(setup, method, &format!("/engines/{engine}/drain")).await?;
    print::line(if undo { "The engine takes requests again." } else { "The engine takes nothing new." });
    Ok(DONE)
}

/// The switch is in the database, so that it holds for every host and also when none runs.
pub async fn set_state(setup: &Setup, state: &str) -> Result<u8, Failure> {
    if ask(setup, "POST", &format!("/state/{state}")).await.is_err() {
        let state = serde_json::from_value(Value::from(state)).map_err(anyhow::Error::from)?;
        super::store(setup).await?.set_state(state).await.map_err(super::failure)?;
    }
    print::line(match state {
        "open" => "Requests are answered.",
        "draining" => "Nothing new is taken; what is under way is finished.",
        _ => "Nothing is answered any more. `meddah host open` undoes it.",
    });
    Ok(DONE)
}

/// Where players reach the host, as it runs, else as the settings say.
pub(super) async fn public_url(setup: &Setup) -> String {
    let host = &setup.settings.host;
    if !host.public_url.is_empty() {
        return host.public_url.trim_end_matches('/').to_owned();
    }
    match ask(setup, "GET", "/status").await.ok().and_then(|status| status["url"].as_str().map(str::to_owned))
    {
        Some(url) => url,
        None => format!("http://127.0.0.1:{}", host.listen.port()),
    }
}

async fn ask(setup: &Setup, method: &str, path: &str) -> Result<Value, Failure> {
    let address = setup.settings.host.admin_listen;
    let unreachable = |why: String| {
        let help = "Does the host run, and is `admin_listen` of [host] where it listens?";
        Failure::new(NO_ANSWER, format!("the host at {address} cannot be asked: {why}\n{help}"))
    };
    let url: Url =
        format!("http://{address}{path}").parse().map_err(|error| unreachable(format!("{error}")))?;
    let call = match method {
        "GET" => Call::get(url),
        "DELETE" => Call { method: Method::DELETE, ..Call::get(url) },
        _ => Call::post_json(url, &Value::Null),
    };
    let (http, cancel) = (Http::new().map_err(|error| unreachable(error.message))?, CancellationToken::new());
    let mut reply = http.send(call, &cancel).await.map_err(|error| unreachable(error.message))?;
    let body =
        reply.body_up_to(ERROR_BODY_BYTES_MAX, &cancel).await.map_err(|error| unreachable(error.message))?;
    let body: Value = serde_json::from_slice(&body).unwrap_or(Value::Null);
    if !reply.is_success() {
        let message = body["error"]["message"].as_str().unwrap_or("it refuses").to_owned();
        return Err(Failure::new(BAD_INPUT, message));
    }
    Ok(body)
}
