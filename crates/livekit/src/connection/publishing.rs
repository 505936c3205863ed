//! Our tracks on their way to others.
//!
//! ```text
//!   publish --> Waiting --announced and offered--> Offered --answer--> Agreed --frames-->
//!                  |                                  |                   |
//!                  | unpublish                        '--- unpublish -----+
//!                  v                                                      v
//!                gone <-------------answer--------------- offered as inactive
//! ```
//!
//! One offer is out at a time. What comes up meanwhile waits for its answer and then goes into the
//! next one together.

use livekit_protocol::{
    AddTrackRequest, MuteTrackRequest, RequestResponse, TrackInfo, TrackPublishedResponse,
    request_response,
};
use tracing::debug;

use super::{
    Connection, Event, FRAME_MAX, Instant, Level, PublishError, Request, SendError,
    SessionDescription, State, Target, Timer, TrackConfig, TrackId, Trouble, Why, signal,
};
use crate::{
    peer::Changes,
    track::{Stage, Track},
};

/// Our own tracks at a time; a participant has one microphone, and Element Call shows no more than
/// four.
const TRACKS_MAX: usize = 8;
/// How often a mute is told again to a server that says it does not know the track.
const MUTE_MISSES_MAX: u8 = 3;

#[derive(Debug, Default)]
pub(super) struct Publishing {
    tracks: Vec<Track>,
    /// The number of the next track; `None` when all were used.
    next: Option<u8>,
    /// The number of the last offer, and whether its answer is awaited.
    last_offer: u32,
    is_out: bool,
}

impl Publishing {
    pub(super) fn new() -> Self {
        Self { next: Some(0), ..Self::default() }
    }

    fn find(&mut self, id: TrackId) -> Option<&mut Track> {
        self.tracks.iter_mut().find(|track| track.id == id)
    }

    fn find_sid(&mut self, sid: &str) -> Option<&mut Track> {
        self.tracks.iter_mut().find(|track| track.sid.as_deref() == Some(sid))
    }

    /// Whether an offer is out that adds or removes something. If its answer is lost, nobody knows
    /// what the server made of it.
    pub(super) fn has_change_out(&self) -> bool {
        self.is_out && self.tracks.iter().any(|track| track.stage.is_changing())
    }

    /// Our tracks as the server knows them, for it to compare after a resume.
    pub(super) fn published(&self) -> Vec<TrackPublishedResponse> {
        let known = self.tracks.iter().filter(|track| track.sid.is_some());
        known
            .map(|track| TrackPublishedResponse { cid: track.id.cid(), track: Some(track.info()) })
            .collect()
    }
}

impl Connection {
    /// Publishes a track, at any time: it is announced with the join, or by an offer of its own
    /// once the one before it has been answered.
    ///
    /// # Errors
    /// [`PublishError`]; nothing was announced.
    pub fn publish(&mut self, track: TrackConfig, now: Instant) -> Result<TrackId, PublishError> {
        if self.state == State::Ended {
            return Err(PublishError::Ended);
        }
        if !track.source.is_audio() {
            return Err(PublishError::NotAudio);
        }
        let publishing = &mut self.publishing;
        if publishing.tracks.iter().filter(|track| !track.leaving).count() >= TRACKS_MAX {
            return Err(PublishError::TooMany);
        }
        let number = publishing.next.ok_or(PublishError::WornOut)?;
        publishing.next = number.checked_add(1);
        let id = TrackId(number);
        publishing.tracks.push(Track::new(id, track));
        self.offer_changes(now);
        Ok(id)
    }

    /// Takes a track back. [`Event::Unpublished`] follows once the server agreed; its id is not used
    /// again. Muting is the better way for a track that will go on.
    pub fn unpublish(&mut self, id: TrackId, now: Instant) {
        let Some(track) = self.publishing.find(id) else { return };
        track.leaving = true;
        if track.stage == Stage::Waiting {
            self.publishing.tracks.retain(|track| track.id != id);
            self.emit(Event::Unpublished(id));
        }
        self.offer_changes(now);
    }

    /// Tells others that a track is silent on purpose, or that it speaks again. While it is muted
    /// the server forwards nothing.
    pub fn set_muted(&mut self, id: TrackId, muted: bool) {
        if let Some(track) = self.publishing.find(id) {
            track.config.muted = muted;
            self.tell_mutes();
        }
    }

    /// Sends one encoded frame, encrypted where the track says so. `units` is its time on the
    /// track's 48 kHz clock, not wrapped; a pause shows as a jump.
    ///
    /// # Errors
    /// [`SendError`]; the frame is lost.
    pub fn send_frame(
        &mut self,
        id: TrackId,
        frame: &[u8],
        units: u64,
        level: Level,
        now: Instant,
    ) -> Result<(), SendError> {
        if frame.len() > FRAME_MAX {
            return Err(SendError::TooLong(frame.len()));
        }
        if self.state != State::Connected {
            return Err(SendError::NotConnected);
        }
        let track = self.publishing.find(id).filter(|track| !track.leaving);
        let stream = track.and_then(|track| track.stage.stream());
        let stream = stream.ok_or(SendError::NotConnected)?;
        let sent = self.publisher.write(stream, frame, units, level, now);
        // What is to leave is looked at when the time is told. Told at once, all that str0m has for this
        // connection is gone through once for each frame and not twice.
        let worked = self.publisher.handle_timeout(now);
        self.check(worked);
        self.drain(Target::Publisher, now);
        if sent { Ok(()) } else { Err(SendError::Closed) }
    }

    /// Announces and offers what is new, and offers what leaves as inactive, unless an offer is out.
    pub(super) fn offer_changes(&mut self, now: Instant) {
        let is_first = self.publishing.last_offer == 0;
        let is_needed = is_first || self.publishing.tracks.iter().any(Track::is_to_be_offered);
        if is_needed && self.may_talk() && !self.publishing.is_out {
            self.offer(false, now);
        }
    }

    /// Makes an offer of all that has changed; with a restart, new addresses are looked for too, and
    /// nothing is added, so that it can be made again if its answer is lost.
    pub(super) fn offer(&mut self, restart: bool, now: Instant) {
        let Self { publishing, publisher, outputs, .. } = self;
        let mut changes: Changes<'_> = publisher.change();
        for track in publishing.tracks.iter_mut().filter(|_| !restart) {
            match track.stage {
                Stage::Waiting => {
                    let request = Request::AddTrack(track.config.request(track.id));
                    outputs.push_back(super::Output::Signal(signal::encode(request)));
                    track.told_muted = track.config.muted;
                    track.stage = Stage::Offered(changes.add(track.id.cid()));
                }
                Stage::Agreed(mid, _) if track.leaving => {
                    changes.remove(mid);
                    track.stage = Stage::Withdrawn;
                }
                Stage::Offered(_) | Stage::Agreed(..) | Stage::Withdrawn => {}
            }
        }
        let Some(offer) = changes.offer(restart) else { return };
        publishing.last_offer += 1;
        publishing.is_out = true;
        self.timers.offered(now);
        let id = self.publishing.last_offer;
        self.send(signal::offer(offer, id));
        self.drain(Target::Publisher, now);
    }

    /// Forgets the offer that is out: its answer will not come any more.
    pub(super) fn drop_offer(&mut self) {
        self.publishing.is_out = false;
        self.timers.stop(Timer::Answer);
        self.publisher.drop_offer();
    }

    pub(super) fn answered(&mut self, answer: &SessionDescription, now: Instant) {
        // Some servers do not number their answers.
        let is_last = [0, self.publishing.last_offer].contains(&answer.id);
        if !is_last || !self.publishing.is_out {
            return self.troubles.count(Trouble::OldAnswer, now);
        }
        self.publishing.is_out = false;
        self.timers.stop(Timer::Answer);
        match self.publisher.accept_answer(&answer.sdp) {
            Ok(described) => self.described(Target::Publisher, &described, now),
            Err(error) => return self.end(Why::Protocol(format!("its answer: {error}"))),
        }
        for track in &mut self.publishing.tracks {
            if let Stage::Offered(mid) = track.stage {
                track.stage = Stage::Agreed(mid, self.publisher.opus(mid));
            }
        }
        let withdrawn = |track: &&Track| track.stage == Stage::Withdrawn;
        let gone: Vec<_> =
            self.publishing.tracks.iter().filter(withdrawn).map(|track| track.id).collect();
        self.publishing.tracks.retain(|track| track.stage != Stage::Withdrawn);
        for id in gone {
            self.emit(Event::Unpublished(id));
        }
        self.drain(Target::Publisher, now);
        self.offer_changes(now);
    }

    pub(super) fn published(&mut self, cid: &str, info: TrackInfo) {
        let known = self.publishing.tracks.iter_mut().find(|track| track.id.cid() == cid);
        let Some(track) = known else { return };
        track.sid = Some(info.sid);
        let id = track.id;
        self.emit(Event::Published(id));
        // It may have been muted or unmuted on the way here, when there was no name to do it by.
        self.tell_mutes();
    }

    /// Tells the server of every track that is muted or not otherwise than it knows.
    pub(super) fn tell_mutes(&mut self) {
        if !self.may_talk() {
            return;
        }
        let mut requests = Vec::new();
        for track in &mut self.publishing.tracks {
            let muted = track.config.muted;
            if let Some(sid) = track.sid.clone().filter(|_| track.told_muted != muted) {
                track.told_muted = muted;
                track.mute_misses = 0;
                requests.push(signal::mute(sid, muted));
            }
        }
        for request in requests {
            self.send(request);
        }
    }

    pub(super) fn muted_by_server(&mut self, sid: &str, muted: bool) {
        if let Some(track) = self.publishing.find_sid(sid) {
            track.config.muted = muted;
            track.told_muted = muted;
            let track = track.id;
            self.emit(Event::Muted { track, muted });
        }
    }

    pub(super) fn subscribed(&mut self, sid: &str) {
        if let Some(id) = self.publishing.find_sid(sid).map(|track| track.id) {
            self.emit(Event::Subscribed(id));
        }
    }

    /// A request that the server did not carry out; only tracks are anything to us.
    pub(super) fn refused(&mut self, response: RequestResponse) {
        match response.request {
            Some(request_response::Request::AddTrack(request)) => self.track_refused(&request),
            Some(request_response::Request::Mute(ref request))
                if response.reason() == request_response::Reason::NotFound =>
            {
                self.mute_missed(request);
            }
            _ => {}
        }
    }

    fn track_refused(&mut self, request: &AddTrackRequest) {
        let mut tracks = self.publishing.tracks.iter();
        let track = tracks.find(|track| track.id.cid() == request.cid);
        if let Some(id) = track.filter(|track| track.sid.is_none()).map(|track| track.id) {
            self.emit(Event::Refused(id));
        }
    }

    /// livekit-server 1.13.5 looks for the track among those that are published, and then among those that
    /// are announced. One that goes over from these to those in between it does not find, which happens
    /// as soon as the media path is up, and so just when the first sound unmutes it. Nobody would hear it.
    fn mute_missed(&mut self, request: &MuteTrackRequest) {
        let Some(track) = self.publishing.find_sid(&request.sid) else { return };
        if track.told_muted == request.muted && track.mute_misses < MUTE_MISSES_MAX {
            track.mute_misses += 1;
            debug!(
                sid = request.sid,
                muted = request.muted,
                "the server missed a mute: told again"
            );
            self.send(signal::mute(request.sid.clone(), request.muted));
        }
    }
}
