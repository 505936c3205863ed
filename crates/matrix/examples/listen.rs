//! Prints who speaks in a room's call, and writes each participant to an Ogg file of its own.
//!
//! ```text
//! PASSWORD=… cargo run --example listen -- https://matrix.example.org @bot:example.org '!room:example.org'
//! ```
//!
//! The files are named by user and track, `ann-example.org-TR_….ogg`, and hold the very packets that
//! came: nothing is decoded. Where packets are missing the time goes on without them.
//!
//! Ask whoever is in the call before you record them.

mod common;

use std::{fs::File, io::BufWriter, path::Path};

use anyhow::{Context, Result};
use ogg::{PacketWriteEndInfo, PacketWriter};
use phonograph_call::{Event, Frame, Heard, Track, TrackInfo, livekit::Kind};
use tokio::task::JoinSet;

#[tokio::main]
async fn main() -> Result<()> {
    let mut joined = common::join(true).await?;
    let mut files = JoinSet::new();
    loop {
        tokio::select! {
            event = joined.call.event() => match event {
                Some(Event::Joined) => common::say("in the call"),
                Some(Event::TrackPublished(info)) if info.kind == Kind::Audio => {
                    common::say(&format!("{} publishes {}", info.member.user, info.id));
                    let track = joined.call.subscribe(&info.id);
                    files.spawn(write(info, track));
                }
                Some(Event::Speaking { member, active, .. }) => {
                    let what = if active { "speaks" } else { "is silent" };
                    common::say(&format!("{} {what}", member.user));
                }
                Some(Event::TrackUndecryptable { track, why: Some(why) }) => {
                    common::say(&format!("{track} cannot be decrypted: {why}"));
                }
                Some(Event::Ended(reason)) => {
                    common::say(&phonograph_call::chain(&reason));
                    break;
                }
                Some(_) => {}
                None => break,
            },
            interrupted = tokio::signal::ctrl_c() => {
                interrupted?;
                break;
            }
        }
    }
    joined.call.leave().await;
    // Their tracks have ended with the call.
    while let Some(written) = files.join_next().await {
        match written? {
            Ok(name) => common::say(&name),
            Err(error) => common::say(&format!("{error:#}")),
        }
    }
    Ok(())
}

/// Writes a track until it ends; answers with the file's name.
async fn write(info: TrackInfo, mut track: Track) -> Result<String> {
    let user = info.member.user.to_string();
    // Both are the words of strangers, and a track may be published anew under its name.
    let name = plain(&format!("{}-{}", user.trim_start_matches('@'), info.id));
    let mut names = (1..100).map(|n| match n {
        1 => format!("{name}.ogg"),
        n => format!("{name}-{n}.ogg"),
    });
    let name = names.find(|name| !Path::new(name).exists());
    let name = name.context("there are a hundred files of that name")?;
    let mut file = OpusFile::create(&name, info.stereo)?;
    while let Some(heard) = track.next().await {
        if let Heard::Frame(frame) = heard {
            file.write(frame)?;
        }
    }
    file.finish()?;
    Ok(name)
}

/// What can be part of a file's name.
fn plain(text: &str) -> String {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "._".contains(letter);
    text.chars().map(|letter| if plain(letter) { letter } else { '-' }).collect()
}

/// An Ogg file of one Opus stream (RFC 7845).
struct OpusFile {
    writer: PacketWriter<'static, BufWriter<File>>,
    /// The first frame's position on the track's clock.
    began: Option<u64>,
    /// The newest frame, written once it is known whether another follows.
    newest: Option<Frame>,
}

impl OpusFile {
    const SERIAL: u32 = 1;

    fn create(name: &str, stereo: bool) -> Result<Self> {
        let file = File::create(name).with_context(|| format!("cannot write {name}"))?;
        let mut writer = PacketWriter::new(BufWriter::new(file));
        // RFC 7845 §5.1: version 1, channels, no pre-skip, 48 kHz, no gain, mapping family 0.
        let mut head = b"OpusHead\x01".to_vec();
        head.push(if stereo { 2 } else { 1 });
        head.extend_from_slice(&[0, 0, 0x80, 0xbb, 0, 0, 0, 0, 0]);
        writer.write_packet(head, Self::SERIAL, PacketWriteEndInfo::EndPage, 0)?;
        let vendor = b"phonograph";
        let mut tags = b"OpusTags".to_vec();
        tags.extend_from_slice(&u32::try_from(vendor.len())?.to_le_bytes());
        tags.extend_from_slice(vendor);
        tags.extend_from_slice(&0_u32.to_le_bytes());
        writer.write_packet(tags, Self::SERIAL, PacketWriteEndInfo::EndPage, 0)?;
        Ok(Self { writer, began: None, newest: None })
    }

    fn write(&mut self, frame: Frame) -> Result<()> {
        if let Some(before) = self.newest.replace(frame) {
            self.put(before, PacketWriteEndInfo::NormalPacket)?;
        }
        Ok(())
    }

    fn finish(mut self) -> Result<()> {
        match self.newest.take() {
            Some(last) => self.put(last, PacketWriteEndInfo::EndStream),
            None => Ok(()),
        }
    }

    fn put(&mut self, frame: Frame, end: PacketWriteEndInfo) -> Result<()> {
        let began = *self.began.get_or_insert(frame.units);
        let samples = opus::packet::get_nb_samples(&frame.data, 48_000).unwrap_or(960);
        let position = frame.units.saturating_sub(began) + u64::try_from(samples)?;
        self.writer.write_packet(frame.data, Self::SERIAL, end, position)?;
        Ok(())
    }
}
