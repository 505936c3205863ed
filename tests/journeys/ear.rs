//! What came of one track: when, and how it sounds.

use std::time::{Duration, Instant};

use phonograph_call::{Frame, TrackInfo, frame::Codec, livekit::Kind};
use phonograph_trial::person::Channel;

/// How much of what is heard is kept.
const KEPT: usize = 48_000 * 20;

/// What came of one track.
#[derive(Debug)]
pub(crate) struct Ear {
    pub(crate) user: String,
    pub(crate) video: bool,
    /// When the call said that it is there.
    pub(crate) published: Instant,
    /// When its first frame was handed on, decrypted.
    pub(crate) first_heard: Option<Instant>,
    pub(crate) frames: u64,
    pub(crate) lost: u64,
    /// When each frame came.
    pub(crate) arrivals: Vec<Instant>,
    /// Left and right, the newest twenty seconds.
    sound: [Vec<f32>; 2],
    pub(crate) muted: bool,
}

impl Ear {
    pub(crate) fn new(info: &TrackInfo) -> Self {
        Self {
            user: info.member.user.to_string(),
            video: info.kind == Kind::Video,
            published: Instant::now(),
            first_heard: None,
            frames: 0,
            lost: 0,
            arrivals: Vec::new(),
            sound: [Vec::new(), Vec::new()],
            muted: false,
        }
    }

    pub(crate) fn hear(&mut self, frame: &Frame, decoder: &mut opus::Decoder) {
        self.first_heard.get_or_insert_with(Instant::now);
        self.frames += 1;
        self.lost += u64::from(frame.lost);
        self.arrivals.push(frame.arrival);
        if frame.codec != Codec::Opus {
            return;
        }
        let mut samples = vec![0.0; 2 * 5760];
        let decoded = decoder.decode_float(&frame.data, &mut samples, false);
        let count = decoded.expect("what was decrypted is an Opus packet");
        for (channel, sound) in self.sound.iter_mut().enumerate() {
            sound.extend(samples[..2 * count].iter().skip(channel).step_by(2));
            let surplus = sound.len().saturating_sub(KEPT);
            sound.drain(..surplus);
        }
    }

    /// The last seconds, left and right; fewer if there are not so many yet.
    pub(crate) fn last(&self, seconds: f64) -> [Channel; 2] {
        let samples = (seconds * 48_000.0) as usize;
        self.sound.each_ref().map(|channel| {
            let start = channel.len().saturating_sub(samples);
            let enough = channel.len() >= samples;
            Channel::from(if enough { channel[start..].to_vec() } else { Vec::new() })
        })
    }

    /// The longest time without a frame since then.
    pub(crate) fn longest_gap(&self, since: Instant) -> Duration {
        let after = self.arrivals.iter().filter(|at| **at >= since);
        let times: Vec<Instant> = after.copied().collect();
        let gaps = times.windows(2).map(|pair| pair[1].duration_since(pair[0]));
        gaps.max().unwrap_or(Duration::MAX)
    }
}
