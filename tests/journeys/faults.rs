//! What a participant of ours does when something on the way fails. At the far end is Element Call,
//! which is spared: only we are told the way that fails.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use axum::http::StatusCode;
use phonograph_call::{
    Config,
    matrixrtc::{RoomId, roster::Selection},
};
use phonograph_trial::{
    browser::Browser,
    homeserver::NewRoom,
    person::{Call, JoinOptions, Microphone, Person},
    relay::Relay,
    stack::{Options, SfuOption, has_ipv6},
    stage::{Stage, WITHIN},
    token_service::{Refusal, TokenService},
};
use rustls::pki_types::{CertificateDer, pem::PemObject};

use crate::{
    both_ways::hears_bot,
    participant::{Inside, Participant, ear},
    support::{journey_apart, unique},
};

/// The tones of the person and of ours.
const THEIRS: u32 = 880;
const OURS: u32 = 523;
/// Back within five seconds is the aim; a machine that does something else meanwhile is given more.
const BACK_WITHIN: Duration = Duration::from_secs(20);

/// A person and a participant of ours in an encrypted call, hearing each other.
///
/// In this order they end: who is in the call leaves it before its servers go, or it would wait a minute
/// for them to come back.
struct Scene {
    inside: Inside,
    bot: Participant,
    call: Call,
    person: Person,
    room: String,
    _browser: Browser,
    stage: Stage,
}

impl Scene {
    async fn set(options: Options) -> Result<Self> {
        Self::set_with(options, |_| {}).await
    }

    /// With a call that is joined otherwise than most.
    async fn set_with(options: Options, change: impl FnOnce(&mut Config)) -> Result<Self> {
        let options = Options { told_to: Some("bot".to_owned()), ..options };
        let stage = Stage::set(options).await?;
        let browser = stage.browser(Microphone::Tone { hertz: THEIRS }).await?;
        let person = stage.person(&unique("alice"), &browser).await?;
        let roots = match stage.stack.tls() {
            Some(front) => vec![CertificateDer::from_pem_file(front.authority())?],
            None => Vec::new(),
        };
        let bot = Participant::at(stage.stack.homeserver(), "bot", &roots).await?;
        let invite = [bot.user_id.as_str()];
        let room = NewRoom { encrypted: true, invite: &invite, ..NewRoom::default() };
        let room = person.create_room(&room).await?;
        bot.accept(&room).await?;
        let call = person.join_call(&room).await?;
        call.wait_joined(WITHIN).await?;
        let mut config = Config::new(RoomId::from(room.as_str()));
        change(&mut config);
        let inside = bot.enter_with(config).await?;
        inside.play(OURS);
        let scene = Self { inside, bot, call, person, room, _browser: browser, stage };
        scene.inside.hears(scene.person.user_id(), THEIRS, WITHIN).await?;
        scene.call.wait_sound(Some(&scene.bot.user_id), WITHIN).await?;
        Ok(scene)
    }

    async fn relayed() -> Result<Self> {
        Self::set(Options { sfu: SfuOption::Relayed, ..Options::default() }).await
    }

    fn relay(&self) -> Result<&Relay> {
        self.stage.stack.relay().context("the way goes through a relay")
    }

    /// Waits until each hears the other as it is.
    async fn both_hear(&self, within: Duration) -> Result<()> {
        self.inside.hears(self.person.user_id(), THEIRS, within).await?;
        hears_bot(&self.call, &self.bot.user_id, f64::from(OURS)).await
    }

    /// The person joins anew: Element Call 0.26 gives up when it loses its SFU, or its homeserver for
    /// eleven seconds, and shows a button.
    async fn person_joins_again(&mut self) -> Result<()> {
        self.call = self.person.join_call(&self.room).await?;
        self.call.wait_joined(WITHIN).await
    }

    /// Waits until frames of the person come that are newer than `since`.
    async fn frames_come(&self, since: Instant, within: Duration) -> Result<()> {
        let user = self.person.user_id();
        let newer = |at: &Instant| *at > since;
        self.inside
            .wait("frames after the fault", within, |seen| {
                seen.newest(user).is_some_and(|ear| ear.arrivals.last().is_some_and(newer))
            })
            .await
    }

    /// The devices in the call, by the room's state.
    async fn members(&self) -> Result<usize> {
        let homeserver = self.stage.stack.homeserver();
        let account = self.person.account();
        let login = homeserver.login(&account.user, &account.password).await?;
        Ok(homeserver.call_members(&login, &self.room).await?.len())
    }
}

#[test]
fn a_lost_websocket_is_replaced_while_media_goes_on() -> Result<()> {
    journey_apart(async || {
        let scene = Scene::relayed().await?;
        let before = scene.relay()?.passed().websockets;
        let cut = Instant::now();

        scene.relay()?.cut_websockets();

        let user = scene.person.user_id();
        let lasted = Duration::from_secs(6);
        scene.call.hears(lasted).await?;
        let gap = ear(&scene.inside.seen(), user)?.longest_gap(cut);
        ensure!(gap < Duration::from_millis(500), "a gap of {gap:?}");
        ensure!(scene.inside.seen().connected.is_empty(), "the loss is nothing to be told");
        ensure!(scene.relay()?.passed().websockets > before, "no new WebSocket was opened");
        // The new one works: a mute is seen.
        scene.inside.stop();
        scene
            .call
            .wait_shown(
                |shown| shown.participants.iter().filter(|tile| tile.muted).count() == 1,
                WITHIN,
            )
            .await?;
        Ok(())
    })
}

#[test]
fn where_udp_is_blocked_media_goes_over_tcp() -> Result<()> {
    journey_apart(async || {
        let scene = Scene::relayed().await?;
        let before = scene.relay()?.passed().tcp_bytes;
        let blocked = Instant::now();

        scene.relay()?.drop_udp(true);

        scene.frames_come(blocked + Duration::from_secs(3), Duration::from_secs(40)).await?;
        scene.both_hear(WITHIN).await?;
        ensure!(scene.relay()?.passed().tcp_bytes > before, "nothing went over TCP");
        Ok(())
    })
}

#[test]
fn after_an_outage_of_the_network_everybody_is_heard_again() -> Result<()> {
    outage(Duration::from_secs(8))
}

#[test]
#[ignore = "takes a minute: cargo soak"]
fn after_an_outage_of_the_network_everybody_is_heard_again_long() -> Result<()> {
    outage(Duration::from_secs(15))?;
    outage(Duration::from_secs(40))
}

/// All media lost for a while; the WebSocket stands.
fn outage(lasting: Duration) -> Result<()> {
    journey_apart(async || {
        let scene = Scene::relayed().await?;
        let relay = scene.relay()?;
        relay.drop_udp(true);
        relay.drop_tcp(true);
        scene.call.hears(lasting.min(Duration::from_secs(8))).await?;
        if let Some(rest) = lasting.checked_sub(Duration::from_secs(8)) {
            scene.call.wait_silence(Some(&scene.bot.user_id), WITHIN).await?;
            tokio::time::sleep(rest).await;
        }
        relay.drop_udp(false);
        relay.drop_tcp(false);
        let recovered = Instant::now();
        scene.frames_come(recovered, BACK_WITHIN).await?;
        scene.both_hear(WITHIN).await?;
        ensure!(scene.members().await? == 2);
        Ok(())
    })
}

#[test]
fn a_fifth_of_all_packets_lost_is_borne() -> Result<()> {
    loss(Duration::from_secs(8))
}

#[test]
#[ignore = "takes two minutes: cargo soak"]
fn a_fifth_of_all_packets_lost_is_borne_long() -> Result<()> {
    loss(Duration::from_mins(1))
}

fn loss(lasting: Duration) -> Result<()> {
    journey_apart(async || {
        let scene = Scene::relayed().await?;
        let relay = scene.relay()?;
        let began = Instant::now();
        relay.loss(0.2);
        while began.elapsed() < lasting {
            scene.call.hears(Duration::from_secs(4)).await?;
        }
        relay.loss(0.0);
        ensure!(relay.passed().lost > 100, "{:?}", relay.passed());
        {
            let seen = scene.inside.seen();
            ensure!(seen.ended.is_none());
            let gap = ear(&seen, scene.person.user_id())?.longest_gap(began);
            ensure!(gap < Duration::from_secs(2), "a gap of {gap:?}");
        }
        scene.both_hear(WITHIN).await
    })
}

#[test]
fn a_killed_sfu_is_come_back_to() -> Result<()> {
    journey_apart(async || {
        let mut scene = Scene::set(Options::default()).await?;
        let sfu = scene.stage.stack.sfu().context("there is an SFU")?;
        sfu.server().kill()?;
        sfu.restart().await?;
        let recovered = Instant::now();
        let connected = |seen: &crate::participant::Seen| {
            seen.connected.last().is_some_and(|(at, connected)| *connected && *at > recovered)
        };
        scene.inside.wait("the SFU again", BACK_WITHIN, connected).await?;
        scene.person_joins_again().await?;
        scene.both_hear(WITHIN).await?;
        ensure!(scene.members().await? == 2);
        Ok(())
    })
}

#[test]
fn a_frozen_sfu_is_waited_for() -> Result<()> {
    journey_apart(async || {
        let mut scene = Scene::set(Options::default()).await?;
        scene.stage.stack.sfu().context("there is an SFU")?.server().freeze()?;
        tokio::time::sleep(Duration::from_secs(10)).await;
        scene.stage.stack.sfu().context("there is an SFU")?.server().thaw()?;
        let recovered = Instant::now();
        scene.frames_come(recovered, BACK_WITHIN).await?;
        scene.both_hear(WITHIN).await
    })
}

#[test]
fn a_token_service_that_is_down_when_the_sfu_comes_back_is_waited_for() -> Result<()> {
    journey_apart(async || {
        let mut scene = Scene::set(Options::default()).await?;
        let TokenService::Ours(service) = scene.stage.stack.token_service() else {
            anyhow::bail!("it is ours where only some are told the way");
        };
        service.refuse(Some(Refusal::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "M_UNKNOWN",
            "Service is shutting down",
        )));
        let sfu = scene.stage.stack.sfu().context("there is an SFU")?;
        sfu.server().kill()?;
        sfu.restart().await?;
        // The room on the SFU is gone, so a new token is needed, which nobody gives.
        let lost = |seen: &crate::participant::Seen| {
            seen.connected.last().is_some_and(|(_, connected)| !connected)
        };
        scene.inside.wait("the loss", WITHIN, lost).await?;
        tokio::time::sleep(Duration::from_secs(3)).await;
        ensure!(scene.inside.seen().ended.is_none());
        let TokenService::Ours(service) = scene.stage.stack.token_service() else {
            anyhow::bail!("it was ours");
        };
        service.refuse(None);
        let back = |seen: &crate::participant::Seen| {
            seen.connected.last().is_some_and(|(_, connected)| *connected)
        };
        scene.inside.wait("the SFU again", WITHIN, back).await
    })
}

#[test]
fn a_restarted_homeserver_costs_nothing_that_is_heard() -> Result<()> {
    journey_apart(async || {
        let mut scene = Scene::set(Options::default()).await?;
        let began = Instant::now();
        scene.stage.stack.synapse().restart().await?;
        scene.call.hears(Duration::from_secs(6)).await?;
        let gap = ear(&scene.inside.seen(), scene.person.user_id())?.longest_gap(began);
        ensure!(gap < Duration::from_secs(1), "a gap of {gap:?}");
        ensure!(scene.members().await? == 2);
        scene.both_hear(WITHIN).await
    })
}

#[test]
fn a_homeserver_that_was_away_finds_one_member() -> Result<()> {
    homeserver_away(Duration::from_secs(22))
}

#[test]
#[ignore = "takes two minutes: cargo soak"]
fn a_homeserver_that_was_away_finds_one_member_long() -> Result<()> {
    homeserver_away(Duration::from_mins(1))
}

/// Longer than the delayed leave: it may fire as soon as the homeserver is back.
fn homeserver_away(lasting: Duration) -> Result<()> {
    journey_apart(async || {
        let mut scene = Scene::set(Options::default()).await?;
        scene.stage.stack.synapse().server().stop().await?;
        tokio::time::sleep(lasting).await;
        scene.stage.stack.synapse().restart().await?;
        scene.person_joins_again().await?;
        scene.both_hear(WITHIN).await?;
        let began = Instant::now();
        while scene.members().await? != 2 {
            ensure!(began.elapsed() < WITHIN, "{} members", scene.members().await?);
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        ensure!(scene.inside.seen().ended.is_none());
        Ok(())
    })
}

#[test]
fn an_sfu_with_a_certificate_of_its_operators_is_joined_over_tls() -> Result<()> {
    journey_apart(async || {
        let scene = Scene::set(Options { sfu: SfuOption::Tls, ..Options::default() }).await?;
        scene.both_hear(WITHIN).await
    })
}

#[test]
fn an_sfu_on_ipv6_is_joined() -> Result<()> {
    if !has_ipv6() {
        return Ok(());
    }
    journey_apart(async || {
        let scene = Scene::set(Options { ipv6: true, ..Options::default() }).await?;
        scene.both_hear(WITHIN).await
    })
}

#[test]
fn a_leave_that_the_token_service_has_taken_over_is_seen_at_once() -> Result<()> {
    journey_apart(async || {
        let options = Options { delegation: true, ..Options::default() };
        let scene = Scene::set_with(options, |config| config.delegate_leave = true).await?;
        // Two leaves are held for a moment, then the long one alone.
        let one = |seen: &crate::participant::Seen| {
            seen.saved.last().is_some_and(|saved| saved.delay_ids.len() == 1)
        };
        let two = |seen: &crate::participant::Seen| {
            seen.saved.iter().any(|saved| saved.delay_ids.len() == 2)
        };
        scene.inside.wait("the delegation", WITHIN, |seen| two(seen) && one(seen)).await?;
        let Scene { stage: _stage, call, inside, .. } = scene;
        inside.leave().await?;
        call.wait_shown(|shown| shown.count == 1, WITHIN).await.map(drop)
    })
}

#[test]
fn a_call_of_old_clients_is_joined_where_the_oldest_is() -> Result<()> {
    journey_apart(async || {
        let stage = Stage::set(Options::default()).await?;
        let second = stage.stack.second_sfu().await?;
        let browser = stage.browser(Microphone::Tone { hertz: THEIRS }).await?;
        let person = stage.person(&unique("alice"), &browser).await?;
        let bot = Participant::at(stage.stack.homeserver(), "bot", &[]).await?;
        let invite = [bot.user_id.as_str()];
        let room = NewRoom { encrypted: true, invite: &invite, ..NewRoom::default() };
        let room = person.create_room(&room).await?;
        bot.accept(&room).await?;
        let elsewhere =
            JoinOptions { transport: Some(second.url().to_owned()), ..JoinOptions::default() };
        let call = person.join_call_with(&room, &elsewhere).await?;
        call.wait_joined(WITHIN).await?;
        let mut config = Config::new(RoomId::from(room.as_str()));
        config.selection = Selection::Oldest;
        let inside = bot.enter_with(config).await?;
        inside.play(OURS);
        inside.hears(person.user_id(), THEIRS, WITHIN).await?;
        hears_bot(&call, &bot.user_id, f64::from(OURS)).await?;
        // The oldest goes; what is left is our own SFU, to which whoever comes then is led.
        call.hang_up().await?;
        inside.wait("the oldest's end", WITHIN, |seen| seen.others == 0).await?;
        let call = person.join_call(&room).await?;
        call.wait_joined(WITHIN).await?;
        inside.hears(person.user_id(), THEIRS, WITHIN).await?;
        hears_bot(&call, &bot.user_id, f64::from(OURS)).await
    })
}
