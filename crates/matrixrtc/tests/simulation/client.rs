//! A process with a session in it, that stores what is to be saved.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use phonograph_matrixrtc::{
    DeviceId, Identity, Intent, KeyMessage, Member, Now, RawStateEvent, Request, RequestError,
    RequestId, Response, RoomId, ServiceUrl, Session, UserId, identity, membership,
    roster::Selection,
    session::{Config, Encryption, Event, Saved},
};

/// A key and its slot.
pub(crate) type Key = (u8, Vec<u8>);

pub(crate) struct Client {
    member: Member,
    delegate: bool,
    /// Counts the processes; answers to an earlier one are lost.
    run: u32,
    session: Option<Session>,
    saved: Option<Saved>,
    joined: bool,
    probably_left: bool,
    in_use: Option<Key>,
    rings: BTreeMap<Identity, BTreeMap<u8, Vec<u8>>>,
    /// Whom it cannot decrypt, and since when.
    deaf: BTreeMap<Member, Duration>,
    /// What came while there was no process.
    inbox: Vec<KeyMessage>,
    everybody: BTreeSet<UserId>,
    /// How often it asked for keys.
    pub(crate) asked: u32,
    /// The leave that the token service took over.
    pub(crate) delegated: Option<String>,
}

/// What a client wants.
pub(crate) struct Outputs {
    pub(crate) requests: Vec<(RequestId, Request)>,
    /// It is no longer in the call, and wants to be.
    pub(crate) out: bool,
}

impl Client {
    pub(crate) fn new(number: usize, delegate: bool) -> Self {
        Self {
            member: Member {
                user: UserId::from(format!("@{number}:x")),
                device: DeviceId::from("D"),
            },
            delegate,
            run: 0,
            session: None,
            saved: None,
            joined: false,
            probably_left: false,
            in_use: None,
            rings: BTreeMap::new(),
            deaf: BTreeMap::new(),
            inbox: Vec::new(),
            everybody: (0..3).map(|n| UserId::from(format!("@{n}:x"))).collect(),
            asked: 0,
            delegated: None,
        }
    }

    pub(crate) fn start(&mut self, seed: [u8; 32], state: Vec<RawStateEvent>, now: Now) {
        if self.session.is_some() {
            return;
        }
        self.session = Some(Session::new(Config {
            membership: membership::Config {
                me: self.member.clone(),
                room: RoomId::from("!r:x"),
                room_version: "12".to_owned(),
                intent: Intent::Audio,
                selection: Selection::Own,
                delegate: self.delegate,
            },
            encryption: Encryption::PerParticipant,
            signed_devices_only: false,
            saved: self.saved.clone(),
            seed,
        }));
        self.handle_state(state, now);
        for message in std::mem::take(&mut self.inbox) {
            self.handle_key(message, now);
        }
        self.join(self.run, now);
    }

    pub(crate) fn join(&mut self, run: u32, now: Now) {
        if let Some(session) = self.session.as_mut().filter(|_| run == self.run) {
            session.join(ServiceUrl::from(format!("https://{}", self.member.user)), now);
        }
    }

    pub(crate) fn leave(&mut self, now: Now) {
        if let Some(session) = &mut self.session {
            session.leave(now);
        }
    }

    /// The process is gone; the leave that the token service now sends, if it took over one.
    pub(crate) fn crash(&mut self) -> Option<String> {
        self.run += 1;
        self.session = None;
        self.joined = false;
        self.probably_left = false;
        self.in_use = None;
        self.rings.clear();
        self.deaf.clear();
        self.delegated.take()
    }

    pub(crate) fn handle_state(&mut self, state: Vec<RawStateEvent>, now: Now) {
        if let Some(session) = &mut self.session {
            session.handle_roster(state, self.everybody.clone(), now);
        }
    }

    pub(crate) fn handle_key(&mut self, message: KeyMessage, now: Now) {
        match &mut self.session {
            Some(session) => session.handle_media_key(&message, now),
            None => self.inbox.push(message),
        }
    }

    pub(crate) fn handle_answer(
        &mut self,
        run: u32,
        id: RequestId,
        answer: Result<Response, RequestError>,
        now: Now,
    ) {
        if let Some(session) = self.session.as_mut().filter(|_| run == self.run) {
            session.handle_response(id, answer, now);
        }
    }

    pub(crate) fn handle_timeout(&mut self, now: Now) {
        if let Some(session) = &mut self.session
            && session.poll_timeout(now).is_some_and(|at| at <= now.instant)
        {
            session.handle_timeout(now);
        }
    }

    pub(crate) fn poll_timeout(&self, now: Now) -> Option<Instant> {
        self.session.as_ref()?.poll_timeout(now)
    }

    pub(crate) fn drain(&mut self) -> Outputs {
        let mut outputs = Outputs { requests: Vec::new(), out: false };
        let Some(session) = &mut self.session else { return outputs };
        outputs.requests.extend(std::iter::from_fn(|| session.poll_request()));
        while let Some(event) = session.poll_event() {
            match event {
                Event::Joined => self.joined = true,
                Event::Left | Event::Failed(_) => {
                    (self.joined, self.in_use, outputs.out) = (false, None, true);
                }
                Event::ProbablyLeft(left) => self.probably_left = left,
                Event::UseKey { index, key } => {
                    self.in_use = Some((index.get(), key.as_bytes().to_vec()));
                }
                Event::PeerKey { identity, index, key } => {
                    let ring = self.rings.entry(identity).or_default();
                    ring.insert(index.get(), key.as_bytes().to_vec());
                }
                Event::MemberLeft(member) => drop(self.rings.remove(&identity::plain(&member))),
                Event::Saved(saved) => self.saved = Some(saved),
                Event::KeyRefused { sender, reason } => panic!("{sender}: {reason}"),
                _ => {}
            }
        }
        outputs
    }

    /// Looks whom it cannot decrypt, and asks for keys if that lasts.
    pub(crate) fn listen(&mut self, others: &[(Member, Option<Key>)], at: Duration, now: Now) {
        let Some(session) = &mut self.session else { return };
        for (member, key) in others {
            let known = session.roster().get(member).is_some() && *member != self.member;
            if !known || key.as_ref().is_none_or(|key| holds(&self.rings, member, key)) {
                self.deaf.remove(member);
            } else if at.saturating_sub(*self.deaf.entry(member.clone()).or_insert(at))
                >= Duration::from_secs(15)
            {
                session.request_keys(now);
                self.asked += 1;
            }
        }
    }

    pub(crate) fn run(&self) -> u32 {
        self.run
    }

    pub(crate) fn member(&self) -> &Member {
        &self.member
    }

    pub(crate) fn in_use(&self) -> Option<&Key> {
        self.in_use.as_ref()
    }

    pub(crate) fn is_in(&self) -> bool {
        self.joined && !self.probably_left
    }

    pub(crate) fn sees(&self) -> BTreeSet<UserId> {
        let members = self.session.iter().flat_map(|session| session.roster().members());
        members.map(|info| info.member.user.clone()).collect()
    }

    pub(crate) fn can_hear(&self, other: &Self) -> bool {
        other.in_use.as_ref().is_some_and(|key| holds(&self.rings, &other.member, key))
    }
}

fn holds(
    rings: &BTreeMap<Identity, BTreeMap<u8, Vec<u8>>>,
    member: &Member,
    (index, key): &Key,
) -> bool {
    rings.get(&identity::plain(member)).and_then(|ring| ring.get(index)) == Some(key)
}
