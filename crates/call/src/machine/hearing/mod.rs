//! What others publish: whose it is, what we receive of it, and its decryption.
//!
//! ```text
//!              named by the SFU            its identity is a member's,
//!                                          on that member's own SFU             subscribe
//!   (unknown) -----------------> Stranger ---------------------------> Published ---------> Heard
//!        ^                          ^   <---------------------------------'   <-------------'
//!        '--------------------------'            the member left                unsubscribe
//!              gone from the SFU
//! ```
//!
//! An SFU's word is not taken for who somebody is: a track counts only when its participant's name is
//! one that a membership derives to, on the SFU that this membership names. Nothing that was not
//! decrypted is handed on in an encrypted call. Frames whose key has not come are held for two
//! seconds.

mod lane;

use std::{
    collections::{BTreeMap, VecDeque},
    time::{Duration, Instant},
};

use phonograph_frame::crypto::{FrameKey, KeyIndex, KeyRing, SifTrailer};
use phonograph_livekit::{Frame as Encoded, Kind, RemoteTrack, TrackSid};
use phonograph_matrixrtc::{Identity, Member, Roster};
use tracing::debug;

use self::lane::Lane;
use super::links::LinkId;
use crate::track::{Frame, TrackId, TrackInfo, Undecryptable};

/// How long a key may be missing before its owner is asked to send it again. It costs everybody in the
/// call a roll-out.
const ASK_AFTER: Duration = Duration::from_secs(15);

/// How the call's media is kept from others.
#[derive(Debug, Clone)]
pub(super) enum Secrecy {
    /// Not at all.
    Clear,
    /// Each member has keys of its own.
    PerParticipant,
    /// All share this one, in slot 0.
    Shared(FrameKey),
}

impl Secrecy {
    pub(super) const fn is_encrypted(&self) -> bool {
        !matches!(self, Self::Clear)
    }

    /// The keys that are known of a member from the start.
    fn ring(&self) -> KeyRing {
        let mut ring = KeyRing::new();
        if let Self::Shared(key) = self {
            ring.set(KeyIndex::new(0), key.clone());
        }
        ring
    }
}

/// What there is to tell.
#[derive(Debug, PartialEq)]
pub(super) enum Said {
    Published(TrackInfo),
    Changed(TrackInfo),
    Ended(TrackId),
    Frame(TrackId, Frame),
    Muted(TrackId, bool),
    Undecryptable(TrackId, Option<Undecryptable>),
    /// To be received from now on, or no longer.
    Subscribe(TrackId, bool),
    /// A whole picture is needed, as those before could not be decrypted.
    KeyFrame(TrackId),
    /// Somebody's key has been missing for long.
    AskForKeys,
}

/// All tracks of others, and their owners' keys.
#[derive(Debug)]
pub(super) struct Hearing {
    secrecy: Secrecy,
    rings: BTreeMap<Identity, KeyRing>,
    tracks: BTreeMap<TrackId, Known>,
    /// What frames end with that an SFU made itself.
    trailers: BTreeMap<LinkId, SifTrailer>,
    said: VecDeque<Said>,
}

/// A track that an SFU named.
#[derive(Debug)]
struct Known {
    remote: RemoteTrack,
    identity: Identity,
    /// Whose it is, once a membership says so.
    member: Option<Member>,
    /// Something while it is received.
    lane: Option<Lane>,
}

impl Hearing {
    pub(super) fn new(secrecy: Secrecy) -> Self {
        Self {
            secrecy,
            rings: BTreeMap::new(),
            tracks: BTreeMap::new(),
            trailers: BTreeMap::new(),
            said: VecDeque::new(),
        }
    }

    /// What happened; to be drained after each input.
    pub(super) fn poll(&mut self) -> Option<Said> {
        self.said.pop_front()
    }

    /// Takes over what an SFU's own frames end with.
    pub(super) fn handle_trailer(&mut self, link: LinkId, trailer: Vec<u8>) {
        self.trailers.insert(link, SifTrailer::new(trailer));
    }

    /// Takes over that an SFU names a track, newly or otherwise than before.
    pub(super) fn handle_track(
        &mut self,
        link: LinkId,
        remote: RemoteTrack,
        owner: impl FnOnce(&Identity) -> Option<Member>,
    ) {
        let id = TrackId { link: link.0, sid: remote.sid.clone() };
        let identity = Identity::from(remote.identity.as_str());
        if let Some(known) = self.tracks.get_mut(&id) {
            let muted = (known.remote.muted != remote.muted).then_some(remote.muted);
            known.remote = remote;
            if let Some(info) = known.info(&id) {
                if let (Some(muted), Some(_)) = (muted, &known.lane) {
                    self.said.push_back(Said::Muted(id, muted));
                }
                self.said.push_back(Said::Changed(info));
            }
            return;
        }
        let member = owner(&identity);
        let known = Known { remote, identity, member, lane: None };
        if let Some(info) = known.info(&id) {
            self.said.push_back(Said::Published(info));
        } else {
            debug!(identity = %known.identity, "a track of nobody in the call");
        }
        self.tracks.insert(id, known);
    }

    /// Takes over that an SFU no longer has a track.
    pub(super) fn handle_track_end(&mut self, link: LinkId, sid: &TrackSid) {
        let id = TrackId { link: link.0, sid: sid.clone() };
        if self.tracks.remove(&id).is_some_and(|known| known.member.is_some()) {
            self.said.push_back(Said::Ended(id));
        }
    }

    /// Takes over that a connection ended, with all its tracks.
    pub(super) fn handle_link_end(&mut self, link: LinkId) {
        self.trailers.remove(&link);
        let gone = self.tracks.extract_if(.., |id, _| id.link == link.0);
        for (id, known) in gone {
            if known.member.is_some() {
                self.said.push_back(Said::Ended(id));
            }
        }
    }

    /// Looks anew whose tracks they are. `owner` answers for a name on a connection.
    pub(super) fn handle_roster(
        &mut self,
        roster: &Roster,
        owner: impl Fn(LinkId, &Identity) -> Option<Member>,
    ) {
        for (id, known) in &mut self.tracks {
            let member = owner(LinkId(id.link), &known.identity);
            if member == known.member {
                continue;
            }
            if known.member.take().is_some() {
                if known.lane.take().is_some() {
                    self.said.push_back(Said::Subscribe(id.clone(), false));
                }
                self.said.push_back(Said::Ended(id.clone()));
            }
            known.member = member;
            if let Some(info) = known.info(id) {
                self.said.push_back(Said::Published(info));
            }
        }
        // Whoever left has taken its keys along; one that comes back sends new ones.
        self.rings.retain(|identity, _| roster.by_identity(identity).is_some());
    }

    /// Takes over a member's key, and opens the frames that were held for it.
    pub(super) fn handle_key(
        &mut self,
        identity: &Identity,
        (index, key): (KeyIndex, FrameKey),
        now: Instant,
    ) {
        let ring = self.rings.entry(identity.clone()).or_default();
        ring.set(index, key);
        let theirs = self.tracks.iter_mut().filter(|(_, known)| known.identity == *identity);
        for (id, known) in theirs {
            if let Some(lane) = &mut known.lane {
                if known.remote.kind == Kind::Video && lane.is_in_trouble() {
                    self.said.push_back(Said::KeyFrame(id.clone()));
                }
                lane.retry(ring, now);
                lane.drain(id, &mut self.said);
            }
        }
    }

    /// Begins to receive a track; whether there is one of that name.
    pub(super) fn subscribe(&mut self, id: &TrackId) -> bool {
        let Some(known) = self.tracks.get_mut(id).filter(|known| known.member.is_some()) else {
            return false;
        };
        if known.lane.is_none() {
            known.lane = Some(Lane::default());
            self.said.push_back(Said::Subscribe(id.clone(), true));
        }
        self.said.push_back(Said::Muted(id.clone(), known.remote.muted));
        true
    }

    /// Ends to receive a track.
    pub(super) fn unsubscribe(&mut self, id: &TrackId) {
        let lane = self.tracks.get_mut(id).and_then(|known| known.lane.take());
        if lane.is_some() {
            self.said.push_back(Said::Subscribe(id.clone(), false));
        }
    }

    /// Takes a frame as it came from an SFU.
    pub(super) fn handle_frame(&mut self, link: LinkId, frame: Encoded, now: Instant) {
        let id = TrackId { link: link.0, sid: frame.track.clone() };
        let Some(known) = self.tracks.get_mut(&id) else { return };
        let Some(lane) = &mut known.lane else { return };
        let encrypted = self.secrecy.is_encrypted();
        let trailer = self.trailers.get(&link).filter(|_| encrypted);
        if frame.data.is_empty() || trailer.is_some_and(|trailer| trailer.ends(&frame.data)) {
            // Made by the SFU around a mute, and signed by nobody: never that participant's speech.
            return;
        }
        match (encrypted, known.remote.encrypted) {
            (false, false) => lane.pass(frame),
            (false, true) => lane.refuse(&frame, Undecryptable::Unexpected, now),
            (true, false) => lane.refuse(&frame, Undecryptable::InClear, now),
            (true, true) => {
                if !self.rings.contains_key(&known.identity) {
                    self.rings.insert(known.identity.clone(), self.secrecy.ring());
                }
                let ring = self.rings.get_mut(&known.identity);
                lane.open(ring.expect("it was put there"), frame, now);
            }
        }
        lane.drain(&id, &mut self.said);
    }

    /// Does what is due: shows what cannot be decrypted, and asks for keys.
    pub(super) fn handle_timeout(&mut self, now: Instant) {
        for (id, known) in &mut self.tracks {
            let Some(lane) = &mut known.lane else { continue };
            lane.handle_timeout(now);
            lane.drain(id, &mut self.said);
        }
        let per_participant = matches!(self.secrecy, Secrecy::PerParticipant);
        let lanes = self.tracks.values_mut().filter_map(|known| known.lane.as_mut());
        // Each lane is asked, so that one answer serves all of them.
        let missing = lanes.map(|lane| lane.take_missing_for(ASK_AFTER, now)).filter(|it| *it);
        if missing.count() > 0 && per_participant {
            self.said.push_back(Said::AskForKeys);
        }
    }

    /// When [`Hearing::handle_timeout`] wants to be called.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let lanes = self.tracks.values().filter_map(|known| known.lane.as_ref());
        lanes.filter_map(|lane| lane.poll_timeout(ASK_AFTER)).min()
    }
}

impl Known {
    fn info(&self, id: &TrackId) -> Option<TrackInfo> {
        let remote = &self.remote;
        Some(TrackInfo {
            id: id.clone(),
            member: self.member.clone()?,
            kind: remote.kind,
            source: remote.source,
            codec: remote.codec,
            muted: remote.muted,
            encrypted: remote.encrypted,
            stereo: remote.stereo,
        })
    }
}

#[cfg(test)]
mod tests;
