//! Being in the call: getting in and out, who else is there, and who speaks.

use std::{collections::BTreeSet, future::pending, sync::Arc, time::Duration};

use phonograph_call::{
    Call, Config as CallConfig, EndReason, Event,
    matrixrtc::{Member, session::Saved},
};
use phonograph_matrix::ReplyTo;
use tokio::time::Instant;
use tracing::{info, warn};

use super::{Room, trouble};
use crate::command::{Reference, Reply};
use crate::jukebox::queue::State;

/// A call that we are in, or on the way into.
pub(super) struct Ongoing {
    pub(super) call: Call,
    joined: bool,
    /// The other members' devices.
    pub(super) others: BTreeSet<Member>,
    /// Those of them who speak.
    speaking: BTreeSet<Member>,
    /// How many other members there are.
    others_count: usize,
    /// When we leave because nobody else is there.
    pub(super) leave_at: Option<Instant>,
    /// Who waits to be told that we are in, and what of.
    waiting: Vec<(ReplyTo, Reply)>,
}

/// What follows leaving a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stay {
    /// We were sent away, or everybody else has gone: we stay out until somebody asks.
    Out,
    /// The program ends: the next run goes on where this one was.
    Back,
}

impl Ongoing {
    /// Whether we are in it.
    pub(super) fn is_joined(&self) -> bool {
        self.joined
    }
}

impl Room {
    /// Comes back into a call that an earlier run was in, if it still runs, and goes on playing where
    /// that was. Otherwise what played waits in the queue.
    pub(super) async fn come_back(&mut self) {
        let others = self.shared.calls.others(&self.id).await;
        if self.kept.in_call && !others.is_empty() {
            info!(others = others.len(), "coming back into the call");
            self.join().await;
            self.begin_current();
            return;
        }
        self.stay_out();
        self.stop_playing();
    }

    /// Joins if we are not in the call yet.
    pub(super) async fn join_if_out(&mut self) {
        if self.call.is_none() {
            self.join().await;
        }
    }

    pub(super) async fn join_on_demand(&mut self, to: ReplyTo) {
        self.join_if_out().await;
        let Some(ongoing) = &mut self.call else { return };
        if ongoing.joined {
            self.say(&Reply::AlreadyJoined, Some(to));
        } else {
            ongoing.waiting.push((to, Reply::Joined));
        }
    }

    /// Says something now, or once we are in the call.
    pub(super) fn say_when_joined(&mut self, reply: Reply, to: ReplyTo) {
        match &mut self.call {
            Some(ongoing) if !ongoing.joined => ongoing.waiting.push((to, reply)),
            Some(_) => self.confirm(&reply, to),
            None => self.on_joining.push((to, reply)),
        }
    }

    /// Forgets who waits to be told that something plays.
    pub(super) fn forget_waiting(&mut self) {
        if let Some(ongoing) = &mut self.call {
            ongoing.waiting.retain(|(_, reply)| !matches!(reply, Reply::Playing(_)));
        }
    }

    async fn join(&mut self) {
        let saved = self.shared.store.call_state(&self.id).await.unwrap_or_else(|error| {
            warn!(%error, "what the last call left behind is not known");
            None
        });
        let call = &self.shared.config.call;
        let config = CallConfig {
            // Nothing is received, so only the SFU is connected to that we publish on.
            listens: false,
            fallback_transport: call.transport.clone(),
            selection: call.selection.into(),
            signed_devices_only: call.signed_devices_only,
            delegate_leave: call.delegate_leave,
            saved,
            ..CallConfig::new(self.id.clone())
        };
        let matrix = Arc::clone(&self.shared.matrix);
        let call = Call::join(matrix, config, &self.shared.network, &self.shared.workers);
        call.watch_speakers(self.kept.settings.duck > 0);
        self.call = Some(Ongoing {
            call,
            joined: false,
            others: BTreeSet::new(),
            others_count: 0,
            speaking: BTreeSet::new(),
            leave_at: None,
            waiting: std::mem::take(&mut self.on_joining),
        });
        self.kept.in_call = true;
        self.unsaved.settings = true;
        self.duck();
    }

    pub(super) async fn leave(&mut self, to: ReplyTo) {
        let reply = if self.call.is_some() { Reply::Left } else { Reply::NotInCall };
        self.end_call(Stay::Out).await;
        self.say(&reply, Some(to));
    }

    pub(super) async fn leave_alone(&mut self) {
        info!("leaving: nobody else is in the call");
        self.end_call(Stay::Out).await;
        self.say(&Reply::LeftAlone, None);
    }

    pub(super) async fn end_call(&mut self, stay: Stay) {
        self.stop_looking(None);
        if stay == Stay::Out {
            self.stay_out();
            self.stop_playing();
        }
        if let Some(ongoing) = self.call.take()
            && let Some(saved) = ongoing.call.leave().await
        {
            self.keep(&saved).await;
        }
    }

    fn stay_out(&mut self) {
        self.unsaved.settings |= std::mem::take(&mut self.kept.in_call);
    }

    /// Stores what the next call of this room has to know.
    async fn keep(&self, saved: &Saved) {
        if let Err(error) = self.shared.store.set_call_state(&self.id, saved).await {
            warn!(%error, "what the next call has to know was not stored");
        }
    }

    pub(super) async fn handle_call(&mut self, event: Event) {
        match event {
            Event::Joined => self.joined(),
            Event::MemberJoined(info) => {
                if let Some(ongoing) = &mut self.call {
                    ongoing.others.insert(info.member);
                }
            }
            Event::MemberLeft(member) => {
                if let Some(ongoing) = &mut self.call {
                    ongoing.others.remove(&member);
                    ongoing.speaking.remove(&member);
                }
                self.duck();
            }
            Event::Others(count) => {
                if let Some(ongoing) = &mut self.call {
                    ongoing.others_count = count;
                }
                self.count_time_alone();
            }
            Event::Speaking { member, active, .. } => {
                if let Some(ongoing) = &mut self.call {
                    if active && ongoing.others.contains(&member) {
                        ongoing.speaking.insert(member);
                    } else {
                        ongoing.speaking.remove(&member);
                    }
                }
                self.duck();
            }
            Event::Heard => info!("somebody hears us"),
            Event::Connected(connected) => info!(connected, "the connection to the call changed"),
            Event::Saved(saved) => self.keep(&saved).await,
            Event::Ended(reason) => self.call_ended(&reason),
            // The desk comes home by itself; the other events are those of a call that listens.
            _ => {}
        }
    }

    fn joined(&mut self) {
        info!("joined the call");
        let Some(ongoing) = &mut self.call else { return };
        ongoing.joined = true;
        let waiting = std::mem::take(&mut ongoing.waiting);
        self.count_time_alone();
        for (to, reply) in waiting {
            self.confirm(&reply, to);
        }
    }

    /// Looks at who speaks, or no longer, as the room's settings have it.
    pub(super) fn watch_speakers(&mut self) {
        let watch = self.kept.settings.duck > 0;
        if let Some(ongoing) = &mut self.call {
            ongoing.call.watch_speakers(watch);
            if !watch {
                ongoing.speaking.clear();
            }
        }
        self.duck();
    }

    /// The music is quieter while somebody speaks, if the room wants that.
    fn duck(&mut self) {
        let speaks = self.call.as_ref().is_some_and(|ongoing| !ongoing.speaking.is_empty());
        self.player.duck(speaks && self.kept.settings.duck > 0);
    }

    /// Counts the time anew for which nobody else has been there.
    pub(super) fn count_time_alone(&mut self) {
        let alone_for = self.alone_for();
        if let Some(ongoing) = &mut self.call {
            let alone = ongoing.joined && ongoing.others_count == 0;
            ongoing.leave_at = alone.then(|| Instant::now() + alone_for);
        }
    }

    fn alone_for(&self) -> Duration {
        let set = self.kept.settings.leave_when_alone;
        set.unwrap_or(self.shared.config.call.leave_when_alone)
    }

    fn call_ended(&mut self, reason: &EndReason) {
        let Some(ongoing) = self.call.take() else { return };
        self.stay_out();
        self.stop_playing();
        let Some(trouble) = trouble::of(reason, ongoing.joined) else { return };
        let reference = Reference::random();
        warn!(%reference, error = phonograph_call::chain(reason), "the call failed");
        let reply = Reply::Failed(trouble, reference);
        if ongoing.waiting.is_empty() {
            self.say(&reply, None);
        }
        for (to, _) in ongoing.waiting {
            self.say(&reply, Some(to));
        }
    }

    /// Whether the room's music goes on, as far as the queue says.
    pub(super) fn plays(&self) -> bool {
        self.queue.current().is_some_and(|current| current.state == State::Playing)
    }
}

/// The call's next event; never, without a call.
pub(super) async fn next_event(call: &mut Option<Ongoing>) -> Event {
    match call {
        Some(ongoing) => match ongoing.call.event().await {
            Some(event) => event,
            None => pending().await,
        },
        None => pending().await,
    }
}
