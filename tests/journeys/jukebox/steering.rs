//! Steering what plays: each command is heard within 300 ms after the homeserver has it.

use std::time::Duration;

use anyhow::{Result, ensure};
use phonograph_trial::{
    person::{Call, Stream},
    stage::WITHIN,
};

use super::{
    hall::{self, ALPHA_HZ, BRAVO_HZ, CHARLIE_HZ},
    tones::{
        Moment, hear_said, heard_after, hears_pitch, hears_tone, moments, place_heard, stair_hz,
    },
};
use crate::support::{Journey, Scene, journey_alone, now_ms};

/// How long one listens for what a command does.
const LISTEN: Duration = Duration::from_secs(2);
/// When it has to be heard.
const HEARD_MS_MAX: u64 = 300;
/// How often it is tried: on a machine that does something else meanwhile the best counts.
const TRIES: usize = 8;
/// What is sent and not yet heard, at most.
const ON_ITS_WAY: Duration = Duration::from_millis(500);
/// How far off a place may be: what is heard is some tenths of a second behind what is sent, and the
/// bot notes how far it is once a second.
const SECONDS_OFF_MAX: f64 = 1.2;

#[test]
fn a_skip_is_heard_within_300_ms_and_goes_to_what_was_to_be_next() -> Result<()> {
    journey_alone(async |shared| {
        let (scene, call) = stair_plays(shared).await?;
        scene.expect("!play tone bravo", "Queued as 1").await?;
        scene.expect("!play tone charlie", "Queued as 2").await?;
        scene.expect("!playnext tone alpha", "Queued as 1").await?;
        scene.expect("!loop all", "Repeating the queue.").await?;
        let round = [ALPHA_HZ, BRAVO_HZ, CHARLIE_HZ, stair_hz(0)];
        let words = ["!next", "!skip", "!s", "!fs"];
        let mut took = Vec::new();
        for (word, hertz) in words.into_iter().zip(round).cycle() {
            let (heard, said) = hear_said(&scene, &call, word, LISTEN).await?;
            took.push(heard_after(&heard, said, |moment| moment.is_at(hertz)));
            if (hertz - stair_hz(0)).abs() > f64::EPSILON {
                hears_pitch(&scene, &call, hertz).await?;
            }
            if took.len() >= round.len() && is_quick("a skip", &took)? {
                break;
            }
        }
        Ok(())
    })
}

#[test]
fn a_pause_and_its_end_are_heard_within_300_ms_and_keep_the_second() -> Result<()> {
    journey_alone(async |shared| {
        let (scene, call) = stair_plays(shared).await?;
        let (mut pauses, mut ends) = (Vec::new(), Vec::new());
        loop {
            let (before, said) = hear_said(&scene, &call, "!pause", LISTEN).await?;
            let paused = heard_after(&before, said, Moment::is_silent);
            call.wait_silence(Some(&scene.bot), WITHIN).await?;
            let (after, said) = hear_said(&scene, &call, "!resume", LISTEN).await?;
            let ended = heard_after(&after, said, |moment| !moment.is_silent());
            call.wait_sound(Some(&scene.bot), WITHIN).await?;
            if paused.is_some() && ended.is_some() {
                goes_on_from(&before, &after)?;
            }
            pauses.push(paused);
            ends.push(ended);
            if is_quick("a pause", &pauses)? & is_quick("its end", &ends)? {
                return Ok(());
            }
        }
    })
}

#[test]
fn a_jump_is_heard_within_300_ms_and_lands_at_its_second() -> Result<()> {
    journey_alone(async |shared| {
        let (scene, call) = stair_plays(shared).await?;
        let mut took = Vec::new();
        for (time, second) in [("1:00", 60), ("30", 30), ("0:01:30", 90)].into_iter().cycle() {
            let (heard, said) = hear_said(&scene, &call, &format!("!seek {time}"), LISTEN).await?;
            took.push(heard_after(&heard, said, |moment| moment.is_at(stair_hz(second))));
            if is_quick("a jump", &took)? {
                break;
            }
        }
        scene.expect("!seek 1:00", "Playing from 1:00.").await?;
        settle(&call).await?;
        for (word, seconds) in [("!seek +10", 10.0), ("!rew 20", -20.0)] {
            let before = place_heard(&scene, &call).await?;
            scene.expect(word, "Playing from ").await?;
            settle(&call).await?;
            let after = place_heard(&scene, &call).await?;
            let jumped = after.at(now_ms()) - before.at(now_ms());
            ensure!((jumped - seconds).abs() < SECONDS_OFF_MAX, "{word} went {jumped:.2} s");
        }

        // Two at once add up.
        let before = place_heard(&scene, &call).await?;
        scene.person.say(&scene.room, "!seek +10").await?;
        scene.expect("!seek +15", "Playing from ").await?;
        settle(&call).await?;
        let after = place_heard(&scene, &call).await?;
        let jumped = after.at(now_ms()) - before.at(now_ms());
        ensure!((jumped - 25.0).abs() < SECONDS_OFF_MAX, "two jumps went {jumped:.2} s");
        Ok(())
    })
}

#[test]
fn half_the_volume_is_12_db_less_within_300_ms() -> Result<()> {
    journey_alone(async |shared| {
        let (scene, call) = stair_plays(shared).await?;
        scene.expect("!playnow tone alpha", "Now playing").await?;
        let level = async || anyhow::Ok(hears_pitch(&scene, &call, ALPHA_HZ).await?.rms()[0]);
        hears_tone(&scene, &call, ALPHA_HZ).await?;
        let loud = level().await?;
        let mut took = Vec::new();
        loop {
            let (heard, said) = hear_said(&scene, &call, "!volume 50", LISTEN).await?;
            took.push(heard_after(&heard, said, |moment| moment.rms < loud / 3.0));
            let less_db = 20.0 * (loud / level().await?).log10();
            ensure!((less_db - 12.0).abs() < 1.0, "{less_db:.1} dB less");
            scene.expect("!vol +50", "100 %").await?;
            settle(&call).await?;
            let less_db = 20.0 * (loud / level().await?).log10();
            ensure!(less_db.abs() < 1.0, "{less_db:.1} dB less than before");
            if is_quick("the volume", &took)? {
                return Ok(());
            }
        }
    })
}

#[test]
fn stop_ends_it_within_300_ms_and_the_next_play_begins_at_once() -> Result<()> {
    journey_alone(async |shared| {
        let (scene, call) = stair_plays(shared).await?;
        let mut took = Vec::new();
        loop {
            let (heard, said) = hear_said(&scene, &call, "!stop", LISTEN).await?;
            took.push(heard_after(&heard, said, Moment::is_silent));
            call.wait_silence(Some(&scene.bot), WITHIN).await?;
            scene.expect("!play tone alpha", "Now playing: Tone Alpha").await?;
            hears_pitch(&scene, &call, ALPHA_HZ).await?;
            if is_quick("a stop", &took)? {
                return Ok(());
            }
        }
    })
}

/// A room with somebody in the call, where the stair is heard.
async fn stair_plays(shared: &Journey) -> Result<(Scene, Call)> {
    let scene = hall::scene(shared, true).await?;
    let call = scene.enter().await?;
    scene.expect("!play stair", "Now playing: Stair").await?;
    call.wait_sound(Some(&scene.bot), WITHIN).await?;
    place_heard(&scene, &call).await?;
    Ok((scene, call))
}

/// Whether one of these was heard in time; an error after the last try.
fn is_quick(what: &str, took: &[Option<u64>]) -> Result<bool> {
    let best = took.iter().flatten().min().is_some_and(|best| *best < HEARD_MS_MAX);
    ensure!(best || took.len() < TRIES, "{what} was heard after so many ms: {took:?}");
    Ok(best)
}

/// Listens until what was on its way has been played.
async fn settle(call: &Call) -> Result<()> {
    call.hears(ON_ITS_WAY).await?;
    Ok(())
}

/// What is heard first after a pause is in the second that was heard last before it, or begins the
/// next one.
fn goes_on_from(before: &Stream, after: &Stream) -> Result<()> {
    let (before, after) = (moments(before), moments(after));
    // Of a stretch that is half silent the pitch is not known well.
    let loudest = before.iter().map(|moment| moment.rms).fold(0.0, f64::max);
    let is_whole = |moment: &&Moment| moment.rms > 0.9 * loudest;
    let last = before.iter().rfind(is_whole).map_or(0.0, |moment| moment.hertz);
    let first = after.iter().find(is_whole).map_or(0.0, |moment| moment.hertz);
    let step = stair_hz(1) - stair_hz(0);
    let seconds = (first - last) / step;
    ensure!((-0.4..1.4).contains(&seconds), "{last:.0} Hz went on at {first:.0} Hz");
    Ok(())
}
