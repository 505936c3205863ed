//! The media keys that a participant has seen: all that came to its device, and all that it sent.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use async_trait::async_trait;
use phonograph_call::{
    frame::{
        Codec,
        crypto::{FrameKey, KeyIndex, KeyRing, MediaKey},
    },
    matrix::{Matrix, MatrixError, RoomFeed},
    matrixrtc::{
        KeyMessage, Member, MemberKey, OpenIdToken, Request, RequestError, Response, RoomId,
        ServiceUrl, UserId,
    },
};
use tokio::sync::mpsc;

/// Keys that wait for the call, as many as the account lets wait.
const WAITING_MAX: usize = 256;

/// Keys in the order in which they were seen. Clones share them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Keychain(Arc<Mutex<Vec<(Instant, MemberKey)>>>);

impl Keychain {
    /// Keeps what is a key of that room's call, as the call itself would take it.
    fn keep(&self, message: &KeyMessage, room: &RoomId, me: &Member) {
        if let Ok(key) = message.accept(room, me, false) {
            self.keys().push((Instant::now(), key));
        }
    }

    /// When the first key of a user's was seen since then.
    pub(crate) fn first_of(&self, user: &str, since: Instant) -> Option<Instant> {
        let keys = self.keys();
        let mut theirs = keys.iter().filter(|(_, key)| key.member.user.as_str() == user);
        theirs.find(|(at, _)| *at >= since).map(|(at, _)| *at)
    }

    /// A user's keys by now, to try on frames.
    pub(crate) fn of(&self, user: &str) -> Opener {
        let keys = self.keys();
        let theirs = keys.iter().filter(|(_, key)| key.member.user.as_str() == user);
        Opener(theirs.map(|(_, key)| MediaKey::derive(&key.key)).collect())
    }

    fn keys(&self) -> MutexGuard<'_, Vec<(Instant, MemberKey)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Keys of one user.
#[derive(Debug)]
pub(crate) struct Opener(Vec<FrameKey>);

impl Opener {
    /// Whether one of them opens a frame of sound, under whatever index it came.
    pub(crate) fn opens(&self, frame: &[u8]) -> bool {
        let Some(&index) = frame.last() else { return false };
        let mut ring = KeyRing::new();
        self.0.iter().any(|key| {
            ring.set(KeyIndex::new(index), key.clone());
            matches!(ring.open(Codec::Opus, frame, &mut Vec::new()), Ok(Some(_)))
        })
    }
}

/// What a call asks of Matrix, with a look at the keys that pass.
#[derive(Debug)]
pub(crate) struct Tap {
    pub(crate) matrix: Arc<dyn Matrix>,
    pub(crate) keychain: Keychain,
}

impl Tap {
    /// Keeps the keys of a room's call that have come to the device while it was in no call.
    pub(crate) async fn gather(&self, room: &RoomId) -> Result<(), MatrixError> {
        let mut feed = self.matrix.attach(room).await?;
        while let Ok(message) = feed.keys.try_recv() {
            self.keychain.keep(&message, room, &self.me());
        }
        Ok(())
    }
}

#[async_trait]
impl Matrix for Tap {
    fn me(&self) -> Member {
        self.matrix.me()
    }

    async fn attach(&self, room: &RoomId) -> Result<RoomFeed, MatrixError> {
        let mut feed = self.matrix.attach(room).await?;
        let (sender, keys) = mpsc::channel(WAITING_MAX);
        let mut passing = std::mem::replace(&mut feed.keys, keys);
        let (keychain, room, me) = (self.keychain.clone(), room.clone(), self.me());
        tokio::spawn(async move {
            // Whoever is in no call takes no keys, so that those which come then are kept for it.
            while let Some(message) = tokio::select! {
                message = passing.recv() => message,
                () = sender.closed() => None,
            } {
                keychain.keep(&message, &room, &me);
                drop(sender.send(message).await);
            }
        });
        Ok(feed)
    }

    async fn transports(&self) -> Result<Vec<ServiceUrl>, MatrixError> {
        self.matrix.transports().await
    }

    async fn openid_token(&self) -> Result<OpenIdToken, MatrixError> {
        self.matrix.openid_token().await
    }

    async fn perform(&self, room: &RoomId, request: Request) -> Result<Response, RequestError> {
        if let Request::SendKey { content, .. } = &request {
            let me = self.me();
            let message = KeyMessage {
                sender: me.user,
                sender_device: Some(me.device.clone()),
                signed: false,
                content: content.clone(),
            };
            // One's own are taken by somebody else alone.
            let somebody = Member { user: UserId::from("@somebody:else"), device: me.device };
            self.keychain.keep(&message, room, &somebody);
        }
        self.matrix.perform(room, request).await
    }
}
