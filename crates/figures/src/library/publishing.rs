//! What it costs to send.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr, UdpSocket},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use phonograph_frame::{
    Codec,
    crypto::{KeyIndex, MediaKey, NonceSeed, Sealer},
};
use phonograph_livekit::{Level, Output};

use super::{
    FRAME_UNITS, FRAMES_PER_SECOND,
    bed::{Bed, Ends, is_media},
    clock::{CpuInstant, ROUNDS, median},
    frame,
};
use crate::figure::Figure;

/// How many connections one thread has.
const CONNECTIONS: [usize; 4] = [1, 100, 500, 1_000];
/// How many connections the cost is compared with.
const COMPARED_WITH: usize = 100;
/// Ticks between two exchanges with the server: a second. A path may be silent for five.
pub(crate) const TICKS: usize = 50;
const TICK: Duration = Duration::from_millis(20);
/// How long a round is, at least.
const ROUND: Duration = Duration::from_millis(500);

/// One publishing connection, its key and its socket.
pub(crate) struct Stream {
    bed: Bed,
    sealer: Sealer,
    sealed: Vec<u8>,
    socket: UdpSocket,
    units: u64,
}

/// `publish_tick_streams_per_core`, by how many connections there are: how many streams one thread can
/// send, of one frame of 160 bytes every 20 ms. A tick seals the frame, packetises it, encrypts it
/// again for SRTP and sends it from the connection's own UDP socket to one that nobody reads. The server
/// completes the handshake and then only answers checks, once a second, which is not measured; nor
/// is the setting up. `publish_tick_cost_ratio`: what a stream costs compared with 100 of them.
pub(crate) fn measure() -> Result<Vec<Figure>> {
    let drain = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    let began = Instant::now();
    let mut streams = Vec::new();
    let mut costs = Vec::new();
    for count in CONNECTIONS {
        while streams.len() < count {
            streams.push(Stream::open(drain.local_addr()?, began)?);
        }
        let mut rounds = Vec::new();
        for _ in 0..ROUNDS {
            rounds.push(round(&mut streams)?);
        }
        costs.push((count, median(&rounds)));
    }
    let compared = costs.iter().find(|(count, _)| *count == COMPARED_WITH);
    let (_, compared) = *compared.context("nothing to compare with")?;
    let mut figures = Vec::new();
    for (count, cost) in &costs {
        let name = format!("publish_tick_streams_per_core/{count}");
        let streams = 1.0 / (cost * FRAMES_PER_SECOND);
        figures.push(Figure::at_least(&name, streams, "streams", 1500.0));
    }
    for (count, cost) in costs.iter().filter(|(count, _)| *count > COMPARED_WITH) {
        let name = format!("publish_tick_cost_ratio/{count}");
        figures.push(Figure::new(&name, cost / compared, "", Some(1.2)));
    }
    Ok(figures.into_iter().map(|figure| Figure { runs: ROUNDS, ..figure }).collect())
}

/// Seconds on the CPU for one frame of one stream.
fn round(streams: &mut [Stream]) -> Result<f64> {
    let packet = frame();
    let (mut took, mut frames) = (Duration::ZERO, 0_u64);
    while took < ROUND {
        let began = CpuInstant::now();
        for _ in 0..TICKS {
            for stream in &mut *streams {
                stream.tick(&packet)?;
            }
        }
        took += began.elapsed();
        frames += (TICKS * streams.len()) as u64;
        for stream in &mut *streams {
            stream.exchange()?;
        }
    }
    Ok(took.as_secs_f64() / frames as f64)
}

impl Stream {
    /// One that is connected, and sends to that socket.
    pub(crate) fn open(drain: SocketAddr, now: Instant) -> Result<Self> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        socket.set_nonblocking(true)?;
        let mut ends = Ends::default();
        ends.client[0] = socket.local_addr()?;
        ends.server[0] = drain;
        let mut sealer = Sealer::new(NonceSeed::new([5; 12]));
        sealer.set_key(KeyIndex::new(0), MediaKey::from_random([7; 16]).derive());
        let bed = Bed::connected(ends, now)?;
        Ok(Self { bed, sealer, sealed: Vec::new(), socket, units: 0 })
    }

    /// Seals a frame and sends it.
    pub(crate) fn tick(&mut self, packet: &[u8]) -> Result<()> {
        self.bed.now += TICK;
        let now = self.bed.now;
        let Self { bed, sealer, sealed, socket, units } = self;
        *units += FRAME_UNITS;
        sealer.seal(Codec::Opus, packet, sealed)?;
        bed.client.send_frame(bed.track, sealed, *units, Level::Below(20), now)?;
        let mut sent = false;
        loop {
            match bed.client.poll_output() {
                Output::Datagram(datagram) if is_media(&datagram.contents) => {
                    match socket.send_to(&datagram.contents, datagram.destination) {
                        Ok(_) => sent = true,
                        // As in a call, what the system has no room for is lost.
                        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                        Err(error) => return Err(error.into()),
                    }
                }
                Output::Datagram(datagram) => bed.post(datagram),
                // A report, or a check of the path.
                Output::Timeout(at) if at <= now => bed.client.handle_timeout(now),
                Output::Timeout(_) => break,
                Output::Done => ensure!(false, "the connection has ended"),
                _ => {}
            }
        }
        ensure!(sent, "a frame was not sent");
        Ok(())
    }

    /// Takes over what the server has to say, and answers it.
    pub(crate) fn exchange(&mut self) -> Result<()> {
        self.bed.run(Duration::ZERO)
    }
}
