//! Several rooms at once, and rooms that change.

use anyhow::{Context, Result, ensure};
use phonograph_trial::{bot::Bot, homeserver::NewRoom, stage::WITHIN};
use serde_json::json;

use super::{
    hall::{self, ALPHA_HZ, BRAVO_HZ, CHARLIE_HZ, Music},
    tones::hears_tone,
};
use crate::support::{Scene, journey, journey_alone};

/// Commands as clients take them apart (MSC4391).
const COMMAND: &str = "org.matrix.msc4391.command";
const DESCRIPTION: &str = "org.matrix.msc4391.command_description";

#[test]
fn three_rooms_at_once_hear_each_its_own() -> Result<()> {
    journey_alone(async |shared| {
        let (a, b, c) = tokio::try_join!(
            hall::scene(shared, true),
            hall::scene(shared, true),
            hall::scene(shared, false)
        )?;
        let (in_a, in_b, in_c) = tokio::try_join!(a.enter(), b.enter(), c.enter())?;
        tokio::try_join!(
            a.expect("!play tone alpha", "Now playing"),
            b.expect("!play tone bravo", "Now playing"),
            c.expect("!play tone charlie", "Now playing")
        )?;

        hears_tone(&a, &in_a, ALPHA_HZ).await?;
        hears_tone(&b, &in_b, BRAVO_HZ).await?;
        hears_tone(&c, &in_c, CHARLIE_HZ).await?;
        // What one does, the others do not hear.
        b.expect("!playnow tone alpha", "Now playing").await?;
        hears_tone(&b, &in_b, ALPHA_HZ).await?;
        c.expect("!volume 50", "50 %").await?;
        hears_tone(&a, &in_a, ALPHA_HZ).await
    })
}

#[test]
fn into_the_room_that_takes_the_place_of_one_it_takes_what_was_set_and_queued() -> Result<()> {
    journey(async |shared| {
        let mut scene = hall::scene(shared, false).await?;
        scene.expect("!set prefix ?", "?").await?;
        scene.expect("?play tone alpha", "Now playing").await?;
        scene.expect("?play tone bravo", "Queued").await?;
        scene.expect("?stop", "Stopped").await?;
        let homeserver = shared.stage.stack.homeserver();
        let account = scene.person.account();
        let login = homeserver.login(&account.user, &account.password).await?;

        scene.room = homeserver.upgrade(&login, &scene.room).await?;
        // As clients do.
        homeserver.invite(&login, &scene.room, &scene.bot).await?;
        scene.person.wait_for_member(&scene.room, &scene.bot, WITHIN).await?;

        let call = scene.enter().await?;
        let queue = scene.expect("?queue", "Tone Bravo").await?;
        ensure!(queue.body.contains("Queue: 2 entries"), "{}", queue.body);
        scene.expect("?playnow tone charlie", "Now playing").await?;
        hears_tone(&scene, &call, CHARLIE_HZ).await
    })
}

#[test]
fn what_clients_need_to_offer_commands_is_in_the_room_and_what_they_send_is_obeyed() -> Result<()> {
    journey(async |shared| {
        let mut settings = Music::get().await?.settings();
        settings.top = "describe_commands = true".to_owned();
        let homeserver = shared.stage.stack.homeserver();
        let (person, bot) =
            tokio::try_join!(shared.person("alice"), Bot::start(homeserver, &settings))?;
        let room = person.create_room(&NewRoom { encrypted: false, ..NewRoom::default() }).await?;
        let account = person.account();
        let login = homeserver.login(&account.user, &account.password).await?;
        homeserver.set_power_level(&login, &room, bot.user_id(), 50).await?;
        homeserver.invite(&login, &room, bot.user_id()).await?;
        person.wait_for_member(&room, bot.user_id(), WITHIN).await?;
        let scene = Scene { person, room, bot: bot.user_id().to_owned() };
        let call = scene.enter().await?;

        let content = json!({
            "msgtype": "m.text",
            "body": "tone bravo, please",
            "m.mentions": { "user_ids": [bot.user_id()] },
            COMMAND: { "command": "play", "arguments": { "what": "tone bravo" } },
        });
        let sent = homeserver.send_message(&login, &scene.room, &content).await?;
        let answer = scene.person.wait_for_answer(&scene.room, &sent, WITHIN).await?;
        ensure!(answer.body.contains("Now playing: Tone Bravo"), "{}", answer.body);
        hears_tone(&scene, &call, BRAVO_HZ).await?;

        let state = homeserver.state(&login, &scene.room).await?;
        let mut described = state.iter().filter(|event| event["type"] == DESCRIPTION);
        let first = described.next().context("no command is described")?;
        ensure!(first["sender"] == *scene.bot, "{first}");
        ensure!(first["content"]["command"].is_string(), "{first}");
        Ok(())
    })
}
