//! Who is there and what they publish, kept from the server's `join` and `update`s.

use std::{collections::BTreeMap, time::Instant};

use livekit_protocol::{
    AudioTrackFeature, ParticipantInfo, TrackInfo, TrackType, encryption::Type as EncryptionType,
    participant_info::State,
};

use super::{Kind, RemoteTrack};
use crate::{
    Event, ParticipantSid, Source, TrackSid,
    peer::sdp::{SID_MAX, by_name},
    trouble::{Trouble, Troubles},
};

/// Participants that are known at a time; beyond it a newcomer does not exist for us.
pub(crate) const PARTICIPANTS_MAX: usize = 10_000;
/// Tracks that are known at a time, of all participants.
pub(crate) const TRACKS_MAX: usize = 2_000;
/// The longest identity, in bytes. Element Call's are a user, a device and a colon.
pub(crate) const IDENTITY_MAX: usize = 512;
/// The longest name of a track, in bytes; a longer one is cut.
pub(crate) const NAME_MAX: usize = 256;

#[derive(Debug, Default)]
pub(crate) struct Roster {
    own: Option<ParticipantSid>,
    own_identity: String,
    participants: BTreeMap<ParticipantSid, Participant>,
    by_identity: BTreeMap<String, ParticipantSid>,
    tracks: BTreeMap<TrackSid, RemoteTrack>,
}

#[derive(Debug)]
struct Participant {
    identity: String,
    version: u32,
    tracks: Vec<TrackSid>,
}

impl Roster {
    /// Who we are; our own entry is nothing to be heard.
    pub(crate) fn set_own(&mut self, sid: ParticipantSid, identity: String) {
        self.own = Some(sid);
        self.own_identity = identity;
    }

    pub(crate) fn track(&self, sid: &TrackSid) -> Option<&RemoteTrack> {
        self.tracks.get(sid)
    }

    /// All tracks of others.
    pub(crate) fn tracks(&self) -> impl Iterator<Item = &RemoteTrack> {
        self.tracks.values()
    }

    /// The identity behind a presence, ours included.
    pub(crate) fn identity(&self, sid: &str) -> Option<&str> {
        let sid = ParticipantSid::from(sid);
        if self.own.as_ref() == Some(&sid) {
            return Some(&self.own_identity);
        }
        self.participants.get(&sid).map(|participant| participant.identity.as_str())
    }

    /// The identities of all others.
    pub(crate) fn identities(&self) -> impl Iterator<Item = &str> {
        self.by_identity.keys().map(String::as_str)
    }

    /// Takes over what the server says of some participants; what is new by it. Who is not mentioned
    /// stays as it is.
    pub(crate) fn update(
        &mut self,
        infos: &[ParticipantInfo],
        troubles: &mut Troubles,
        now: Instant,
    ) -> Vec<Event> {
        let mut events = Vec::new();
        for info in infos {
            self.update_one(info, &mut events, troubles, now);
        }
        events
    }

    fn update_one(
        &mut self,
        info: &ParticipantInfo,
        events: &mut Vec<Event>,
        troubles: &mut Troubles,
        now: Instant,
    ) {
        if info.sid.is_empty() || info.sid.len() > SID_MAX || info.identity.len() > IDENTITY_MAX {
            return troubles.count(Trouble::TextTooLong, now);
        }
        let sid = ParticipantSid::from(info.sid.as_str());
        if self.own.as_ref() == Some(&sid) || info.identity == self.own_identity {
            return;
        }
        let known = self.participants.get(&sid).map(|known| known.version);
        if known.is_some_and(|version| info.version < version) {
            return troubles.count(Trouble::OldUpdate, now);
        }
        if info.state() == State::Disconnected {
            return self.remove(&sid, events);
        }
        if known.is_none() {
            // Who joins anew before the old presence has ended has another sid.
            if let Some(before) = self.by_identity.get(&info.identity).cloned() {
                self.remove(&before, events);
            }
            if self.participants.len() == PARTICIPANTS_MAX {
                return troubles.count(Trouble::TooMany, now);
            }
            self.by_identity.insert(info.identity.clone(), sid.clone());
        }
        let participant = self.participants.entry(sid.clone()).or_insert_with(|| Participant {
            identity: info.identity.clone(),
            version: 0,
            tracks: Vec::new(),
        });
        participant.version = info.version;
        self.update_tracks(&sid, info, events, troubles, now);
    }

    /// Compares a participant's full list of tracks with what is known.
    fn update_tracks(
        &mut self,
        sid: &ParticipantSid,
        info: &ParticipantInfo,
        events: &mut Vec<Event>,
        troubles: &mut Troubles,
        now: Instant,
    ) {
        let Some(participant) = self.participants.get_mut(sid) else { return };
        let before = std::mem::take(&mut participant.tracks);
        let identity = participant.identity.clone();
        let mut tracks = Vec::new();
        for info in &info.tracks {
            let Some(track) = read_track(info, sid, &identity) else {
                troubles.count(Trouble::TextTooLong, now);
                continue;
            };
            match self.tracks.get(&track.sid) {
                // Another's track cannot become this one's.
                Some(known) if known.participant != *sid => continue,
                Some(known) if *known == track => {}
                Some(_) => events.push(Event::Changed(track.clone())),
                None if self.tracks.len() >= TRACKS_MAX => {
                    troubles.count(Trouble::TooMany, now);
                    continue;
                }
                None => events.push(Event::Appeared(track.clone())),
            }
            tracks.push(track.sid.clone());
            self.tracks.insert(track.sid.clone(), track);
        }
        for gone in before.into_iter().filter(|known| !tracks.contains(known)) {
            self.tracks.remove(&gone);
            events.push(Event::Vanished(gone));
        }
        if let Some(participant) = self.participants.get_mut(sid) {
            participant.tracks = tracks;
        }
    }

    fn remove(&mut self, sid: &ParticipantSid, events: &mut Vec<Event>) {
        let Some(participant) = self.participants.remove(sid) else { return };
        self.by_identity.remove(&participant.identity);
        for track in participant.tracks {
            self.tracks.remove(&track);
            events.push(Event::Vanished(track));
        }
    }
}

/// `None` if its sid is none.
fn read_track(
    info: &TrackInfo,
    participant: &ParticipantSid,
    identity: &str,
) -> Option<RemoteTrack> {
    if info.sid.is_empty() || info.sid.len() > SID_MAX {
        return None;
    }
    let kind = match info.r#type() {
        TrackType::Audio => Kind::Audio,
        TrackType::Video => Kind::Video,
        TrackType::Data => return None,
    };
    let codec = info.mime_type.split_once('/').and_then(|(_, name)| by_name(name));
    let name_len = info.name.floor_char_boundary(NAME_MAX);
    Some(RemoteTrack {
        sid: info.sid.as_str().into(),
        participant: participant.clone(),
        identity: identity.to_owned(),
        name: info.name[..name_len].to_owned(),
        source: Source::from_wire(info.source()),
        kind,
        codec,
        muted: info.muted,
        encrypted: info.encryption() != EncryptionType::None,
        stereo: info.audio_features().any(|feature| feature == AudioTrackFeature::TfStereo),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Instant {
        #[expect(clippy::disallowed_methods, reason = "virtual time needs one beginning")]
        let now = Instant::now(); // the beginning of virtual time
        now
    }

    fn info(sid: &str, identity: &str, version: u32, tracks: &[&str]) -> ParticipantInfo {
        let track = |sid: &&str| TrackInfo {
            sid: (*sid).to_owned(),
            mime_type: "audio/opus".to_owned(),
            ..TrackInfo::default()
        };
        ParticipantInfo {
            sid: sid.to_owned(),
            identity: identity.to_owned(),
            version,
            tracks: tracks.iter().map(track).collect(),
            ..ParticipantInfo::default()
        }
    }

    /// A roster, and what became of it in words.
    #[derive(Default)]
    struct Bed {
        roster: Roster,
        troubles: Troubles,
    }

    impl Bed {
        fn update(&mut self, info: ParticipantInfo) -> Vec<String> {
            let events = self.roster.update(&[info], &mut self.troubles, now());
            let word = |event: &Event| match event {
                Event::Appeared(track) => format!("+{} of {}", track.sid, track.identity),
                Event::Changed(track) => format!("~{}", track.sid),
                Event::Vanished(track) => format!("-{track}"),
                other => panic!("{other:?}"),
            };
            events.iter().map(word).collect()
        }
    }

    #[test]
    fn tracks_appear_and_vanish_by_the_full_list_of_each_update() {
        let mut bed = Bed::default();
        assert_eq!(bed.update(info("PA_1", "a", 1, &["TR_1"])), ["+TR_1 of a"]);
        assert_eq!(bed.update(info("PA_1", "a", 2, &["TR_2"])), ["+TR_2 of a", "-TR_1"]);
        assert!(bed.update(info("PA_1", "a", 3, &["TR_2"])).is_empty());
    }

    #[test]
    fn a_mute_and_a_codec_are_changes() {
        let mut bed = Bed::default();
        bed.update(info("PA_1", "a", 1, &["TR_1"]));
        let mut muted = info("PA_1", "a", 2, &["TR_1"]);
        muted.tracks[0].muted = true;
        assert_eq!(bed.update(muted), ["~TR_1"]);
        let track = bed.roster.track(&"TR_1".into()).unwrap();
        assert!(track.muted);
        assert_eq!(track.codec, Some(phonograph_frame::Codec::Opus));
    }

    #[test]
    fn an_older_version_is_ignored() {
        let mut bed = Bed::default();
        bed.update(info("PA_1", "a", 5, &["TR_1"]));
        assert!(bed.update(info("PA_1", "a", 4, &[])).is_empty());
        assert_eq!(bed.troubles.total(Trouble::OldUpdate), 1);
    }

    #[test]
    fn all_of_a_participants_tracks_vanish_with_it() {
        let mut bed = Bed::default();
        bed.update(info("PA_1", "a", 1, &["TR_1", "TR_2"]));
        let mut gone = info("PA_1", "a", 2, &[]);
        gone.set_state(State::Disconnected);
        assert_eq!(bed.update(gone), ["-TR_1", "-TR_2"]);
        assert_eq!(bed.roster.identity("PA_1"), None);
    }

    #[test]
    fn who_joins_anew_under_the_same_identity_replaces_the_old_presence() {
        let mut bed = Bed::default();
        bed.update(info("PA_1", "a", 9, &["TR_1"]));
        assert_eq!(bed.update(info("PA_2", "a", 1, &["TR_2"])), ["-TR_1", "+TR_2 of a"]);
    }

    #[test]
    fn our_own_entry_is_nothing_to_be_heard() {
        let mut bed = Bed::default();
        bed.roster.set_own("PA_0".into(), "me".to_owned());
        assert!(bed.update(info("PA_0", "me", 1, &["TR_0"])).is_empty());
        assert!(bed.update(info("PA_9", "me", 1, &["TR_9"])).is_empty());
        assert_eq!(bed.roster.identity("PA_0"), Some("me"));
    }

    #[test]
    fn a_track_cannot_be_taken_over_by_somebody_else() {
        let mut bed = Bed::default();
        bed.update(info("PA_1", "a", 1, &["TR_1"]));
        assert!(bed.update(info("PA_2", "b", 1, &["TR_1"])).is_empty());
        assert_eq!(bed.roster.track(&"TR_1".into()).unwrap().identity, "a");
        assert!(bed.update(info("PA_2", "b", 2, &[])).is_empty());
    }

    #[test]
    fn what_is_too_long_is_nobody_and_a_long_name_is_cut() {
        let mut bed = Bed::default();
        assert!(bed.update(info(&"P".repeat(SID_MAX + 1), "a", 1, &["TR_1"])).is_empty());
        assert!(bed.update(info("PA_1", &"a".repeat(IDENTITY_MAX + 1), 1, &["TR_1"])).is_empty());
        assert!(bed.update(info("PA_1", "a", 1, &[&"T".repeat(SID_MAX + 1)])).is_empty());
        assert_eq!(bed.troubles.total(Trouble::TextTooLong), 3);
        let mut named = info("PA_1", "a", 1, &["TR_1"]);
        named.tracks[0].name = "ü".repeat(NAME_MAX);
        bed.update(named);
        assert_eq!(bed.roster.track(&"TR_1".into()).unwrap().name.len(), NAME_MAX);
    }

    #[test]
    fn participants_and_tracks_beyond_the_limits_do_not_exist_for_us() {
        let mut bed = Bed::default();
        for index in 0..=PARTICIPANTS_MAX {
            bed.update(info(&format!("PA_{index}"), &format!("i{index}"), 1, &[]));
        }
        assert_eq!(bed.troubles.total(Trouble::TooMany), 1);
        let sids: Vec<_> = (0..=TRACKS_MAX).map(|index| format!("TR_{index}")).collect();
        let sids: Vec<_> = sids.iter().map(String::as_str).collect();
        assert_eq!(bed.update(info("PA_0", "i0", 2, &sids)).len(), TRACKS_MAX);
        assert_eq!(bed.troubles.total(Trouble::TooMany), 2);
    }
}
