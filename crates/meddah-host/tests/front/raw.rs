//! A client that is none: bytes on a socket.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

use crate::host::{PATIENCE, TestHost};

pub async fn connect(host: &TestHost) -> TcpStream {
    TcpStream::connect(address(host)).await.unwrap()
}

/// A connection that takes a few kilobytes, and nothing more before they are read.
pub async fn connect_narrow(host: &TestHost) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    socket.connect(address(host).parse().unwrap()).await.unwrap()
}

fn address(host: &TestHost) -> &str {
    host.ready.url.trim_start_matches("http://")
}

/// The head of a chat with a body of so many bytes.
pub fn chat_head(token: &str, length: usize) -> String {
    format!(
        "POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\nContent-Length: {length}\r\n\r\n"
    )
}

/// A handshake of a WebSocket, but for the line that ends it.
pub fn socket_head(token: &str) -> String {
    format!(
        "GET /v1/chat/ws HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\nConnection: Upgrade\r\n\
         Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    )
}

/// Sends a byte now and then until the host has had enough, and gives what it said.
pub async fn drip(mut stream: TcpStream, bytes: &[u8]) -> String {
    let (mut reading, mut writing) = stream.split();
    let dripping = async {
        for byte in bytes {
            if writing.write_all(&[*byte]).await.is_err() {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        std::future::pending::<()>().await;
    };
    tokio::select! {
        said = rest(&mut reading) => said,
        () = dripping => unreachable!("it does not end"),
    }
}

/// What comes until the host ends the connection.
pub async fn rest(stream: &mut (impl tokio::io::AsyncRead + Unpin)) -> String {
    let mut said = Vec::new();
    let end = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut said)).await;
    end.expect("the host ends the connection").ok(); // with a reset, if it likes
    String::from_utf8_lossy(&said).into_owned()
}
