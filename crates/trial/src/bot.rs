//! The bot as a black box: its program, a settings file that is written for it, and its log.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::ExitStatus,
    time::Duration,
};

use anyhow::{Context as _, Result};
use tempfile::TempDir;

use crate::{
    guard::{self, Program, Server},
    homeserver::Homeserver,
};

/// From the start to a bot that listens; a debug build signs in, makes keys and syncs in two to four
/// seconds on an idle machine.
const READY_WITHIN: Duration = Duration::from_mins(1);
/// What it logs when it listens.
const READY: &str = "ready";
/// The password of every bot's account.
pub const PASSWORD: &str = "the bot's password";

/// What a bot is started with.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Its program.
    pub program: PathBuf,
    /// Its account's name, which is registered for it if it is new.
    pub user: String,
    /// The name that people see.
    pub display_name: String,
    /// Who may command it, as in its own settings.
    pub allow: Vec<String>,
    /// Lines before the first section.
    pub top: String,
    /// The folder with its music.
    pub library: PathBuf,
    /// The line of its settings with its secret.
    pub secret: String,
    /// More lines for the `[homeserver]` section.
    pub account: String,
    /// The lines of the `[audio]` section.
    pub audio: String,
    /// Further sections.
    pub sections: String,
}

impl Settings {
    /// A bot that everybody may command, and that plays everything as loud as it is: what is heard is
    /// measured.
    pub fn new(program: &Path, library: &Path) -> Self {
        Self {
            program: program.to_owned(),
            user: "jukebox".to_owned(),
            display_name: "Jukebox".to_owned(),
            allow: vec!["*".to_owned()],
            top: String::new(),
            library: library.to_owned(),
            secret: format!("password = {PASSWORD:?}"),
            account: String::new(),
            audio: "even_loudness = false".to_owned(),
            sections: String::new(),
        }
    }
}

/// A bot. Dropping it kills it and deletes its store.
#[derive(Debug)]
pub struct Bot {
    user_id: String,
    server: Server,
    folder: TempDir,
}

impl Bot {
    /// Registers its account, writes its settings, starts it, and waits until it listens.
    ///
    /// # Errors
    ///
    /// Where it ends at once or is not ready within a minute; the error has the end of its log.
    pub async fn start(homeserver: &Homeserver, settings: &Settings) -> Result<Self> {
        let mut bot = Self::launch(homeserver, settings).await?;
        bot.wait_ready().await?;
        Ok(bot)
    }

    /// As [`Bot::start`], without waiting.
    ///
    /// # Errors
    ///
    /// Where the program cannot be started.
    pub async fn launch(homeserver: &Homeserver, settings: &Settings) -> Result<Self> {
        let registered = homeserver.register(&settings.user, PASSWORD).await;
        registered.context("registering the bot's account")?;
        Self::launch_unregistered(homeserver.url(), homeserver.server_name(), settings)
    }

    /// As [`Bot::launch`], at a homeserver that may not be there, with an account that may not
    /// exist.
    ///
    /// # Errors
    ///
    /// Where the program cannot be started.
    pub fn launch_unregistered(url: &str, server_name: &str, settings: &Settings) -> Result<Self> {
        let folder = guard::folder("bot").context("a folder for the bot")?;
        let config = folder.path().join("phonograph.toml");
        fs::write(&config, settings_file(url, folder.path(), settings))?;
        let program = Program {
            path: settings.program.clone(),
            arguments: vec!["run".into(), "--config".into(), config.display().to_string()],
            environment: vec![("RUST_BACKTRACE".to_owned(), "1".to_owned())],
            folder: folder.path().to_owned(),
        };
        let server = Server::start("the bot", program, folder.path().join("bot.log"))?;
        let user_id = format!("@{}:{server_name}", settings.user);
        Ok(Self { user_id, server, folder })
    }

    /// Waits until it listens.
    ///
    /// # Errors
    ///
    /// Where it ends, or a minute passes.
    pub async fn wait_ready(&mut self) -> Result<()> {
        self.wait_log(READY, 1, READY_WITHIN).await
    }

    /// Waits until its log, from the first start on, has that many lines with that text.
    ///
    /// # Errors
    ///
    /// Where it ends before, or takes longer than `within`.
    pub async fn wait_log(&mut self, text: &str, times: usize, within: Duration) -> Result<()> {
        let log = self.server.log().to_owned();
        let is_there = async || count(&log, text).is_ok_and(|found| found >= times);
        self.server.wait_until(within, is_there).await?;
        Ok(())
    }

    /// How many lines of its log have that text.
    ///
    /// # Errors
    ///
    /// Where the log cannot be read.
    pub fn logged(&self, text: &str) -> io::Result<usize> {
        count(self.server.log(), text)
    }

    /// Its user id.
    pub fn user_id(&self) -> &str {
        &self.user_id
    }

    /// Its log, whole.
    ///
    /// # Errors
    ///
    /// Where it cannot be read.
    pub fn log(&self) -> io::Result<String> {
        fs::read_to_string(self.server.log())
    }

    /// Its folder: settings, log and `store`.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Its process: to kill, to freeze, to measure.
    pub fn process(&mut self) -> &mut Server {
        &mut self.server
    }

    /// Starts it again, on its store, and waits until it listens.
    ///
    /// # Errors
    ///
    /// As [`Bot::start`].
    pub async fn restart(&mut self) -> Result<()> {
        let before = self.logged(READY)?;
        self.server.restart().await?;
        self.wait_log(READY, before + 1, READY_WITHIN).await
    }

    /// Waits until it has ended by itself.
    ///
    /// # Errors
    ///
    /// Where it still runs after `within`.
    pub async fn wait_end(&mut self, within: Duration) -> Result<ExitStatus> {
        match self.server.wait_until(within, async || false).await {
            Err(guard::Error::Ended { status, .. }) => Ok(status),
            Err(error) => Err(error.into()),
            Ok(()) => anyhow::bail!("nothing was waited for"),
        }
    }
}

fn count(log: &Path, text: &str) -> io::Result<usize> {
    Ok(fs::read_to_string(log)?.lines().filter(|line| line.contains(text)).count())
}

fn settings_file(url: &str, folder: &Path, settings: &Settings) -> String {
    let Settings { user, display_name, allow, top, secret, account, audio, sections, .. } =
        settings;
    let (store, library) = (folder.join("store"), settings.library.display().to_string());
    let store = store.display().to_string();
    format!(
        "allow = {allow:?}\nstore = {store:?}\n{top}\n\
         [homeserver]\nurl = {url:?}\nuser = {user:?}\n{secret}\n\
         display_name = {display_name:?}\n{account}\n[library]\nfolders = [{library:?}]\n\
         [audio]\n{audio}\n{sections}\n"
    )
}
