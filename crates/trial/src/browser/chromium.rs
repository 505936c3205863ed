//! A Chromium of our own: started without a window and without anything of the person whose machine
//! this is.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use tempfile::TempDir;

use super::cdp::Cdp;
use super::page::Page;
use crate::guard::{self, Program, Server};
use crate::person::Microphone;

/// From the start to a debugger that listens: a second, several beside a compiler.
const READY_WITHIN: Duration = Duration::from_mins(1);

/// The file in its profile in which Chromium says where its debugger listens.
const PORT_FILE: &str = "DevToolsActivePort";

/// What every Chromium of a trial is started with.
const FLAGS: [&str; 21] = [
    "--headless=new",
    "--no-sandbox", // root, as in a container, has none
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--remote-debugging-port=0",
    // Nothing leaves this machine, and nothing pops up.
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-breakpad",
    "--no-first-run",
    "--no-default-browser-check",
    // The homeserver's certificate is self-signed.
    "--ignore-certificate-errors",
    // Sound without a click, and a microphone without a question.
    "--autoplay-policy=no-user-gesture-required",
    "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream",
    // Media over 127.0.0.1.
    "--allow-loopback-in-peer-connection",
    "--disable-features=WebRtcHideLocalIpsWithMdns",
    // A page that nobody looks at is as quick as one in front.
    "--disable-background-timer-throttling",
    "--disable-backgrounding-occluded-windows",
    "--disable-renderer-backgrounding",
];

/// How a browser is started.
#[derive(Clone, Debug)]
pub struct Options {
    /// Chromium's program.
    pub program: PathBuf,
    /// What the microphone of all its pages hears.
    pub microphone: Microphone,
    /// Width and height of its pages, in pixels.
    pub size: (u32, u32),
}

impl Options {
    /// A quiet microphone and pages of 1280 by 800.
    pub fn new(program: PathBuf) -> Self {
        Self { program, microphone: Microphone::default(), size: (1280, 800) }
    }
}

/// A running Chromium with an empty profile. Dropping it kills the process and deletes the profile.
#[derive(Debug)]
pub struct Browser {
    cdp: Arc<Cdp>,
    size: (u32, u32),
    // In this order: the profile is deleted when nobody writes in it any more.
    _chromium: Server,
    _profile: TempDir,
}

impl Browser {
    /// Starts Chromium and waits until it can be talked to.
    ///
    /// # Errors
    ///
    /// Where it cannot be started or ends at once; the error has the last lines of its log.
    pub async fn launch(options: &Options) -> Result<Self> {
        let profile = guard::folder("browser").context("a folder for Chromium's profile")?;
        let microphone = profile.path().join("microphone.wav");
        let wav = options.microphone.wav();
        tokio::fs::write(&microphone, wav).await.context("writing the microphone's file")?;
        let program = program(options, profile.path(), &microphone);
        let mut chromium = Server::start("Chromium", program, profile.path().join("chromium.log"))?;
        let port_file = profile.path().join(PORT_FILE);
        chromium.wait_until(READY_WITHIN, async || debugger(&port_file).await.is_some()).await?;
        let url = debugger(&port_file).await.context("Chromium's debugger has gone again")?;
        let cdp = Arc::new(Cdp::connect(&url).await?);
        Ok(Self { cdp, size: options.size, _chromium: chromium, _profile: profile })
    }

    /// Opens an empty page, in a context of its own.
    ///
    /// # Errors
    ///
    /// Where the browser has gone.
    pub async fn open(&self) -> Result<Page> {
        Page::open(Arc::clone(&self.cdp), self.size).await
    }
}

fn program(options: &Options, profile: &Path, microphone: &Path) -> Program {
    let mut arguments = FLAGS.map(str::to_owned).to_vec();
    arguments.push(format!("--user-data-dir={}", profile.display()));
    arguments.push(format!("--use-file-for-fake-audio-capture={}", microphone.display()));
    arguments.push("about:blank".to_owned());
    Program {
        path: options.program.clone(),
        arguments,
        environment: Vec::new(),
        folder: profile.to_owned(),
    }
}

/// The address of the debugger, once Chromium has written it: a port, and a path on a line of its
/// own.
async fn debugger(port_file: &Path) -> Option<String> {
    let written = tokio::fs::read_to_string(port_file).await.ok()?;
    let (port, path) = written.split_once('\n')?;
    path.starts_with('/').then(|| format!("ws://127.0.0.1:{port}{path}"))
}
