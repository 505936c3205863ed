//! The compressed packets between the reader and the player.

use std::collections::VecDeque;
use std::ops::Range;
use std::time::Duration;

use symphonia::core::codecs::audio::AudioCodecParameters;
use symphonia::core::packet::Packet;
use symphonia::core::units::TimeBase;

use super::decode::Decoder;

/// What a reader hands on, in the order of the stream.
pub(crate) enum Piece {
    /// The packets from here on belong to this track.
    Track(Box<TrackStart>),
    Packet(TimedPacket),
}

/// Another place in the stream: what was read before it counts no longer.
pub(crate) struct Jump {
    /// Knows nothing of what it decoded before.
    pub(crate) decoder: Decoder,
    pub(crate) start: TrackStart,
    /// The time stamp of the first sample to be heard; the packets begin before it.
    pub(crate) target: i64,
    /// The unit of time stamps, in seconds.
    pub(crate) time_base: TimeBase,
    /// How far into the music that is.
    pub(crate) position: Duration,
}

/// The beginning of a track.
#[derive(Debug, Clone)]
pub(crate) struct TrackStart {
    pub(crate) params: AudioCodecParameters,
    pub(crate) trim: Trim,
}

/// What encoders add to the music and players take away again, in samples per channel at the
/// source's rate; beside what the decoder trims itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Trim {
    /// To drop from the front.
    pub(crate) delay: u64,
    /// How many are music; None if everything is.
    pub(crate) length: Option<u64>,
}

impl Trim {
    /// Which of the next samples are music; takes them off what is left to cut.
    pub(crate) fn cut(&mut self, samples: usize) -> Range<usize> {
        let start = usize::try_from(self.delay).unwrap_or(usize::MAX).min(samples);
        self.delay -= start as u64;
        let mut end = samples;
        if let Some(length) = &mut self.length {
            let music = usize::try_from(*length).unwrap_or(usize::MAX).min(samples - start);
            *length -= music as u64;
            end = start + music;
        }
        start..end
    }
}

/// A packet, and how long it sounds.
pub(crate) struct TimedPacket {
    pub(crate) packet: Packet,
    pub(crate) duration: Duration,
}

/// Packets in order, with what bounds them counted.
#[derive(Default)]
pub(crate) struct Queue {
    pieces: VecDeque<Piece>,
    duration: Duration,
    bytes: usize,
}

impl Queue {
    pub(crate) fn push(&mut self, piece: Piece) {
        if let Piece::Packet(packet) = &piece {
            self.duration = self.duration.saturating_add(packet.duration);
            self.bytes += packet.packet.data.len();
        }
        self.pieces.push_back(piece);
    }

    pub(crate) fn append(&mut self, mut later: Self) {
        self.duration = self.duration.saturating_add(later.duration);
        self.bytes += later.bytes;
        self.pieces.append(&mut later.pieces);
    }

    pub(crate) fn front(&self) -> Option<&Piece> {
        self.pieces.front()
    }

    pub(crate) fn pop(&mut self) -> Option<Piece> {
        let piece = self.pieces.pop_front()?;
        if let Piece::Packet(packet) = &piece {
            self.duration = self.duration.saturating_sub(packet.duration);
            self.bytes -= packet.packet.data.len();
        }
        Some(piece)
    }

    /// Puts a packet back that was taken.
    pub(crate) fn unpop(&mut self, packet: TimedPacket) {
        self.duration = self.duration.saturating_add(packet.duration);
        self.bytes += packet.packet.data.len();
        self.pieces.push_front(Piece::Packet(packet));
    }

    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Whether it holds as much as is read ahead: of time, of bytes, or of packets that tell
    /// no time.
    pub(crate) fn holds(&self, duration: Duration, bytes: usize, pieces: usize) -> bool {
        self.duration >= duration || self.bytes >= bytes || self.pieces.len() >= pieces
    }

    pub(crate) fn duration(&self) -> Duration {
        self.duration
    }

    pub(crate) fn len(&self) -> usize {
        self.pieces.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trim_spans_packets_and_cuts_both_ends() {
        let mut trim = Trim { delay: 5, length: Some(4) };
        assert_eq!(trim.cut(3), 3..3);
        assert_eq!(trim.cut(3), 2..3);
        assert_eq!(trim.cut(2), 0..2);
        assert_eq!(trim.cut(3), 0..1);
        assert_eq!(trim.cut(3), 0..0);
        assert_eq!(Trim::default().cut(7), 0..7);
    }
}
