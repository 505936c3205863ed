//! Somebody at the SFU who is nobody in Matrix: it is heard at the SFU, and Element Call
//! shows nobody.

use std::time::Duration;

use anyhow::{Context as _, Result};
use livekit_api::services::room::RoomClient;
use phonograph_trial::{
    homeserver::NewRoom,
    person::{Guise, Microphone, Stranger, Stream},
    stack::Options,
    stage::{Stage, WITHIN},
    token_service,
};

use crate::{joined, names};

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_publishes_a_tone_without_a_membership() -> Result<()> {
    let stage = Stage::set(Options::default()).await?;
    let browser = stage.browser(Microphone::Quiet).await?;
    let alice = stage.person("alice", &browser).await?;
    let room = alice.create_room(&NewRoom::default()).await?;
    let call = joined(&alice, &room).await?;
    let alias = token_service::alias(&room);
    let sfu = stage.stack.sfu_address();

    let guise = Guise { alias: &alias, identity: "@nobody:localhost:NOWHERE", hertz: 880 };
    let stranger = Stranger::join(&browser, &stage.web, sfu, guise).await?;

    let rooms = RoomClient::with_api_key(&sfu.http_url(), &sfu.key, &sfu.secret);
    let there = rooms.get_participant(&alias, guise.identity).await?;
    assert_eq!(there.tracks.len(), 1, "{there:?}");
    let other_guise = Guise { identity: "somebody else", hertz: 550, ..guise };
    let other = Stranger::join(&browser, &stage.web, sfu, other_guise).await?;
    let heard = other.hears(Duration::from_secs(4)).await?;
    let is_tone = |stream: &Stream| (stream.hertz()[0] - 880.0).abs() < 1.0;
    assert!(heard.streams.iter().any(is_tone), "no tone of {} streams", heard.streams.len());
    let forwarded = other.frames(guise.identity).await?;
    assert!(forwarded.len() > 100, "{} frames in four seconds", forwarded.len());
    assert!(other.frames(other_guise.identity).await?.is_empty(), "nobody is sent their own");
    let shown = call.wait_shown(|shown| !shown.participants.is_empty(), WITHIN).await?;
    assert_eq!((names(&shown), shown.count), (vec!["alice"], 1));

    stranger.leave().await?;
    let gone = rooms.list_participants(&alias).await.context("the SFU's participants")?;
    assert!(gone.iter().all(|participant| participant.identity != guise.identity), "{gone:?}");
    Ok(())
}
