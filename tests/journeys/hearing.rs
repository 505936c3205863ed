//! That the bot is heard, as it is, by whom, and how it is shown.

use std::time::Duration;

use anyhow::{Result, ensure};
use phonograph_trial::{person::Microphone, stage::WITHIN};

use crate::support::{Scene, journey, journey_alone, now_ms, unique};

#[test]
fn heard_in_an_encrypted_room_as_two_tones_in_two_channels() -> Result<()> {
    journey(async |shared| {
        let scene = shared.scene(true).await?;
        let call = scene.enter().await?;

        let answer = scene.ask("!play tones.flac").await?;

        ensure!(answer.encrypted && answer.msgtype == "m.notice", "{answer:?}");
        ensure!(answer.body.contains("Two tones"), "{answer:?}");
        ensure!(answer.mentions == [scene.person.user_id()], "{answer:?}");
        scene.hears_tones(&call).await
    })
}

#[test]
fn heard_in_a_clear_room() -> Result<()> {
    journey(async |shared| {
        let scene = shared.scene(false).await?;
        let call = scene.enter().await?;

        scene.ask("!play tones.flac").await?;

        scene.hears_tones(&call).await
    })
}

#[test]
fn shown_by_its_name_unmuted_and_encrypted_without_one_error() -> Result<()> {
    journey(async |shared| {
        let scene = shared.scene(true).await?;
        let call = scene.enter().await?;
        scene.ask("!play tones.flac").await?;
        let heard_since = call.wait_sound(Some(&scene.bot), WITHIN).await?;

        let shown = call
            .wait_shown(
                |shown| {
                    let mut tiles = shown.participants.iter();
                    tiles.any(|tile| tile.name == "Jukebox" && !tile.muted && !tile.waiting)
                },
                WITHIN,
            )
            .await?;
        call.hears(Duration::from_secs(2)).await?;

        ensure!(shown.locked && shown.count == 2, "{shown:?}");
        ensure!(shown.participants.iter().all(|tile| !tile.unencrypted), "{shown:?}");
        let errors = call.encryption_errors();
        let late = errors.iter().filter(|error| {
            error.at_ms >= heard_since
                && [&*scene.bot, "unknown"].iter().any(|who| error.participant.starts_with(who))
        });
        ensure!(late.count() == 0, "{errors:?}");
        Ok(())
    })
}

/// Within two seconds; where the browser itself is slower than that, no later than it hears another
/// Element Call that was there before, but for half a second.
#[test]
fn whoever_joins_late_hears_it_within_two_seconds() -> Result<()> {
    journey_alone(async |shared| {
        let microphone = Microphone::Tone { hertz: 880 };
        let speaking = shared.stage.browser(microphone).await?;
        let name = unique("alice");
        let (alice, guest, bot) = tokio::try_join!(
            shared.stage.person(&name, &speaking),
            shared.person("guest"),
            shared.bot()
        )?;
        let scene = Scene::set(alice, &[bot.user_id(), guest.user_id()], true).await?;
        let first = scene.enter().await?;
        scene.ask("!play tones.flac").await?;
        first.wait_sound(Some(&scene.bot), WITHIN).await?;
        guest.join_room(&scene.room).await?;

        let call = guest.join_call(&scene.room).await?;
        call.wait_joined(WITHIN).await?;
        let joined = now_ms();
        let bot = call.wait_sound(Some(&scene.bot), WITHIN).await?.saturating_sub(joined);
        let alice = call.wait_sound(Some(scene.person.user_id()), WITHIN).await?;
        let alice = alice.saturating_sub(joined);

        ensure!(bot < 2_000 || bot < alice + 500, "{bot} ms after joining; Alice after {alice} ms");
        scene.hears_tones(&call).await
    })
}
