//! What does not work gets one clear sentence, and the bot lives on.

use std::convert::Infallible;

use anyhow::{Result, ensure};
use axum::{
    Router,
    body::{Body, Bytes},
    http::StatusCode,
    response::Html,
    routing::get,
};
use futures_util::{StreamExt, stream};
use phonograph_trial::{
    bot::{Bot, Settings},
    homeserver::NewRoom,
    person::Microphone,
    stack::{Options, SfuOption},
    stage::{Stage, WITHIN},
    token_service::Refusal,
};

use crate::support::{Scene, Site, asset, folder, journey, settings};

/// More messages than a homeserver sends at once if it is not asked to.
const TALK: usize = 40;

/// What one asks for, and what is in the answer; where that names a reference, the log has the chain
/// of errors under it.
async fn hold_to(bot: &Bot, scene: &Scene, cases: &[(String, &str)]) -> Result<()> {
    for (command, expected) in cases {
        let answer = scene.ask(command).await?;
        if let Some((_, reference)) = answer.body.split_once("(ref ") {
            let reference = format!("reference={}", reference.trim_end_matches(')'));
            let log = bot.log()?;
            let line = log.lines().find(|line| line.contains(&reference));
            ensure!(line.is_some_and(|line| line.contains("error=")), "{reference}: {log}");
        }
        ensure!(answer.body.contains(expected), "{command}: {}", answer.body);
        ensure!(!answer.body.contains('\n'), "more than a sentence: {}", answer.body);
    }
    ensure!(scene.ask("!ping").await?.body == "Pong.");
    Ok(())
}

#[test]
fn what_somebody_asks_while_others_talk_much_is_heard() -> Result<()> {
    journey(async |shared| {
        let (mut bot, scene) = shared.own_bot(settings(), false).await?;
        let homeserver = shared.stage.stack.homeserver();
        let account = scene.person.account();
        let login = homeserver.login(&account.user, &account.password).await?;

        bot.process().freeze()?;
        // The request that is under way ends with this one; all else comes with the next.
        homeserver.send_text(&login, &scene.room, "Good evening.").await?;
        let asked = homeserver.send_text(&login, &scene.room, "!ping").await?;
        for number in 0..TALK {
            homeserver.send_text(&login, &scene.room, &format!("No. {number}")).await?;
        }
        bot.process().thaw()?;
        let answer = scene.person.wait_for_answer(&scene.room, &asked, WITHIN).await?;
        ensure!(answer.body == "Pong.", "{}", answer.body);
        Ok(())
    })
}

#[test]
fn files_that_cannot_be_played() -> Result<()> {
    journey(async |shared| {
        let library = folder()?;
        let at = |name: &str| library.path().join(name);
        let mp3 = std::fs::read(asset("tones.mp3"))?;
        std::fs::write(at("empty.mp3"), "")?;
        std::fs::write(at("letter.mp3"), "Dear Ann, this is not a song. ".repeat(500))?;
        std::fs::write(at("stump.flac"), &std::fs::read(asset("tones.flac"))?[..30])?;
        std::fs::write(at("cut.mp3"), &mp3[..mp3.len() / 6])?;
        std::os::unix::fs::symlink("/etc/passwd", at("passwd.mp3"))?;
        let settings = Settings { library: library.path().to_owned(), ..settings() };
        let (bot, scene) = shared.own_bot(settings, true).await?;

        hold_to(
            &bot,
            &scene,
            &[
                ("!play nothing like it".to_owned(), "found nothing called"),
                ("!play empty".to_owned(), "is empty"),
                ("!play letter".to_owned(), "is not something I can play"),
                ("!play stump".to_owned(), "damaged or cut off"),
                ("!play passwd".to_owned(), "found nothing called"),
                ("!play ../../etc/passwd".to_owned(), "found nothing called"),
            ],
        )
        .await?;
        // What is cut off plays as far as it goes.
        let call = scene.enter().await?;
        scene.ask("!play cut").await?;
        scene.hears_tones(&call).await?;
        call.wait_silence(Some(&scene.bot), WITHIN).await?;
        ensure!(scene.ask("!ping").await?.body == "Pong.");
        Ok(())
    })
}

#[test]
fn links_that_cannot_be_played() -> Result<()> {
    journey(async |shared| {
        let zeros = || {
            Body::from_stream(stream::repeat_with(|| {
                Ok::<_, Infallible>(Bytes::from(vec![0; 65536]))
            }))
        };
        let slow = || {
            let first = stream::once(async { Ok::<_, Infallible>(Bytes::from_static(b"ID3")) });
            Body::from_stream(first.chain(stream::pending()))
        };
        let router = Router::new()
            .route("/page", get(|| async { Html("<html><body>Hello</body></html>") }))
            .route("/gone", get(|| async { StatusCode::NOT_FOUND }))
            .route("/endless", get(move || async move { zeros() }))
            .route("/slow", get(move || async move { slow() }));
        let site = Site::serve(router).await?;
        let port = site.url.rsplit(':').next().unwrap_or_default().to_owned();
        let mut settings = settings();
        settings.sections = "[links]\nallow_hosts = [\"127.0.0.1\"]\npatience = \"2s\"".to_owned();
        let (bot, scene) = shared.own_bot(settings, false).await?;
        let play = |path: &str| format!("!play {}/{path}", site.url);

        hold_to(
            &bot,
            &scene,
            &[
                (play("gone"), "nothing at that link (404)"),
                (play("page"), "leads to a web page"),
                (play("endless"), "sends without end"),
                (play("slow"), "too slowly"),
                (format!("!play http://localhost:{port}/page"), "private network"),
                (format!("!play http://[::1]:{port}/page"), "private network"),
                ("!play http://10.1.2.3/x".to_owned(), "private network"),
            ],
        )
        .await
    })
}

#[test]
fn a_room_that_does_not_let_it_join_names_the_power_level() -> Result<()> {
    journey(async |shared| {
        let (person, bot) = tokio::try_join!(shared.person("alice"), shared.bot())?;
        let invite = [bot.user_id()];
        let room = NewRoom { invite: &invite, call_power_level: 50, ..NewRoom::default() };
        let room = person.create_room(&room).await?;
        person.wait_for_member(&room, bot.user_id(), WITHIN).await?;
        let scene = Scene { person, room, bot: bot.user_id().to_owned() };
        let expected = "needs power level 50, and I have 0";
        hold_to(
            bot,
            &scene,
            &[("!join".to_owned(), expected), ("!play music".to_owned(), expected)],
        )
        .await
    })
}

#[test]
fn a_homeserver_that_announces_no_transport() -> Result<()> {
    with_stack(
        Options { announces_nothing: true, ..Options::default() },
        "no call server is announced",
    )
}

#[test]
fn a_token_service_that_says_no() -> Result<()> {
    let refusal = Refusal::new(StatusCode::FORBIDDEN, "M_FORBIDDEN", "not for you");
    with_stack(Options { refusal: Some(refusal), ..Options::default() }, "won't let me in")
}

#[test]
fn an_sfu_that_cannot_be_reached() -> Result<()> {
    with_stack(
        Options { sfu: SfuOption::Unreachable, ..Options::default() },
        "can't reach the call server",
    )
}

/// In a world with that fault, `!join` says so, leaves no membership behind, and the bot lives.
fn with_stack(options: Options, expected: &str) -> Result<()> {
    let expected = expected.to_owned();
    journey(async |_shared| {
        let stage = Stage::set(options).await?;
        let browser = stage.browser(Microphone::default()).await?;
        let homeserver = stage.stack.homeserver();
        let settings = settings();
        let (person, bot) =
            tokio::try_join!(stage.person("alice", &browser), Bot::start(homeserver, &settings))?;
        let scene = Scene::set(person, &[bot.user_id()], true).await?;
        hold_to(&bot, &scene, &[("!join".to_owned(), &*expected)]).await?;
        let account = scene.person.account();
        let login = homeserver.login(&account.user, &account.password).await?;
        ensure!(homeserver.call_members(&login, &scene.room).await?.is_empty());
        Ok(())
    })
}
