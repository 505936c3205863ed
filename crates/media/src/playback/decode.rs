//! Packets into stereo samples at the source's own rate.

use opus::{Channels, MSDecoder};
use symphonia::core::audio::{Channels as Layout, GenericAudioBufferRef};
use symphonia::core::codecs::audio::well_known::{CODEC_ID_AAC, CODEC_ID_OPUS, CODEC_ID_VORBIS};
use symphonia::core::codecs::audio::{AudioCodecParameters, AudioDecoder, AudioDecoderOptions};
use symphonia::core::errors::Error as SymphoniaError;
use symphonia::core::packet::Packet;
use thiserror::Error;

use super::downmix::Downmix;
use super::encode::RATE_HZ;
use super::guard::guarded;
use super::open::OpenError;
use super::opus_head::{Mapping, OpusHead};
use super::vorbis_setup;

/// The longest packet of Opus (RFC 6716 §3.4): 120 ms, in samples per channel.
const OPUS_PACKET_SAMPLES_MAX: usize = 5760;
/// More channels than any layout has; a WAV header may claim 65 535.
const CHANNELS_MAX: usize = 32;
/// More than a second at any rate: decoders reserve memory for this many samples per channel.
const PACKET_SAMPLES_MAX: u64 = 1 << 18;
/// What can be resampled with bounded memory.
const RATES_HZ: std::ops::RangeInclusive<u32> = 2_000..=768_000;

/// Playing had to end early. The file is at fault; playing it again ends at the same place.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// Too many packets in a row could not be decoded: what follows is no music.
    #[error("{0} packets in a row could not be decoded")]
    TooManyBadPackets(u32),
    /// The stream went on with another track (a chained Ogg stream), which cannot be played.
    #[error("the stream changed to something that cannot be played")]
    Track(#[source] OpenError),
}

/// A packet could not be decoded, the next one may.
#[derive(Debug)]
pub(crate) struct BadPacket;

/// A decoder of any codec, whose output is stereo.
pub(crate) enum Decoder {
    Symphonia(Box<Symphonia>),
    Opus(Box<Opus>),
}

impl Decoder {
    pub(crate) fn new(params: &AudioCodecParameters) -> Result<Self, OpenError> {
        let channels = params.channels.as_ref().map_or(0, Layout::count);
        if channels > CHANNELS_MAX {
            return Err(OpenError::TooManyChannels(channels));
        }
        if let Some(rate_hz) = params.sample_rate {
            check_rate(rate_hz)?;
        }
        if params.max_frames_per_packet.is_some_and(|samples| samples > PACKET_SAMPLES_MAX) {
            return Err(OpenError::Malformed("packets are longer than any real ones"));
        }
        if params.codec == CODEC_ID_OPUS {
            return Opus::new(params).map(|opus| Self::Opus(Box::new(opus)));
        }
        Symphonia::new(params).map(|symphonia| Self::Symphonia(Box::new(symphonia)))
    }

    /// Puts a packet's samples into `stereo`, and answers with their rate.
    pub(crate) fn decode(
        &mut self,
        packet: &Packet,
        stereo: &mut Vec<f32>,
    ) -> Result<u32, BadPacket> {
        stereo.clear();
        match self {
            Self::Symphonia(decoder) => decoder.decode(packet, stereo),
            Self::Opus(decoder) => {
                decoder.decode(&packet.data, stereo)?;
                // Ogg's granule positions end within the last packet (RFC 7845 §4.4).
                let padding = usize::try_from(packet.trim_end.get()).unwrap_or(usize::MAX);
                let kept = (stereo.len() / 2).saturating_sub(padding);
                stereo.truncate(2 * kept);
                Ok(RATE_HZ)
            }
        }
    }
}

fn check_rate(rate_hz: u32) -> Result<(), OpenError> {
    if RATES_HZ.contains(&rate_hz) { Ok(()) } else { Err(OpenError::UnsupportedRate(rate_hz)) }
}

/// One of symphonia's decoders. They trim the encoder's delay and padding themselves, where the
/// demuxer knows of it.
pub(crate) struct Symphonia {
    inner: Box<dyn AudioDecoder>,
    interleaved: Vec<f32>,
    downmix: Option<(Layout, Downmix)>,
}

impl Symphonia {
    fn new(params: &AudioCodecParameters) -> Result<Self, OpenError> {
        let codecs = symphonia::default::get_codecs();
        if codecs.get_audio_decoder(params.codec).is_none() {
            return Err(OpenError::UnsupportedCodec(codec_name(params)));
        }
        let extra_data = params.extra_data.as_deref().unwrap_or_default();
        if params.codec == CODEC_ID_VORBIS && !vorbis_setup::fits(extra_data) {
            return Err(OpenError::Malformed("its codebooks are larger than any real ones"));
        }
        let options = AudioDecoderOptions::default();
        let inner =
            guarded(|| codecs.make_audio_decoder(params, &options)).map_err(
                |error| match error {
                    SymphoniaError::Unsupported(_) if params.codec == CODEC_ID_AAC => {
                        OpenError::UnsupportedCodec("AAC other than LC in stereo".to_owned())
                    }
                    error => OpenError::from_symphonia(error),
                },
            )?;
        Ok(Self { inner, interleaved: Vec::new(), downmix: None })
    }

    fn decode(&mut self, packet: &Packet, stereo: &mut Vec<f32>) -> Result<u32, BadPacket> {
        let Self { inner, interleaved, downmix } = self;
        let rate_hz = guarded(|| {
            let buffer = inner.decode(packet)?;
            buffer.copy_to_vec_interleaved(interleaved);
            note_layout(&buffer, downmix);
            Ok(buffer.spec().rate())
        })
        .map_err(|_| BadPacket)?;
        check_rate(rate_hz).map_err(|_| BadPacket)?;
        let (_, matrix) = downmix.as_ref().ok_or(BadPacket)?;
        if matrix.channels() == 0 || matrix.channels() > CHANNELS_MAX {
            return Err(BadPacket);
        }
        matrix.mix(interleaved, stereo);
        Ok(rate_hz)
    }
}

/// Makes the matrix for a packet's layout, unless the packet before had the same.
fn note_layout(buffer: &GenericAudioBufferRef<'_>, downmix: &mut Option<(Layout, Downmix)>) {
    let channels = buffer.spec().channels();
    if downmix.as_ref().is_none_or(|(known, _)| known != channels) {
        *downmix = Some((channels.clone(), Downmix::for_channels(channels)));
    }
}

/// libopus itself, not by way of symphonia: only so are the header's gain, a pre-skip of more than
/// a packet, and more than two channels honoured.
pub(crate) struct Opus {
    inner: OpusInner,
    pcm: Vec<f32>,
}

enum OpusInner {
    /// Decodes mono to stereo as well.
    Plain(opus::Decoder),
    Surround(MSDecoder, Downmix),
}

impl Opus {
    fn new(params: &AudioCodecParameters) -> Result<Self, OpenError> {
        let head = params.extra_data.as_deref().and_then(OpusHead::parse);
        let head = head.ok_or(OpenError::Malformed("the Opus header is not one we know"))?;
        Self::for_head(&head)
            .map_err(|_| OpenError::Malformed("the Opus header contradicts itself"))
    }

    pub(crate) fn for_head(head: &OpusHead) -> Result<Self, opus::Error> {
        let gain = i32::from(head.gain_q8);
        let (inner, channels) = match &head.mapping {
            Mapping::Plain => {
                let mut decoder = opus::Decoder::new(RATE_HZ, Channels::Stereo)?;
                decoder.set_gain(gain)?;
                (OpusInner::Plain(decoder), 2)
            }
            Mapping::Surround { streams, coupled, table } => {
                let mut decoder = MSDecoder::new(RATE_HZ, *streams, *coupled, table)?;
                decoder.set_gain(gain)?;
                (OpusInner::Surround(decoder, Downmix::new(&head.positions())), table.len())
            }
        };
        Ok(Self { inner, pcm: vec![0.0; OPUS_PACKET_SAMPLES_MAX * channels] })
    }

    pub(crate) fn decode(&mut self, packet: &[u8], stereo: &mut Vec<f32>) -> Result<(), BadPacket> {
        // libopus would take nothing for a lost packet and make one up.
        if packet.is_empty() {
            return Err(BadPacket);
        }
        match &mut self.inner {
            OpusInner::Plain(decoder) => {
                let frames =
                    decoder.decode_float(packet, &mut self.pcm, false).map_err(|_| BadPacket)?;
                stereo.extend_from_slice(&self.pcm[..2 * frames]);
            }
            OpusInner::Surround(decoder, downmix) => {
                let frames =
                    decoder.decode_float(packet, &mut self.pcm, false).map_err(|_| BadPacket)?;
                downmix.mix(&self.pcm[..downmix.channels() * frames], stereo);
            }
        }
        Ok(())
    }
}

/// What to call a codec that has no decoder here.
fn codec_name(params: &AudioCodecParameters) -> String {
    use symphonia::core::codecs::audio::well_known as known;
    let name = match params.codec {
        known::CODEC_ID_AC3 => "AC-3",
        known::CODEC_ID_EAC3 => "E-AC-3",
        known::CODEC_ID_ALAC => "ALAC",
        known::CODEC_ID_DCA => "DTS",
        known::CODEC_ID_MP1 => "MPEG audio layer I",
        known::CODEC_ID_MP2 => "MPEG audio layer II",
        known::CODEC_ID_SPEEX => "Speex",
        known::CODEC_ID_WAVPACK => "WavPack",
        other => return format!("codec {other}"),
    };
    name.to_owned()
}
