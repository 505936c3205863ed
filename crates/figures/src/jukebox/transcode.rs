//! What playing a file costs beside the encoding that nobody can spare.

use std::{fs::File, path::Path, time::Duration};

use anyhow::{Result, ensure};
use opus::{Application, Bitrate, Channels, Encoder};
use phonograph_media::playback::{self, Begin, Config, Mixer, Pulled, Reader, TrackId};

use super::music::{Format, Music};
use crate::{
    figure::Figure,
    library::clock::{CpuInstant, median},
};

/// How often the music is played from its beginning to its end.
const PASSES: usize = 3;
/// Frames of a round: two seconds, as much as a deck has at least after it was fed.
const FRAMES: usize = 100;
/// Rounds of a pass, of which the first is not counted; the music has 74 s.
const ROUNDS: usize = 36;
/// Samples of both channels in a frame.
const BLOCK: usize = 2 * playback::FRAME_SAMPLES as usize;
/// The largest packet of one frame (RFC 6716 §3.4).
const PACKET_BYTES_MAX: usize = 1276;
/// The only deck there is.
const DECK: TrackId = TrackId(0);

/// What is played, and the share that is wanted, in %.
const PIECES: [(Format, u32, Option<f64>); 6] = [
    (Format::Wav, 48_000, Some(95.0)),
    (Format::Flac, 48_000, Some(88.0)),
    (Format::Mp3, 48_000, Some(88.0)),
    (Format::Wav, 44_100, None),
    (Format::Flac, 44_100, None),
    (Format::Mp3, 44_100, None),
];

/// `transcode_share_of_libopus`: what libopus alone needs to encode PCM, stereo, 128 kbit/s, complexity
/// 10, in % of what [`Mixer::pull`] needs for a file of the same music: decoding, mixing, limiting and
/// the same encoding. Time is that of the measuring thread. The two take turns, two seconds of music
/// each, and the median of all turns counts; the PCM is that of the WAV and FLAC files of 48 kHz, bit
/// by bit. Demuxing happens on other threads and is not in it; the parts `…_and_reading` have it, over
/// a whole pass. Files of 44.1 kHz are resampled besides, and have no aim.
pub(crate) async fn measure() -> Result<Vec<Figure>> {
    let music = Music::new()?;
    let mut files = Vec::new();
    for (format, rate_hz, aim) in PIECES {
        let suffix = if rate_hz == 48_000 { String::new() } else { format!("_{rate_hz}_hz") };
        let path = music.file(format, rate_hz, 1).await?;
        files.push((format!("{}{suffix}", format.name()), path, aim));
    }
    let samples = music.samples(&files[0].1).await?;
    let mut shares = vec![(Vec::new(), Vec::new()); files.len()];
    for _ in 0..PASSES {
        let mut alone = Alone::new(&samples)?;
        let pieces = files.iter().map(|(_, path, _)| Piece::open(path));
        let mut pieces = pieces.collect::<Result<Vec<_>>>()?;
        pass(&mut alone, &mut pieces, &mut shares)?;
    }
    let mut figures = Vec::new();
    for ((name, _, aim), (shares, with_reading)) in files.iter().zip(&shares) {
        let name = format!("transcode_share_of_libopus/{name}");
        figures.push(share(&name, shares, *aim));
        figures.push(share(&format!("{name}_and_reading"), with_reading, None));
    }
    Ok(figures)
}

fn share(name: &str, samples: &[f64], aim: Option<f64>) -> Figure {
    let figure = Figure::new(name, median(samples), "%", aim);
    Figure { at_least: true, runs: samples.len(), ..figure }
}

/// Plays all once; adds each piece's share in each round, and that of the whole with reading.
fn pass(
    alone: &mut Alone<'_>,
    pieces: &mut [Piece],
    shares: &mut [(Vec<f64>, Vec<f64>)],
) -> Result<()> {
    let mut total = Duration::ZERO;
    for round in 0..ROUNDS {
        let baseline = alone.round()?;
        total += baseline;
        for (piece, (shares, _)) in pieces.iter_mut().zip(&mut *shares) {
            let took = piece.round()?;
            if round > 0 {
                shares.push(percent(baseline, took));
            }
        }
    }
    for (piece, (_, with_reading)) in pieces.iter().zip(shares) {
        with_reading.push(percent(total, piece.total));
    }
    Ok(())
}

fn percent(part: Duration, whole: Duration) -> f64 {
    part.as_secs_f64() / whole.as_secs_f64() * 100.0
}

/// libopus and nothing else, with the settings that a mixer's encoder has.
struct Alone<'a> {
    encoder: Encoder,
    blocks: std::slice::ChunksExact<'a, f32>,
    buffer: Box<[u8; PACKET_BYTES_MAX]>,
}

impl<'a> Alone<'a> {
    fn new(samples: &'a [f32]) -> Result<Self> {
        let Config { bitrate_bps, complexity, .. } = Config::default();
        let mut encoder = Encoder::new(48_000, Channels::Stereo, Application::Audio)?;
        encoder.set_bitrate(Bitrate::Bits(bitrate_bps.cast_signed()))?;
        encoder.set_complexity(i32::from(complexity))?;
        encoder.set_vbr(true)?;
        let blocks = samples.chunks_exact(BLOCK);
        Ok(Self { encoder, blocks, buffer: Box::new([0; PACKET_BYTES_MAX]) })
    }

    fn round(&mut self) -> Result<Duration> {
        let (began, mut frames) = (CpuInstant::now(), 0);
        for block in self.blocks.by_ref().take(FRAMES) {
            self.encoder.encode_float(block, self.buffer.as_mut_slice())?;
            frames += 1;
        }
        ensure!(frames == FRAMES, "the music ended before its time");
        Ok(began.elapsed())
    }
}

/// A file that is played.
struct Piece {
    reader: Reader,
    mixer: Mixer,
    out: Vec<u8>,
    /// What reading and playing it has taken.
    total: Duration,
}

impl Piece {
    fn open(path: &Path) -> Result<Self> {
        let (reader, deck) = playback::open(Box::new(File::open(path)?))?;
        let mut mixer = Mixer::new(&Config::default())?;
        mixer.play(DECK, deck, Begin::default());
        Ok(Self { reader, mixer, out: Vec::new(), total: Duration::ZERO })
    }

    /// What playing took, without reading.
    fn round(&mut self) -> Result<Duration> {
        let began = CpuInstant::now();
        while let Some(deck) = self.mixer.deck_mut(DECK)
            && deck.wants_packets()
        {
            deck.feed(self.reader.read_ahead()?);
        }
        self.total += began.elapsed();
        let (began, mut frames) = (CpuInstant::now(), 0);
        for _ in 0..FRAMES {
            frames += usize::from(self.mixer.pull(&mut self.out) == Pulled::Frame);
        }
        let took = began.elapsed();
        self.total += took;
        ensure!(frames == FRAMES, "the music ended before its time");
        ensure!(!self.mixer.is_passing(), "nothing was encoded");
        Ok(took)
    }
}
