//! The tick half of a room: decks in, one stream of Opus frames out.
//!
//! ```text
//!   decks that leave --fade out--+
//!   current deck ----fade in-----+--> pause, duck --+--> volume --> limiter --> encoder --> frame
//!   (enqueued deck)                    clips -------+
//! ```
//!
//! Commands take effect with the next frame, and none of them blocks. While one deck alone is heard,
//! whose packets are Opus frames of 20 ms, and no gain acts, the packets go out byte for byte
//! (*passing*); see [`pull`](Mixer::pull) for the way there and back.

mod pull;
mod voice;

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use super::control::{Begin, Join, MixerEvent, TrackId, Volume};
use super::deck::Deck;
use super::encode::{Config, Encoder, EncodingError, FRAME_SAMPLES, RATE_HZ};
use super::limiter::{AHEAD, Limiter};
use super::ramp::Ramp;
use voice::{Ring, Voice};

/// Samples of both channels in a block.
const BLOCK: usize = 2 * FRAME_SAMPLES as usize;
/// Silent frames after the last sound. Opus and the limiter hold back 11.5 ms, so one is needed to
/// hear the end; after 100 ms the jitter buffer of a browser has nothing left to stretch.
const TAIL_FRAMES: u8 = 5;
/// How long pausing and resuming fade: two frames, so that it costs no place on the grid of packets.
const PAUSE_FADE: Duration = Duration::from_millis(40);
/// How long a change of volume takes.
const VOLUME_RAMP: Duration = Duration::from_millis(30);
/// The longest fade, of any kind.
const FADE_MAX: Duration = Duration::from_secs(12);
/// How long what begins in the middle of a stream fades in, whatever was asked for.
const MIDWAY_FADE: Duration = Duration::from_millis(20);
/// How many clips are heard at once.
const CLIPS_MAX: usize = 4;
/// How many decks fade out at once; beyond it the oldest ends early.
const LEAVING_MAX: usize = 4;
/// How many events wait; beyond it the oldest is lost.
const EVENTS_MAX: usize = 64;
/// How many decks wait to be dropped elsewhere; beyond it they are dropped here.
const DEAD_MAX: usize = 16;

/// How music gives way to speech and clips.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ducking {
    /// By how much it becomes quieter, in dB; 0 to 60.
    pub depth_db: f32,
    /// How long the way down takes.
    pub attack: Duration,
    /// How long the way up takes.
    pub release: Duration,
}

impl Default for Ducking {
    /// Down by 14 dB within 120 ms, back within 500 ms.
    fn default() -> Self {
        Self {
            depth_db: 14.0,
            attack: Duration::from_millis(120),
            release: Duration::from_millis(500),
        }
    }
}

impl Ducking {
    fn gain(&self) -> f32 {
        let depth_db = if self.depth_db.is_finite() { self.depth_db.clamp(0.0, 60.0) } else { 0.0 };
        10.0_f32.powf(-depth_db / 20.0)
    }
}

/// Plays decks, one after the other or over each other, into one stream of frames.
pub struct Mixer {
    encoder: Encoder,
    limiter: Limiter,
    current: Option<Voice>,
    /// What follows.
    next: Option<Next>,
    /// What was replaced, skipped or stopped and still fades.
    leaving: VecDeque<Voice>,
    clips: Vec<Voice>,
    /// The last one of which was told that it ends soon.
    near_end: Option<TrackId>,
    volume: Volume,
    volume_gain: Ramp,
    ducking: Ducking,
    is_ducked: bool,
    duck_gain: Ramp,
    is_paused: bool,
    pause_gain: Ramp,
    /// The last sample of music, and of clips, that ended in the middle of a swing.
    ring: Ring,
    clip_ring: Ring,
    output: Output,
    /// For how many frames they could have.
    settled: u8,
    /// How many silent frames went out in a row, up to [`TAIL_FRAMES`].
    quiet: u8,
    /// Whether [`MixerEvent::Drained`] is to be told.
    is_busy: bool,
    block: Box<[f32; BLOCK]>,
    scratch: Box<[f32; BLOCK]>,
    events: VecDeque<MixerEvent>,
    dead: Vec<Deck>,
}

/// Where frames come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Output {
    /// Packets go out as they are.
    Passing,
    Encoding,
    /// The next frame is encoded, and the far end's decoder knows nothing of the encoder.
    Changing,
}

/// A deck whose turn has not come.
struct Next {
    id: TrackId,
    deck: Deck,
    join: Join,
}

impl fmt::Debug for Mixer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mixer")
            .field("current", &self.current())
            .field("position", &self.position())
            .field("output", &self.output)
            .field("is_paused", &self.is_paused)
            .finish_non_exhaustive()
    }
}

impl Mixer {
    /// A mixer that is silent until it is told to play.
    ///
    /// # Errors
    ///
    /// The encoder refuses the settings.
    pub fn new(config: &Config) -> Result<Self, EncodingError> {
        Ok(Self {
            encoder: Encoder::new(config)?,
            limiter: Limiter::new(),
            current: None,
            next: None,
            leaving: VecDeque::new(),
            clips: Vec::new(),
            near_end: None,
            volume: Volume::UNITY,
            volume_gain: Ramp::at(1.0),
            ducking: Ducking::default(),
            is_ducked: false,
            duck_gain: Ramp::at(1.0),
            is_paused: false,
            pause_gain: Ramp::at(1.0),
            ring: Ring::default(),
            clip_ring: Ring::default(),
            output: Output::Encoding,
            settled: 0,
            quiet: TAIL_FRAMES,
            is_busy: false,
            block: Box::new([0.0; BLOCK]),
            scratch: Box::new([0.0; BLOCK]),
            events: VecDeque::new(),
            dead: Vec::new(),
        })
    }

    /// Begins a deck now, in place of what plays. What is enqueued stays so; a pause ends.
    pub fn play(&mut self, id: TrackId, deck: Deck, begin: Begin) {
        self.leave(begin.fade_out);
        self.begin(id, deck, begin.fade_in);
    }

    /// Has a deck follow the one that plays, in place of another one that was to; without one that
    /// plays it begins at once.
    pub fn enqueue(&mut self, id: TrackId, mut deck: Deck, join: Join) {
        deck.set_ahead(self.ahead());
        let before = self.next.replace(Next { id, deck, join });
        self.bury(before.map(|next| next.deck));
        self.is_busy = true;
    }

    /// Takes back what was to follow.
    pub fn unqueue(&mut self) -> Option<(TrackId, Deck)> {
        self.next.take().map(|next| (next.id, next.deck))
    }

    /// Goes on to what is enqueued, or to silence. What plays fades out meanwhile, by at most 12 s; a
    /// pause ends.
    pub fn skip(&mut self, fade: Duration) {
        self.leave(fade);
        if let Some(Next { id, deck, .. }) = self.next.take() {
            self.begin(id, deck, Duration::ZERO);
        }
    }

    /// Ends what plays, by a fade of at most 12 s, and forgets what is enqueued; clips are heard to
    /// their end.
    pub fn stop(&mut self, fade: Duration) {
        self.leave(fade);
        let next = self.next.take();
        self.bury(next.map(|next| next.deck));
    }

    /// Ends at once what fades out: nobody hears it. What plays, or is paused, stays as it is.
    pub fn cut_fades(&mut self) {
        while let Some(voice) = self.leaving.pop_front() {
            self.end(voice, false);
        }
    }

    /// Ends at once what is played over the music.
    pub fn cut_clips(&mut self) {
        for voice in std::mem::take(&mut self.clips) {
            self.tell(MixerEvent::ClipEnded(voice.id));
            self.bury(Some(voice.deck));
        }
        self.follow_ducking();
    }

    /// Whether something is to be heard now: what plays, what fades out, or a clip. What is paused is
    /// not.
    pub fn is_audible(&self) -> bool {
        let plays = self.current.is_some() || self.next.is_some() || !self.leaving.is_empty();
        !self.clips.is_empty() || plays && !self.is_paused
    }

    /// Fades the music out within 40 ms and keeps its place. No sample is lost: what is heard while it
    /// fades is not heard again, and it goes on with the very next one.
    pub fn pause(&mut self) {
        if !self.is_paused {
            self.stop_passing();
            self.is_paused = true;
            self.pause_gain.go(0.0, samples(PAUSE_FADE));
        }
    }

    /// Goes on where it was paused, fading in within 40 ms.
    pub fn resume(&mut self) {
        if self.is_paused {
            self.is_paused = false;
            self.pause_gain.go(1.0, samples(PAUSE_FADE));
        }
    }

    /// Whether it is paused, or on the way to it.
    pub fn is_paused(&self) -> bool {
        self.is_paused
    }

    /// Makes everything louder or quieter, within 30 ms. Above unity a limiter keeps it below full
    /// scale.
    pub fn set_volume(&mut self, volume: Volume) {
        if volume != self.volume {
            self.stop_passing();
            self.volume = volume;
            self.volume_gain.go(volume.gain(), samples(VOLUME_RAMP));
        }
    }

    /// How loud it is, or will be within 30 ms.
    pub fn volume(&self) -> Volume {
        self.volume
    }

    /// Makes the music quieter while somebody speaks, and louder again.
    pub fn duck(&mut self, is_ducked: bool) {
        self.is_ducked = is_ducked;
        self.follow_ducking();
    }

    /// Changes how music is ducked, from the next time on that it begins or ends.
    pub fn set_ducking(&mut self, ducking: Ducking) {
        self.ducking = ducking;
    }

    /// Plays a clip over the music, which is ducked meanwhile. A pause does not hold it.
    ///
    /// # Errors
    ///
    /// Four clips are heard already: hands the deck back.
    pub fn clip(&mut self, id: TrackId, deck: Deck) -> Result<(), Box<Deck>> {
        if self.clips.len() >= CLIPS_MAX {
            return Err(Box::new(deck));
        }
        self.stop_passing();
        self.clips.push(Voice::new(id, deck));
        self.follow_ducking();
        Ok(())
    }

    /// Encodes in another way from the next frame on that is encoded.
    ///
    /// # Errors
    ///
    /// The encoder refuses the settings, and keeps those it has.
    pub fn set_encoding(&mut self, config: &Config) -> Result<(), EncodingError> {
        self.encoder.configure(config)
    }

    /// What plays, or is paused.
    pub fn current(&self) -> Option<TrackId> {
        self.current.as_ref().map(|voice| voice.id)
    }

    /// What follows.
    pub fn enqueued(&self) -> Option<TrackId> {
        self.next.as_ref().map(|next| next.id)
    }

    /// How far the current deck is.
    pub fn position(&self) -> Option<Duration> {
        self.current.as_ref().map(|voice| voice.deck.position())
    }

    /// How long the current deck plays, as far as it says.
    pub fn duration(&self) -> Option<Duration> {
        self.current.as_ref()?.deck.info().duration
    }

    /// Whether packets of Opus go out as they came in.
    pub fn is_passing(&self) -> bool {
        self.output == Output::Passing && self.current.is_some()
    }

    /// One of the decks that are held: what plays, follows, fades out, or is a clip. To be fed.
    pub fn deck_mut(&mut self, id: TrackId) -> Option<&mut Deck> {
        let voices = self.current.iter_mut().chain(&mut self.leaving).chain(&mut self.clips);
        let voices = voices.map(|voice| (voice.id, &mut voice.deck));
        let next = self.next.iter_mut().map(|next| (next.id, &mut next.deck));
        voices.chain(next).find(|(known, _)| *known == id).map(|(_, deck)| deck)
    }

    /// Likewise, to be looked at.
    pub fn deck(&self, id: TrackId) -> Option<&Deck> {
        let voices = self.current.iter().chain(&self.leaving).chain(&self.clips);
        let voices = voices.map(|voice| (voice.id, &voice.deck));
        let next = self.next.iter().map(|next| (next.id, &next.deck));
        voices.chain(next).find(|(known, _)| *known == id).map(|(_, deck)| deck)
    }

    /// What happened, in order. At most 64 events wait, beyond that the oldest is lost.
    pub fn poll_event(&mut self) -> Option<MixerEvent> {
        self.events.pop_front()
    }

    /// A deck that is heard no longer, to be dropped where dropping may take a while.
    pub fn take_dead(&mut self) -> Option<Deck> {
        self.dead.pop()
    }

    /// By how much what goes into the mix is ahead of what a far end hears of it.
    fn ahead(&self) -> usize {
        self.encoder.lookahead() + AHEAD
    }

    /// Lets what plays go.
    fn leave(&mut self, fade: Duration) {
        self.stop_passing();
        if let Some(voice) = self.current.take() {
            self.fade_out(voice, fade);
        }
        if self.is_paused {
            self.is_paused = false;
            self.pause_gain = Ramp::at(1.0);
        }
    }

    fn fade_out(&mut self, mut voice: Voice, fade: Duration) {
        if self.is_paused && self.pause_gain.is_settled() {
            self.end(voice, false);
            return;
        }
        voice.fade.go(0.0, samples(fade).max(samples(Duration::from_millis(5))));
        self.leaving.push_back(voice);
        if self.leaving.len() > LEAVING_MAX
            && let Some(oldest) = self.leaving.pop_front()
        {
            self.ring.start(oldest.last, &mut []);
            self.end(oldest, false);
        }
    }

    /// Makes a deck the current one, as far as it is not the follower of another one.
    fn begin(&mut self, id: TrackId, mut deck: Deck, fade_in: Duration) {
        deck.set_ahead(self.ahead());
        let fade_in = if deck.begins_midway() { fade_in.max(MIDWAY_FADE) } else { fade_in };
        let mut voice = Voice::new(id, deck);
        if !fade_in.is_zero() {
            voice.fade = Ramp::at(0.0);
            voice.fade.go(1.0, samples(fade_in));
        }
        self.become_current(voice);
    }

    fn become_current(&mut self, voice: Voice) {
        self.is_busy = true;
        self.near_end = None;
        self.tell(MixerEvent::Began(voice.id));
        self.current = Some(voice);
    }

    fn follow_ducking(&mut self) {
        let is_down = self.is_ducked || !self.clips.is_empty();
        let aim = if is_down { self.ducking.gain() } else { 1.0 };
        if (aim - self.duck_gain.target()).abs() > f32::EPSILON {
            self.stop_passing();
            let time = if is_down { self.ducking.attack } else { self.ducking.release };
            self.duck_gain.go(aim, samples(time));
        }
    }

    /// A voice of the music is heard no longer.
    fn end(&mut self, mut voice: Voice, finished: bool) {
        let faults = voice.deck.take_faults();
        self.tell(MixerEvent::Ended { id: voice.id, finished, faults });
        self.bury(Some(voice.deck));
    }

    fn tell(&mut self, event: MixerEvent) {
        if self.events.len() >= EVENTS_MAX {
            self.events.pop_front();
        }
        self.events.push_back(event);
    }

    fn bury(&mut self, deck: Option<Deck>) {
        if self.dead.len() < DEAD_MAX {
            self.dead.extend(deck);
        }
    }
}

/// A fade in samples.
fn samples(time: Duration) -> usize {
    (time.min(FADE_MAX).as_micros() * u128::from(RATE_HZ) / 1_000_000) as usize
}
