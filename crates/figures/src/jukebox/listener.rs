//! Somebody in a call who notes when packets arrive: made of the library, as a browser would only say
//! when it plays them.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use phonograph_call::{Call, Config, Event, Heard, Network, Track, Workers, matrixrtc::RoomId};
use phonograph_matrix::Account;
use phonograph_trial::{homeserver::Homeserver, stage::WITHIN};
use tempfile::TempDir;
use tokio::{task::JoinSet, time::timeout};

use crate::library::joining::{account, enter};

/// An account that is not in a call yet.
pub(super) struct Listener {
    account: Arc<Account>,
    network: Arc<Network>,
    workers: Workers,
    _folder: TempDir,
}

/// A track of somebody in the call. The call is left with its drop.
pub(super) struct Ear {
    track: Track,
    /// Has the call, and takes its further events.
    _call: JoinSet<()>,
}

impl Listener {
    pub(super) async fn new(homeserver: &Homeserver, name: &str) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let account = account(homeserver, name, folder.path()).await?;
        let (network, workers) = (Network::new(&[])?, Workers::start(1)?);
        Ok(Self { account, network, workers, _folder: folder })
    }

    pub(super) fn user_id(&self) -> &str {
        self.account.me().user.as_str()
    }

    /// Enters a room and its call.
    pub(super) async fn join(&self, room: &str) -> Result<Call> {
        let room = RoomId::from(room);
        enter(&self.account, &room).await?;
        let config = Config::new(room);
        let mut call = Call::join(self.account.calls(), config, &self.network, &self.workers);
        timeout(WITHIN, async {
            loop {
                match call.event().await.context("the call is over")? {
                    Event::Joined => return Ok(call),
                    Event::Ended(why) => bail!("no call: {}", phonograph_call::chain(&why)),
                    _ => {}
                }
            }
        })
        .await
        .context("joining the call")?
    }
}

impl Ear {
    /// Waits until somebody publishes a track, and subscribes to it.
    pub(super) async fn open(mut call: Call, user: &str) -> Result<Self> {
        let published = async {
            loop {
                match call.event().await.context("the call is over")? {
                    Event::TrackPublished(info) if info.member.user.as_str() == user => {
                        return Ok::<_, anyhow::Error>(info.id);
                    }
                    _ => {}
                }
            }
        };
        let id = timeout(WITHIN, published).await.context("waiting for a track")??;
        let track = call.subscribe(&id);
        let mut events = JoinSet::new();
        events.spawn(async move { while call.event().await.is_some() {} });
        Ok(Self { track, _call: events })
    }

    /// When the next frame arrives.
    pub(super) async fn frame(&mut self) -> Result<Instant> {
        let heard = async {
            loop {
                match self.track.next().await.context("the track has ended")? {
                    Heard::Frame(frame) => return Ok(frame.arrival),
                    Heard::Undecryptable(Some(why)) => bail!("nothing can be heard: {why}"),
                    _ => {}
                }
            }
        };
        timeout(WITHIN, heard).await.context("waiting for a frame")?
    }

    /// Waits until its publisher has muted it, and no frame has come for so long.
    pub(super) async fn muted(&mut self, quiet: Duration) -> Result<()> {
        let muted = async {
            loop {
                match timeout(quiet, self.track.next()).await {
                    Ok(heard) => drop(heard.context("the track has ended")?),
                    Err(_elapsed) if self.track.is_muted() => return Ok(()),
                    Err(_elapsed) => {}
                }
            }
        };
        timeout(WITHIN, muted).await.context("waiting for silence")?
    }
}
