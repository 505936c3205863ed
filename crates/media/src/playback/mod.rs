//! Turns audio files and streams into one stream of Opus frames of 20 ms, one per tick.
//!
//! [`open`] looks at what a source holds, by content and never by name, and gives two halves that
//! meet only in the [`Batch`]es between them. A [`Mixer`] plays the halves that tick: one after the
//! other, without a gap or with a crossfade, and clips over them.
//!
//! ```text
//!              blocking thread                              media worker, every 20 ms
//!   source --> Reader::read_ahead, seek --> Batch --> Deck::feed --> Mixer::pull --> Opus frame
//!              demuxes ~2.5 s ahead                   decode, mix down, resample, mix, encode
//! ```
//!
//! The reader may wait for its source; decks and mixer never wait, and what a deck holds are compressed
//! packets, at most about five seconds. Opus that is in 20 ms packets already is handed on byte for
//! byte (*pass-through*) while nothing acts on it; everything else is decoded, mixed down to stereo,
//! resampled to 48 kHz, mixed and encoded at the tick.
//!
//! What many rooms hear at once is encoded once: a mixer of its own makes packets, and each room plays a
//! deck [of packets](Deck::of_packets), which passes them on.
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
