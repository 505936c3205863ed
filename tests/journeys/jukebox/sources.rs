//! What people send into the room, and stations.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use axum::{
    Router,
    body::{Body, Bytes},
    http::header::CONTENT_TYPE,
    response::IntoResponse,
    routing::get,
};
use futures_util::stream;
use tokio::sync::watch;

use super::{
    hall,
    tones::{hears_tone, wav},
};
use crate::support::{Scene, Site, asset, folder, journey, now_ms};

/// The pitch of what is sent into the room.
const SENT_HZ: f64 = 900.0;

#[test]
fn a_file_that_was_sent_into_an_encrypted_room_is_played() -> Result<()> {
    journey(async |shared| {
        let folder = folder()?;
        let file = folder.path().join("Sent by me.wav");
        std::fs::write(&file, wav(20, |_| SENT_HZ))?;
        let scene = hall::scene(shared, true).await?;
        let call = scene.enter().await?;

        // By an answer to it.
        let sent = scene.person.send_file(&scene.room, &file, None).await?;
        let said = scene.person.reply(&scene.room, &sent, "!play").await?;
        plays(&scene, &said, "Now playing: Sent by me").await?;
        hears_tone(&scene, &call, SENT_HZ).await?;
        scene.expect("!stop", "Stopped").await?;
        scene.expect("!clear", "Removed all 1 entries").await?;

        // By its caption.
        let sent = scene.person.send_file(&scene.room, &file, Some("!play")).await?;
        plays(&scene, &sent, "Now playing: Sent by me").await?;
        hears_tone(&scene, &call, SENT_HZ).await?;

        // What is no sound is not.
        let text = folder.path().join("letter.wav");
        std::fs::write(&text, "Dear Ann,")?;
        let sent = scene.person.send_file(&scene.room, &text, Some("!play")).await?;
        plays(&scene, &sent, "is not something I can play").await?;
        let said = scene.person.say(&scene.room, "no file").await?;
        let said = scene.person.reply(&scene.room, &said, "!playnow").await?;
        plays(&scene, &said, "There is no file in that message").await
    })
}

#[test]
fn a_station_shows_its_titles_and_goes_on_after_its_connection_is_cut() -> Result<()> {
    journey(async |shared| {
        let station = Station::serve().await?;
        let scene = hall::scene(shared, true).await?;
        let call = scene.enter().await?;

        scene.expect(&format!("!radio {}/live", station.site.url), "Now playing").await?;
        scene.hears_tones(&call).await?;
        let began_ms = now_ms();
        scene.panel("▶ First Song").await?;
        station.title.send_replace("Second Song");
        scene.panel("▶ Second Song").await?;
        scene.expect("!np", "Second Song").await?;
        scene.expect("!seek 10", "This is a station").await?;

        station.cut.send_modify(|cuts| *cuts += 1);
        station.title.send_replace("Third Song");
        scene.panel("▶ Third Song").await?;
        scene.hears_tones(&call).await?;

        ensure!(station.listeners.load(Ordering::Relaxed) == 2, "it was not reached again");
        let sounds = call.sounds(&scene.bot).await?;
        let gap_ms = sounds.longest_gap_ms(began_ms, sounds.now_ms - 200)?;
        ensure!(gap_ms < 250, "silent for {gap_ms} ms");
        scene.expect("!queue", "Now playing: Third Song").await?;
        Ok(())
    })
}

/// Waits for the answer to an event.
async fn plays(scene: &Scene, event: &str, expected: &str) -> Result<()> {
    let within = phonograph_trial::stage::WITHIN;
    let answer = scene.person.wait_for_answer(&scene.room, event, within).await?;
    ensure!(answer.body.contains(expected), "{:?}, not {expected:?}", answer.body);
    Ok(())
}

/// A station as Icecast is one: MP3 at its own pace, after a burst, with titles within it.
struct Station {
    site: Site,
    title: watch::Sender<&'static str>,
    cut: watch::Sender<u32>,
    listeners: Arc<AtomicUsize>,
}

/// Bytes of sound from one title to the next.
const METAINT: usize = 4000;
/// What a listener gets at once, in seconds.
const BURST_SECONDS: f64 = 5.0;
/// How long the file of the tones is.
const FILE_SECONDS: f64 = 60.0;

impl Station {
    async fn serve() -> Result<Self> {
        let sound = Bytes::from(std::fs::read(asset("tones.mp3"))?);
        let (title, titles) = watch::channel("First Song");
        let (cut, cuts) = watch::channel(0);
        let listeners = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&listeners);
        let live = get(move || {
            count.fetch_add(1, Ordering::Relaxed);
            let listener = Listener {
                sound: sound.clone(),
                sent: 0,
                began: Instant::now(),
                titles: titles.clone(),
                told: "",
                cuts: cuts.clone(),
            };
            async move { listener.answer() }
        });
        let site = Site::serve(Router::new().route("/live", live)).await?;
        Ok(Self { site, title, cut, listeners })
    }
}

/// One connection.
struct Listener {
    sound: Bytes,
    sent: usize,
    began: Instant,
    titles: watch::Receiver<&'static str>,
    told: &'static str,
    cuts: watch::Receiver<u32>,
}

impl Listener {
    fn answer(mut self) -> impl IntoResponse {
        self.cuts.mark_unchanged();
        let pieces = stream::unfold(self, async |mut listener| {
            let piece = listener.piece().await?;
            Some((Ok::<_, Infallible>(piece), listener))
        });
        let headers = [
            (CONTENT_TYPE.as_str(), "audio/mpeg".to_owned()),
            ("icy-metaint", METAINT.to_string()),
            ("icy-name", "Trial FM".to_owned()),
        ];
        (headers, Body::from_stream(pieces))
    }

    /// The next stretch of sound, when it is time, with the title behind it if that is new; nothing
    /// once the connection is cut.
    async fn piece(&mut self) -> Option<Bytes> {
        let bytes_a_second = self.sound.len() as f64 / FILE_SECONDS;
        let due = self.sent as f64 / bytes_a_second - BURST_SECONDS;
        let due = self.began + Duration::from_secs_f64(due.max(0.0));
        tokio::select! {
            _ = self.cuts.changed() => return None,
            () = tokio::time::sleep_until(due.into()) => {}
        }
        let around = self.sound.iter().cycle().skip(self.sent % self.sound.len());
        let mut piece: Vec<u8> = around.take(METAINT).copied().collect();
        self.sent += METAINT;
        let title = *self.titles.borrow_and_update();
        let is_new = title != self.told;
        let mut text = if is_new { format!("StreamTitle='{title}';") } else { String::new() };
        self.told = title;
        while text.len() % 16 != 0 {
            text.push('\0');
        }
        piece.push((text.len() / 16) as u8);
        piece.extend(text.as_bytes());
        Some(Bytes::from(piece))
    }
}
