//! The SFU's side of a call: token, sockets, connection, and what to do when one of them fails.

use std::time::{Duration, Instant};

use phonograph_livekit::{
    Addresses, Connection, Ended, Event as Said, Output, Recovery as LinkRecovery, Target,
    TrackConfig, TrackId, Why,
};
use phonograph_matrixrtc::{
    Now, identity,
    transport::{Grant, Recovery},
};
use tracing::{debug, info, warn};

use super::{Action, Machine, Sound};
use crate::{
    call::Event,
    end::{EndReason, SfuError, TokenError},
};

/// How long a source waits for somebody to receive us, so that they hear its beginning. The SFU
/// needs 100 to 200 ms to bring a new track to those who are there.
const AUDIENCE_WITHIN: Duration = Duration::from_secs(1);

/// The way to the SFU.
#[derive(Debug)]
pub(super) enum Link {
    Idle,
    Asking,
    Opening { url: String },
    Up(Box<Up>),
    Pausing { until: Instant },
}

#[derive(Debug)]
pub(super) struct Up {
    pub(super) url: String,
    pub(super) connection: Connection,
    pub(super) track: TrackId,
    /// When the sockets were open.
    opened: Instant,
    /// When the connection wants to be called.
    pub(super) timeout: Instant,
    /// Until when a source waits for an audience, once the path is up.
    pub(super) hold_until: Option<Instant>,
    /// Whether somebody receives us; that may be known before the path is up, as the SFU tells
    /// others of a track as soon as it is announced.
    heard: bool,
}

/// A datagram that came.
#[derive(Debug)]
pub(crate) struct Received<'a> {
    pub(crate) target: Target,
    pub(crate) source: std::net::SocketAddr,
    pub(crate) destination: std::net::SocketAddr,
    pub(crate) contents: &'a [u8],
}

impl Machine {
    /// Takes over what the token service said.
    pub(crate) fn handle_grant(&mut self, answer: Result<Grant, TokenError>, now: Now) {
        if !matches!(self.link, Link::Asking) {
            return;
        }
        match answer {
            Ok(grant) => {
                if grant.identity != identity::plain(&self.me) {
                    warn!(identity = %grant.identity, "the token service names us otherwise");
                }
                self.retry.granted();
                self.link = Link::Opening { url: grant.url.clone() };
                self.actions.push_back(Action::Open(grant));
            }
            Err(error) => match error.recovery() {
                Recovery::NewOpenIdToken if self.retry.may_renew() => self.ask(),
                Recovery::Later => self.again(EndReason::TokenService(error), now),
                Recovery::NewOpenIdToken | Recovery::GiveUp => {
                    self.end(EndReason::TokenService(error), now);
                }
            },
        }
    }

    /// Takes over that the sockets are open.
    pub(crate) fn handle_open(&mut self, addresses: Addresses, now: Now) {
        let Link::Opening { url } = std::mem::replace(&mut self.link, Link::Idle) else {
            self.actions.push_back(Action::Close);
            return;
        };
        let config = phonograph_livekit::Config { addresses };
        let mut connection = Connection::new(&config, now.instant);
        let track = connection.publish(TrackConfig {
            name: "music".to_owned(),
            encrypted: self.encrypted,
            stereo: true,
            muted: self.sound != Sound::Playing,
        });
        let track = track.expect("a new connection takes its first track");
        let opened = now.instant;
        let up =
            Up { url, connection, track, opened, timeout: opened, hold_until: None, heard: false };
        self.link = Link::Up(Box::new(up));
        self.drain_link(now);
    }

    /// Takes over that the sockets could not be opened.
    pub(crate) fn handle_open_failure(&mut self, why: SfuError, now: Now) {
        let Link::Opening { url } = std::mem::replace(&mut self.link, Link::Idle) else { return };
        self.again(EndReason::Sfu { url, why }, now);
    }

    /// Takes a message from the SFU.
    pub(crate) fn handle_signal(&mut self, message: &[u8], now: Now) {
        if let Link::Up(up) = &mut self.link {
            up.connection.handle_signal(message, now.instant);
            self.drain_link(now);
        }
    }

    /// Takes over that the WebSocket has ended.
    pub(crate) fn handle_signal_end(&mut self, now: Now) {
        if let Link::Up(up) = &mut self.link {
            up.connection.handle_signal_end();
            self.drain_link(now);
        }
    }

    /// Takes a datagram.
    pub(crate) fn handle_datagram(&mut self, datagram: &Received<'_>, now: Now) {
        if let Link::Up(up) = &mut self.link {
            let path = (datagram.source, datagram.destination);
            let (target, contents) = (datagram.target, datagram.contents);
            up.connection.handle_datagram(target, path, contents, now.instant);
            self.drain_link(now);
        }
    }

    pub(super) fn ask(&mut self) {
        self.link = Link::Asking;
        self.actions.push_back(Action::Ask);
    }

    /// Tries again after a pause, or ends the call if that was too often.
    pub(super) fn again(&mut self, reason: EndReason, now: Now) {
        match self.retry.pause() {
            Some(pause) => {
                info!(error = %crate::end::chain(&reason), ?pause, "trying again to connect");
                self.link = Link::Pausing { until: now.instant + pause };
            }
            None => self.end(reason, now),
        }
    }

    pub(super) fn drain_link(&mut self, now: Now) {
        loop {
            let Link::Up(up) = &mut self.link else { return };
            match up.connection.poll_output() {
                Output::Signal(message) => self.actions.push_back(Action::Signal(message)),
                Output::Datagram(datagram) => self.actions.push_back(Action::Datagram(datagram)),
                Output::Event(event) => self.handle_link_event(event, now),
                Output::Timeout(at) => {
                    up.timeout = at;
                    return;
                }
                Output::Done => return,
            }
        }
    }

    fn handle_link_event(&mut self, event: Said, now: Now) {
        match event {
            Said::Joined { identity } => debug!(identity, "joined the SFU"),
            Said::Published(_) => debug!("the SFU took our track"),
            Said::Connected => {
                let Link::Up(up) = &mut self.link else { return };
                up.hold_until = (!up.heard).then(|| now.instant + AUDIENCE_WITHIN);
                let took_ms = now.instant.duration_since(up.opened).as_secs_f64() * 1000.0;
                debug!(step = "connect the media path", took_ms, "done");
                self.retry.succeed();
                if self.announced {
                    self.emit(Event::Connected(true));
                }
                self.announce();
            }
            Said::Subscribed(_) => {
                let Link::Up(up) = &mut self.link else { return };
                up.heard = true;
                up.hold_until = None;
                self.emit(Event::Heard);
            }
            Said::Muted { muted, .. } => info!(muted, "a moderator changed our microphone"),
            Said::Refused(_) => {
                let Link::Up(up) = &self.link else { return };
                let url = up.url.clone();
                self.end(EndReason::Sfu { url, why: SfuError::MayNotPublish }, now);
            }
            Said::Ended(ended) => self.handle_link_end(ended, now),
            other => debug!(?other, "nothing to do"),
        }
    }

    fn handle_link_end(&mut self, Ended { why, recovery }: Ended, now: Now) {
        let Link::Up(up) = std::mem::replace(&mut self.link, Link::Idle) else { return };
        self.actions.push_back(Action::Close);
        if self.ending.is_some() {
            return;
        }
        if self.announced {
            self.emit(Event::Connected(false));
        }
        let reason = match why {
            Why::DuplicateIdentity => EndReason::DuplicateIdentity,
            Why::Removed => EndReason::Removed,
            why => EndReason::Sfu { url: up.url, why: why.into() },
        };
        match recovery {
            LinkRecovery::Rejoin => self.again(reason, now),
            LinkRecovery::GiveUp => self.end(reason, now),
        }
    }
}
