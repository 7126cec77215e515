//! The server: takes connections, records and checks requests, and plays.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::{Faults, Play, Recorded, Step, check, tls};

/// A made-up provider on a free port of this computer. Dropping it ends it.
pub struct Fake {
    /// Its address, without a path.
    pub base_url: String,
    state: Arc<State>,
    end: CancellationToken,
}

struct State {
    plays: Mutex<VecDeque<Play>>,
    requests: Mutex<Vec<Recorded>>,
    connections: AtomicUsize,
    tasks: TaskTracker,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Fake {
    /// Plays this for every request.
    pub async fn start(play: Play) -> Fake {
        Fake::start_sequence(vec![play]).await
    }

    /// Plays one after the other; the last one again and again.
    pub async fn start_sequence(plays: Vec<Play>) -> Fake {
        Fake::serve(plays, 0, None).await
    }

    /// As [`Fake::start`], on this port.
    pub async fn start_on(play: Play, port: u16) -> Fake {
        Fake::serve(vec![play], port, None).await
    }

    /// Speaks TLS, with a certificate that nobody vouches for.
    pub async fn start_tls(play: Play) -> Fake {
        Fake::serve(vec![play], 0, Some(tls::self_signed())).await
    }

    async fn serve(plays: Vec<Play>, port: u16, tls: Option<tokio_rustls::TlsAcceptor>) -> Fake {
        let listener = TcpListener::bind(("127.0.0.1", port)).await.expect("a free port");
        let address: SocketAddr = listener.local_addr().expect("the port");
        let base_url = match tls {
            Some(_) => format!("https://localhost:{}", address.port()),
            None => format!("http://{address}"),
        };
        let state = Arc::new(State {
            plays: Mutex::new(plays.into()),
            requests: Mutex::default(),
            connections: AtomicUsize::new(0),
            tasks: TaskTracker::new(),
        });
        let end = CancellationToken::new();
        let (served, ended) = (state.clone(), end.clone());
        state.tasks.spawn(async move {
            while let Some(Ok((stream, _))) = ended.run_until_cancelled(listener.accept()).await {
                let (state, end, tls) = (served.clone(), ended.clone(), tls.clone());
                served
                    .tasks
                    .spawn(async move { end.run_until_cancelled(state.connection(stream, tls)).await });
            }
        });
        Fake { base_url, state, end }
    }

    /// From the next request on, plays this.
    pub fn set_play(&self, play: Play) {
        *lock(&self.state.plays) = VecDeque::from([play]);
    }

    /// What was asked so far.
    pub fn requests(&self) -> Vec<Recorded> {
        lock(&self.state.requests).clone()
    }

    /// Connections that are open.
    pub fn active_connections(&self) -> usize {
        self.state.connections.load(Ordering::SeqCst)
    }

    /// Waits until so many connections are open.
    ///
    /// # Errors
    /// How many there are after ten seconds.
    pub async fn wait_for_connections(&self, count: usize) -> Result<(), usize> {
        for _ in 0..1000 {
            if self.active_connections() == count {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Err(self.active_connections())
    }

    /// Waits until it was asked so often.
    ///
    /// # Errors
    /// How often it was after ten seconds.
    pub async fn wait_for_requests(&self, count: usize) -> Result<(), usize> {
        for _ in 0..1000 {
            if lock(&self.state.requests).len() >= count {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Err(lock(&self.state.requests).len())
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.end.cancel();
    }
}

/// Counts a connection as long as it lives, however it ends.
struct Counted<'s>(&'s AtomicUsize);

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl State {
    async fn connection(&self, stream: TcpStream, tls: Option<tokio_rustls::TlsAcceptor>) {
        self.connections.fetch_add(1, Ordering::SeqCst);
        let _counted = Counted(&self.connections);
        stream.set_nodelay(true).ok();
        match tls {
            None => self.requests(stream).await,
            Some(tls) => {
                if let Ok(stream) = tls.accept(stream).await {
                    self.requests(stream).await;
                }
            }
        }
    }

    async fn requests(&self, stream: impl AsyncRead + AsyncWrite + Unpin) {
        let (mut read, mut write) = tokio::io::split(stream);
        while let Some(request) = Recorded::read(&mut read).await {
            let play = self.next_play();
            lock(&self.requests).push(request.clone());
            let (play, is_aside) = match check::check(play.dialect, &request) {
                Ok(None) => (play, false),
                Ok(Some(answer)) => (Play::new(play.dialect, answer), true),
                Err(refusal) => (Play::new(play.dialect, refusal), false),
            };
            // While it plays, the client may go: then the connection is over.
            let mut byte = [0u8; 1];
            let goes_on = tokio::select! {
                goes_on = perform(&play, &mut write) => goes_on,
                _ = read.read(&mut byte) => false,
            };
            // What is said aside needs no connection afterwards, and would only be counted.
            if !goes_on || is_aside {
                return;
            }
        }
    }

    fn next_play(&self) -> Play {
        let mut plays = lock(&self.plays);
        if plays.len() > 1 { plays.pop_front() } else { plays.front().cloned() }.expect("a play")
    }
}

/// Plays; tells whether the connection can go on.
async fn perform(play: &Play, write: &mut (impl AsyncWrite + Unpin)) -> bool {
    let faults = &play.faults;
    if faults.hang_before_head {
        return std::future::pending().await;
    }
    let transcript = &play.transcript;
    let mut head = format!("HTTP/1.1 {}\r\n", transcript.status);
    for (name, value) in &transcript.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("transfer-encoding: chunked\r\n\r\n");
    if write.write_all(head.as_bytes()).await.is_err() || write.flush().await.is_err() {
        return false;
    }
    let mut body = Body { faults, sent: 0, random: faults.rechunk.unwrap_or(1), write };
    let garbage: Vec<u8> = (0..faults.garbage).map(|place| (place * 151 + 7) as u8).collect();
    if !body.send(&garbage).await {
        return false;
    }
    for step in &transcript.steps {
        match step {
            Step::Send(bytes) if body.send(bytes).await => {}
            Step::Pause(pause) => tokio::time::sleep(*pause).await,
            Step::Hang => std::future::pending().await,
            Step::Send(_) | Step::Cut => return false,
        }
    }
    while let Some(again) = &faults.endless {
        if !body.send(again).await {
            return false;
        }
    }
    write.write_all(b"0\r\n\r\n").await.is_ok() && write.flush().await.is_ok()
}

/// The body on its way, in HTTP chunks.
struct Body<'b, W> {
    faults: &'b Faults,
    sent: usize,
    random: u64,
    write: &'b mut W,
}

impl<W: AsyncWrite + Unpin> Body<'_, W> {
    /// Sends bytes; tells whether the connection can go on.
    async fn send(&mut self, bytes: &[u8]) -> bool {
        let mut rest = bytes;
        while !rest.is_empty() {
            let end =
                |limit: Option<usize>| limit.map_or(usize::MAX, |limit| limit.saturating_sub(self.sent));
            let (cut, hang) = (end(self.faults.cut_after), end(self.faults.hang_after));
            if cut == 0 {
                return false;
            }
            if hang == 0 {
                return std::future::pending().await;
            }
            let size = self.piece_size().min(rest.len()).min(cut).min(hang);
            let (piece, after) = rest.split_at(size);
            let mut chunk = format!("{:x}\r\n", piece.len()).into_bytes();
            chunk.extend_from_slice(piece);
            chunk.extend_from_slice(b"\r\n");
            if self.write.write_all(&chunk).await.is_err() || self.write.flush().await.is_err() {
                return false;
            }
            self.sent += piece.len();
            rest = after;
            if let Some((_, pause)) = self.faults.drip.filter(|(_, pause)| !pause.is_zero()) {
                tokio::time::sleep(pause).await;
            } else if self.faults.drip.is_some() || self.faults.rechunk.is_some() {
                tokio::task::yield_now().await;
            }
        }
        true
    }

    fn piece_size(&mut self) -> usize {
        if let Some((bytes, _)) = self.faults.drip {
            return bytes.max(1);
        }
        if self.faults.rechunk.is_none() {
            return usize::MAX;
        }
        // Knuth's linear congruential generator, "The Art of Computer Programming", volume 2, 3.3.4.
        self.random =
            self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.random >> 33) as usize % 11 + 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Dialect;

    /// What comes back for a request, until the connection ends or nothing comes for a while.
    async fn answer(fake: &Fake) -> String {
        let address = fake.base_url.trim_start_matches("http://");
        let mut stream = TcpStream::connect(address).await.unwrap();
        let body = r#"{"messages":[{"role":"user","content":"x"}]}"#;
        let head = format!(
            "POST /v1/chat/completions HTTP/1.1\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
        let mut bytes = Vec::new();
        let wait = Duration::from_millis(300);
        while let Ok(Ok(count)) = tokio::time::timeout(wait, stream.read_buf(&mut bytes)).await {
            if count == 0 {
                bytes.extend_from_slice(b"(closed)");
                break;
            }
        }
        String::from_utf8_lossy(&bytes).into_owned()
    }

    async fn played(change: impl FnOnce(&mut Faults)) -> String {
        let play = Play::answer(Dialect::Player2, "200 OK", &[("a", "b")], "0123456789");
        answer(&Fake::start(play.with(change)).await).await
    }

    #[tokio::test]
    async fn faults_are_played() {
        let head = "HTTP/1.1 200 OK\r\na: b\r\ntransfer-encoding: chunked\r\n\r\n";
        assert_eq!(played(|_| ()).await, format!("{head}a\r\n0123456789\r\n0\r\n\r\n"));
        let cut = played(|faults| faults.cut_after = Some(3)).await;
        assert_eq!(cut, format!("{head}3\r\n012\r\n(closed)"));
        assert_eq!(played(|faults| faults.hang_after = Some(3)).await, format!("{head}3\r\n012\r\n"));
        assert_eq!(played(|faults| faults.hang_before_head = true).await, "");
        let drip = played(|faults| faults.drip = Some((4, Duration::ZERO))).await;
        assert_eq!(drip, format!("{head}4\r\n0123\r\n4\r\n4567\r\n2\r\n89\r\n0\r\n\r\n"));
        assert!(played(|faults| faults.rechunk = Some(1)).await.matches("\r\n").count() > 10);
    }

    #[tokio::test]
    async fn plays_follow_each_other_and_requests_are_kept() {
        let play = |body| Play::answer(Dialect::Player2, "200 OK", &[], body);
        let fake = Fake::start_sequence(vec![play("one"), play("two")]).await;
        for expected in ["one", "two", "two"] {
            assert!(answer(&fake).await.contains(expected));
        }
        assert_eq!(fake.requests().len(), 3);
        assert_eq!(fake.requests()[0].json["messages"][0]["content"], "x");
        fake.wait_for_connections(0).await.unwrap();
    }
}
