//! The WebSocket that signalling goes over.

use std::{
    task::{Context, Poll},
    time::Duration,
};

use futures_util::{SinkExt, StreamExt};
use phonograph_livekit::Resume;
use phonograph_matrixrtc::transport::Grant;
use tokio::{net::TcpStream, sync::mpsc, task::AbortHandle};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream,
    tungstenite::{
        self, Message,
        client::IntoClientRequest,
        http::{HeaderValue, header::AUTHORIZATION},
        protocol::WebSocketConfig,
    },
};
use tracing::{Instrument, debug};

use crate::{end::SfuError, network::Network};

/// From dialling to the opened WebSocket (LiveKit's own clients: 5 to 15 s).
const OPEN_WITHIN: Duration = Duration::from_secs(7);
/// A message that cannot be written for that long means a dead connection.
const WRITE_WITHIN: Duration = Duration::from_secs(5);
/// How long saying goodbye may take: the end of the process waits for it.
const CLOSE_WITHIN: Duration = Duration::from_millis(300);
/// Messages that wait for the socket, each way. More than that is a dead connection, or a server
/// that floods us: either ends it.
const SIGNALS_MAX: usize = 128;
/// The server's own limit for a message.
const SIGNAL_BYTES_MAX: usize = 2 << 20;

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// An open WebSocket. Dropping it closes it once what was sent is on its way.
pub(in crate::driver) struct WebSocket {
    to_server: mpsc::Sender<Vec<u8>>,
    from_server: mpsc::Receiver<Vec<u8>>,
    reader: AbortHandle,
}

/// Opens a WebSocket; `resume` where it takes the place of another.
pub(super) async fn dial(
    network: &Network,
    grant: &Grant,
    resume: Option<&Resume>,
) -> Result<Socket, SfuError> {
    let url = phonograph_livekit::signal_url(&grant.url, resume)?;
    let unreachable = |text: &dyn ToString| SfuError::Unreachable(text.to_string());
    let mut request = url.as_str().into_client_request().map_err(|error| unreachable(&error))?;
    let mut token = HeaderValue::try_from(format!("Bearer {}", grant.token))
        .map_err(|_| unreachable(&"the token is no header"))?;
    token.set_sensitive(true);
    request.headers_mut().insert(AUTHORIZATION, token);
    let config = WebSocketConfig::default()
        .max_message_size(Some(SIGNAL_BYTES_MAX))
        .max_frame_size(Some(SIGNAL_BYTES_MAX));
    let dialling = tokio_tungstenite::connect_async_tls_with_config(
        request,
        Some(config),
        true,
        Some(network.connector()),
    );
    match tokio::time::timeout(OPEN_WITHIN, dialling).await {
        Ok(Ok((socket, _response))) => Ok(socket),
        // Its body may repeat the token (livekit-server 1.13.5 on 401), so only the status is kept.
        Ok(Err(tungstenite::Error::Http(response))) => {
            Err(SfuError::Refused(response.status().as_u16()))
        }
        Ok(Err(error)) => Err(unreachable(&error)),
        Err(_elapsed) => Err(unreachable(&format!("no answer within {OPEN_WITHIN:?}"))),
    }
}

impl WebSocket {
    /// Reads and writes in tasks of its own, on the worker that this is called on.
    pub(super) fn new(socket: Socket) -> Self {
        let (mut sink, mut stream) = socket.split();
        let (to_server, mut outgoing) = mpsc::channel::<Vec<u8>>(SIGNALS_MAX);
        let (incoming, from_server) = mpsc::channel(SIGNALS_MAX);
        let reading = async move {
            while let Some(Ok(message)) = stream.next().await {
                if let Message::Binary(bytes) = message
                    && let Err(error) = incoming.try_send(bytes.into())
                {
                    debug!(%error, "the SFU says more than is taken");
                    break;
                }
            }
        };
        let reader = tokio::spawn(reading.in_current_span()).abort_handle();
        let end_reading = reader.clone();
        let writing = async move {
            while let Some(message) = outgoing.recv().await {
                let sent = sink.send(Message::Binary(message.into()));
                match tokio::time::timeout(WRITE_WITHIN, sent).await {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => {
                        debug!(%error, "the WebSocket takes nothing any more");
                        break;
                    }
                    Err(_elapsed) => {
                        debug!(limit = ?WRITE_WITHIN, "the WebSocket took nothing");
                        break;
                    }
                }
            }
            // Ends quietly also when the server is gone.
            drop(tokio::time::timeout(CLOSE_WITHIN, sink.close()).await);
            end_reading.abort();
        };
        tokio::spawn(writing.in_current_span());
        Self { to_server, from_server, reader }
    }

    /// The next message; `None` once it has ended.
    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Vec<u8>>> {
        self.from_server.poll_recv(context)
    }

    /// Queues a message.
    pub(super) fn send(&self, message: Vec<u8>) {
        if self.to_server.try_send(message).is_err() {
            // The reader's end is what the machine gets to know.
            self.reader.abort();
        }
    }
}
