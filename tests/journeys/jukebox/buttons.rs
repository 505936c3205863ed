//! Reactions: buttons under the panel, and digits on a list.

use anyhow::{Context, Result, ensure};
use phonograph_trial::stage::WITHIN;

use super::{
    hall::{self, ALPHA_HZ, BRAVO_HZ, CHARLIE_HZ},
    tones::{hears_pitch, hears_tone},
};
use crate::support::journey;

#[test]
fn reactions_on_the_panel_are_its_buttons() -> Result<()> {
    journey(async |shared| {
        let scene = hall::scene(shared, true).await?;
        let call = scene.enter().await?;
        scene.expect("!play tone alpha", "Now playing").await?;
        scene.expect("!play tone bravo", "Queued as 1").await?;
        let panel = scene.panel("▶ Tone Alpha").await?;
        let react = async |key: &str| scene.person.react(&scene.room, &panel.event_id, key).await;
        let loud = hears_pitch(&scene, &call, ALPHA_HZ).await?.rms()[0];

        react("⏭\u{fe0f}").await?;
        hears_tone(&scene, &call, BRAVO_HZ).await?;
        react("⏯").await?;
        call.wait_silence(Some(&scene.bot), WITHIN).await?;
        // The same button again: a client sends another reaction only when the first is gone.
        let shown = scene.panel("⏸ Tone Bravo").await?;
        ensure!(shown.event_id == panel.event_id && shown.edits > 0, "{shown:?}");
        react("▶").await?;
        hears_tone(&scene, &call, BRAVO_HZ).await?;
        react("🔊").await?;
        let shown = scene.panel("🔊 110 %").await?;
        ensure!(shown.body.starts_with("▶ Tone Bravo"), "{}", shown.body);
        let louder = hears_pitch(&scene, &call, BRAVO_HZ).await?.rms()[0];
        let more_db = 20.0 * (louder / loud).log10();
        ensure!((more_db - 1.66).abs() < 1.0, "{more_db:.2} dB more");

        // The bot puts the buttons there itself, one by one.
        let has_buttons = |message: &phonograph_trial::person::Message| {
            let ours = message.reactions.iter().filter(|reaction| reaction.sender == scene.bot);
            message.event_id == panel.event_id && ours.count() >= 2
        };
        let shown = scene.person.wait_until_shown(&scene.room, has_buttons, WITHIN).await?;
        let ours = shown.reactions.iter().filter(|reaction| reaction.sender == scene.bot);
        let keys: Vec<_> = ours.map(|reaction| reaction.key.as_str()).take(2).collect();
        ensure!(keys == ["⏮\u{fe0f}", "⏯\u{fe0f}"], "{keys:?}");
        Ok(())
    })
}

#[test]
fn a_digit_under_a_list_of_what_was_found_picks_from_it() -> Result<()> {
    journey(async |shared| {
        let scene = hall::scene(shared, true).await?;
        let call = scene.enter().await?;

        let list = scene.expect("!search tone", "What fits “tone”:\n1. Tone ").await?;
        let second = list.body.lines().find_map(|line| line.strip_prefix("2. Tone "));
        let second = second.context("a second line")?;
        let (name, hertz) = match second.split_whitespace().next() {
            Some("Alpha") => ("Alpha", ALPHA_HZ),
            Some("Bravo") => ("Bravo", BRAVO_HZ),
            Some("Charlie") => ("Charlie", CHARLIE_HZ),
            _ => anyhow::bail!("{}", list.body),
        };
        scene.person.react(&scene.room, &list.event_id, "2\u{fe0f}\u{20e3}").await?;

        hears_tone(&scene, &call, hertz).await?;
        scene.panel(&format!("▶ Tone {name}")).await?;
        scene.expect("!pick 4", "The list ends at 3").await?;
        scene.expect("!pick 1", "Queued as 1: Tone ").await?;
        Ok(())
    })
}
