//! What is found on the web: streams in segments, podcasts, what helper programs find, and covers.

use std::{fs, os::unix::fs::PermissionsExt, path::Path, sync::Arc, time::Instant};

use anyhow::{Context, Result, ensure};
use axum::{
    Router,
    extract::{Path as InPath, State},
    http::{StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
    routing::get,
};
use phonograph_trial::{person::Message, stage::WITHIN};
use serde_json::Value;
use tokio::sync::watch;

use super::{
    hall::{self, ALPHA_HZ, BRAVO_HZ, CHARLIE_HZ, Music},
    tones::{hears_tone, wav},
};
use crate::support::{Journey, Scene, Site, asset, folder, journey};

/// How long what these servers have lasts, in seconds.
const PIECE_SECONDS: u32 = 30;

#[test]
fn a_live_stream_in_segments_is_heard_and_one_that_is_missing_is_passed_over() -> Result<()> {
    journey(async |shared| {
        let live = Live::serve().await?;
        let scene = hall::scene(shared, true).await?;
        let call = scene.enter().await?;

        scene.expect(&format!("!radio {}/live.m3u8", live.site.url), "Now playing").await?;
        scene.hears_tones(&call).await?;

        let mut served = live.served.subscribe();
        let is_past_it = |last: &usize| *last > MISSING;
        tokio::time::timeout(WITHIN, served.wait_for(is_past_it))
            .await
            .context("nothing behind the missing segment was asked for")??;
        scene.hears_tones(&call).await?;
        scene.expect("!np", "▶ live").await?;
        Ok(())
    })
}

#[test]
fn of_a_podcast_the_latest_or_one_by_its_number_or_its_title_is_heard() -> Result<()> {
    journey(async |shared| {
        let site = pieces().await?;
        let scene = hall::scene(shared, true).await?;
        let call = scene.enter().await?;
        let feed = format!("!podcast {}/feed.xml", site.url);

        scene.expect(&feed, "Now playing: Evening Talk – The third").await?;
        hears_tone(&scene, &call, CHARLIE_HZ).await?;
        scene.expect(&format!("{feed} 1"), "The first").await?;
        scene.expect("!skip", "").await?;
        hears_tone(&scene, &call, ALPHA_HZ).await?;
        scene.expect(&format!("{feed} second"), "The second").await?;
        scene.expect("!skip", "").await?;
        hears_tone(&scene, &call, BRAVO_HZ).await?;
        scene.expect(&format!("{feed} 9"), "has no episode “9”").await?;
        scene.expect("!np", "Evening Talk – The second").await?;
        Ok(())
    })
}

#[test]
fn what_a_helper_program_finds_behind_a_link_is_played_and_its_failures_are_told() -> Result<()> {
    journey(async |shared| {
        let (folder, site) = (folder()?, pieces().await?);
        let program = folder.path().join("find-music");
        let script = format!(
            "#!/bin/sh\ncase \"$1\" in\n*good) echo title From elsewhere; echo link {}/b.wav;;\n\
             *gone) echo error it was taken down;;\n*slow) sleep 60;;\n*) exit 3;;\nesac\n",
            site.url
        );
        fs::write(&program, script)?;
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755))?;
        let (_bot, scene) = bot_with(shared, &program).await?;
        let call = scene.enter().await?;

        let play = async |path: &str, expected: &str| {
            scene.expect(&format!("!play https://video.example/{path}"), expected).await
        };
        play("good", "Now playing: From elsewhere").await?;
        hears_tone(&scene, &call, BRAVO_HZ).await?;
        play("gone", "I can't play that: it was taken down.").await?;
        play("slow", "video.example").await?;
        play("broken", "video.example").await?;
        hears_tone(&scene, &call, BRAVO_HZ).await?;
        scene.expect("!queue", "Now playing: From elsewhere").await?;
        Ok(())
    })
}

#[test]
fn the_panel_shows_the_cover_of_what_plays_with_a_thumbnail_and_a_blurhash() -> Result<()> {
    journey(async |shared| {
        let covered = with_cover(&fs::read(asset("tones.flac"))?)?;
        let site = get(move || async move { covered.clone() });
        let site = Site::serve(Router::new().route("/covered.flac", site)).await?;
        let homeserver = shared.stage.stack.homeserver();
        let shows_cover = |message: &Message| {
            message.msgtype == "m.image" && message.body.contains("▶ phonograph – Two tones")
        };

        let scene = hall::scene(shared, true).await?;
        let _call = scene.enter().await?;
        scene.expect(&format!("!play {}/covered.flac", site.url), "Now playing").await?;
        let shown = scene.person.wait_until_shown(&scene.room, shows_cover, WITHIN).await?;
        ensure!(shown.encrypted && shown.sender == scene.bot, "{shown:?}");

        let scene = hall::scene(shared, false).await?;
        let _call = scene.enter().await?;
        scene.expect(&format!("!play {}/covered.flac", site.url), "Now playing").await?;
        scene.person.wait_until_shown(&scene.room, shows_cover, WITHIN).await?;
        let account = scene.person.account();
        let login = homeserver.login(&account.user, &account.password).await?;
        let events = homeserver.messages(&login, &scene.room, 50).await?;
        let image = events.iter().find_map(image).context("an image among the events")?;
        ensure!(image["url"].as_str().is_some_and(|url| url.starts_with("mxc://")), "{image}");
        let info = &image["info"];
        ensure!(info["mimetype"] == "image/jpeg" && info["w"] == info["h"], "{info}");
        ensure!(info["thumbnail_info"]["w"] == 160, "{info}");
        ensure!(info["thumbnail_url"].as_str().is_some_and(|url| url.starts_with("mxc://")));
        ensure!(info["xyz.amorgan.blurhash"].is_string(), "{info}");
        Ok(())
    })
}

/// A bot that asks a program about links of `video.example`, with somebody in a room.
async fn bot_with(shared: &Journey, program: &Path) -> Result<(phonograph_trial::bot::Bot, Scene)> {
    let mut settings = Music::get().await?.settings();
    let program = program.display();
    let programs = format!(
        "[[programs]]\npattern = \"video.example\"\ncommand = [\"{program}\"]\ntimeout = \"2s\"\n"
    );
    settings.sections.push_str(&programs);
    shared.own_bot(settings, true).await
}

/// The content of an image, also of one that a message was made into.
fn image(event: &Value) -> Option<&Value> {
    let content = &event["content"];
    let newest = content.get("m.new_content").unwrap_or(content);
    (newest["msgtype"] == "m.image").then_some(newest)
}

/// Three pieces, each at its own pitch, and a feed of them, the newest first.
async fn pieces() -> Result<Site> {
    let item = |title: &str, file: &str, day: u32| {
        format!(
            "<item><title>{title}</title><itunes:episode>{day}</itunes:episode>\
             <pubDate>Mon, 0{day} Jun 2026 18:00:00 GMT</pubDate>\
             <enclosure url=\"/{file}\" type=\"audio/wav\" length=\"1\"/></item>"
        )
    };
    let feed = format!(
        "<?xml version=\"1.0\"?><rss version=\"2.0\" \
         xmlns:itunes=\"http://www.itunes.com/dtds/podcast-1.0.dtd\"><channel>\
         <title>Evening Talk</title>{}{}{}</channel></rss>",
        item("The third", "c.wav", 3),
        item("The second", "b.wav", 2),
        item("The first", "a.wav", 1),
    );
    let feed = get(move || async move { ([(CONTENT_TYPE, "application/rss+xml")], feed) });
    let mut router = Router::new().route("/feed.xml", feed);
    for (path, hertz) in [("/a.wav", ALPHA_HZ), ("/b.wav", BRAVO_HZ), ("/c.wav", CHARLIE_HZ)] {
        let piece = wav(PIECE_SECONDS, |_| hertz);
        router = router.route(path, get(move || async move { piece }));
    }
    Site::serve(router).await
}

/// A FLAC file with a picture behind its first block (RFC 9639 §8.8): red, 200 pixels wide.
fn with_cover(flac: &[u8]) -> Result<Vec<u8>> {
    /// The marker and the block with the stream's properties.
    const HEAD: usize = 42;
    let png = include_bytes!("cover.png");
    let (head, rest) = flac.split_at_checked(HEAD).context("a whole head")?;
    let mut block = Vec::new();
    for number in [3, 9] {
        // The front cover; a media type of nine letters.
        block.extend(u32::to_be_bytes(number));
    }
    block.extend(b"image/png");
    for number in [0, 200, 200, 24, 0, u32::try_from(png.len())?] {
        block.extend(u32::to_be_bytes(number));
    }
    block.extend(png);
    let [_, len @ ..] = u32::try_from(block.len())?.to_be_bytes();
    Ok([head, &[6], &len, &block, rest].concat())
}

/// Frames of a segment, 26.1 ms each, and how long they last in seconds.
const SEGMENT_FRAMES: usize = 92;
const SEGMENT_SECONDS: f64 = SEGMENT_FRAMES as f64 * 1152.0 / 44_100.0;
/// What its tag takes at the beginning of the file.
const TAG_BYTES: usize = 63;
/// The segments that are there from the start, and how many an index names.
const AHEAD: usize = 6;
const NAMED: usize = 5;
/// The segment that is named and never there.
const MISSING: usize = 8;

/// A live stream in segments of packed audio (RFC 8216 §3.4), one more as soon as it would be full.
struct Live {
    site: Site,
    /// The last segment that somebody got.
    served: watch::Sender<usize>,
}

/// What its answers are made of.
struct Segments {
    pieces: Vec<Vec<u8>>,
    began: Instant,
    served: watch::Sender<usize>,
}

impl Live {
    async fn serve() -> Result<Self> {
        let sound = fs::read(asset("tones.mp3"))?.split_off(TAG_BYTES);
        let frames = frames(&sound);
        let pieces: Vec<_> = frames.chunks_exact(SEGMENT_FRAMES).map(<[_]>::concat).collect();
        ensure!(pieces.len() > 20, "{} segments", pieces.len());
        let served = watch::Sender::new(0);
        let segments = Segments { pieces, began: Instant::now(), served: served.clone() };
        let router = Router::new()
            .route("/live.m3u8", get(async |State(s): State<Arc<Segments>>| s.index()))
            .route("/{number}", get(async |State(s): State<Arc<Segments>>, n| s.segment(n)))
            .with_state(Arc::new(segments));
        Ok(Self { site: Site::serve(router).await?, served })
    }
}

impl Segments {
    fn index(&self) -> impl IntoResponse + use<> {
        let there = AHEAD + (self.began.elapsed().as_secs_f64() / SEGMENT_SECONDS) as usize;
        let first = there - NAMED;
        let head = format!(
            "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:3\n#EXT-X-MEDIA-SEQUENCE:{first}\n"
        );
        let segment = |number| format!("#EXTINF:{SEGMENT_SECONDS},\n{number}\n");
        let index: String = std::iter::once(head).chain((first..there).map(segment)).collect();
        ([(CONTENT_TYPE, "application/vnd.apple.mpegurl")], index)
    }

    fn segment(&self, InPath(number): InPath<usize>) -> Response {
        match self.pieces.get(number) {
            Some(sound) if number != MISSING => {
                self.served.send_modify(|last| *last = number.max(*last));
                // An ID3 tag without frames.
                let segment = [&b"ID3\x04\0\0\0\0\0\0"[..], sound].concat();
                ([(CONTENT_TYPE, "audio/mpeg")], segment).into_response()
            }
            _ => StatusCode::NOT_FOUND.into_response(),
        }
    }
}

/// The frames of MPEG-1 layer III at 96 kbit/s and 44.1 kHz: 313 bytes, one more where they are padded
/// (ISO 11172-3 §2.4.2.3).
fn frames(mut sound: &[u8]) -> Vec<&[u8]> {
    let mut frames = Vec::new();
    while let [0xff, 0xfb, third, ..] = sound {
        let len = 313 + usize::from(third >> 1 & 1);
        let Some((frame, rest)) = sound.split_at_checked(len) else { break };
        frames.push(frame);
        sound = rest;
    }
    frames
}
