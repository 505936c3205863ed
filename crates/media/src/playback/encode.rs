//! PCM blocks into Opus frames.

use std::time::Duration;

use opus::{Application, Bitrate, Channels};
use thiserror::Error;

/// The rate of everything that leaves this crate, in samples per channel and second.
pub(crate) const RATE_HZ: u32 = 48_000;
/// Samples per channel of one frame: 20 ms at 48 kHz.
pub const FRAME_SAMPLES: u32 = 960;
/// How long one frame sounds.
pub const FRAME_TIME: Duration = Duration::from_millis(20);
/// One Opus frame of 20 ms silence (RFC 6716 §3.1: CELT, full band, mono), for a sender that has
/// nothing to play.
pub const SILENCE: [u8; 3] = [0xf8, 0xff, 0xfe];

/// The largest frame of Opus (RFC 6716 §3.4); a packet of one frame has its TOC byte before it.
pub(crate) const PACKET_BYTES_MAX: usize = 1 + 1275;

/// How the frames are encoded that have to be encoded at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The aim of the variable bit rate. What lies outside of 6 000 to 510 000 (RFC 6716 §2.1.1)
    /// is taken for the nearer end.
    pub bitrate_bps: u32,
    /// How much work the encoder puts into a frame, 0 to 10.
    pub complexity: u8,
    /// Whether frames carry a coarse copy of the one before them (in-band FEC, RFC 6716 §2.1.7).
    /// Only frames below about 40 kbit/s have room for it: libopus gives it to speech modes alone.
    pub fec: bool,
}

/// The settings ask for what the Opus encoder cannot do.
#[derive(Debug, Error)]
#[error("the Opus encoder refused its settings")]
pub struct EncodingError(#[from] opus::Error);

/// The loss that FEC prepares for, in percent: what a bad wireless network has.
const LOSS_PERCENT: i32 = 10;

impl Default for Config {
    /// 128 kbit/s at full complexity: what people call transparent for stereo music.
    fn default() -> Self {
        Self { bitrate_bps: 128_000, complexity: 10, fec: false }
    }
}

/// A stereo Opus encoder of 20 ms frames.
pub(crate) struct Encoder {
    inner: opus::Encoder,
    /// Samples by which what is decoded lags behind what was encoded.
    lookahead: usize,
    buffer: Box<[u8; PACKET_BYTES_MAX]>,
}

impl Encoder {
    pub(crate) fn new(config: &Config) -> Result<Self, EncodingError> {
        let mut inner = opus::Encoder::new(RATE_HZ, Channels::Stereo, Application::Audio)?;
        inner.set_vbr(true)?;
        // Quiet passages are music too: they must not be replaced by comfort noise.
        inner.set_dtx(false)?;
        let lookahead = usize::try_from(inner.get_lookahead()?).unwrap_or(0);
        let mut encoder = Self { inner, lookahead, buffer: Box::new([0; PACKET_BYTES_MAX]) };
        encoder.configure(config)?;
        Ok(encoder)
    }

    /// Encodes what comes in another way.
    pub(crate) fn configure(&mut self, config: &Config) -> Result<(), EncodingError> {
        // The one setting that can be refused comes first, so that a refusal changes nothing.
        self.inner.set_complexity(i32::from(config.complexity))?;
        let bitrate_bps = config.bitrate_bps.clamp(6_000, 510_000);
        self.inner.set_bitrate(Bitrate::Bits(bitrate_bps.cast_signed()))?;
        self.inner.set_inband_fec(config.fec)?;
        self.inner.set_packet_loss_perc(if config.fec { LOSS_PERCENT } else { 0 })?;
        Ok(())
    }

    /// Forgets what was encoded; the settings stay.
    pub(crate) fn reset(&mut self) -> Result<(), opus::Error> {
        self.inner.reset_state()
    }

    /// Samples per channel by which the decoded sound lags behind the encoder's input.
    pub(crate) fn lookahead(&self) -> usize {
        self.lookahead
    }

    /// Encodes one interleaved stereo block of 20 ms.
    pub(crate) fn encode(&mut self, block: &[f32]) -> Result<&[u8], opus::Error> {
        let len = self.inner.encode_float(block, self.buffer.as_mut_slice())?;
        Ok(&self.buffer[..len])
    }

    /// Encodes a block so that it can be decoded without the frames before it.
    pub(crate) fn encode_independently(&mut self, block: &[f32]) -> Result<&[u8], opus::Error> {
        self.inner.set_prediction_disabled(true)?;
        let len = self.inner.encode_float(block, self.buffer.as_mut_slice())?;
        self.inner.set_prediction_disabled(false)?;
        Ok(&self.buffer[..len])
    }
}
