//! The two examples of `phonograph-matrix`, run as somebody who tries them would.

use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use phonograph_trial::{
    homeserver::NewRoom,
    person::{Channel, Microphone},
    stage::WITHIN,
};

use crate::{
    both_ways::hears_bot,
    support::{Journey, folder, journey, unique},
};

const PASSWORD: &str = "a password";
const THEIRS: u32 = 880;

/// A running example; killed with its drop.
struct Example(Child);

impl Example {
    fn start(name: &str, account: (&str, &str, &str), folder: &Path) -> Result<Self> {
        let (homeserver, user, room) = account;
        let programs = Path::new(env!("CARGO_BIN_EXE_phonograph")).parent();
        let program = programs.context("a folder of programs")?.join("examples").join(name);
        let child = Command::new(program)
            .args([homeserver, user, room])
            .env("PASSWORD", PASSWORD)
            .current_dir(folder)
            .stdout(Stdio::null())
            .spawn()?;
        Ok(Self(child))
    }

    /// Interrupts it, as a person does, and waits until it has ended by itself.
    async fn interrupt(mut self) -> Result<()> {
        Command::new("kill").args(["-s", "INT", &self.0.id().to_string()]).status()?;
        let began = Instant::now();
        while self.0.try_wait()?.is_none() {
            ensure!(began.elapsed() < WITHIN, "it goes on");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    }
}

impl Drop for Example {
    fn drop(&mut self) {
        // It may have ended.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

#[test]
fn tone_is_heard_and_listen_writes_who_speaks() -> Result<()> {
    journey(async |journey| examples(journey).await)
}

async fn examples(journey: &Journey) -> Result<()> {
    let homeserver = journey.stage.stack.homeserver();
    let browser = journey.stage.browser(Microphone::Tone { hertz: THEIRS }).await?;
    let person = journey.stage.person(&unique("alice"), &browser).await?;
    let names = [unique("tone"), unique("listen")];
    let mut users = Vec::new();
    for name in &names {
        users.push(homeserver.register(name, PASSWORD).await?);
    }
    let invite: Vec<&str> = users.iter().map(String::as_str).collect();
    let room = NewRoom { encrypted: true, invite: &invite, ..NewRoom::default() };
    let room = person.create_room(&room).await?;
    let call = person.join_call(&room).await?;
    call.wait_joined(WITHIN).await?;
    let folder = folder()?;

    let tone = Example::start("tone", (homeserver.url(), &users[0], &room), folder.path())?;
    let listen = Example::start("listen", (homeserver.url(), &users[1], &room), folder.path())?;

    hears_bot(&call, &users[0], 440.0).await?;
    call.wait_shown(|shown| shown.count == 3, WITHIN).await?;
    call.hears(Duration::from_secs(6)).await?;
    listen.interrupt().await?;
    tone.interrupt().await?;
    call.wait_shown(|shown| shown.count == 1, WITHIN).await?;

    is_tone(folder.path(), &names[0], 440.0)?;
    is_tone(folder.path(), person.user_id(), f64::from(THEIRS))
}

/// Whether the file of a user holds that tone.
fn is_tone(folder: &Path, user: &str, hertz: f64) -> Result<()> {
    let name = user.trim_start_matches('@').split(':').next().unwrap_or_default();
    let path = file_of(folder, name)?;
    let samples = decode(&path)?;
    ensure!(samples.len() > 48_000, "{} has {} samples", path.display(), samples.len());
    let measured = Channel::from(samples).hertz();
    ensure!((measured - hertz).abs() < 2.0, "{} is {measured} Hz", path.display());
    Ok(())
}

fn file_of(folder: &Path, name: &str) -> Result<PathBuf> {
    let entries = std::fs::read_dir(folder)?.filter_map(Result::ok).map(|entry| entry.path());
    let mut files = entries.filter(|path| {
        let file = path.file_name().and_then(|file| file.to_str()).unwrap_or_default();
        file.starts_with(&format!("{name}-")) && path.extension().is_some_and(|it| it == "ogg")
    });
    files.next().with_context(|| format!("no file of {name}"))
}

/// The left channel of an Ogg file.
fn decode(path: &Path) -> Result<Vec<f32>> {
    let mut decoder = opus::Decoder::new(48_000, opus::Channels::Stereo)?;
    let mut packets = ogg::PacketReader::new(std::fs::File::open(path)?);
    let mut left = Vec::new();
    let mut samples = vec![0.0; 2 * 5760];
    while let Some(packet) = packets.read_packet()? {
        if packet.data.starts_with(b"Opus") {
            continue;
        }
        let count = decoder.decode_float(&packet.data, &mut samples, false)?;
        left.extend(samples[..2 * count].iter().step_by(2));
    }
    Ok(left)
}
