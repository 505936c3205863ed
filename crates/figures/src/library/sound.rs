//! What is published.

use std::{
    f64::consts::TAU,
    fs::File,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context as _, Result};
use opus::{Application, Bitrate, Channels, Encoder};
use phonograph_call::{AudioSource, Pulled, livekit::Level};
use phonograph_media::playback::{self, Begin, Config, Mixer, Reader, TrackId};
use serde::{Deserialize, Serialize};

use crate::jukebox::Played;

/// Samples of both channels in a frame.
const BLOCK: usize = 2 * playback::FRAME_SAMPLES as usize;
/// Seconds until the chord that is encoded begins anew.
const SECONDS: u32 = 2;
/// The largest frame of Opus (RFC 6716 §3.4), and the byte before it.
const FRAME_BYTES_MAX: usize = 1276;
const LEVEL: Level = Level::Below(20);

/// Where the frames come from.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) enum Sound {
    /// A chord as PCM, which is encoded at 128 kbit/s, stereo, as [`playback`] does it.
    Encoded,
    /// An Opus file, whose packets are handed on as they are.
    Passed,
    /// A file, as the jukebox plays it.
    Played,
}

impl Sound {
    /// What is pulled for it; the file is of those that need one. Blocking.
    pub(crate) fn source(self, file: Option<&Path>) -> Result<Box<dyn AudioSource>> {
        Ok(match self {
            Self::Encoded => Box::new(Encoded::new()?),
            Self::Passed => Box::new(Passed::open()?),
            Self::Played => Box::new(Played::open(file.context("no file to play")?)?),
        })
    }
}

struct Encoded {
    pcm: Arc<[f32]>,
    at: usize,
    encoder: Encoder,
    buffer: Box<[u8; FRAME_BYTES_MAX]>,
}

impl Encoded {
    fn new() -> Result<Self> {
        let mut encoder = Encoder::new(48_000, Channels::Stereo, Application::Audio)?;
        let Config { bitrate_bps, complexity, .. } = Config::default();
        encoder.set_bitrate(Bitrate::Bits(bitrate_bps.cast_signed()))?;
        encoder.set_complexity(i32::from(complexity))?;
        encoder.set_vbr(true)?;
        Ok(Self { pcm: chord(), at: 0, encoder, buffer: Box::new([0; FRAME_BYTES_MAX]) })
    }
}

impl AudioSource for Encoded {
    fn pull(&mut self, out: &mut Vec<u8>) -> Pulled {
        let block = &self.pcm[self.at..self.at + BLOCK];
        self.at = (self.at + BLOCK) % self.pcm.len();
        match self.encoder.encode_float(block, self.buffer.as_mut_slice()) {
            Ok(len) => {
                out.extend_from_slice(&self.buffer[..len]);
                Pulled::Frame(LEVEL)
            }
            Err(_error) => Pulled::Ended,
        }
    }
}

/// Three tones a side, as in `sdk.py`.
fn chord() -> Arc<[f32]> {
    let tones = |frequencies: [f64; 3], n: u32| {
        let sine = |frequency: f64| 0.1 * (TAU * frequency * f64::from(n) / 48_000.0).sin();
        frequencies.map(sine).iter().sum::<f64>() as f32
    };
    let pair = |n| [tones([220.0, 554.0, 1318.0], n), tones([277.0, 659.0, 1760.0], n)];
    (0..SECONDS * 48_000).flat_map(pair).collect()
}

/// A file that is played again and again.
struct Passed {
    reader: Reader,
    mixer: Mixer,
}

/// The only deck there is.
const DECK: TrackId = TrackId(0);

impl Passed {
    fn open() -> Result<Self> {
        let (reader, deck) = playback::open(Box::new(File::open(file())?))?;
        let mut mixer = Mixer::new(&Config::default())?;
        mixer.play(DECK, deck, Begin::default());
        Ok(Self { reader, mixer })
    }

    fn read_ahead(&mut self) -> Result<()> {
        // The file is in the system's memory: no reading from it blocks.
        while let Some(deck) = self.mixer.deck_mut(DECK)
            && deck.wants_packets()
        {
            deck.feed(self.reader.read_ahead()?);
        }
        Ok(())
    }
}

impl AudioSource for Passed {
    fn pull(&mut self, out: &mut Vec<u8>) -> Pulled {
        if self.read_ahead().is_err() {
            return Pulled::Ended;
        }
        match self.mixer.pull(out) {
            playback::Pulled::Frame => Pulled::Frame(LEVEL),
            playback::Pulled::Silent => match Self::open() {
                Ok(again) => {
                    *self = again;
                    Pulled::Starved
                }
                Err(_error) => Pulled::Ended,
            },
        }
    }
}

fn file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../assets/trial/tones.opus")
}
