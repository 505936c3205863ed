//! Files of the trial's music, in the formats that a figure asks for.
//!
//! `ffmpeg` makes them, as nothing of ours writes FLAC or MP3. Tones would not do: they hardly cost a
//! decoder anything.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
};

use anyhow::{Context as _, Result, ensure};
use tempfile::TempDir;
use tokio::process::Command;

/// 74 s of synthesised music.
const MUSIC: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../assets/trial/music.opus");

/// A format of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// PCM of 16 bits.
    Wav,
    /// At ffmpeg's default effort, 16 bits.
    Flac,
    /// By LAME, 192 kbit/s.
    Mp3,
    /// PCM of 32-bit floating point numbers and nothing else, for an encoder.
    Raw,
}

impl Format {
    fn arguments(self) -> &'static [&'static str] {
        match self {
            Self::Wav => &["-c:a", "pcm_s16le", "-f", "wav"],
            Self::Flac => &["-c:a", "flac", "-sample_fmt", "s16", "-f", "flac"],
            Self::Mp3 => &["-c:a", "libmp3lame", "-b:a", "192k", "-f", "mp3"],
            Self::Raw => &["-f", "f32le"],
        }
    }

    /// Its name, which is the ending of its files.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Wav => "wav",
            Self::Flac => "flac",
            Self::Mp3 => "mp3",
            Self::Raw => "raw",
        }
    }
}

/// Where the files are; they go with it.
pub(super) struct Music {
    folder: TempDir,
}

impl Music {
    pub(super) fn new() -> Result<Self> {
        Ok(Self { folder: tempfile::tempdir()? })
    }

    /// Makes a stereo file of the music, that many times in a row.
    pub(super) async fn file(&self, format: Format, rate_hz: u32, times: u32) -> Result<PathBuf> {
        let path = self.folder.path().join(format!("{rate_hz}-{times}.{}", format.name()));
        convert(Path::new(MUSIC), &path, format, rate_hz, times).await?;
        Ok(path)
    }

    /// The samples of both channels of a file, at 48 kHz.
    pub(super) async fn samples(&self, of: &Path) -> Result<Vec<f32>> {
        let path = self.folder.path().join("samples.raw");
        convert(of, &path, Format::Raw, 48_000, 1).await?;
        let bytes = tokio::fs::read(&path).await?;
        let (samples, rest) = bytes.as_chunks();
        ensure!(rest.is_empty() && !samples.is_empty(), "{} has no whole samples", of.display());
        Ok(samples.iter().copied().map(f32::from_le_bytes).collect())
    }
}

async fn convert(from: &Path, to: &Path, format: Format, rate_hz: u32, times: u32) -> Result<()> {
    let again = times.saturating_sub(1).to_string();
    let mut command = Command::new("ffmpeg");
    command.args(["-hide_banner", "-loglevel", "error", "-nostdin", "-y"]);
    command.args(["-stream_loop", &again, "-i"]).arg(from);
    command.args(["-map", "0:a", "-ac", "2", "-ar", &rate_hz.to_string()]);
    command.args(format.arguments()).arg(to).stdin(Stdio::null());
    let status = command.status().await.context("running ffmpeg, which this figure needs")?;
    ensure!(status.success(), "ffmpeg made no {} of {}", to.display(), from.display());
    Ok(())
}
