//! `cargo trial`: the trial, and then a link to hear it yourself, until Ctrl-C.

use std::{io::Write, path::Path, process::ExitCode, time::Duration};

use anyhow::{Context as _, Result};
use phonograph_trial::{
    bot::{Bot, Settings},
    browser::{Account, Web},
    homeserver::NewRoom,
    install,
    person::Message,
    stack::{Options, Stack},
};

use super::{hear::Trial, program};

/// The account of whoever follows the link.
const GUEST: &str = "you";
const PASSWORD: &str = "a password";
/// What plays while somebody may be listening.
const MUSIC: &str = "!play music";
/// What begins it where something plays already, and what that is called.
const MUSIC_NOW: &str = "!playnow music";
const TONES: &str = "tones";
/// How long the panel may take to show it; it is edited every few seconds.
const SHOWN_WITHIN: Duration = Duration::from_secs(20);

/// Runs the trial, prints the verdict and a link, and stays. With `picture` it takes a screenshot
/// of the listener's browser first.
pub(crate) async fn run(encrypted: bool, picture: Option<&Path>) -> Result<ExitCode> {
    let (trial, verdict) = Trial::run(encrypted).await?;
    trial.ask(MUSIC_NOW).await?;
    if let Some(path) = picture {
        let is_there = |shown: &phonograph_trial::person::Shown| shown.count == 2;
        trial.call.wait_shown(is_there, phonograph_trial::stage::WITHIN).await?;
        // What waits is on other lines.
        let is_music = |message: &Message| {
            let plays = message.body.lines().next().unwrap_or_default();
            plays.starts_with('▶') && !plays.contains(TONES)
        };
        trial.person.wait_until_shown(&trial.room, is_music, SHOWN_WITHIN).await?;
        trial.person.screenshot(path).await?;
    }
    let link = trial.stage.web.link(&trial.guest, Some(&trial.room));
    say(&format!("{verdict}\n"))?;
    stay(&link).await?;
    Ok(if verdict.heard { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The same without a browser of ours: whoever follows the link asks for the music.
pub(crate) async fn without_browser(encrypted: bool) -> Result<ExitCode> {
    let (stack, program, modules) =
        tokio::join!(Stack::start(Options::default()), program::build(), install::web());
    let (stack, program, modules) = (stack?, program?, modules?);
    let web = Web::start(&modules).await?;
    let homeserver = stack.homeserver();
    let settings = Settings::new(&program, &program::library());
    let bot = Bot::start(homeserver, &settings).await?;
    homeserver.register(GUEST, PASSWORD).await?;
    let login = homeserver.login(GUEST, PASSWORD).await?;
    let invite = [bot.user_id()];
    let room = NewRoom { name: "Listening room", encrypted, invite: &invite, ..NewRoom::default() };
    let room = homeserver.create_room(&login, &room).await?;
    say(&format!("The bot is in the room. Write there: {MUSIC}\n"))?;
    let account = Account {
        homeserver: homeserver.url().to_owned(),
        user: GUEST.to_owned(),
        password: PASSWORD.to_owned(),
    };
    stay(&web.link(&account, Some(&room))).await?;
    Ok(ExitCode::SUCCESS)
}

async fn stay(link: &str) -> Result<()> {
    say(&format!(
        "Hear it yourself, in a browser on this machine:\n  {link}\nCtrl-C ends it all."
    ))?;
    tokio::signal::ctrl_c().await.context("waiting for Ctrl-C")
}

fn say(text: &str) -> Result<()> {
    let mut out = std::io::stdout();
    writeln!(out, "{text}").and_then(|()| out.flush()).context("could not print")
}
