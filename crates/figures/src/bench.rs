//! Where it is measured: the trial's servers on loopback, a browser, and the bot in the `figures`
//! profile.

use std::{
    path::{Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context as _, Result, ensure};
use phonograph_trial::{
    bot::{Bot, Settings},
    browser::Browser,
    homeserver::{Homeserver, NewRoom},
    person::{Call, Microphone, Person},
    stack::Options,
    stage::{Stage, WITHIN},
};
use tokio::process::Command;

/// What is played: it is decoded and encoded anew, as most music is.
pub(crate) const DECODED: &str = "!play tones.flac";
/// What is passed through.
pub(crate) const PASSED: &str = "!play tones.opus";

/// So that the bot says how long each step took.
const LOG: &str =
    "[logging]\nformat = \"json\"\nfilter = \"warn,phonograph=info,phonograph_call=debug\"";

/// Servers and a browser.
pub(crate) struct Bench {
    stage: Stage,
    browser: Browser,
    program: PathBuf,
}

/// Who and what is in a scene.
#[derive(Clone, Copy, Default)]
pub(crate) struct Cast<'a> {
    /// What the names of bot and person end in.
    pub(crate) name: &'a str,
    /// The bot's music, if it is not the trial's.
    pub(crate) library: Option<&'a Path>,
    /// Further sections of the bot's settings, in place of what has it log each step.
    pub(crate) sections: Option<&'a str>,
    /// Who is invited besides.
    pub(crate) guest: Option<&'a str>,
}

/// A bot in an encrypted room with somebody.
pub(crate) struct Scene {
    pub(crate) bot: Bot,
    pub(crate) person: Person,
    pub(crate) room: String,
}

impl Bench {
    /// Builds the bot and starts the servers.
    pub(crate) async fn set() -> Result<Self> {
        let (stage, program) = tokio::join!(Stage::set(Options::default()), build());
        let (stage, program) = (stage?, program?);
        let browser = stage.browser(Microphone::default()).await?;
        Ok(Self { stage, browser, program })
    }

    /// Where accounts are.
    pub(crate) fn homeserver(&self) -> &Homeserver {
        self.stage.stack.homeserver()
    }

    /// A bot of its own in an encrypted room with somebody new.
    pub(crate) async fn scene(&self, name: &str) -> Result<Scene> {
        self.scene_of(&Cast { name, ..Cast::default() }).await
    }

    /// The same with what is asked for besides.
    pub(crate) async fn scene_of(&self, cast: &Cast<'_>) -> Result<Scene> {
        let Cast { name, library, sections, guest } = cast;
        let ours = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../assets/trial");
        let mut settings = Settings::new(&self.program, library.unwrap_or(&ours));
        settings.user = format!("jukebox-{name}");
        settings.sections = sections.unwrap_or(LOG).to_owned();
        let listener = format!("listener-{name}");
        let (bot, person) = tokio::try_join!(
            Bot::start(self.homeserver(), &settings),
            self.stage.person(&listener, &self.browser),
        )?;
        let invite: Vec<&str> = [Some(bot.user_id()), *guest].into_iter().flatten().collect();
        let room = NewRoom { encrypted: true, invite: &invite, ..NewRoom::default() };
        let room = person.create_room(&room).await?;
        person.wait_for_member(&room, bot.user_id(), WITHIN).await?;
        Ok(Scene { bot, person, room })
    }
}

impl Scene {
    /// Opens Element Call and waits until it is in the call.
    pub(crate) async fn enter(&self) -> Result<Call> {
        let call = self.person.join_call(&self.room).await?;
        call.wait_joined(WITHIN).await?;
        Ok(call)
    }

    /// Says something and waits for the bot's answer.
    pub(crate) async fn ask(&self, text: &str) -> Result<()> {
        let said = self.person.say(&self.room, text).await?;
        let answer = self.person.wait_for_answer(&self.room, &said, WITHIN).await?;
        ensure!(!answer.body.contains("(ref "), "{text:?} was answered: {}", answer.body);
        Ok(())
    }

    /// Says something, and measures the time until the bot is heard: milliseconds.
    pub(crate) async fn say_and_hear(&self, call: &Call, text: &str) -> Result<f64> {
        let said = now_ms();
        self.person.say(&self.room, text).await?;
        let heard = call.wait_sound(Some(self.bot.user_id()), WITHIN).await?;
        ensure!(heard >= said, "the sound was there before the command");
        Ok((heard - said) as f64)
    }

    /// Waits until nothing is heard of the bot.
    pub(crate) async fn silent(&self, call: &Call) -> Result<()> {
        call.wait_silence(Some(self.bot.user_id()), WITHIN).await?;
        // So that the muting that follows a pause of two seconds is not measured now and then.
        tokio::time::sleep(Duration::from_millis(500)).await;
        Ok(())
    }
}

async fn build() -> Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let built = Command::new(cargo)
        .args(["build", "--locked", "--profile", "figures", "--bin", "phonograph"])
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
        .status()
        .await
        .context("running cargo build")?;
    ensure!(built.success(), "the bot does not build");
    // Beside ourselves: both are built with the same profile.
    let here = std::env::current_exe()?;
    let program = here.with_file_name("phonograph");
    ensure!(program.exists(), "there is no {}", program.display());
    Ok(program)
}

pub(crate) fn now_ms() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
}
