//! What it costs to play Opus files into many calls.

use std::{
    net::{Ipv4Addr, UdpSocket},
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use phonograph_call::{AudioSource, Pulled};

use crate::{
    figure::Figure,
    library::{
        FRAMES_PER_SECOND,
        clock::{CpuInstant, ROUNDS, median},
        publishing::{Stream, TICKS},
        sound::Sound,
    },
};

/// How many streams one thread has.
const STREAMS: [usize; 2] = [100, 500];
/// Ticks of a round: five seconds, in which each file is read from twice.
const ROUND_TICKS: usize = 250;
/// Ticks between one reading of a file and the next. The streams are spread over them.
const BETWEEN_READS: usize = 125;

/// `passing_streams_per_core`, by how many streams there are: how many Ogg Opus files one thread can
/// play at once, each into a call of its own. A tick takes the next packet of the file, reading and
/// demuxing ahead where it is due, passes it through deck and mixer, seals it, and then packetises,
/// encrypts and sends it as in [`publish_tick_streams_per_core`](crate::library::publishing::measure):
/// from a UDP socket of its own to one that nobody reads. The files are in the system's memory. Their
/// opening is not measured.
pub(crate) fn measure() -> Result<Vec<Figure>> {
    let drain = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    let began = Instant::now();
    let mut calls = Vec::new();
    let mut figures = Vec::new();
    for count in STREAMS {
        while calls.len() < count {
            calls.push(Stream::open(drain.local_addr()?, began)?);
        }
        let players = (0..count).map(|number| Player::open(number % BETWEEN_READS));
        let mut players = players.collect::<Result<Vec<_>>>()?;
        // What is held is filled, and the first packets of a stream take another way.
        round(&mut calls, &mut players)?;
        let mut costs = Vec::new();
        for _ in 0..ROUNDS {
            costs.push(round(&mut calls, &mut players)?);
        }
        let name = format!("passing_streams_per_core/{count}");
        let streams = 1.0 / (median(&costs) * FRAMES_PER_SECOND);
        let figure = Figure::at_least(&name, streams, "streams", 1500.0);
        figures.push(Figure { runs: ROUNDS, ..figure });
    }
    Ok(figures)
}

/// Seconds on the CPU for one frame of one stream.
fn round(calls: &mut [Stream], players: &mut [Player]) -> Result<f64> {
    let mut took = Duration::ZERO;
    for _ in 0..ROUND_TICKS / TICKS {
        let began = CpuInstant::now();
        for _ in 0..TICKS {
            for (call, player) in calls.iter_mut().zip(&mut *players) {
                call.tick(player.next()?)?;
            }
        }
        took += began.elapsed();
        for call in &mut *calls {
            call.exchange()?;
        }
    }
    Ok(took.as_secs_f64() / (ROUND_TICKS * players.len()) as f64)
}

/// A file that is passed through.
struct Player {
    source: Box<dyn AudioSource>,
    packet: Vec<u8>,
}

impl Player {
    /// One that is so many frames in.
    fn open(frames: usize) -> Result<Self> {
        let mut this = Self { source: Sound::Passed.source(None)?, packet: Vec::new() };
        for _ in 0..frames {
            this.next()?;
        }
        Ok(this)
    }

    fn next(&mut self) -> Result<&[u8]> {
        self.packet.clear();
        let pulled = self.source.pull(&mut self.packet);
        ensure!(matches!(pulled, Pulled::Frame(_)), "the file gave no packet: {pulled:?}");
        Ok(&self.packet)
    }
}
