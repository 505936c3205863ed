//! An SFU that drops what it gets, and a token service before it.
//!
//! It does what a publisher needs to be connected, answers the checks of its path, and notes when each
//! packet of its sound came: by the kernel's stamp, so that it does not matter when this process has its
//! turn. One task for each publisher.

use std::{
    future::IntoFuture,
    io::{self, IoSliceMut},
    net::{Ipv4Addr, SocketAddr},
    os::fd::AsRawFd,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use axum::{Json, http::StatusCode, routing::post};
use futures_util::{SinkExt, StreamExt};
use livekit_api::access_token::{AccessToken, TokenVerifier, VideoGrants};
use livekit_protocol as proto;
use nix::{
    cmsg_space,
    sys::{
        socket::{
            ControlMessageOwned, MsgFlags, SockaddrIn, recvmsg, setsockopt,
            sockopt::ReceiveTimestampns,
        },
        time::TimeSpec,
    },
};
use prost::Message as _;
use serde_json::{Value, json};
use str0m::{
    Input, Output, Rtc,
    net::{Protocol, Receive},
};
use tokio::{
    io::Interest,
    net::{TcpListener, TcpStream, UdpSocket},
    time::sleep_until,
};
use tokio_tungstenite::{
    WebSocketStream, accept_hdr_async,
    tungstenite::{
        Message,
        handshake::server::{ErrorResponse, Request, Response},
    },
};

use super::bed::{is_media, reply, server_peer, welcome};
use crate::jukebox::{Lateness, Punctuality, Track};

/// What it signs its tokens with; nobody else may come.
const KEY: &str = "sink";
const SECRET: &str = "a secret that only this process knows";
/// The longest datagram that is looked at.
const DATAGRAM_MAX: usize = 2048;
/// The header of RTP without extensions (RFC 3550 §5.1).
const RTP_HEADER: usize = 12;

/// Such an SFU. It lasts as long as the process.
pub(crate) struct Sink {
    /// Where the token service is.
    pub(crate) service: String,
    punctuality: Arc<Punctuality>,
}

impl Sink {
    pub(crate) async fn open() -> Result<Self> {
        let punctuality = Arc::new(Punctuality::default());
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let url = format!("ws://{}", listener.local_addr()?);
        tokio::spawn(accept(listener, Arc::clone(&punctuality)));
        let app = axum::Router::new().route(
            "/sfu/get",
            post(async move |Json(asked): Json<Value>| {
                let token = ticket(&asked).map_err(|_error| StatusCode::BAD_REQUEST)?;
                Ok::<_, StatusCode>(Json(json!({ "url": url, "jwt": token })))
            }),
        );
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let service = format!("http://{}", listener.local_addr()?);
        tokio::spawn(axum::serve(listener, app).into_future());
        Ok(Self { service, punctuality })
    }

    /// How punctual all that came was since this was last asked.
    pub(crate) fn take(&self) -> Lateness {
        self.punctuality.take()
    }
}

/// A token for whom the OpenID token names, without a question.
fn ticket(asked: &Value) -> Result<String> {
    let text = |value: &Value| value.as_str().map(str::to_owned).context("no text");
    let user = text(&asked["openid_token"]["access_token"])?;
    let identity = format!("{user}:{}", text(&asked["device_id"])?);
    let room = text(&asked["room"])?;
    let grants = VideoGrants { room_join: true, room, ..VideoGrants::default() };
    let token = AccessToken::with_api_key(KEY, SECRET);
    Ok(token.with_identity(&identity).with_grants(grants).to_jwt()?)
}

async fn accept(listener: TcpListener, punctuality: Arc<Punctuality>) {
    while let Ok((stream, _)) = listener.accept().await {
        let track = punctuality.track();
        tokio::spawn(async move {
            // Who leaves ends its task; what that says is of no interest.
            drop(serve(stream, track).await);
        });
    }
}

/// Serves one publisher until it leaves.
#[expect(clippy::result_large_err, reason = "the websocket crate's own type of a refusal")]
async fn serve(stream: TcpStream, track: Track) -> Result<()> {
    let mut identity = None;
    let mut signal = accept_hdr_async(stream, |request: &Request, response: Response| {
        identity = who(request);
        Ok::<_, ErrorResponse>(response)
    })
    .await?;
    say(&mut signal, welcome(&identity.context("a token of somebody else")?)).await?;
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    setsockopt(&socket, ReceiveTimestampns, &true)?;
    let local = socket.local_addr()?;
    let mut rtc = server_peer(local, Instant::now())?;
    let mut buffer = [0; DATAGRAM_MAX];
    loop {
        let next = send(&mut rtc, &socket)?;
        tokio::select! {
            message = signal.next() => {
                let Message::Binary(bytes) = message.context("it has left")?? else { continue };
                let asked = proto::SignalRequest::decode(bytes)?.message;
                if let Some(said) = asked.and_then(|asked| reply(&mut rtc, asked).transpose()) {
                    say(&mut signal, said?).await?;
                }
            }
            received = receive(&socket, &mut buffer, &track) => {
                let (len, source) = received?;
                let contents = buffer[..len].try_into()?;
                let proto = Protocol::Udp;
                let receive = Receive { proto, source, destination: local, contents };
                rtc.handle_input(Input::Receive(Instant::now(), receive))?;
            }
            () = sleep_until(next.into()) => rtc.handle_input(Input::Timeout(Instant::now()))?,
        }
    }
}

/// Whom its token names.
fn who(request: &Request) -> Option<String> {
    let header = request.headers().get("authorization")?.to_str().ok()?;
    let token = header.strip_prefix("Bearer ")?;
    Some(TokenVerifier::with_api_key(KEY, SECRET).verify(token).ok()?.sub)
}

async fn say(
    signal: &mut WebSocketStream<TcpStream>,
    message: proto::signal_response::Message,
) -> Result<()> {
    let bytes = proto::SignalResponse { message: Some(message) }.encode_to_vec();
    Ok(signal.send(Message::binary(bytes)).await?)
}

/// Sends all that a peer connection has to say; when it wants to be asked again.
fn send(rtc: &mut Rtc, socket: &UdpSocket) -> Result<Instant> {
    loop {
        match rtc.poll_output()? {
            Output::Timeout(at) => return Ok(at),
            Output::Transmit(out) => match socket.try_send_to(&out.contents, out.destination) {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => bail!(error),
            },
            Output::Event(_) => {}
        }
    }
}

/// The next datagram that is not media, its length and who sent it; of media it is noted when it came.
/// Cancel-safe.
async fn receive(
    socket: &UdpSocket,
    buffer: &mut [u8; DATAGRAM_MAX],
    track: &Track,
) -> Result<(usize, SocketAddr)> {
    loop {
        let (len, source, at) =
            socket.async_io(Interest::READABLE, || stamped(socket, buffer)).await?;
        let datagram = &buffer[..len];
        if !is_media(datagram) {
            return Ok((len, source));
        }
        if let Some(time) = rtp_time(datagram) {
            track.note(at, time);
        }
    }
}

/// Receives a datagram, with the kernel's time of its coming since the Unix epoch.
fn stamped(socket: &UdpSocket, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr, Duration)> {
    let mut space = cmsg_space!(TimeSpec);
    let mut into = [IoSliceMut::new(buffer)];
    let message = recvmsg::<SockaddrIn>(
        socket.as_raw_fd(),
        &mut into,
        Some(&mut space),
        MsgFlags::MSG_DONTWAIT,
    )?;
    let at = message.cmsgs()?.find_map(|said| match said {
        ControlMessageOwned::ScmTimestampns(at) => Some(Duration::from(at)),
        _ => None,
    });
    let (Some(source), Some(at)) = (message.address, at) else {
        return Err(io::ErrorKind::InvalidData.into());
    };
    Ok((message.bytes, SocketAddr::V4(source.into()), at))
}

/// Its time on the RTP clock; `None` of RTCP (RFC 5761 §4).
fn rtp_time(datagram: &[u8]) -> Option<u32> {
    let header = datagram.first_chunk::<RTP_HEADER>()?;
    let is_rtcp = (192..224).contains(&header[1]);
    (!is_rtcp).then(|| u32::from_be_bytes([header[4], header[5], header[6], header[7]]))
}
