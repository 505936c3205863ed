//! Getting into calls, and out of them on a command.

use anyhow::{Result, ensure};
use phonograph_trial::stage::WITHIN;

use crate::support::{journey, settings};

#[test]
fn joins_a_running_call_and_leaves_it_on_command() -> Result<()> {
    journey(async |shared| {
        let scene = shared.scene(true).await?;
        let call = scene.enter().await?;

        ensure!(scene.ask("!join").await?.body == "I'm in the call.");
        call.wait_shown(|shown| shown.count == 2, WITHIN).await?;
        ensure!(scene.ask("!join").await?.body == "I'm in the call already.");

        ensure!(scene.ask("!leave").await?.body == "I've left the call.");
        call.wait_shown(|shown| shown.count == 1, WITHIN).await?;
        ensure!(scene.ask("!leave").await?.body.starts_with("I'm not in a call."));
        Ok(())
    })
}

#[test]
fn starts_a_call_that_a_person_then_joins() -> Result<()> {
    journey(async |shared| {
        let scene = shared.scene(true).await?;
        scene.ask("!play tones.flac").await?;

        let call = scene.enter().await?;

        scene.hears_tones(&call).await
    })
}

#[test]
fn nobody_is_rung() -> Result<()> {
    journey(async |shared| {
        let scene = shared.scene(false).await?;
        scene.ask("!join").await?;
        let login = shared
            .stage
            .stack
            .homeserver()
            .login(&scene.person.account().user, &scene.person.account().password)
            .await?;
        let events = shared.stage.stack.homeserver().messages(&login, &scene.room, 100).await?;
        let rings = events.iter().filter(|event| {
            event["type"]
                .as_str()
                .is_some_and(|kind| kind.contains("notification") || kind.contains("notify"))
        });
        ensure!(rings.count() == 0, "{events:?}");
        Ok(())
    })
}

#[test]
fn stop_is_silent_and_stays_in_the_call() -> Result<()> {
    journey(async |shared| {
        let scene = shared.scene(true).await?;
        let call = scene.enter().await?;
        scene.ask("!play tones.flac").await?;
        call.wait_sound(Some(&scene.bot), WITHIN).await?;

        ensure!(scene.ask("!stop").await?.body == "Stopped.");
        call.wait_silence(Some(&scene.bot), WITHIN).await?;
        ensure!(scene.ask("!stop").await?.body.starts_with("Nothing is playing."));
        ensure!(call.shown().await?.count == 2);
        Ok(())
    })
}

#[test]
fn leaves_when_everybody_else_has_left_for_as_long_as_is_set() -> Result<()> {
    journey(async |shared| {
        let mut settings = settings();
        settings.sections = "[call]\nleave_when_alone = \"2s\"".to_owned();
        let (_bot, scene) = shared.own_bot(settings, true).await?;
        let call = scene.enter().await?;
        scene.ask("!join").await?;
        call.wait_shown(|shown| shown.count == 2, WITHIN).await?;

        call.hang_up().await?;

        let goodbye = |message: &phonograph_trial::person::Message| {
            message.body.starts_with("Everybody else has left the call")
        };
        scene.person.wait_for_message(&scene.room, goodbye, WITHIN).await?;
        ensure!(shared.members(&scene).await?.is_empty());
        Ok(())
    })
}

#[test]
fn commands_are_answered_in_clear_and_encrypted_rooms() -> Result<()> {
    journey(async |shared| {
        for encrypted in [true, false] {
            let scene = shared.scene(encrypted).await?;
            ensure!(scene.ask("!ping").await?.body == "Pong.");
            ensure!(scene.ask("!help").await?.body.contains("!play"));
            ensure!(scene.ask("!paly x").await?.body.contains("!play"));
            // What is no command is not answered, nor is the bot's own voice: after the next ping
            // there is one answer more, and no other message.
            let before = scene.person.messages(&scene.room).await?.len();
            scene.person.say(&scene.room, "play that again, please").await?;
            ensure!(scene.ask("!ping").await?.body == "Pong.");
            let after = scene.person.messages(&scene.room).await?.len();
            ensure!(after == before + 3, "{before} messages became {after}");
        }
        Ok(())
    })
}

#[test]
fn strangers_are_neither_joined_nor_answered() -> Result<()> {
    journey(async |shared| {
        let mut settings = settings();
        let friend = shared.person("friend").await?;
        settings.allow = vec![friend.user_id().to_owned()];
        let (bot, stranger) = tokio::try_join!(
            phonograph_trial::bot::Bot::start(shared.stage.stack.homeserver(), &settings),
            shared.person("stranger"),
        )?;
        let invite = [bot.user_id()];
        let room = phonograph_trial::homeserver::NewRoom { invite: &invite, ..Default::default() };
        let strange = stranger.create_room(&room).await?;
        let known = friend
            .create_room(&phonograph_trial::homeserver::NewRoom {
                invite: &[bot.user_id(), stranger.user_id()],
                ..Default::default()
            })
            .await?;
        friend.wait_for_member(&known, bot.user_id(), WITHIN).await?;
        stranger.join_room(&known).await?;

        stranger.say(&known, "!ping").await?;
        let said = friend.say(&known, "!ping").await?;
        friend.wait_for_answer(&known, &said, WITHIN).await?;

        let answers = friend.messages(&known).await?;
        ensure!(answers.iter().filter(|message| message.sender == bot.user_id()).count() == 1);
        let account = stranger.account();
        let homeserver = shared.stage.stack.homeserver();
        let login = homeserver.login(&account.user, &account.password).await?;
        let state = homeserver.state(&login, &strange).await?;
        let ours = state.iter().find(|event| event["state_key"] == bot.user_id());
        ensure!(ours.is_some_and(|event| event["content"]["membership"] == "leave"), "{ours:?}");
        Ok(())
    })
}
