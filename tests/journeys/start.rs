//! The start: settings, log-in, and a homeserver that is not there.

use std::{process::Command, time::Duration};

use anyhow::{Context, Result, ensure};
use phonograph_trial::{
    bot::{Bot, PASSWORD},
    stage::WITHIN,
};
use serde_json::json;

use crate::support::{folder, journey, settings, unique};

#[test]
fn the_example_is_what_the_program_prints() -> Result<()> {
    let program = env!("CARGO_BIN_EXE_phonograph");
    let printed = Command::new(program).arg("example-config").output()?;
    let kept = include_str!("../../config/phonograph.example.toml");
    ensure!(
        String::from_utf8(printed.stdout)? == kept,
        "run `cargo run --bin phonograph -- example-config`"
    );
    Ok(())
}

#[test]
fn an_unknown_key_is_an_error_that_names_the_closest_one() -> Result<()> {
    let folder = folder()?;
    let file = folder.path().join("phonograph.toml");
    std::fs::write(&file, "alow = [\"*\"]\n")?;
    let program = env!("CARGO_BIN_EXE_phonograph");
    let ended = Command::new(program).args(["run", "--config"]).arg(&file).output()?;
    let said = String::from_utf8(ended.stderr)?;
    ensure!(ended.status.code() == Some(78), "{:?}", ended.status);
    ensure!(said.contains("alow") && said.contains("allow"), "{said}");
    Ok(())
}

#[test]
fn a_wrong_password_ends_it_with_a_clear_word() -> Result<()> {
    journey(async |shared| {
        let homeserver = shared.stage.stack.homeserver();
        let settings = settings();
        homeserver.register(&settings.user, "another password").await?;
        let mut bot =
            Bot::launch_unregistered(homeserver.url(), homeserver.server_name(), &settings)?;
        let status = bot.wait_end(WITHIN).await?;
        ensure!(status.code() == Some(77), "{status:?}\n{}", bot.log()?);
        ensure!(bot.logged("cannot log in")? == 1, "{}", bot.log()?);
        ensure!(bot.logged("the bot's password")? == 0, "the password is in the log");
        Ok(())
    })
}

#[test]
fn a_token_lets_it_in_as_its_device() -> Result<()> {
    journey(async |shared| {
        let homeserver = shared.stage.stack.homeserver();
        let mut settings = settings();
        homeserver.register(&settings.user, PASSWORD).await?;
        let login = homeserver.login(&settings.user, PASSWORD).await?;
        settings.secret = format!("access_token = {:?}", login.access_token);
        let mut bot =
            Bot::launch_unregistered(homeserver.url(), homeserver.server_name(), &settings)?;
        bot.wait_ready().await?;
        ensure!(bot.logged(&login.device_id)? >= 1, "{}", bot.log()?);
        ensure!(bot.logged(&login.access_token)? == 0, "the token is in the log");
        Ok(())
    })
}

#[test]
fn its_device_is_signed_by_its_account() -> Result<()> {
    journey(async |shared| {
        let bot = shared.bot().await?;
        let homeserver = shared.stage.stack.homeserver();
        let person = shared.stage.account(&unique("somebody")).await?;
        let login = homeserver.login(&person.user, &person.password).await?;
        let mut asked = json!({ "device_keys": {} });
        asked["device_keys"][bot.user_id()] = json!([]);
        let path = "/_matrix/client/v3/keys/query";
        let token = Some(login.access_token.as_str());
        let keys = homeserver.request("POST".parse()?, path, token, Some(&asked)).await?.body;
        let devices = keys["device_keys"][bot.user_id()].as_object().context("its devices")?;
        let signatures = devices.values().map(|device| &device["signatures"][bot.user_id()]);
        // Each is signed by itself, and by the account's self-signing key.
        let counts: Vec<usize> =
            signatures.map(|by| by.as_object().map_or(0, serde_json::Map::len)).collect();
        ensure!(counts == [2], "{keys}");
        Ok(())
    })
}

#[test]
fn a_homeserver_that_is_down_is_waited_for_and_then_given_up() -> Result<()> {
    journey(async |_shared| {
        // Bound and not listened on: nobody answers there.
        let nobody = std::net::TcpListener::bind(("127.0.0.1", 0))?.local_addr()?;
        let mut settings = settings();
        settings.account = "wait = \"5s\"".to_owned();
        let mut bot =
            Bot::launch_unregistered(&format!("http://{nobody}"), "localhost", &settings)?;
        bot.wait_log("does not answer: waiting", 1, WITHIN).await?;
        let status = bot.wait_end(WITHIN).await.context("it gives up")?;
        ensure!(status.code() == Some(69), "{status:?}\n{}", bot.log()?);
        Ok(())
    })
}

#[test]
fn no_secret_is_in_the_log_at_its_finest() -> Result<()> {
    journey(async |shared| {
        let mut settings = settings();
        settings.sections = "[logging]\nfilter = \"debug,phonograph=trace,phonograph_call=trace,phonograph_livekit=trace,phonograph_matrix=trace\"".to_owned();
        let (bot, scene) = shared.own_bot(settings, true).await?;
        let call = scene.enter().await?;
        scene.ask("!play tones.flac").await?;
        call.wait_sound(Some(&scene.bot), WITHIN).await?;
        call.hears(Duration::from_millis(300)).await?;

        let log = bot.log()?;
        let session = std::fs::read_to_string(bot.folder().join("store/matrix/session.json"))?;
        let session: serde_json::Value = serde_json::from_str(&session)?;
        let token = find(&session, "access_token").context("an access token")?;
        ensure!(!log.contains(token), "the access token is in the log");
        ensure!(!log.contains("the bot's password"), "the password is in the log");
        // A JWT's header is the same for all: base64 of `{"alg"` or `{"typ"`.
        ensure!(!log.contains("eyJhbGci") && !log.contains("eyJ0eXAi"), "a JWT is in the log");
        ensure!(!log.contains("!play tones.flac"), "a message is in the log");
        Ok(())
    })
}

fn find<'a>(value: &'a serde_json::Value, key: &str) -> Option<&'a str> {
    match value {
        serde_json::Value::Object(map) => map
            .get(key)
            .and_then(|found| found.as_str())
            .or_else(|| map.values().find_map(|value| find(value, key))),
        _ => None,
    }
}
