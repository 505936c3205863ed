//! Sounds over the music: clips, a voice, and people who speak.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use phonograph_trial::{
    person::{Call, Microphone, Stream},
    stage::WITHIN,
};

use super::{
    hall::{self, ALPHA_HZ, HORN_HZ, VOICE_HZ},
    tones::{hear_said, hears_at, hears_tone},
};
use crate::support::{LEVEL, Scene, journey, journey_alone, unique};

/// Longer than a clip takes to begin and to end.
const LISTEN: Duration = Duration::from_secs(2);
/// How many times what is over the music may take to be heard.
const TIMES: usize = 10;
/// The pitch of who speaks.
const SPEECH_HZ: u32 = 1900;

#[test]
fn a_clip_is_heard_over_the_music_which_is_quieter_meanwhile() -> Result<()> {
    over_music("!clip horn", HORN_HZ)
}

#[test]
fn the_voice_is_heard_over_the_music_which_is_quieter_meanwhile() -> Result<()> {
    over_music("!say good evening", VOICE_HZ)
}

#[test]
fn a_clip_is_heard_without_music_and_those_that_there_are_are_listed() -> Result<()> {
    journey(async |shared| {
        let scene = hall::scene(shared, false).await?;
        let call = scene.enter().await?;
        scene.expect("!clip", "Clips, for !clip NAME: Horn").await?;
        scene.expect("!clip bell", "There is no clip “bell”.").await?;

        scene.person.say(&scene.room, "!clip horn").await?;
        call.wait_sound(Some(&scene.bot), WITHIN).await?;
        call.wait_silence(Some(&scene.bot), WITHIN).await?;
        scene.expect("!np", "Nothing is playing").await?;
        Ok(())
    })
}

#[test]
fn a_fifth_clip_at_once_is_refused_with_a_sentence() -> Result<()> {
    journey(async |shared| {
        let scene = hall::scene(shared, false).await?;
        let call = scene.enter().await?;
        scene.expect("!play tone alpha", "Now playing").await?;
        hears_tone(&scene, &call, ALPHA_HZ).await?;
        for _ in 0..4 {
            scene.person.say(&scene.room, "!clip horn").await?;
        }
        scene.expect("!clip horn", "That is too fast for me").await?;
        hears_tone(&scene, &call, ALPHA_HZ).await
    })
}

fn over_music(text: &str, hertz: f64) -> Result<()> {
    journey(async |shared| {
        let scene = hall::scene(shared, true).await?;
        let call = scene.enter().await?;
        scene.expect("!play tone alpha", "Now playing").await?;
        hears_tone(&scene, &call, ALPHA_HZ).await?;

        let (first, _) = hear_said(&scene, &call, text, LISTEN).await?;
        let both = overlaid(&scene, &call, first, hertz).await?;
        let [music, over] = [ALPHA_HZ, hertz].map(|hertz| both.channels[0].rms_at(hertz));
        ensure!((over / LEVEL - 1.0).abs() < 0.12, "{hertz} Hz at {over:.3}, not {LEVEL:.3}");
        let less_db = 20.0 * (LEVEL / music).log10();
        ensure!((6.0..30.0).contains(&less_db), "the music is {less_db:.1} dB quieter");

        hears_tone(&scene, &call, ALPHA_HZ).await
    })
}

/// Listens until what was asked for is heard for most of the time.
async fn overlaid(scene: &Scene, call: &Call, first: Stream, hertz: f64) -> Result<Stream> {
    let mut heard = first;
    for _ in 0..TIMES {
        if heard.channels[0].rms_at(hertz) > LEVEL / 2.0 {
            return Ok(heard);
        }
        let next = call.hears(Duration::from_millis(700)).await?;
        heard = next.of(&scene.bot).context("the bot's sound")?.clone();
    }
    anyhow::bail!("{hertz} Hz is not heard")
}

#[test]
fn while_somebody_speaks_the_music_is_as_much_quieter_as_the_room_wants() -> Result<()> {
    journey_alone(async |shared| {
        let speaking = shared.stage.browser(Microphone::Tone { hertz: SPEECH_HZ }).await?;
        let speaker = shared.stage.person(&unique("bob"), &speaking).await?;
        let scene = hall::scene_with(shared, &[&speaker]).await?;
        let call = scene.enter().await?;
        scene.expect("!set duck 75", "75 %").await?;
        scene.expect("!play tone alpha", "Now playing").await?;
        hears_tone(&scene, &call, ALPHA_HZ).await?;

        let speech = speaker.join_call(&scene.room).await?;
        speech.wait_joined(WITHIN).await?;
        hears_at(&scene, &call, ALPHA_HZ, LEVEL / 4.0).await?;
        speech.mute(true).await?;
        hears_tone(&scene, &call, ALPHA_HZ).await
    })
}
