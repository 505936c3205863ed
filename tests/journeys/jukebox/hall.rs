//! Where these journeys take place: one bot that they share, with music that was made for them.

use std::{fs, path::PathBuf};

use anyhow::{Context, Result};
use phonograph_trial::{
    bot::{Bot, Settings},
    guard,
    person::{Message, Person},
    stage::WITHIN,
};
use tempfile::TempDir;
use tokio::sync::OnceCell;

use super::tones::{stair_hz, wav};
use crate::support::{self, Journey, Scene};

/// How long the stair and the tones of the library are.
pub(super) const STAIR_SECONDS: u32 = 120;
const TONE_SECONDS: u32 = 60;
/// The library's tones: `Tone Alpha`, `Tone Bravo` and `Tone Charlie`.
pub(super) const ALPHA_HZ: f64 = 700.0;
pub(super) const BRAVO_HZ: f64 = 1100.0;
pub(super) const CHARLIE_HZ: f64 = 1500.0;
/// The clip `horn`, and what the bot's voice says whatever the text.
pub(super) const HORN_HZ: f64 = 2500.0;
pub(super) const VOICE_HZ: f64 = 3300.0;
/// How long those are.
const OVERLAID_SECONDS: u32 = 3;

static MUSIC: OnceCell<Music> = OnceCell::const_new();
static BOT: OnceCell<Bot> = OnceCell::const_new();

/// The files. They live until the process ends.
pub(super) struct Music(TempDir);

impl Music {
    /// The files, made when they are first asked for.
    pub(super) async fn get() -> Result<&'static Self> {
        MUSIC.get_or_try_init(async || Self::make()).await
    }

    fn make() -> Result<Self> {
        let music = Self(guard::folder("music")?);
        for folder in ["library", "clips"] {
            fs::create_dir(music.0.path().join(folder))?;
        }
        fs::write(music.file("library/Stair.wav"), wav(STAIR_SECONDS, stair_hz))?;
        for (name, hertz) in [("Alpha", ALPHA_HZ), ("Bravo", BRAVO_HZ), ("Charlie", CHARLIE_HZ)] {
            let path = music.file(&format!("library/Tone {name}.wav"));
            fs::write(path, wav(TONE_SECONDS, |_| hertz))?;
        }
        fs::write(music.file("clips/Horn.wav"), wav(OVERLAID_SECONDS, |_| HORN_HZ))?;
        fs::write(music.file("voice.wav"), wav(OVERLAID_SECONDS, |_| VOICE_HZ))?;
        Ok(music)
    }

    /// One of them, by its path within.
    pub(super) fn file(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }

    /// A bot that plays them, has clips and a voice, and may open links to this machine.
    pub(super) fn settings(&self) -> Settings {
        let mut settings = support::settings();
        settings.library = self.file("library");
        settings.sections = format!(
            "[links]\nallow_hosts = [\"127.0.0.1\"]\n\
             [sounds]\nclips = \"{}\"\nspeech = [\"cat\", \"{}\"]\n",
            self.file("clips").display(),
            self.file("voice.wav").display()
        );
        settings
    }
}

/// Somebody new, in a new room with the bot that these journeys share.
pub(super) async fn scene(shared: &Journey, encrypted: bool) -> Result<Scene> {
    let (person, bot) = tokio::try_join!(shared.person("alice"), bot(shared))?;
    Scene::set(person, &[bot.user_id()], encrypted).await
}

/// As [`scene`], with others who are invited and have come.
pub(super) async fn scene_with(shared: &Journey, others: &[&Person]) -> Result<Scene> {
    let (person, bot) = tokio::try_join!(shared.person("alice"), bot(shared))?;
    let mut invite = vec![bot.user_id()];
    invite.extend(others.iter().map(|other| other.user_id()));
    let scene = Scene::set(person, &invite, true).await?;
    for other in others {
        other.join_room(&scene.room).await?;
    }
    Ok(scene)
}

/// A bot for one journey alone.
pub(super) async fn own_bot(shared: &Journey) -> Result<(Bot, Scene)> {
    shared.own_bot(Music::get().await?.settings(), true).await
}

async fn bot(shared: &Journey) -> Result<&'static Bot> {
    let music = Music::get().await?;
    let homeserver = shared.stage.stack.homeserver();
    BOT.get_or_try_init(async || Bot::start(homeserver, &music.settings()).await).await
}

impl Scene {
    /// Says something, and fails if the bot's answer does not contain that.
    pub(super) async fn expect(&self, text: &str, expected: &str) -> Result<Message> {
        self.expect_of(&self.person, text, expected).await
    }

    /// The same, said by somebody else.
    pub(super) async fn expect_of(
        &self,
        person: &Person,
        text: &str,
        expected: &str,
    ) -> Result<Message> {
        let said = person.say(&self.room, text).await?;
        let answer = person.wait_for_answer(&self.room, &said, WITHIN).await;
        let answer = answer.with_context(|| format!("an answer to {text:?}"))?;
        anyhow::ensure!(
            answer.body.contains(expected),
            "{text:?} was answered {:?}, not {expected:?}",
            answer.body
        );
        Ok(answer)
    }

    /// Waits for the panel to show a line.
    pub(super) async fn panel(&self, line: &str) -> Result<Message> {
        let is_panel = |message: &Message| {
            let body = &message.body;
            let begins = ["▶ ", "⏸ ", "⏳ "].iter().any(|sign| body.starts_with(sign));
            message.sender == self.bot && message.reply_to.is_none() && begins
        };
        let shows = |message: &Message| is_panel(message) && message.body.contains(line);
        let shown = self.person.wait_until_shown(&self.room, shows, WITHIN).await;
        shown.with_context(|| format!("a panel with {line:?}"))
    }
}
