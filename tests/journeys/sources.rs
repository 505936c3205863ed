//! What can be played: each format, and links.

use anyhow::{Result, ensure};
use axum::{Router, body::Bytes, routing::get};
use phonograph_trial::stage::WITHIN;

use crate::support::{Site, asset, journey, settings};

#[test]
fn every_format_arrives_as_its_two_tones() -> Result<()> {
    journey(async |shared| {
        let scene = shared.scene(true).await?;
        let call = scene.enter().await?;
        for name in ["tones.mp3", "tones.flac", "tones.opus", "tones.m4a", "tones.ogg"] {
            let answer = scene.ask(&format!("!play {name}")).await?;
            ensure!(answer.body.starts_with("Now playing"), "{name}: {}", answer.body);
            scene.hears_tones(&call).await.map_err(|error| error.context(name))?;
            scene.ask("!stop").await?;
            call.wait_silence(Some(&scene.bot), WITHIN).await?;
        }
        Ok(())
    })
}

#[test]
fn a_name_is_found_whatever_its_case_and_ending() -> Result<()> {
    journey(async |shared| {
        let scene = shared.scene(false).await?;
        let answer = scene.ask("!play MUSIC").await?;
        ensure!(answer.body.contains("Carousel"), "{}", answer.body);
        scene.ask("!leave").await?;
        Ok(())
    })
}

#[test]
fn a_link_is_streamed_from_a_host_that_the_settings_allow() -> Result<()> {
    journey(async |shared| {
        let tones = Bytes::from(std::fs::read(asset("tones.mp3"))?);
        let site =
            Site::serve(Router::new().route("/tones", get(move || async move { tones }))).await?;
        let mut settings = settings();
        settings.sections = "[links]\nallow_hosts = [\"127.0.0.1\"]".to_owned();
        let (_bot, scene) = shared.own_bot(settings, true).await?;
        let call = scene.enter().await?;

        let answer = scene.ask(&format!("!play {}/tones", site.url)).await?;

        ensure!(answer.body.starts_with("Now playing"), "{}", answer.body);
        scene.hears_tones(&call).await
    })
}
