//! Media over TCP, for networks that let no UDP through: each packet behind its length (RFC 4571 §2).

use std::{
    io,
    net::SocketAddr,
    task::{Context, Poll},
    time::Duration,
};

use phonograph_livekit::Target;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::mpsc,
    task::AbortHandle,
};
use tracing::{Instrument, debug};

/// How long dialling may take.
const DIAL_WITHIN: Duration = Duration::from_secs(5);
/// A packet that cannot be written for that long means a dead connection.
const WRITE_WITHIN: Duration = Duration::from_secs(5);
/// Packets that wait to be written, a second of one track; a further one is lost, as it would be on
/// UDP.
const OUT_MAX: usize = 64;
/// Packets that wait to be read; then the sender waits.
const IN_MAX: usize = 256;

/// A packet that came.
pub(in crate::driver) struct Packet {
    pub(in crate::driver) target: Target,
    pub(in crate::driver) source: SocketAddr,
    pub(in crate::driver) destination: SocketAddr,
    pub(in crate::driver) contents: Vec<u8>,
}

/// One TCP connection.
pub(in crate::driver) struct Tcp {
    pub(super) target: Target,
    pub(in crate::driver) local: SocketAddr,
    pub(super) remote: SocketAddr,
    out: mpsc::Sender<Vec<u8>>,
    incoming: mpsc::Receiver<Vec<u8>>,
    reader: AbortHandle,
}

impl Tcp {
    /// Dials; to be called on a worker.
    pub(in crate::driver) async fn dial(target: Target, remote: SocketAddr) -> io::Result<Self> {
        let stream = tokio::time::timeout(DIAL_WITHIN, TcpStream::connect(remote)).await??;
        stream.set_nodelay(true)?;
        let local = stream.local_addr()?;
        let (read_half, write_half) = stream.into_split();
        let (out, outgoing) = mpsc::channel(OUT_MAX);
        let (sender, incoming) = mpsc::channel(IN_MAX);
        let reading = async move {
            if let Err(error) = read(read_half, sender).await {
                debug!(%error, "a TCP connection for media has ended");
            }
        };
        let reader = tokio::spawn(reading.in_current_span()).abort_handle();
        let end_reading = reader.clone();
        let writing = async move {
            if let Err(error) = write(write_half, outgoing).await {
                debug!(%error, "a TCP connection for media takes nothing any more");
            }
            end_reading.abort();
        };
        tokio::spawn(writing.in_current_span());
        Ok(Self { target, local, remote, out, incoming, reader })
    }

    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Packet>> {
        let (target, source, destination) = (self.target, self.remote, self.local);
        let packet = |contents| Packet { target, source, destination, contents };
        self.incoming.poll_recv(context).map(|contents| contents.map(packet))
    }

    pub(super) fn send(&self, contents: Vec<u8>) {
        if self.out.try_send(contents).is_err() {
            tracing::trace!("a packet was not sent over TCP");
        }
    }
}

impl Drop for Tcp {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

async fn read(mut stream: OwnedReadHalf, packets: mpsc::Sender<Vec<u8>>) -> io::Result<()> {
    loop {
        let len = stream.read_u16().await?;
        let mut contents = vec![0; usize::from(len)];
        stream.read_exact(&mut contents).await?;
        if packets.send(contents).await.is_err() {
            return Ok(());
        }
    }
}

async fn write(mut stream: OwnedWriteHalf, mut packets: mpsc::Receiver<Vec<u8>>) -> io::Result<()> {
    let mut framed = Vec::new();
    while let Some(contents) = packets.recv().await {
        let Ok(len) = u16::try_from(contents.len()) else { continue };
        framed.clear();
        framed.extend_from_slice(&len.to_be_bytes());
        framed.extend_from_slice(&contents);
        tokio::time::timeout(WRITE_WITHIN, stream.write_all(&framed)).await??;
    }
    stream.shutdown().await
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn each_packet_travels_behind_its_length() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let remote = listener.local_addr().unwrap();
        let mut tcp = Tcp::dial(Target::Publisher, remote).await.unwrap();
        let (mut peer, _) = listener.accept().await.unwrap();

        tcp.send(vec![7, 8, 9]);
        let mut written = [0; 5];
        peer.read_exact(&mut written).await.unwrap();
        assert_eq!(written, [0, 3, 7, 8, 9]);

        // Cut in two on the way, as TCP may.
        peer.write_all(&[0, 2, 1]).await.unwrap();
        peer.write_all(&[2, 0, 1, 5]).await.unwrap();
        let packet = async |tcp: &mut Tcp| poll_fn(|cx| tcp.poll(cx)).await;
        assert_eq!(packet(&mut tcp).await.unwrap().contents, [1, 2]);
        let second = packet(&mut tcp).await.unwrap();
        assert_eq!((second.contents.as_slice(), second.source), (&[5][..], remote));

        drop(peer);
        assert!(packet(&mut tcp).await.is_none());
    }
}
