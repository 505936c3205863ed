//! Plays a source to its end, decodes the frames as a far end would, and measures tones.

use std::f64::consts::TAU;
use std::io::Cursor;
use std::time::Duration;

use phonograph_media::playback::{
    self, Batch, Begin, Config, Deck, Faults, Info, MediaSource, Mixer, MixerEvent, OpenError,
    Reader, TrackId, open,
};

/// The tones of `assets/trial`.
pub(crate) const LEFT_HZ: f64 = 441.0;
pub(crate) const RIGHT_HZ: f64 = 613.0;
pub(crate) const AMPLITUDE: f64 = 0.25;

/// More frames than any test's source has: what still plays then never ends.
const FRAMES_MAX: usize = 10_000;

/// What came of playing a source.
pub(crate) struct Played {
    pub(crate) info: Info,
    pub(crate) frames: Vec<Vec<u8>>,
    pub(crate) position: Duration,
    pub(crate) player: Player,
}

pub(crate) fn open_bytes(bytes: impl Into<Vec<u8>>) -> Result<(Reader, Player), OpenError> {
    open_source(Box::new(Cursor::new(bytes.into())))
}

pub(crate) fn open_source(source: Box<dyn MediaSource>) -> Result<(Reader, Player), OpenError> {
    let (reader, deck) = open(source)?;
    Ok((reader, Player::new(deck)))
}

/// What one pull of a player gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pulled {
    Frame,
    /// The reader has not kept up from the beginning on.
    Starved,
    Ended,
}

/// A mixer that plays one deck.
#[derive(Debug)]
pub(crate) struct Player {
    mixer: Mixer,
    over: Option<(Deck, Faults)>,
}

impl Player {
    const ID: TrackId = TrackId(7);

    fn new(deck: Deck) -> Self {
        let mut mixer = Mixer::new(&Config::default()).expect("an encoder");
        mixer.play(Self::ID, deck, Begin::default());
        Self { mixer, over: None }
    }

    fn deck(&self) -> &Deck {
        let over = self.over.as_ref().map(|(deck, _)| deck);
        self.mixer.deck(Self::ID).or(over).expect("a deck that plays or has played")
    }

    pub(crate) fn info(&self) -> &Info {
        self.deck().info()
    }

    pub(crate) fn position(&self) -> Duration {
        self.deck().position()
    }

    pub(crate) fn faults(&self) -> &Faults {
        self.over.as_ref().map_or_else(|| self.deck().faults(), |(_, faults)| faults)
    }

    pub(crate) fn wants_packets(&self) -> bool {
        self.over.is_none() && self.deck().wants_packets()
    }

    pub(crate) fn feed(&mut self, batch: Batch) {
        if let Some(deck) = self.mixer.deck_mut(Self::ID) {
            deck.feed(batch);
        }
    }

    pub(crate) fn end(&mut self) {
        if let Some(deck) = self.mixer.deck_mut(Self::ID) {
            deck.end();
        }
    }

    pub(crate) fn pull(&mut self, out: &mut Vec<u8>) -> Pulled {
        let pulled = self.mixer.pull(out);
        while let Some(event) = self.mixer.poll_event() {
            if let MixerEvent::Ended { finished, faults, .. } = event {
                assert!(finished, "nobody has stopped it");
                self.over = self.mixer.take_dead().map(|deck| (deck, faults));
            }
        }
        match pulled {
            playback::Pulled::Frame => Pulled::Frame,
            playback::Pulled::Silent if self.over.is_some() => Pulled::Ended,
            playback::Pulled::Silent => Pulled::Starved,
        }
    }
}

pub(crate) fn play(bytes: impl Into<Vec<u8>>) -> Played {
    play_source(Box::new(Cursor::new(bytes.into())))
}

pub(crate) fn play_source(source: Box<dyn MediaSource>) -> Played {
    let (reader, player) = open_source(source).expect("a source that can be played");
    play_on(reader, player)
}

/// Does what a driver does, without its clock.
pub(crate) fn play_on(mut reader: Reader, mut player: Player) -> Played {
    let mut frames = Vec::new();
    let mut frame = Vec::new();
    loop {
        if player.wants_packets() {
            match reader.read_ahead() {
                Ok(batch) => player.feed(batch),
                Err(_) => player.end(),
            }
        }
        match player.pull(&mut frame) {
            Pulled::Frame => frames.push(frame.clone()),
            Pulled::Starved => assert!(player.wants_packets(), "starved with nothing to wait for"),
            Pulled::Ended => break,
        }
        assert!(frames.len() < FRAMES_MAX, "it never ends");
    }
    Played { info: player.info().clone(), frames, position: player.position(), player }
}

impl Played {
    /// The two channels that the far end hears.
    pub(crate) fn heard(&self) -> [Vec<f64>; 2] {
        decode(&self.frames)
    }
}

pub(crate) fn decode(frames: &[Vec<u8>]) -> [Vec<f64>; 2] {
    let mut decoder = opus::Decoder::new(48_000, opus::Channels::Stereo).expect("a decoder");
    let mut block = vec![0.0; 2 * 5760];
    let mut heard = [Vec::new(), Vec::new()];
    for frame in frames {
        let samples = decoder.decode_float(frame, &mut block, false).expect("a frame of Opus");
        assert_eq!(samples, 960, "a frame is 20 ms");
        for pair in block[..2 * samples].chunks_exact(2) {
            heard[0].push(f64::from(pair[0]));
            heard[1].push(f64::from(pair[1]));
        }
    }
    heard
}

/// The second from here on, at 48 kHz.
pub(crate) fn second(samples: &[f64], from: f64) -> &[f64] {
    let start = (from * 48_000.0) as usize;
    &samples[start..start + 48_000]
}

/// How strong a tone is: the amplitude of its sine.
pub(crate) fn amplitude(samples: &[f64], hertz: f64) -> f64 {
    let [re, im] = tone(samples, hertz);
    re.hypot(im)
}

/// The frequency of a tone that is known to half a hertz or so, for a second of samples: by how
/// far its phase turns between the halves.
pub(crate) fn frequency(samples: &[f64], near: f64) -> f64 {
    let (early, late) = samples.split_at(samples.len() / 2);
    let [early, late] = [early, late].map(|half| {
        let [re, im] = tone(half, near);
        im.atan2(re)
    });
    let seconds = (samples.len() / 2) as f64 / 48_000.0;
    let expected = near * seconds * TAU;
    let turned = (early - late - expected + TAU / 2.0).rem_euclid(TAU) - TAU / 2.0;
    near + turned / TAU / seconds
}

/// The tones as they are if the first sample of the file is the first that is heard, but for the
/// 6.5 ms that an encoder of Opus takes and the 5 ms of the limiter before ours.
pub(crate) fn assert_aligned(heard: &[Vec<f64>; 2], info: &Info) {
    const LOOKAHEAD: f64 = 312.0 / 48_000.0;
    let limiter = if info.passes_through { 0.0 } else { 240.0 / 48_000.0 };
    for (side, hertz) in [(0, LEFT_HZ), (1, RIGHT_HZ)] {
        let [re, im] = tone(second(&heard[side], 1.0), hertz);
        let expected = TAU * hertz * (1.0 - LOOKAHEAD - limiter);
        let error = (re.atan2(im) - expected + TAU / 2.0).rem_euclid(TAU) - TAU / 2.0;
        // A fifth of a radian is 3.5 samples of the lower tone.
        assert!(error.abs() < 0.2, "side {side}: the tone is shifted by {error:.2} rad");
    }
}

/// The tone's share of the samples, under a Hann window: cosine and sine.
fn tone(samples: &[f64], hertz: f64) -> [f64; 2] {
    let len = samples.len() as f64;
    let (mut re, mut im, mut sum) = (0.0, 0.0, 0.0);
    for (n, sample) in samples.iter().enumerate() {
        let window = 0.5 - 0.5 * (TAU * n as f64 / len).cos();
        let (sin, cos) = (TAU * hertz * n as f64 / 48_000.0).sin_cos();
        re += window * sample * cos;
        im += window * sample * sin;
        sum += window;
    }
    [2.0 * re / sum, 2.0 * im / sum]
}

pub(crate) fn decibels(ratio: f64) -> f64 {
    20.0 * ratio.log10()
}

/// The two tones, each on its side alone and at its level.
pub(crate) fn assert_tones(heard: &[Vec<f64>; 2], from: f64, tolerance_db: f64) {
    for (side, own, other) in [(0, LEFT_HZ, RIGHT_HZ), (1, RIGHT_HZ, LEFT_HZ)] {
        let samples = second(&heard[side], from);
        let hertz = frequency(samples, own);
        assert!((hertz - own).abs() <= 1.0, "side {side}: {hertz} Hz instead of {own}");
        let level = decibels(amplitude(samples, own) / AMPLITUDE);
        assert!(level.abs() <= tolerance_db, "side {side}: the level is off by {level:.3} dB");
        let leak = decibels(amplitude(samples, other) / AMPLITUDE);
        assert!(leak < -50.0, "side {side}: the other tone is there at {leak:.1} dB");
    }
}

/// The largest step of a sample's slope: a click stands far above a tone's own.
pub(crate) fn roughness(samples: &[f64]) -> f64 {
    samples.windows(3).map(|three| (three[0] - 2.0 * three[1] + three[2]).abs()).fold(0.0, f64::max)
}
