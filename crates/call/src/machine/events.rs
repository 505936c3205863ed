//! What the machine's parts say, and what follows from it.

use std::collections::BTreeSet;

use phonograph_livekit::{Ended, Event as Said, Recovery, Why};
use phonograph_matrixrtc::{
    Identity, Member, Now, ServiceUrl, identity, membership::Failure, session,
};
use tracing::{debug, info, warn};

use super::{AUDIENCE_WITHIN, Action, LinkId, Machine, Standing, hearing, link::LinkSaid};
use crate::{
    call::Event,
    end::{EndReason, SfuError},
    track::Heard,
};

impl Machine {
    /// Takes over all that the session has to say, and what follows for connections and tracks.
    pub(super) fn settle(&mut self, now: Now) {
        self.drain_session(now);
        if std::mem::take(&mut self.roster_changed) {
            self.follow_roster(now);
        }
        self.finish();
    }

    fn drain_session(&mut self, now: Now) {
        while let Some((id, request)) = self.session.poll_request() {
            self.actions.push_back(Action::Request(id, request));
        }
        while let Some(event) = self.session.poll_event() {
            self.handle_session_event(event, now);
        }
    }

    fn handle_session_event(&mut self, event: session::Event, now: Now) {
        match event {
            session::Event::Joined => {
                self.standing = Standing::Member;
                self.announce();
            }
            session::Event::UseKey { index, key } => self.sending.set_key(index, key.derive()),
            session::Event::Saved(saved) => self.emit(Event::Saved(saved)),
            session::Event::ProbablyLeft(left) => {
                warn!(left, "the homeserver has probably ended our membership");
                self.standing = if left { Standing::ProbablyLeft } else { Standing::Member };
            }
            session::Event::Left => self.left = true,
            session::Event::Failed(failure) => {
                let reason = self.failure(failure);
                self.standing = Standing::Out;
                self.end(reason, now);
            }
            session::Event::KeyRefused { sender, reason } => {
                if let Some(count) = self.refused_keys.count(now.instant) {
                    info!(%sender, %reason, count, "media keys were not taken");
                }
            }
            session::Event::PeerKey { identity, index, key } => {
                if self.listens {
                    self.hearing.handle_key(&identity, (index, key.derive()), now.instant);
                    self.drain_hearing(now);
                }
            }
            session::Event::MemberJoined(info) => {
                self.roster_changed = true;
                self.emit(Event::MemberJoined(info));
            }
            session::Event::MemberLeft(member) => {
                self.roster_changed = true;
                self.emit(Event::MemberLeft(member));
            }
            session::Event::TransportsChanged => self.roster_changed = true,
            session::Event::Visible => {}
            other => debug!(?other, "nothing to do"),
        }
    }

    /// Whose tracks are whose, who is there, and which SFUs they publish on.
    fn follow_roster(&mut self, now: Now) {
        let roster = self.session.roster();
        let others = roster.others(&self.me).count();
        let links = &self.links;
        self.hearing.handle_roster(roster, |link, identity| {
            let service = &links.get(link)?.service;
            owner(&self.session, &self.me, service, identity)
        });
        self.drain_hearing(now);
        if others != self.others {
            self.others = others;
            self.emit(Event::Others(others));
        }
        self.see_members(now);
        self.reconcile(now);
    }

    /// Brings the connections in line with where members publish.
    pub(super) fn reconcile(&mut self, now: Now) {
        if self.ending.is_some() {
            return;
        }
        let mut wanted = self.session.transports().clone();
        // Anybody can name an address: what is sent there must not be read on the way.
        let in_clear = |service: &ServiceUrl| !service.as_str().starts_with("https://");
        let own_in_clear = in_clear(&self.service);
        wanted.others.retain(|service| self.listens && (own_in_clear || !in_clear(service)));
        let was_home = self.links.home().map(|link| link.id);
        for id in self.links.reconcile(&wanted, &mut self.actions, now) {
            self.hearing.handle_link_end(id);
        }
        self.drain_hearing(now);
        let home = self.links.home().map(|link| link.id);
        if home != was_home {
            self.move_home(was_home, home, now);
        }
    }

    /// Publishes elsewhere.
    fn move_home(&mut self, from: Option<LinkId>, to: Option<LinkId>, now: Now) {
        self.heard = false;
        self.hold_until = None;
        let tracks = self.sending.tracks();
        if let Some(link) = from.and_then(|id| self.links.get_mut(id)) {
            let id = link.id;
            for (role, _) in &tracks {
                link.unpublish(*role, now);
            }
            self.drain_link(id, now);
        }
        if let Some(link) = to.and_then(|id| self.links.get_mut(id)) {
            let id = link.id;
            for (role, track) in tracks {
                link.publish(role, track, now);
            }
            let connected = link.is_connected();
            self.drain_link(id, now);
            self.set_interrupted(id, !connected);
            self.announce();
        }
    }

    /// Takes over all that a connection has to say.
    pub(super) fn drain_link(&mut self, id: LinkId, now: Now) {
        while let Some(said) = self.links.get_mut(id).and_then(|link| link.poll(&mut self.actions))
        {
            match said {
                LinkSaid::Frame(frame) => self.hearing.handle_frame(id, frame, now.instant),
                LinkSaid::Event(event) => self.handle_link_event(id, event, now),
            }
        }
        self.drain_hearing(now);
    }

    fn handle_link_event(&mut self, id: LinkId, event: Said, now: Now) {
        match event {
            Said::Joined { identity, sif_trailer } => {
                if identity != identity::plain(&self.me).as_str() {
                    warn!(identity, "the SFU names us otherwise than others expect");
                }
                self.hearing.handle_trailer(id, sif_trailer);
            }
            Said::Published(_) | Said::Unpublished(_) => debug!("the SFU took our track"),
            Said::Connected => self.connected(id, now),
            Said::Interrupted => self.set_interrupted(id, true),
            Said::Restored => self.set_interrupted(id, false),
            Said::Subscribed(_) => {
                self.heard = true;
                self.hold_until = None;
                self.emit(Event::Heard);
            }
            Said::Muted { muted, .. } => info!(muted, "a moderator changed our microphone"),
            Said::Refused(track) => self.refused(id, track, now),
            Said::Appeared(remote) | Said::Changed(remote) => {
                if let Some(member) = self.owner_on(id, &remote.identity) {
                    self.session.handle_seen(&member, now);
                    self.drain_session(now);
                }
                self.watch_speaker(id, &remote, now);
                if !self.listens {
                    return;
                }
                let Some(service) = self.links.get(id).map(|link| &link.service) else { return };
                self.hearing.handle_track(id, remote, |identity| {
                    owner(&self.session, &self.me, service, identity)
                });
            }
            Said::Vanished(sid) => self.hearing.handle_track_end(id, &sid),
            Said::Speaking { identity, level, active } => {
                let matters = self.listens || self.watches_speakers;
                let member = self.owner_on(id, &identity).filter(|_| matters);
                if let Some(member) = member {
                    self.emit(Event::Speaking { member, active, level });
                }
            }
            Said::Quality { identity, quality } => {
                let member = self.owner_on(id, &identity).filter(|_| self.listens);
                if let Some(member) = member {
                    self.emit(Event::Quality { member, quality });
                }
            }
            Said::Subscription { track, problem } => {
                let track = crate::track::TrackId { link: id.0, sid: track };
                self.emit(Event::TrackRefused { track, problem });
            }
            Said::Ended(ended) => self.handle_link_end(id, ended, now),
            other => debug!(?other, "nothing to do"),
        }
    }

    /// The member that an SFU means by a name, where it is theirs.
    fn owner_on(&self, id: LinkId, identity: &str) -> Option<Member> {
        let service = &self.links.get(id)?.service;
        owner(&self.session, &self.me, service, &Identity::from(identity))
    }

    /// Tells the session which members the SFUs have: who was there before its membership counts too.
    fn see_members(&mut self, now: Now) {
        let ids = self.links.ids();
        let seen: Vec<Member> = ids
            .into_iter()
            .filter_map(|id| Some((id, self.links.get(id)?.connection()?)))
            .flat_map(|(id, connection)| connection.identities().map(move |name| (id, name)))
            .filter_map(|(id, name)| self.owner_on(id, name))
            .collect();
        for member in seen {
            self.session.handle_seen(&member, now);
        }
        self.drain_session(now);
    }

    fn connected(&mut self, id: LinkId, now: Now) {
        let Some(link) = self.links.get_mut(id) else { return };
        link.handle_connected(now);
        if !link.home {
            return;
        }
        self.hold_until = (!self.heard).then(|| now.instant + AUDIENCE_WITHIN);
        self.set_interrupted(id, false);
        self.announce();
    }

    /// A track that the token does not allow. Without a microphone there is no point in being here.
    fn refused(&mut self, id: LinkId, track: phonograph_livekit::TrackId, now: Now) {
        let Some(link) = self.links.get(id) else { return };
        if link.role_of(track) == Some(crate::call::Role::Microphone) {
            let url = link.service.to_string();
            self.end(EndReason::Sfu { url, why: SfuError::MayNotPublish }, now);
        } else {
            info!("the token does not allow to publish a track");
        }
    }

    fn set_interrupted(&mut self, id: LinkId, interrupted: bool) {
        if self.is_home(id) && self.announced && self.interrupted != interrupted {
            self.interrupted = interrupted;
            self.emit(Event::Connected(!interrupted));
        }
    }

    fn handle_link_end(&mut self, id: LinkId, Ended { why, recovery }: Ended, now: Now) {
        self.hearing.handle_link_end(id);
        if self.ending.is_some() {
            return;
        }
        if self.is_home(id) {
            self.heard = false;
            self.hold_until = None;
        }
        self.set_interrupted(id, true);
        let reason = |url| match why {
            Why::DuplicateIdentity => EndReason::DuplicateIdentity,
            Why::Removed => EndReason::Removed,
            why => EndReason::Sfu { url, why: why.into() },
        };
        let rejoin = recovery == Recovery::Rejoin;
        let link = self.links.get_mut(id);
        let verdict = link.map(|link| link.handle_end(reason, rejoin, &mut self.actions, now));
        self.judge(verdict, now);
    }

    /// Takes over all that the tracks of others have to say.
    pub(super) fn drain_hearing(&mut self, now: Now) {
        let mut touched = BTreeSet::new();
        while let Some(said) = self.hearing.poll() {
            match said {
                hearing::Said::Published(info) => self.emit(Event::TrackPublished(info)),
                hearing::Said::Changed(info) => self.emit(Event::TrackChanged(info)),
                hearing::Said::Ended(id) => {
                    self.actions.push_back(Action::EndTrack(id.clone()));
                    self.emit(Event::TrackEnded(id));
                }
                hearing::Said::Frame(id, frame) => {
                    self.actions.push_back(Action::Deliver(id, Heard::Frame(frame)));
                }
                hearing::Said::Muted(id, muted) => {
                    self.actions.push_back(Action::Deliver(id, Heard::Muted(muted)));
                }
                hearing::Said::Undecryptable(id, why) => {
                    let heard = Heard::Undecryptable(why);
                    self.actions.push_back(Action::Deliver(id.clone(), heard));
                    self.emit(Event::TrackUndecryptable { track: id, why });
                }
                hearing::Said::Subscribe(id, wanted) => {
                    let link = LinkId(id.link);
                    touched.insert(link);
                    if let Some(link) = self.links.get_mut(link) {
                        link.subscribe(&id.sid, wanted, now);
                    }
                }
                hearing::Said::KeyFrame(id) => {
                    let link = LinkId(id.link);
                    touched.insert(link);
                    if let Some(link) = self.links.get_mut(link) {
                        link.request_key_frame(&id.sid, now);
                    }
                }
                hearing::Said::AskForKeys => {
                    info!("a member's key does not come: joining anew, so that it is sent again");
                    self.session.request_keys(now);
                    self.drain_session(now);
                }
            }
        }
        // After the loop: each of them may have more to say.
        for link in touched {
            self.drain_link(link, now);
        }
    }

    fn failure(&self, failure: Failure) -> EndReason {
        match failure {
            Failure::Forbidden => EndReason::NotAllowed { power: self.power },
            Failure::Removed => EndReason::Removed,
            Failure::Refused(words) => EndReason::Refused(words),
            other => EndReason::Refused(other.to_string()),
        }
    }

    /// Ends once both sides are left, and all that the session had to say is told.
    pub(super) fn finish(&mut self) {
        if std::mem::take(&mut self.left)
            && let Some(reason) = self.ending.take()
        {
            self.actions.push_back(Action::End(reason));
        }
    }

    /// Says once that we are in, on both sides.
    fn announce(&mut self) {
        let connected = self.links.home().is_some_and(super::link::Link::is_connected);
        if connected && self.standing == Standing::Member && !self.announced {
            self.announced = true;
            self.emit(Event::Joined);
        }
    }
}

/// Whose name that is on a connection: a member's, if it publishes there.
fn owner(
    session: &phonograph_matrixrtc::Session,
    me: &Member,
    service: &ServiceUrl,
    identity: &Identity,
) -> Option<Member> {
    let roster = session.roster();
    let info = roster.by_identity(identity).filter(|info| info.member != *me)?;
    (roster.transport_of(info) == Some(service)).then(|| info.member.clone())
}
