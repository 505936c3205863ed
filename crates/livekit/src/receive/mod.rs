//! From the packets of one received track to its frames.
//!
//! ```text
//!   packets -> Reorder: in order, gaps counted -> audio: a packet is a frame ------> Frame
//!                                              -> video: Assembler -> pictures ---'
//!   sender reports -> Reports: RTP time to wall time
//! ```
//!
//! str0m decrypts SRTP, asks for what is missing (NACK) and turns retransmissions (RTX) back into
//! the packets that they repeat. Its own frame buffers are passed by: they belong to a media section,
//! which the server gives to the next track when one goes, and then drop what the newcomer sends.

mod clock;
mod depacketise;
mod picture;
mod reorder;
mod reports;

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use phonograph_frame::Codec;

pub(crate) use self::reports::Report;
use self::{
    clock::Clock,
    picture::{Assembler, Picture},
    reorder::{Patience, Reorder},
    reports::Reports,
};
use crate::{
    Kind, TrackSid,
    trouble::{Trouble, Troubles},
};

/// How long a lost audio packet is waited for; 64 packets are more than a second of sound.
/// livekit-server 1.13.5 sends nothing again within 100 ms of the first time, and str0m asks every
/// 105 ms: what comes again comes after 140 to 190 ms. With 100 ms of patience not one was in time.
const AUDIO_PATIENCE: Patience = Patience { time: Duration::from_millis(300), packets: 64 };
/// A lost video packet costs its picture and those after it, so several NACKs are waited for.
const VIDEO_PATIENCE: Patience = Patience { time: Duration::from_millis(500), packets: 1024 };
/// How often a publisher is asked for a key frame at most: it costs a multiple of any other.
const KEY_FRAME_PAUSE: Duration = Duration::from_secs(1);
/// Codecs of one section that are looked at.
pub(crate) const CODECS_MAX: usize = 32;

/// One encoded frame of a track that we subscribe to; encrypted if the track is.
///
/// The server puts frames of its own in between when a track is muted, unmuted or closed. Those of
/// an encrypted track end with the trailer of [`Joined`](crate::Event::Joined); a clear track's
/// cannot be told from the publisher's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// The track.
    pub track: TrackSid,
    /// Its codec, by the payload type that the server sent it with.
    pub codec: Codec,
    /// The encoded frame, never empty: one Opus packet, or one picture (H.264 in Annex B form with
    /// start codes of four bytes, AV1 as a sequence of OBUs with sizes).
    pub data: Vec<u8>,
    /// Its RTP time on the track's clock (48 kHz for audio, 90 kHz for video), unwrapped. The first
    /// frame's is any; a track that is subscribed to again begins anew.
    pub units: u64,
    /// When its last packet came.
    pub arrival: Instant,
    /// How many packets are missing directly before it.
    pub lost: u32,
    /// When it was captured, by the publisher's own clock and its newest sender report; `None` until
    /// one has come (3 to 6 s). Clocks of different publishers may be seconds apart.
    pub captured: Option<SystemTime>,
}

/// One packet of a stream, decrypted and unpadded.
#[derive(Debug, Clone)]
pub(crate) struct Packet {
    /// Its sequence number, unwrapped.
    pub(crate) seq: u64,
    /// Its RTP time, as the wire has it.
    pub(crate) time: u32,
    pub(crate) payload_type: u8,
    pub(crate) marker: bool,
    pub(crate) arrival: Instant,
    /// Empty if it was padding only.
    pub(crate) payload: Arc<[u8]>,
}

/// One received stream: what one SSRC carries while it stands for one track.
#[derive(Debug)]
pub(crate) struct Receiver {
    track: TrackSid,
    kind: Kind,
    /// Payload types of its section.
    codecs: Vec<(u8, Codec)>,
    reorder: Reorder,
    clock: Clock,
    reports: Reports,
    assembler: Option<Assembler>,
    key_frame: KeyFrame,
    /// Missing audio packets that the next frame is to tell of.
    lost: u64,
    ready: VecDeque<Frame>,
    /// What it held when that was last asked for, in bytes.
    told_bytes: usize,
}

impl Receiver {
    pub(crate) fn new(track: TrackSid, kind: Kind, mut codecs: Vec<(u8, Codec)>) -> Self {
        codecs.truncate(CODECS_MAX);
        let (patience, rate) = match kind {
            Kind::Audio => (AUDIO_PATIENCE, 48_000),
            Kind::Video => (VIDEO_PATIENCE, 90_000),
        };
        Self {
            track,
            kind,
            codecs,
            reorder: Reorder::new(patience),
            clock: Clock::new(rate),
            reports: Reports::default(),
            assembler: None,
            key_frame: KeyFrame { wanted: kind == Kind::Video, last: None },
            lost: 0,
            ready: VecDeque::new(),
            told_bytes: 0,
        }
    }

    pub(crate) fn track(&self) -> &TrackSid {
        &self.track
    }

    /// The payload types of its section may be others after each offer.
    pub(crate) fn set_codecs(&mut self, mut codecs: Vec<(u8, Codec)>) {
        codecs.truncate(CODECS_MAX);
        self.codecs = codecs;
    }

    pub(crate) fn handle_packet(&mut self, packet: Packet, troubles: &mut Troubles) {
        let arrival = packet.arrival;
        if !self.reorder.push(packet) {
            troubles.count(Trouble::LatePacket, arrival);
        }
    }

    pub(crate) fn handle_report(&mut self, report: Report, troubles: &mut Troubles) {
        if !self.reports.push(report, &self.clock) {
            troubles.count(Trouble::LyingReport, report.arrival);
        }
    }

    /// Notes that the publisher should begin anew.
    pub(crate) fn want_key_frame(&mut self) {
        self.key_frame.wanted = self.kind == Kind::Video;
    }

    /// Whether the publisher is to be asked for a key frame now; it is for the caller to do so.
    pub(crate) fn take_key_frame_request(&mut self, now: Instant) -> bool {
        self.key_frame.take(now)
    }

    /// What it holds in bytes, of packets and of a picture that is not whole; and what it held when this
    /// was last asked.
    pub(crate) fn take_bytes(&mut self) -> (usize, usize) {
        let picture = self.assembler.as_ref().map_or(0, Assembler::bytes);
        let bytes = self.reorder.bytes() + picture;
        (bytes, std::mem::replace(&mut self.told_bytes, bytes))
    }

    /// Drops what it holds, as too much is held in all. It counts as lost.
    pub(crate) fn drop_held(&mut self) {
        self.reorder.clear();
        if let Some(assembler) = &mut self.assembler {
            assembler.give_up();
        }
        self.want_key_frame();
    }

    /// Nothing more will come: what is held need not wait for what is missing.
    pub(crate) fn give_up(&mut self) {
        self.reorder.give_up();
    }

    /// The next frame that need not wait any longer.
    pub(crate) fn poll(&mut self, now: Instant, troubles: &mut Troubles) -> Option<Frame> {
        while self.ready.is_empty() {
            let (packet, missing) = self.reorder.pop(now)?;
            self.take(&packet, missing, troubles);
        }
        self.ready.pop_front()
    }

    /// When there may be a frame, or a key frame may be asked for, without a further packet.
    pub(crate) fn timeout(&self) -> Option<Instant> {
        let due = [self.reorder.timeout(), self.key_frame.timeout()];
        due.into_iter().flatten().min()
    }

    fn take(&mut self, packet: &Packet, missing: u64, troubles: &mut Troubles) {
        let known = self.codecs.iter().find(|(number, _)| *number == packet.payload_type);
        let codec = known.map(|(_, codec)| *codec).filter(|codec| is_of(*codec, self.kind));
        if codec.is_none() && !packet.payload.is_empty() {
            troubles.count(Trouble::UnknownCodec, packet.arrival);
        }
        match (self.kind, codec) {
            (Kind::Audio, codec) => {
                self.lost += missing;
                if let Some(codec) = codec.filter(|_| !packet.payload.is_empty()) {
                    let (time, arrival) = (packet.time, packet.arrival);
                    let lost = std::mem::take(&mut self.lost);
                    let data = packet.payload.to_vec();
                    self.finish(Picture { codec, time, data, arrival, lost }, troubles);
                }
            }
            (Kind::Video, Some(codec)) => self.assemble(codec, packet, missing, troubles),
            // Padding may come under any payload type.
            (Kind::Video, None) => {
                let codec = self.assembler.as_ref().map(Assembler::codec);
                if let Some(codec) = codec.filter(|_| packet.payload.is_empty()) {
                    self.assemble(codec, packet, missing, troubles);
                }
            }
        }
    }

    fn assemble(&mut self, codec: Codec, packet: &Packet, missing: u64, troubles: &mut Troubles) {
        if self.assembler.as_ref().is_none_or(|assembler| assembler.codec() != codec) {
            self.assembler = Assembler::new(codec);
        }
        let Some(assembler) = &mut self.assembler else { return };
        let step = assembler.push(packet, missing);
        if step.is_broken {
            troubles.count(Trouble::BrokenPicture, packet.arrival);
            self.want_key_frame();
        }
        for picture in step.pictures {
            self.finish(picture, troubles);
        }
    }

    fn finish(&mut self, whole: Picture, troubles: &mut Troubles) {
        let Picture { codec, time, data, arrival, lost } = whole;
        let position = self.clock.advance(time, arrival);
        if position.jumped {
            troubles.count(Trouble::TimeJump, arrival);
        }
        let units = position.units;
        self.ready.push_back(Frame {
            track: self.track.clone(),
            codec,
            data,
            units,
            arrival,
            lost: u32::try_from(lost).unwrap_or(u32::MAX),
            captured: self.reports.captured(units, &self.clock),
        });
    }
}

fn is_of(codec: Codec, kind: Kind) -> bool {
    match codec {
        Codec::Opus => kind == Kind::Audio,
        Codec::Vp8 | Codec::Vp9 | Codec::H264 | Codec::H265 | Codec::Av1 => kind == Kind::Video,
    }
}

/// Whether a key frame is wanted, and when one was asked for last.
#[derive(Debug)]
struct KeyFrame {
    wanted: bool,
    last: Option<Instant>,
}

impl KeyFrame {
    fn take(&mut self, now: Instant) -> bool {
        let may = self.timeout().is_some_and(|timeout| timeout <= now)
            || self.wanted && self.last.is_none();
        if may {
            *self = Self { wanted: false, last: Some(now) };
        }
        may
    }

    /// When one that is wanted may be asked for, if not at once.
    fn timeout(&self) -> Option<Instant> {
        self.last.filter(|_| self.wanted).map(|last| last + KEY_FRAME_PAUSE)
    }
}

#[cfg(test)]
mod tests;
