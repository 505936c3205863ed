//! What others publish on the bed's server, and how it offers that to the client.

use livekit_protocol as proto;
use proto::signal_response::Message as Said;
use str0m::{
    change::SdpPendingOffer,
    format::Codec,
    media::{Direction, MediaKind, MediaTime, Mid},
};

use super::sfu::{Bed, description};
use crate::Target;

/// A track that somebody else publishes.
pub(super) struct Remote {
    kind: MediaKind,
    mid: Option<Mid>,
}

impl Bed {
    /// Somebody publishes tracks, each of that name and kind.
    pub(super) fn publish(&mut self, version: u32, tracks: &[(&str, MediaKind)]) {
        for (sid, kind) in tracks {
            let (kind, mid) = (*kind, None);
            self.remote.entry((*sid).to_owned()).or_insert(Remote { kind, mid });
        }
        let info = |(sid, kind): &(&str, MediaKind)| proto::TrackInfo {
            sid: (*sid).to_owned(),
            r#type: i32::from(!kind.is_audio()),
            ..proto::TrackInfo::default()
        };
        let participant = proto::ParticipantInfo {
            sid: "PA_1".to_owned(),
            identity: "@alice:x:A".to_owned(),
            version,
            tracks: tracks.iter().map(info).collect(),
            ..proto::ParticipantInfo::default()
        };
        let participants = vec![participant];
        self.say(Said::Update(proto::ParticipantUpdate { participants }));
    }

    /// Gives the section of a track that has left to another, as livekit-server does: with another
    /// stream under the same mid.
    pub(super) fn reuse_section(&mut self, old: &str, new: &str) {
        let Remote { kind, mid } = self.remote.remove(old).unwrap();
        let mid = mid.expect("a section");
        let mut api = self.subscriber.direct_api();
        let ssrc = api.new_ssrc();
        api.reset_stream_tx(mid, None, ssrc, None).expect("a stream");
        self.remote.insert(new.to_owned(), Remote { kind, mid: Some(mid) });
        let mut changes = self.subscriber.sdp_api();
        changes.set_direction(mid, Direction::Inactive);
        changes.set_direction(mid, Direction::SendOnly);
        let (offer, pending) = changes.apply().expect("a change");
        self.send_offer(offer.to_sdp_string(), pending);
    }

    /// Names the stream of a section otherwise, and nothing else.
    pub(super) fn rename_section(&mut self, old: &str, new: &str) {
        let remote = self.remote.remove(old).unwrap();
        let mid = remote.mid.expect("a section");
        self.remote.insert(new.to_owned(), remote);
        let mut changes = self.subscriber.sdp_api();
        changes.set_direction(mid, Direction::Inactive);
        changes.set_direction(mid, Direction::SendOnly);
        let (offer, pending) = changes.apply().expect("a change");
        self.send_offer(offer.to_sdp_string(), pending);
    }

    /// Whether frames of a track can be sent to the client.
    pub(super) fn is_writable(&self, track: &str) -> bool {
        let is_offered = self.pending.is_none() && self.remote[track].mid.is_some();
        is_offered && self.subscriber.is_connected()
    }

    /// Sends a frame of a track to the client.
    pub(super) fn send(&mut self, track: &str, units: u64, frame: &[u8]) {
        let Remote { kind, mid } = self.remote[track];
        let wanted = if kind.is_audio() { Codec::Opus } else { Codec::Vp8 };
        self.send_as(mid.expect("a section"), wanted, units, frame);
    }

    /// Sends a picture of that codec.
    pub(super) fn send_picture(&mut self, track: &str, codec: Codec, units: u64, picture: &[u8]) {
        let mid = self.remote[track].mid.expect("a section");
        self.send_as(mid, codec, units, picture);
    }

    fn send_as(&mut self, mid: Mid, codec: Codec, units: u64, frame: &[u8]) {
        let writer = self.subscriber.writer(mid).expect("a section to write to");
        let agreed = writer.payload_params().find(|params| params.spec().codec == codec).unwrap();
        let (payload_type, rate) = (agreed.pt(), agreed.spec().clock_rate);
        writer.write(payload_type, self.now, MediaTime::new(units, rate), frame).unwrap();
    }

    /// Gives the answer that was kept back.
    pub(super) fn answer_late(&mut self) {
        let answer = self.late.take().expect("an answer that was kept back");
        self.say(Said::Answer(answer));
    }

    /// From now on nothing is offered by itself.
    pub(super) fn hold_offers(&mut self) {
        self.holds_offers = true;
    }

    /// Sends a message to the client over a data channel.
    pub(super) fn send_data(&mut self, label: &str, message: &[u8]) {
        let id = self.channels[&(Target::Subscriber, label.to_owned())];
        assert!(self.subscriber.channel(id).unwrap().write(true, message).unwrap());
    }

    /// Offers what the client asked for.
    pub(super) fn offer_wanted(&mut self) {
        if self.pending.is_some() || self.to_offer.is_empty() || self.holds_offers {
            return;
        }
        let mut changes = self.subscriber.sdp_api();
        for sid in std::mem::take(&mut self.to_offer) {
            let remote = self.remote.get_mut(&sid).expect("a known track");
            let (stream, track) = (Some(format!("PA_1|{sid}")), Some(sid));
            let mid = changes.add_media(remote.kind, Direction::SendOnly, stream, track, None);
            remote.mid = Some(mid);
        }
        let (offer, pending) = changes.apply().unwrap();
        self.send_offer(offer.to_sdp_string(), pending);
    }

    pub(super) fn send_offer(&mut self, sdp: String, pending: SdpPendingOffer) {
        self.pending = Some(pending);
        self.offers += 1;
        let mids = self
            .remote
            .iter()
            .filter_map(|(sid, remote)| Some((remote.mid?.to_string(), sid.clone())));
        let mut offer = description("offer", sdp, self.offers);
        offer.mid_to_track_id = mids.collect();
        self.say(Said::Offer(offer));
    }
}
