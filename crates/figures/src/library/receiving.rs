//! What it costs to receive.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use phonograph_frame::{
    Codec,
    crypto::{KeyIndex, KeyRing, MediaKey, NonceSeed, Sealer},
};
use phonograph_livekit::{Datagram, Output};

use super::{
    FRAME_UNITS, FRAMES_PER_SECOND,
    bed::{Bed, Ends, received},
    clock::{CpuInstant, ROUNDS, median},
    frame,
};
use crate::figure::Figure;

/// How many tracks are received.
const TRACKS: usize = 50;
/// Ticks between two exchanges with the server: a second. A path may be silent for five.
const TICKS: usize = 50;
const TICK: Duration = Duration::from_millis(20);
/// How long a round is, at least.
const ROUND: Duration = Duration::from_millis(500);

/// A connection that hears tracks, and the key of whoever publishes them.
struct Listener {
    bed: Bed,
    sealer: Sealer,
    ring: KeyRing,
    units: u64,
    /// What came, tick by tick.
    ticks: Vec<(Instant, Vec<Datagram>)>,
}

/// `receive_tracks_per_core`: how many tracks of 50 frames a second one thread can receive: SRTP,
/// reordering, depacketising, and opening each frame. 50 tracks on one connection, and one track on each
/// of 50. The packets were made beforehand by a server that is not measured; what the connection says
/// to it meanwhile is.
pub(crate) fn measure() -> Result<Vec<Figure>> {
    let mut figures = Vec::new();
    for (name, connections) in [("one_connection", 1), ("50_connections", TRACKS)] {
        let now = Instant::now();
        let tracks = TRACKS / connections;
        let listeners = (0..connections).map(|_| Listener::open(tracks, now));
        let mut listeners = listeners.collect::<Result<Vec<_>>>()?;
        // The first packets of a stream take another way than those that follow.
        round(&mut listeners, Duration::ZERO)?;
        let mut rounds = Vec::new();
        for _ in 0..ROUNDS {
            rounds.push(round(&mut listeners, ROUND)?);
        }
        let tracks = 1.0 / (median(&rounds) * FRAMES_PER_SECOND);
        let name = format!("receive_tracks_per_core/{name}");
        let figure = Figure::at_least(&name, tracks, "tracks", 2000.0);
        figures.push(Figure { runs: ROUNDS, ..figure });
    }
    Ok(figures)
}

/// Seconds on the CPU for one frame of one track.
fn round(listeners: &mut [Listener], at_least: Duration) -> Result<f64> {
    let (mut took, mut frames) = (Duration::ZERO, 0);
    loop {
        for listener in &mut *listeners {
            listener.prepare()?;
        }
        let (began, mut opened) = (CpuInstant::now(), 0);
        for tick in 0..TICKS {
            for listener in &mut *listeners {
                opened += listener.tick(tick)?;
            }
        }
        took += began.elapsed();
        frames += opened;
        ensure!(opened == TICKS * TRACKS, "{opened} frames of {} were opened", TICKS * TRACKS);
        for listener in &mut *listeners {
            listener.bed.run(Duration::ZERO)?;
        }
        if took >= at_least {
            return Ok(took.as_secs_f64() / frames as f64);
        }
    }
}

impl Listener {
    fn open(tracks: usize, now: Instant) -> Result<Self> {
        let key = MediaKey::from_random([7; 16]).derive();
        let mut sealer = Sealer::new(NonceSeed::new([5; 12]));
        sealer.set_key(KeyIndex::new(0), key.clone());
        let mut ring = KeyRing::new();
        ring.set(KeyIndex::new(0), key);
        let mut bed = Bed::connected(Ends::default(), now)?;
        let tracks: Vec<String> = (0..tracks).map(|number| format!("TR_{number}")).collect();
        bed.hear(&tracks)?;
        Ok(Self { bed, sealer, ring, units: 0, ticks: Vec::new() })
    }

    /// Has the server send a second of each track.
    fn prepare(&mut self) -> Result<()> {
        let (packet, mut sealed) = (frame(), Vec::new());
        self.ticks.clear();
        for _ in 0..TICKS {
            self.bed.now += TICK;
            self.units += FRAME_UNITS;
            self.sealer.seal(Codec::Opus, &packet, &mut sealed)?;
            let packets = self.bed.forward(&sealed, self.units)?;
            self.ticks.push((self.bed.now, packets));
        }
        Ok(())
    }

    /// Takes what came with one tick; answers with how many frames were opened.
    fn tick(&mut self, tick: usize) -> Result<usize> {
        let Self { bed, ring, ticks, .. } = self;
        let (now, packets) = &ticks[tick];
        let (mut opened, mut plain) = (0, Vec::new());
        // What is due besides, and then each packet.
        bed.client.handle_timeout(*now);
        for packet in packets {
            bed.client.handle_datagram(&received(packet), *now);
            loop {
                match bed.client.poll_output() {
                    Output::Frame(frame) => {
                        ring.open(frame.codec, &frame.data, &mut plain)?;
                        opened += 1;
                    }
                    Output::Datagram(datagram) => bed.post(datagram),
                    Output::Timeout(at) if at <= *now => bed.client.handle_timeout(*now),
                    Output::Timeout(_) => break,
                    Output::Done => ensure!(false, "the connection has ended"),
                    _ => {}
                }
            }
        }
        Ok(opened)
    }
}
