//! What no jukebox should be asked, and what comes of it: one sentence, and music that goes on.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use axum::{Router, http::header::CONTENT_TYPE, routing::get};
use futures_util::{StreamExt, TryStreamExt, stream};
use phonograph_trial::{
    homeserver::{Homeserver, Login, NewRoom},
    person::{Call, Gap},
    stage::WITHIN,
};

use super::{
    hall::{self, ALPHA_HZ},
    tones::{hears_tone, wav},
};
use crate::support::{Scene, Site, TRIES, journey, journey_alone, now_ms};

/// Messages of a flood that are on their way at once.
const AT_ONCE: usize = 50;
/// What one person may ask for within [`FLOOD_MS`]; the rest is left out.
const FLOOD_MAX: usize = 10;
const FLOOD_MS: u64 = 5000;

#[test]
fn playlists_of_themselves_without_end_and_of_files_are_bounded_while_music_plays_on() -> Result<()>
{
    journey_alone(async |shared| {
        let site = site().await?;
        let scene = hall::scene(shared, true).await?;
        let call = scene.enter().await?;
        scene.expect("!play stair", "Now playing").await?;
        call.wait_sound(Some(&scene.bot), WITHIN).await?;
        let mut gaps = Vec::new();
        loop {
            // As long as commands are counted against a flood.
            call.hears(Duration::from_millis(FLOOD_MS)).await?;
            let began_ms = now_ms();
            ask_for_bad_lists(&scene, &site).await?;
            match gaps_since(&scene, &call, began_ms).await? {
                none if none.is_empty() => return Ok(()),
                some => gaps.push(some),
            }
            ensure!(gaps.len() < TRIES, "{gaps:?}");
        }
    })
}

#[test]
fn whoever_looks_for_much_at_once_leaves_room_for_others_who_hear_of_a_stop() -> Result<()> {
    journey(async |shared| {
        let site = Site::serve(Router::new().fallback(std::future::pending::<()>)).await?;
        let other = shared.person("bob").await?;
        let scene = hall::scene_with(shared, &[&other]).await?;
        for number in 1..=3 {
            scene.person.say(&scene.room, &format!("!play {}/{number}.wav", site.url)).await?;
        }
        scene.expect(&format!("!play {}/4.wav", site.url), "I'm still looking for").await?;
        scene.expect_of(&other, "!play tone alpha", "Now playing").await?;
        let asked = other.say(&scene.room, &format!("!play {}/5.wav", site.url)).await?;
        scene.expect("!stop", "Stopped").await?;
        let told = other.wait_for_answer(&scene.room, &asked, WITHIN).await?;
        ensure!(told.body.starts_with("I was stopped before"), "{}", told.body);
        Ok(())
    })
}

async fn ask_for_bad_lists(scene: &Scene, site: &Site) -> Result<()> {
    let play = async |path: &str, expected: &str| {
        scene.expect(&format!("!play {}/{path}", site.url), expected).await
    };
    play("itself.m3u", "leads to itself or through too many others").await?;
    play("two.m3u", "leads to itself or through too many others").await?;
    let only_files = play("files.m3u", "There is nothing in the playlist").await?;
    ensure!(!only_files.body.contains("passwd"), "{}", only_files.body);
    play("mixed.m3u", "Queued").await?;
    // A room lets one person have 50 in its queue, with what plays.
    let endless = play("million.m3u", "Queued 48 of ").await?;
    ensure!(endless.body.contains("more"), "nothing is said of the rest: {}", endless.body);
    scene.expect("!queue", "Queue: 49 entries").await?;
    scene.expect("!play file:///etc/passwd", "").await?;
    scene.expect("!clear", "Removed all 49 entries").await?;
    Ok(())
}

#[test]
fn a_flood_of_commands_is_answered_once_and_unheard_in_other_rooms() -> Result<()> {
    flood(200)
}

#[test]
#[ignore = "keeps the homeserver busy: cargo soak"]
fn a_flood_of_commands_is_answered_once_and_unheard_in_other_rooms_long() -> Result<()> {
    flood(1000)
}

fn flood(commands: usize) -> Result<()> {
    journey_alone(async |shared| {
        let (music, flooded) =
            tokio::try_join!(hall::scene(shared, true), hall::scene(shared, false))?;
        let call = music.enter().await?;
        music.expect("!play tone alpha", "Now playing").await?;
        hears_tone(&music, &call, ALPHA_HZ).await?;
        let homeserver = shared.stage.stack.homeserver();
        let account = flooded.person.account();
        let login = homeserver.login(&account.user, &account.password).await?;

        let began_ms = now_ms();
        send_pings(homeserver, &login, &flooded.room, commands).await?;
        let took_ms = now_ms() - began_ms;
        // The homeserver knows every answer; the person's client passes over some of so many events.
        let answers = async || -> Result<Vec<String>> {
            let events = homeserver.messages(&login, &flooded.room, 2 * commands).await?;
            let ours = events.iter().filter(|event| event["sender"] == flooded.bot);
            Ok(ours
                .filter_map(|event| event["content"]["body"].as_str())
                .map(str::to_owned)
                .collect())
        };
        let is_told = |answer: &&String| answer.starts_with("That is too fast for me");
        let waiting = Instant::now();
        while !answers().await?.iter().any(|answer| is_told(&answer)) {
            ensure!(waiting.elapsed() < WITHIN, "nobody was told: {:?}", answers().await?);
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        // The bot is asked last: by its answer all of the flood has been dealt with.
        music.expect("!ping", "Pong.").await?;

        let answers = answers().await?;
        let (told, pongs): (Vec<_>, Vec<_>) = answers.iter().partition(is_told);
        ensure!(told.len() == 1, "told {} times", told.len());
        let pongs_max = FLOOD_MAX * (took_ms / FLOOD_MS + 2) as usize;
        ensure!(pongs.len() <= pongs_max, "{} answers in {took_ms} ms", pongs.len());
        hears_tone(&music, &call, ALPHA_HZ).await?;
        let gaps = gaps_since(&music, &call, began_ms).await?;
        if gaps.is_empty() {
            return Ok(());
        }

        // A homeserver that takes so many messages at once may by itself leave browser and SFU too
        // little of this machine: then as many that the bot never sees do the same.
        let alone = NewRoom { encrypted: false, ..NewRoom::default() };
        let alone = flooded.person.create_room(&alone).await?;
        let began_ms = now_ms();
        send_pings(homeserver, &login, &alone, commands).await?;
        hears_tone(&music, &call, ALPHA_HZ).await?;
        let unseen = gaps_since(&music, &call, began_ms).await?;
        ensure!(silent_ms(&gaps) <= 2 * silent_ms(&unseen), "{gaps:?}, without us {unseen:?}");
        Ok(())
    })
}

async fn send_pings(
    homeserver: &Homeserver,
    login: &Login,
    room: &str,
    commands: usize,
) -> Result<()> {
    let send = async |_| homeserver.send_text(login, room, "!ping").await;
    let sending = stream::iter(0..commands).map(send).buffer_unordered(AT_ONCE);
    sending.try_collect::<Vec<_>>().await?;
    Ok(())
}

/// How long it was silent in all.
fn silent_ms(gaps: &[Gap]) -> u64 {
    gaps.iter().map(|gap| gap.length_ms).sum()
}

/// When the music was not heard.
async fn gaps_since(scene: &Scene, call: &Call, began_ms: u64) -> Result<Vec<Gap>> {
    let sounds = call.sounds(&scene.bot).await?;
    sounds.gaps(began_ms, sounds.now_ms - 200)
}

/// Playlists that nobody means well by.
async fn site() -> Result<Site> {
    const M3U: [(axum::http::HeaderName, &str); 1] = [(CONTENT_TYPE, "audio/x-mpegurl")];
    let files = "#EXTM3U\n#PLAYLIST:Files\nfile:///etc/passwd\nfile://localhost/etc/shadow\nC:\\music.mp3\n";
    let mixed = "#EXTM3U\n#PLAYLIST:Mixed\nfile:///etc/passwd\nhonest.wav\n";
    let million = || format!("#EXTM3U\n{}", "honest.wav\n".repeat(1_000_000));
    let honest = wav(1, |_| 500.0);
    let router = Router::new()
        .route("/itself.m3u", get(async || (M3U, "#EXTM3U\nitself.m3u\n")))
        .route("/two.m3u", get(async || (M3U, "#EXTM3U\nthree.m3u\n")))
        .route("/three.m3u", get(async || (M3U, "#EXTM3U\ntwo.m3u\n")))
        .route("/files.m3u", get(move || async move { (M3U, files) }))
        .route("/mixed.m3u", get(move || async move { (M3U, mixed) }))
        .route("/million.m3u", get(move || async move { (M3U, million()) }))
        .route("/honest.wav", get(move || async move { honest.clone() }));
    Site::serve(router).await
}
