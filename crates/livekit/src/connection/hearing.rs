//! What we hear: the tracks we asked for, and the streams that carry them.
//!
//! ```text
//!   Appeared --subscribe--> wanted --told to the server--> offer with a stream --> frames
//!                             ^                                   |
//!                             '-- resume: told again              | the section's stream is another,
//!                                                                 v or none
//!   Vanished, unsubscribe --> forgotten                     stream forgotten
//! ```
//!
//! A stream is known by its SSRC, and its track by the offer that named it: the server gives a section
//! (mid) whose track has left to the next track, with another SSRC.

use std::collections::{BTreeMap, BTreeSet};

use livekit_protocol::{
    ParticipantInfo, SubscriptionError, SubscriptionPermissionUpdate, SubscriptionResponse,
    UpdateSubscription,
};

use super::{
    Connection, Event, Instant, Output, Request, SessionDescription, Target, TrackSid, Trouble,
    Why, signal,
};
use crate::{
    SubscriptionProblem,
    peer::sdp::{self, Section},
    receive::{Packet, Receiver, Report},
    remote::Roster,
};

/// Tracks that are subscribed to at a time.
const SUBSCRIBED_MAX: usize = 512;
/// Media sections that an offer may have. The server reuses those whose tracks have left, so there
/// are never more than tracks were heard at the same time.
const SECTIONS_MAX: usize = 1_000;

/// What all tracks together may hold of packets out of order and of pictures that are not whole, in bytes:
/// eight of the largest pictures. Beyond it the track that asks for more loses what it has.
pub(super) const HELD_MAX: usize = 32 << 20;

#[derive(Debug, Default)]
pub(super) struct Hearing {
    pub(super) roster: Roster,
    wanted: BTreeSet<TrackSid>,
    /// Those of them of which nothing is to come but who speaks.
    watched: BTreeSet<TrackSid>,
    /// What the server knows that we want.
    told: BTreeSet<TrackSid>,
    /// Whether the two may differ: this is asked for after every frame of ours.
    changed: bool,
    /// What we want and may not have.
    refused: BTreeSet<TrackSid>,
    pub(super) streams: BTreeMap<u32, Receiver>,
    /// What those hold, in bytes.
    pub(super) held: usize,
    /// The last offer and our answer, for the server to compare after a resume.
    pub(super) agreed: Option<(SessionDescription, SessionDescription)>,
}

impl Hearing {
    /// When there may be a frame without a further packet.
    pub(super) fn timeout(&self) -> Option<Instant> {
        self.streams.values().filter_map(Receiver::timeout).min()
    }

    /// The messages that tell the server what changed of what we want.
    pub(super) fn take_requests(&mut self) -> Vec<Request> {
        if !std::mem::take(&mut self.changed) {
            return Vec::new();
        }
        let new: Vec<_> = self.wanted.difference(&self.told).cloned().collect();
        let old: Vec<_> = self.told.difference(&self.wanted).cloned().collect();
        self.told.clone_from(&self.wanted);
        let watched: Vec<_> =
            new.iter().filter(|new| self.watched.contains(*new)).cloned().collect();
        let changes = [(new, true), (old, false)];
        let told = changes.into_iter().filter(|(tracks, _)| !tracks.is_empty());
        let told = told.map(|(tracks, subscribe)| signal::subscription(&tracks, subscribe));
        let silent = (!watched.is_empty()).then(|| signal::disabled(&watched));
        told.chain(silent).collect()
    }

    /// What we want, for the server after a resume.
    pub(super) fn sync(&mut self) -> UpdateSubscription {
        self.told.clone_from(&self.wanted);
        let track_sids = self.wanted.iter().map(TrackSid::to_string).collect();
        UpdateSubscription { track_sids, subscribe: true, ..UpdateSubscription::default() }
    }

    /// Counts what a stream holds, and has it drop that if it is too much in all; whether it was.
    fn limit_held(&mut self, ssrc: u32) -> bool {
        let Some(receiver) = self.streams.get_mut(&ssrc) else { return false };
        let (bytes, before) = receiver.take_bytes();
        self.held = self.held + bytes - before;
        let is_too_much = bytes > 0 && self.held > HELD_MAX;
        if is_too_much {
            receiver.drop_held();
            let (bytes, before) = receiver.take_bytes();
            self.held = self.held + bytes - before;
        }
        is_too_much
    }

    fn forget_stream(&mut self, ssrc: u32) {
        if let Some(mut receiver) = self.streams.remove(&ssrc) {
            let (_, before) = receiver.take_bytes();
            self.held -= before;
        }
    }

    fn forget_track(&mut self, track: &TrackSid) {
        self.wanted.remove(track);
        self.watched.remove(track);
        self.told.remove(track);
        self.refused.remove(track);
    }
}

impl Connection {
    /// Asks for a track that has appeared; its frames follow. Asking twice changes nothing, an
    /// unknown track is not asked for, and what was asked for is asked for again after a resume.
    /// At most 512 tracks are received at a time; what is beyond is counted and not asked for.
    pub fn subscribe(&mut self, track: &TrackSid, now: Instant) {
        let hearing = &mut self.hearing;
        if hearing.roster.track(track).is_none() || hearing.wanted.contains(track) {
            return;
        }
        if hearing.wanted.len() >= SUBSCRIBED_MAX {
            return self.troubles.count(Trouble::TooMany, now);
        }
        hearing.wanted.insert(track.clone());
        hearing.changed = true;
    }

    /// Asks to be told when a track that has appeared is of somebody who speaks, and for no frame of
    /// it: the server says so only of tracks that are subscribed to. A track is either watched or
    /// heard; it counts among those 512.
    pub fn watch(&mut self, track: &TrackSid, now: Instant) {
        if !self.hearing.wanted.contains(track) {
            self.subscribe(track, now);
            if self.hearing.wanted.contains(track) {
                self.hearing.watched.insert(track.clone());
            }
        }
    }

    /// Asks for a track no longer; no further frame of it comes.
    pub fn unsubscribe(&mut self, track: &TrackSid, _now: Instant) {
        self.hearing.changed |= self.hearing.wanted.remove(track);
        self.hearing.watched.remove(track);
        self.hearing.refused.remove(track);
    }

    /// Asks the publisher of a video track for a frame that can be decoded by itself, at most once a
    /// second and track. The beginning of a subscription and a lost picture do so by themselves.
    pub fn request_key_frame(&mut self, track: &TrackSid, now: Instant) {
        for receiver in self.hearing.streams.values_mut() {
            if receiver.track() == track {
                receiver.want_key_frame();
            }
        }
        self.poll_streams(now);
    }

    /// Takes over what the server says of some participants.
    pub(super) fn updated(&mut self, participants: &[ParticipantInfo], now: Instant) {
        let events = self.hearing.roster.update(participants, &mut self.troubles, now);
        for event in events {
            if let Event::Vanished(track) = &event {
                self.hearing.forget_track(track);
            }
            self.emit(event);
        }
    }

    /// Takes the server's offer of what we hear, and answers it.
    pub(super) fn offered(&mut self, offer: &SessionDescription, now: Instant) {
        let count = sdp::count_sections(&offer.sdp);
        if count > SECTIONS_MAX {
            return self.end(Why::Protocol(format!("an offer of {count} media sections")));
        }
        let sections = sdp::sections(&offer.sdp, &offer.mid_to_track_id);
        self.forget_streams(&sections, now);
        match self.subscriber.accept_offer(&offer.sdp) {
            Ok((answer, described)) => {
                self.described(Target::Subscriber, &described, now);
                let answer = signal::answer(answer, offer.id);
                self.hearing.agreed = Some((offer.clone(), answer.clone()));
                self.send(Request::Answer(answer));
                self.take_streams(sections);
                self.poll_streams(now);
            }
            Err(error) => self.end(Why::Protocol(format!("its offer: {error}"))),
        }
        self.drain(Target::Subscriber, now);
    }

    /// Forgets the streams that no section has any more, or that stand for another track now.
    fn forget_streams(&mut self, sections: &[Section], now: Instant) {
        let stays = |ssrc: &u32, receiver: &Receiver| {
            let section = sections.iter().find(|section| section.ssrc == *ssrc);
            section.map(|section| section.track == *receiver.track())
        };
        let streams = &mut self.hearing.streams;
        let judged = streams.iter().map(|(ssrc, receiver)| (*ssrc, stays(ssrc, receiver)));
        let gone: Vec<_> = judged.filter(|(_, stays)| *stays != Some(true)).collect();
        for (ssrc, section) in gone {
            if let Some(receiver) = self.hearing.streams.get_mut(&ssrc) {
                receiver.give_up();
            }
            self.poll_stream(ssrc, now);
            self.hearing.forget_stream(ssrc);
            if section.is_none() {
                self.subscriber.forget(ssrc);
            }
        }
    }

    fn take_streams(&mut self, sections: Vec<Section>) {
        for Section { track, kind, ssrc, codecs } in sections {
            self.subscriber.ask_again(ssrc);
            if let Some(receiver) = self.hearing.streams.get_mut(&ssrc) {
                receiver.set_codecs(codecs);
            } else {
                let receiver = Receiver::new(track, kind, codecs);
                self.hearing.streams.insert(ssrc, receiver);
            }
        }
    }

    pub(super) fn heard(&mut self, ssrc: u32, packet: Packet, now: Instant) {
        let Hearing { wanted, watched, streams, .. } = &mut self.hearing;
        let is_heard = |track| wanted.contains(track) && !watched.contains(track);
        match streams.get_mut(&ssrc) {
            // What nobody asked for is nobody's business, whatever the server sends.
            Some(receiver) if !is_heard(receiver.track()) => return,
            Some(receiver) => receiver.handle_packet(packet, &mut self.troubles),
            None => self.troubles.count(Trouble::UnknownStream, now),
        }
        self.poll_stream(ssrc, now);
    }

    pub(super) fn reported(&mut self, ssrc: u32, report: Report) {
        if let Some(receiver) = self.hearing.streams.get_mut(&ssrc) {
            receiver.handle_report(report, &mut self.troubles);
        }
    }

    /// Takes what is ready of all streams.
    pub(super) fn poll_streams(&mut self, now: Instant) {
        let all: Vec<u32> = self.hearing.streams.keys().copied().collect();
        for ssrc in all {
            self.poll_stream(ssrc, now);
        }
    }

    fn poll_stream(&mut self, ssrc: u32, now: Instant) {
        let Some(receiver) = self.hearing.streams.get_mut(&ssrc) else { return };
        while let Some(frame) = receiver.poll(now, &mut self.troubles) {
            // What nobody asked for is nobody's business, whatever the server sends.
            if self.hearing.wanted.contains(&frame.track) {
                self.outputs.push_back(Output::Frame(frame));
            }
        }
        if receiver.take_key_frame_request(now) {
            self.subscriber.request_key_frame(ssrc);
            self.timers.set_peer(Target::Subscriber, now);
        }
        if self.hearing.limit_held(ssrc) {
            self.troubles.count(Trouble::TooMuchHeld, now);
        }
    }

    /// Takes over that a subscription cannot be had.
    pub(super) fn subscription_failed(&mut self, response: &SubscriptionResponse) {
        let problem = match response.err() {
            SubscriptionError::SeUnknown => SubscriptionProblem::Unknown,
            SubscriptionError::SeCodecUnsupported => SubscriptionProblem::Codec,
            SubscriptionError::SeTrackNotfound => SubscriptionProblem::NotFound,
        };
        self.refuse(response.track_sid.as_str().into(), Some(problem));
    }

    /// Takes over whether a publisher lets us hear a track; the server says so of every track.
    pub(super) fn subscription_permitted(&mut self, update: &SubscriptionPermissionUpdate) {
        let problem = (!update.allowed).then_some(SubscriptionProblem::Forbidden);
        self.refuse(update.track_sid.as_str().into(), problem);
    }

    fn refuse(&mut self, track: TrackSid, problem: Option<SubscriptionProblem>) {
        if !self.hearing.wanted.contains(&track) {
            return;
        }
        let is_news = match problem {
            Some(_) => self.hearing.refused.insert(track.clone()),
            None => self.hearing.refused.remove(&track),
        };
        if is_news {
            self.emit(Event::Subscription { track, problem });
        }
    }
}
