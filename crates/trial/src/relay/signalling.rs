//! The SFU's signalling port: plain HTTP passes, and `WebSockets` pass message by message.

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use futures_util::{SinkExt as _, StreamExt as _};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{self, Message, protocol::Role},
};

use super::{
    Counters,
    link::Link,
    rewrite::{self, Told},
    stream::{CONNECTIONS_MAX, pass_both},
};

/// The longest head of a request or an answer. LiveKit's join request is in the query: some
/// kilobytes.
pub(super) const HEAD_BYTES_MAX: usize = 64 * 1024;

/// How long both ends may take over a closing handshake.
const CLOSED_WITHIN: Duration = Duration::from_secs(1);

type WebSocket = WebSocketStream<TcpStream>;

/// Passes connections.
pub(super) async fn serve(
    listener: TcpListener,
    sfu: SocketAddr,
    told: Told,
    link: Link,
    passed: &Arc<Counters>,
) -> io::Result<()> {
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        if connections.len() >= CONNECTIONS_MAX {
            connections.join_next().await;
        }
        let (client, _) = listener.accept().await?;
        if link.state().refuses_websockets {
            continue;
        }
        let (link, passed) = (link.clone(), Arc::clone(passed));
        connections.spawn(async move {
            if let Err(error) = connection(client, sfu, told, link, &passed).await {
                tracing::debug!(%error, "a connection through the relay ended");
            }
        });
    }
}

async fn connection(
    mut client: TcpStream,
    sfu: SocketAddr,
    told: Told,
    mut link: Link,
    passed: &Counters,
) -> io::Result<()> {
    client.set_nodelay(true)?;
    let (request, begun) = head(&mut client).await?;
    let wants_websocket = has_header(&request, "upgrade");
    link.until(|state| !state.frozen).await;
    let mut sfu = TcpStream::connect(sfu).await?;
    sfu.set_nodelay(true)?;
    sfu.write_all(forwarded(&request, wants_websocket).as_bytes()).await?;
    sfu.write_all(&begun).await?;
    if wants_websocket {
        let (answer, begun) = head(&mut sfu).await?;
        link.until(|state| !state.frozen).await;
        client.write_all(answer.as_bytes()).await?;
        if answer.starts_with("HTTP/1.1 101 ") {
            let client = WebSocket::from_raw_socket(client, Role::Server, None).await;
            let sfu = WebSocket::from_partially_read(sfu, begun, Role::Client, None).await;
            passed.websockets.fetch_add(1, Ordering::Relaxed);
            websockets(client, sfu, told, link).await;
            return Ok(());
        }
        client.write_all(&begun).await?;
    }
    pass_both(client, sfu, &link, |state| state.frozen, &passed.http_bytes).await
}

/// Passes messages until an end closes or all are cut.
async fn websockets(mut client: WebSocket, mut sfu: WebSocket, told: Told, mut link: Link) {
    let cuts = link.state().cuts;
    let frost = link.clone();
    tokio::select! {
        passed = pass_messages(&mut client, &mut sfu, told, frost) => {
            if let Err(error) = passed {
                tracing::debug!(%error, "a WebSocket through the relay ended");
            }
        }
        () = link.until(|state| state.cuts != cuts) => {}
    }
}

async fn pass_messages(
    client: &mut WebSocket,
    sfu: &mut WebSocket,
    told: Told,
    mut link: Link,
) -> tungstenite::Result<()> {
    loop {
        let (message, from_client) = tokio::select! {
            message = client.next() => (message, true),
            message = sfu.next() => (message, false),
        };
        link.until(|state| !state.frozen).await;
        let (from, to) =
            if from_client { (&mut *client, &mut *sfu) } else { (&mut *sfu, &mut *client) };
        match message.transpose()? {
            Some(Message::Binary(bytes)) => {
                let changed = if from_client {
                    rewrite::from_client(&bytes)
                } else {
                    Some(rewrite::from_sfu(&bytes, told))
                };
                if let Some(changed) = changed {
                    to.send(Message::Binary(changed.into())).await?;
                }
            }
            Some(Message::Text(_)) => tracing::warn!("the relay does not pass signalling in JSON"),
            Some(Message::Close(frame)) => {
                let closed = async {
                    to.close(frame).await?;
                    from.close(None).await
                };
                return tokio::time::timeout(CLOSED_WITHIN, closed).await.unwrap_or(Ok(()));
            }
            // The WebSocket itself has answered.
            Some(Message::Ping(_) | Message::Pong(_) | Message::Frame(_)) => {}
            None => return Ok(()),
        }
    }
}

/// Reads the head of a request or an answer, its blank line included, and what came with it of what
/// follows.
async fn head(stream: &mut TcpStream) -> io::Result<(String, Vec<u8>)> {
    const END: &[u8] = b"\r\n\r\n";
    let mut bytes = Vec::new();
    loop {
        if stream.read_buf(&mut bytes).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if let Some(end) = bytes.windows(END.len()).position(|window| window == END) {
            let begun = bytes.split_off(end + END.len());
            let head = String::from_utf8(bytes).map_err(io::Error::other)?;
            return Ok((head, begun));
        }
        if bytes.len() > HEAD_BYTES_MAX {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
    }
}

fn has_header(head: &str, name: &str) -> bool {
    head.split("\r\n").any(|line| is_header(line, name))
}

fn is_header(line: &str, name: &str) -> bool {
    line.split_once(':').is_some_and(|(found, _)| found.eq_ignore_ascii_case(name))
}

/// A request's head as the SFU gets it: with every header but that for compression, which messages
/// could not be changed under. A plain request is the last on its connection, since the next one's
/// head would not be looked at.
fn forwarded(request: &str, wants_websocket: bool) -> String {
    let left_out = if wants_websocket { "sec-websocket-extensions" } else { "connection" };
    let mut kept: Vec<&str> =
        request.trim_end().split("\r\n").filter(|line| !is_header(line, left_out)).collect();
    if !wants_websocket {
        kept.push("Connection: close");
    }
    kept.extend(["", ""]);
    kept.join("\r\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_websockets_request_passes_but_for_compression() {
        let request = "GET /rtc?a=b%3D HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n\
            Authorization: Bearer t\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n";
        assert!(has_header(request, "upgrade"));
        let without = request.replace("Sec-WebSocket-Extensions: permessage-deflate\r\n", "");
        assert_eq!(forwarded(request, true), without);
    }

    #[test]
    fn a_plain_request_is_the_last_of_its_connection() {
        let request = "GET /rtc/validate HTTP/1.1\r\nconnection: keep-alive\r\nHost: x\r\n\r\n";
        assert!(!has_header(request, "upgrade"));
        let last = "GET /rtc/validate HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
        assert_eq!(forwarded(request, false), last);
    }
}
