//! Many WebSockets to a host that has a world: what it takes to hold them.

use std::time::Duration;

use futures::{SinkExt as _, StreamExt as _};
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::http::header::AUTHORIZATION;

use crate::load::process;

const COUNT_USUAL: usize = 10_000;
const SECONDS_USUAL: u64 = 10;
/// For one of them to open.
const OPEN_WAIT: Duration = Duration::from_secs(30);
const AT_ONCE: usize = 32;

/// Opens them, keeps them for a while, and tells how many broke. `--hello JSON` is the first message of each.
pub async fn hold(url: &str, token: &str, rest: &[&str]) -> Result<(), String> {
    let (numbers, hello) = match rest {
        [numbers @ .., "--hello", hello] => (numbers, Some(*hello)),
        numbers => (numbers, None),
    };
    let number = |place: usize| numbers.get(place).map(|text| text.parse::<u64>()).transpose();
    let wrong = |_| "use: --websockets URL TOKEN [COUNT] [PID] [SECONDS] [--hello JSON]";
    let count = number(0).map_err(wrong)?.map_or(COUNT_USUAL, |count| count as usize);
    let pid = number(1).map_err(wrong)?.map(|pid| pid as u32);
    let seconds = number(2).map_err(wrong)?.unwrap_or(SECONDS_USUAL);
    let address = format!("{}/v1/ws", url.trim_end_matches('/').replacen("http", "ws", 1));
    let memory = || pid.and_then(process::figures).map_or(0.0, |figures| figures.memory as f64);
    let (before, begun) = (memory(), Instant::now());
    let opening =
        futures::stream::iter(0..count).map(|_| open(&address, token, hello)).buffer_unordered(AT_ONCE);
    let (sockets, mut errors) = opening
        .fold((Vec::new(), Vec::new()), async |(mut sockets, mut errors), opened| {
            match opened {
                Ok(socket) => sockets.push(socket),
                Err(error) => errors.push(error),
            }
            (sockets, errors)
        })
        .await;
    let (opened, within, with_all) = (sockets.len(), begun.elapsed(), memory());
    let until = Instant::now() + Duration::from_secs(seconds);
    let listening = sockets.into_iter().map(|mut socket| async move {
        loop {
            match tokio::time::timeout_at(until, socket.next()).await {
                Err(_) => return None, // it is still open
                Ok(Some(Ok(Message::Close(frame)))) => return Some(format!("closed: {frame:?}")),
                Ok(Some(Ok(_))) => {}
                Ok(Some(Err(error))) => return Some(error.to_string()),
                Ok(None) => return Some("ended".into()),
            }
        }
    });
    let broken: Vec<Option<String>> = futures::future::join_all(listening).await;
    errors.extend(broken.into_iter().flatten());
    println!(
        "{opened} of {count} opened within {:.1} s, {} errors in {seconds} s",
        within.as_secs_f64(),
        errors.len()
    );
    if pid.is_some() {
        let each = (with_all - before) / 1e3 / opened.max(1) as f64;
        let after = memory();
        println!(
            "memory {:.1} MB before, {:.1} with all, {:.1} at the end; {each:.1} kB each",
            before / 1e6,
            with_all / 1e6,
            after / 1e6
        );
    }
    match errors.first() {
        None => Ok(()),
        Some(first) => Err(format!("for example: {first}")),
    }
}

type Socket = tokio_tungstenite::WebSocketStream<tokio_tungstenite::MaybeTlsStream<tokio::net::TcpStream>>;

async fn open(address: &str, token: &str, hello: Option<&str>) -> Result<Socket, String> {
    let mut request = address.into_client_request().map_err(|error| error.to_string())?;
    let bearer = HeaderValue::try_from(format!("Bearer {token}")).map_err(|error| error.to_string())?;
    request.headers_mut().insert(AUTHORIZATION, bearer);
    let opening = tokio::time::timeout(OPEN_WAIT, tokio_tungstenite::connect_async(request)).await;
    let (mut socket, _) = opening.map_err(|_| "it does not open")?.map_err(|error| error.to_string())?;
    if let Some(hello) = hello {
        socket.send(Message::text(hello)).await.map_err(|error| error.to_string())?;
    }
    Ok(socket)
}
