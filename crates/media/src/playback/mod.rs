//! Turns any audio file or stream into Opus frames of 20 ms, one per tick.
//!
//! [`open`] looks at what the source holds, by content and never by name, and gives two halves that
//! meet only in the [`Batch`]es between them:
//!
//! ```text
//!              blocking thread                             media worker, every 20 ms
//!   source --> Reader::read_ahead --> Batch --> Player::feed --> Player::pull --> Opus frame
//!              demuxes ~2.5 s ahead             decode, mix down, resample, encode
//! ```
//!
//! The reader may wait for its source; the player never waits, and what it holds are compressed
//! packets, at most about five seconds. Opus that is in 20 ms packets already is handed on byte for
//! byte (*pass-through*); everything else is decoded, mixed down to stereo, resampled to 48 kHz and
//! encoded at the tick.
//!
//! Formats: MP3, MP2, FLAC, Vorbis, Opus, AAC-LC in stereo, ALAC, PCM and ADPCM, bare or in Ogg, MP4,
//! Matroska, WAV, AIFF, CAF and ADTS. Specifications: RFC 6716 (Opus), RFC 7845 (Ogg Opus), RFC 7587 (Opus over RTP).

mod control;
mod deck;
mod decode;
mod downmix;
mod elementary;
mod encode;
mod fifo;
mod front;
mod guard;
mod info;
mod limiter;
mod mend;
mod mixer;
mod mp4;
mod open;
mod opus_head;
mod pcm;
mod queue;
mod ramp;
mod reader;
mod resample;
mod source;
mod vorbis_setup;

pub use control::{Begin, FADE, Join, MixerEvent, Pulled, TrackId, Volume};
pub use deck::{Deck, Faults};
pub use decode::DecodeError;
pub use encode::{Config, EncodingError, FRAME_SAMPLES, FRAME_TIME, SILENCE};
pub use info::{Cover, Info};
pub use mixer::{Ducking, Mixer};
pub use open::{OpenError, open};
pub use pcm::{Block, Pcm, PcmError};
pub use reader::{Batch, ReadError, Reader, SeekError};
pub use symphonia::core::io::{MediaSource, ReadOnlySource};
