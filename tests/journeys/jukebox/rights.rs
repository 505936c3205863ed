//! Who may do what, and what the others decide together.

use anyhow::{Result, ensure};
use axum::{Router, routing::get};
use phonograph_trial::{person::Message, stage::WITHIN};

use super::{
    hall::{self, ALPHA_HZ, BRAVO_HZ, CHARLIE_HZ},
    tones::{hears_tone, wav},
};
use crate::support::{Site, journey};

#[test]
fn whoever_is_below_a_level_is_told_which_one_and_a_dj_is_not() -> Result<()> {
    journey(async |shared| {
        let guest = shared.person("guest").await?;
        let scene = hall::scene_with(shared, &[&guest]).await?;
        scene.expect("!play tone alpha", "Now playing").await?;

        let refused = "You may not control me here: that needs power level 50, and you have 0.";
        for word in ["!pause", "!volume 50", "!playnow tone bravo", "!clear"] {
            scene.expect_of(&guest, word, refused).await?;
        }
        let refused = "You may not change that here: that needs power level 50, and you have 0.";
        scene.expect_of(&guest, "!set volume 80", refused).await?;
        let add = format!("!dj add {}", guest.user_id());
        scene.expect_of(&guest, &add, refused).await?;
        scene.expect_of(&guest, "!play tone bravo", "Queued as 1").await?;

        scene.expect("!set volume 80", "volume is 80 % now.").await?;
        scene.expect("!volume", "The volume is 80 %.").await?;
        scene.expect(&add, "is a DJ now.").await?;
        scene.expect_of(&guest, "!pause", "Paused: Tone Alpha").await?;
        scene.expect_of(&guest, "!set volume 100", refused).await?;
        scene.expect(&format!("!dj remove {}", guest.user_id()), "no DJ any more").await?;
        scene.expect_of(&guest, "!resume", "You may not control me here").await?;
        scene.expect("!leave", "I've left").await?;
        Ok(())
    })
}

#[test]
fn half_of_the_call_skips_by_vote_and_whoever_asked_for_it_alone() -> Result<()> {
    journey(async |shared| {
        let (bob, carol) = tokio::try_join!(shared.person("bob"), shared.person("carol"))?;
        let scene = hall::scene_with(shared, &[&bob, &carol]).await?;
        let call = scene.enter().await?;
        scene.expect("!set control-level 50", "control-level is 50 now.").await?;
        scene.expect("!play tone alpha", "Now playing").await?;
        scene.expect_of(&bob, "!play tone bravo", "Queued as 1").await?;
        scene.expect("!play tone charlie", "Queued as 2").await?;
        scene.expect_of(&bob, "!skip", "Only those in the call may do that here.").await?;

        let (bobs, carols) =
            tokio::try_join!(bob.join_call(&scene.room), carol.join_call(&scene.room))?;
        tokio::try_join!(bobs.wait_joined(WITHIN), carols.wait_joined(WITHIN))?;
        call.wait_shown(|shown| shown.count == 4, WITHIN).await?;
        hears_tone(&scene, &call, ALPHA_HZ).await?;

        // Three are in the call beside the bot, so two are half of it.
        scene.expect_of(&bob, "!skip", "1 of 2 votes to skip.").await?;
        scene.expect_of(&bob, "!skip", "You have voted already. 1 of 2").await?;
        let skipped = "Skipped Tone Alpha. Now playing: Tone Bravo";
        scene.expect_of(&carol, "!skip", skipped).await?;
        hears_tone(&scene, &call, BRAVO_HZ).await?;

        scene.expect_of(&carol, "!forceskip", "needs power level 50, and you have 0").await?;
        let skipped = "Skipped Tone Bravo. Now playing: Tone Charlie";
        scene.expect_of(&bob, "!skip", skipped).await?;
        hears_tone(&scene, &call, CHARLIE_HZ).await?;

        scene.expect("!set vote-skip off", "vote-skip is off now.").await?;
        let refused = scene.expect_of(&carol, "!skip", "needs power level 50").await?;
        ensure!(!refused.body.contains("votes"), "{}", refused.body);
        Ok(())
    })
}

#[test]
fn what_follows_is_not_heard_once_its_host_is_blocked() -> Result<()> {
    journey(async |shared| {
        let [first, second] = [ALPHA_HZ, BRAVO_HZ].map(|hertz| wav(9, |_| hertz));
        let router = Router::new()
            .route("/first.wav", get(async move || first.clone()))
            .route("/second.wav", get(async move || second.clone()));
        let site = Site::serve(router).await?;
        let scene = hall::scene(shared, true).await?;
        let call = scene.enter().await?;
        scene.expect(&format!("!play {}/first.wav", site.url), "Now playing").await?;
        // Less than ten seconds before its turn, so it is opened at once.
        scene.expect(&format!("!play {}/second.wav", site.url), "Queued").await?;
        hears_tone(&scene, &call, ALPHA_HZ).await?;

        scene.expect("!block 127.0.0.1", "is blocked now").await?;
        let refused =
            |message: &Message| message.body.starts_with("Links to 127.0.0.1 are blocked");
        scene.person.wait_for_message(&scene.room, refused, WITHIN).await?;
        call.wait_silence(Some(&scene.bot), WITHIN).await?;
        Ok(())
    })
}
