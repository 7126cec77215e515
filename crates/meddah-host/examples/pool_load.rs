//! What the pool costs: `pool_load URL [STREAMS] [AT_A_TIME] [TOKENS]` sends chats to an engine, such as the program
//! `fake_engine` on another core, and tells the processor time of this program alone, by stream and by event. It
//! does the same by reading the bodies and nothing else, so that the difference is the pool's.

use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use meddah_host::engines::{
    EngineRequest, EngineSettings, Expected, HttpEngine, HttpEngineSettings, Meter, Pool, PoolSettings, read,
};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Of this process, user and system.
fn processor_time() -> Option<Duration> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks: u64 = fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?;
    // Linux counts in hundredths of a second on all its usual machines.
    Some(Duration::from_millis(ticks * 10))
}

fn body(tokens: u32) -> Bytes {
    let system = "You keep the mill by the river and know everybody who passes. ".repeat(8);
    let body = format!(
        r#"{{"model":"fake","messages":[{{"role":"system","content":"{system}"}},{{"role":"user","content":"Hello"}}],
            "max_tokens":{tokens},"stream":true,"stream_options":{{"include_usage":true}}}}"#
    );
    Bytes::from(body)
}

fn tell(what: &str, streams: u64, events: u64, wall: Duration, before: Option<Duration>) {
    let spent = processor_time().zip(before).map(|(after, before)| after.saturating_sub(before));
    let each = |count: u64| spent.map_or(f64::NAN, |spent| spent.as_secs_f64() * 1e6 / count as f64);
    let line = format!(
        "{what}: {streams} streams, {events} events, {:.2} s; processor time {:.1} us a stream, {:.2} us an event",
        wall.as_secs_f64(),
        each(streams),
        each(events)
    );
    writeln!(std::io::stdout(), "{line}").ok();
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number =
        |place: usize, usual: u64| arguments.get(place).and_then(|text| text.parse().ok()).unwrap_or(usual);
    let url = arguments.first().map_or("http://127.0.0.1:8080", String::as_str);
    let (streams, at_a_time, tokens) = (number(1, 4000), number(2, 64) as usize, number(3, 32) as u32);

    let client = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
    let (start, before) = (Instant::now(), processor_time());
    let plain = futures::stream::iter(0..streams).map(|_| async {
        let request =
            hyper::Request::post(format!("{url}/v1/chat/completions")).body(Full::new(body(tokens)));
        let mut body = client.request(request.expect("a request")).await.expect("an answer").into_body();
        while let Some(frame) = body.frame().await {
            frame.expect("a frame");
        }
    });
    plain.buffer_unordered(at_a_time).collect::<()>().await;
    tell("bodies alone", streams, streams * u64::from(tokens + 3), start.elapsed(), before);

    let engine = HttpEngine::new(HttpEngineSettings::new("a", url)).expect("an address");
    let pool = Pool::new(vec![(Arc::new(engine), EngineSettings::default())], PoolSettings::default());
    let (stop, running, tasks) = (CancellationToken::new(), pool.clone(), TaskTracker::new());
    let stopped = stop.clone();
    tasks.spawn(async move { running.run(stopped).await });
    pool.slots().wait_for(|slots| *slots > 0).await.expect("the pool");
    let (start, before) = (Instant::now(), processor_time());
    let chats = futures::stream::iter(0..streams).map(|affinity| {
        let pool = &pool;
        async move {
            let body = body(tokens);
            let expected =
                Expected { body_bytes: body.len() as u64, prompt_tokens: 300, output_tokens: tokens };
            let meter = Arc::new(Meter::new(expected));
            let request = EngineRequest { body, model: None, affinity, cancel: CancellationToken::new() };
            let mut events = pool.chat(request, &meter).await.expect("an answer").events;
            let mut count = 0;
            while let Some(event) = events.next().await {
                event.expect("an event");
                count += 1;
            }
            assert_eq!(meter.best_known().completion_tokens, tokens);
            count
        }
    });
    let events =
        chats.buffer_unordered(at_a_time).fold(0, |sum, count: u64| async move { sum + count }).await;
    tell("pool", streams, events, start.elapsed(), before);
    stop.cancel();
    tasks.close();
    tasks.wait().await;

    let event = br#"{"id":"chatcmpl-7","object":"chat.completion.chunk","created":0,"model":"fake","choices":[{"index":0,"delta":{"content":" river"},"finish_reason":null}]}"#;
    let (start, before) = (Instant::now(), processor_time());
    let count = 1_000_000;
    let bytes: u64 =
        (0..count).map(|_| read(std::hint::black_box(event)).map_or(0, |reading| reading.text_bytes)).sum();
    tell("reading alone", 1, bytes / 6, start.elapsed(), before);
}
