//! What plays after what plays.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use axum::{Router, body::Bytes, http::header::CONTENT_TYPE, routing::get};
use phonograph_trial::stage::WITHIN;

use super::{
    hall::{self, ALPHA_HZ, BRAVO_HZ, CHARLIE_HZ},
    tones::{hears_tone, moments, wav},
};
use crate::support::{Site, journey, now_ms};

/// The pieces that were asked for, in their order.
type Asked = Arc<Mutex<Vec<usize>>>;

/// How long each piece of the playlist is, in seconds.
const PIECE_SECONDS: u32 = 3;
/// Their pitches, in their order.
const PIECES: [f64; 3] = [800.0, 1200.0, 1600.0];

#[test]
fn a_second_play_waits_its_turn_and_playnow_does_not() -> Result<()> {
    journey(async |shared| {
        let scene = hall::scene(shared, true).await?;
        let call = scene.enter().await?;
        scene.expect("!play tone alpha", "Now playing: Tone Alpha").await?;
        hears_tone(&scene, &call, ALPHA_HZ).await?;

        scene.expect("!play tone bravo", "Queued as 1: Tone Bravo, in about ").await?;
        hears_tone(&scene, &call, ALPHA_HZ).await?;

        scene.expect("!playnow tone charlie", "Now playing: Tone Charlie").await?;
        hears_tone(&scene, &call, CHARLIE_HZ).await?;
        scene.expect("!skip", "Skipped Tone Charlie. Now playing: Tone Bravo").await?;
        hears_tone(&scene, &call, BRAVO_HZ).await
    })
}

#[test]
fn a_playlist_plays_in_its_order_without_a_gap() -> Result<()> {
    journey(async |shared| {
        let (site, asked) = site().await?;
        let scene = hall::scene(shared, true).await?;
        let call = scene.enter().await?;
        scene.expect("!join", "I'm in the call.").await?;

        let seconds = PIECES.len() as u32 * PIECE_SECONDS;
        let said = scene.person.say(&scene.room, &format!("!play {}/all.m3u", site.url)).await?;
        let began = call.wait_sound(Some(&scene.bot), WITHIN).await?;
        let rest = u64::from(seconds) * 1000 - 300 - (now_ms() - began);
        let heard = call.hears(Duration::from_millis(rest)).await?;

        scene.person.wait_for_answer(&scene.room, &said, WITHIN).await?;
        let moments = moments(heard.of(&scene.bot).context("the bot's sound")?);
        let nearest = |hertz: f64| PIECES.into_iter().find(|piece| (piece - hertz).abs() < 20.0);
        let mut pieces: Vec<_> =
            moments.iter().filter_map(|moment| nearest(moment.hertz)).collect();
        pieces.dedup();
        ensure!(pieces == PIECES, "{pieces:?}");
        let sounds = call.sounds(&scene.bot).await?;
        let gaps = sounds.gaps(began, now_ms().min(began + u64::from(seconds) * 1000 - 300))?;
        ensure!(gaps.is_empty(), "{gaps:?}");
        // A piece that was prepared is the one that plays: none is begun twice.
        let asked = asked.lock().expect("no one panics with it");
        ensure!(*asked == [0, 1, 2], "asked for {asked:?}");
        Ok(())
    })
}

#[test]
fn the_queue_is_shown_in_pages_with_places_titles_and_times() -> Result<()> {
    journey(async |shared| {
        let (site, _) = site().await?;
        let scene = hall::scene(shared, false).await?;
        scene.expect("!play tone alpha", "Now playing").await?;
        scene.expect(&format!("!play {}/twelve.m3u", site.url), "Queued 12 of Twelve").await?;

        let first = scene.expect("!queue", "Now playing: Tone Alpha\nQueue: 12 entries").await?;
        ensure!(first.body.contains("(page 1 of 2)"), "{}", first.body);
        let name = scene.person.account().user.clone();
        let line = format!("\n10. Piece 10 (0:03), {name}, in about ");
        ensure!(first.body.contains(&line), "{}", first.body);
        ensure!(!first.body.contains("\n11. "), "{}", first.body);
        let second = scene.expect("!queue 2", "(page 2 of 2)\n11. Piece 11 (0:03)").await?;
        ensure!(second.body.contains("\n12. Piece 12"), "{}", second.body);

        scene.expect("!move 12 1", "Moved to 1: Piece 12").await?;
        scene.expect("!remove 2-11", "Removed 10 entries").await?;
        let rest = scene.expect("!queue", "Queue: 2 entries").await?;
        ensure!(rest.body.contains("\n1. Piece 12 "), "{}", rest.body);
        ensure!(rest.body.contains("\n2. Piece 11 "), "{}", rest.body);
        scene.expect("!undo", "10 entries are in the queue again").await?;
        scene.expect("!leave", "I've left").await?;
        Ok(())
    })
}

/// Three pieces, and lists of them.
/// A site with the pieces, and which of them were asked for.
async fn site() -> Result<(Site, Asked)> {
    const M3U: [(axum::http::HeaderName, &str); 1] = [(CONTENT_TYPE, "audio/x-mpegurl")];
    const ALL: &str = "#EXTM3U\n#PLAYLIST:All\n0.wav\n1.wav\n2.wav\n";
    let asked = Asked::default();
    let mut router = Router::new();
    for (index, hertz) in PIECES.into_iter().enumerate() {
        let piece = Bytes::from(wav(PIECE_SECONDS, |_| hertz));
        let asked = Arc::clone(&asked);
        let answer = move || async move {
            asked.lock().expect("no one panics with it").push(index);
            piece
        };
        router = router.route(&format!("/{index}.wav"), get(answer));
    }
    let pieces =
        (1..=12).map(|n| format!("#EXTINF:{PIECE_SECONDS},Piece {n}\n{}.wav?{n}\n", n % 3));
    let twelve = format!("#EXTM3U\n#PLAYLIST:Twelve\n{}", pieces.collect::<String>());
    let router = router
        .route("/all.m3u", get(async || (M3U, ALL)))
        .route("/twelve.m3u", get(move || async move { (M3U, twelve) }));
    Ok((Site::serve(router).await?, asked))
}
