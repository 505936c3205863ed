//! A mixer with its readers, driven without a clock.

use std::collections::BTreeMap;
use std::io::Cursor;
use std::time::Duration;

use phonograph_media::playback::{
    Begin, Config, Deck, Join, Mixer, MixerEvent, Pulled, Reader, TrackId, open,
};

use crate::listen::decode;

/// A decibel is what was asked for, 510 kbit/s are what hides none of it.
pub(crate) const CLEAR: Config = Config { bitrate_bps: 510_000, complexity: 10, fec: false };
/// By how much the far end hears samples later than they were mixed: encoder and limiter.
pub(crate) const LATENCY: usize = 552;

pub(crate) struct Bench {
    pub(crate) mixer: Mixer,
    readers: BTreeMap<TrackId, Reader>,
    /// What the far end got; what was muted is silence.
    pub(crate) frames: Vec<Vec<u8>>,
    pub(crate) muted: usize,
    /// All but those that tell that an end is near.
    pub(crate) events: Vec<String>,
    pub(crate) near_ends: Vec<u64>,
}

impl Bench {
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            mixer: Mixer::new(config).expect("an encoder"),
            readers: BTreeMap::new(),
            frames: Vec::new(),
            muted: 0,
            events: Vec::new(),
            near_ends: Vec::new(),
        }
    }

    /// Opens a source, and reads its first packets.
    pub(crate) fn open(&mut self, id: u64, bytes: impl Into<Vec<u8>>) -> Deck {
        let (mut reader, mut deck) = open(Box::new(Cursor::new(bytes.into()))).expect("a source");
        deck.feed(reader.read_ahead().expect("packets"));
        self.readers.insert(TrackId(id), reader);
        deck
    }

    pub(crate) fn play(&mut self, id: u64, bytes: impl Into<Vec<u8>>) {
        let deck = self.open(id, bytes);
        self.mixer.play(TrackId(id), deck, Begin::default());
    }

    pub(crate) fn enqueue(&mut self, id: u64, bytes: impl Into<Vec<u8>>, join: Join) {
        let deck = self.open(id, bytes);
        self.mixer.enqueue(TrackId(id), deck, join);
    }

    pub(crate) fn seek(&mut self, id: u64, to: Duration) {
        let reader = self.readers.get_mut(&TrackId(id)).expect("a reader");
        let batch = reader.seek(to).expect("a source that can seek");
        self.mixer.deck_mut(TrackId(id)).expect("a deck").feed(batch);
    }

    /// Runs for so many ticks; answers with the number of the first frame.
    pub(crate) fn run(&mut self, ticks: usize) -> usize {
        let from = self.frames.len();
        let mut frame = Vec::new();
        for _ in 0..ticks {
            for (id, reader) in &mut self.readers {
                let Some(deck) = self.mixer.deck_mut(*id) else { continue };
                if deck.wants_packets() {
                    match reader.read_ahead() {
                        Ok(batch) => deck.feed(batch),
                        Err(_) => deck.end(),
                    }
                }
            }
            match self.mixer.pull(&mut frame) {
                Pulled::Frame => self.frames.push(frame.clone()),
                Pulled::Silent => {
                    assert!(frame.is_empty());
                    self.muted += 1;
                    self.frames.push(vec![0xf8, 0xff, 0xfe]);
                }
            }
            while let Some(event) = self.mixer.poll_event() {
                self.events.push(match event {
                    MixerEvent::Began(id) => format!("began {}", id.0),
                    MixerEvent::NearEnd(id) => {
                        self.near_ends.push(id.0);
                        continue;
                    }
                    MixerEvent::Ended { id, finished, .. } => {
                        format!("{} {}", if finished { "finished" } else { "cut" }, id.0)
                    }
                    MixerEvent::ClipEnded(id) => format!("clip ended {}", id.0),
                    MixerEvent::Drained => "drained".to_owned(),
                });
            }
            while self.mixer.take_dead().is_some() {}
        }
        from
    }

    /// What the far end has heard so far.
    pub(crate) fn heard(&self) -> [Vec<f64>; 2] {
        decode(&self.frames)
    }

    pub(crate) fn position(&self) -> Duration {
        self.mixer.position().expect("something plays")
    }
}

/// What is left of the samples when a tone is taken away that fits them best: amplitude of that tone,
/// its phase at the first sample, and the largest sample that is left.
pub(crate) fn without_tone(samples: &[f64], hertz: f64) -> (f64, f64, f64) {
    let turn = |n: usize| (std::f64::consts::TAU * hertz * n as f64 / 48_000.0).sin_cos();
    // Least squares over sine and cosine.
    let (mut ss, mut sc, mut cc, mut xs, mut xc) = (0.0, 0.0, 0.0, 0.0, 0.0);
    for (n, sample) in samples.iter().enumerate() {
        let (sin, cos) = turn(n);
        ss += sin * sin;
        sc += sin * cos;
        cc += cos * cos;
        xs += sample * sin;
        xc += sample * cos;
    }
    let det = ss * cc - sc * sc;
    let (a, b) = ((xs * cc - xc * sc) / det, (xc * ss - xs * sc) / det);
    let left = samples.iter().enumerate().map(|(n, sample)| {
        let (sin, cos) = turn(n);
        (sample - a * sin - b * cos).abs()
    });
    (a.hypot(b), b.atan2(a), left.fold(0.0, f64::max))
}

/// The mean square of samples.
pub(crate) fn power(samples: &[f64]) -> f64 {
    samples.iter().map(|sample| sample * sample).sum::<f64>() / samples.len() as f64
}
