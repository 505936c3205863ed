//! Measuring a file.

use std::time::Duration;

use thiserror::Error;

use super::scan::{Measured, Scanner};
use crate::playback::{MediaSource, OpenError, Pcm, PcmError};

/// How much of a source is measured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// What lies behind this is not decoded. A file of a few kilobytes may hold days of silence,
    /// and a stream has no end.
    pub length_max: Duration,
}

impl Default for Limits {
    /// Four hours: longer than any album, and decoded in a minute or two.
    fn default() -> Self {
        Self { length_max: Duration::from_hours(4) }
    }
}

/// A source could not be measured.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum MeasureError {
    /// It cannot be played either.
    #[error("the source cannot be opened")]
    Open(#[source] OpenError),
    /// It breaks off. A file at fault will do so again; see the cause.
    #[error("the source breaks off")]
    Pcm(#[source] PcmError),
    /// Its rate is one that nothing can be measured at.
    #[error("nothing can be measured at {0} Hz")]
    Rate(u32),
    /// The caller had enough. Measuring again starts from the beginning.
    #[error("measuring was interrupted")]
    Interrupted,
}

/// Measures how loud a source is, by decoding all of it or as much as is allowed.
///
/// Blocks while it works: some hundred times faster than playing, but seconds nevertheless. After
/// each packet, some 20 ms of sound, `goes_on` is told how much was measured; by false it ends the
/// work. Memory stays bounded, however large the source is.
///
/// # Errors
///
/// The source cannot be opened or breaks off, or the caller had enough.
pub fn measure(
    source: Box<dyn MediaSource>,
    limits: &Limits,
    goes_on: &mut dyn FnMut(Duration) -> bool,
) -> Result<Measured, MeasureError> {
    let mut pcm = Pcm::open(source).map_err(MeasureError::Open)?;
    let mut scanner = Scanner::new(48_000).ok_or(MeasureError::Rate(48_000))?;
    let mut is_whole = true;
    while let Some(block) = pcm.next_block().map_err(MeasureError::Pcm)? {
        if scanner.duration() >= limits.length_max {
            is_whole = false;
            break;
        }
        if !scanner.set_rate(block.rate_hz) {
            return Err(MeasureError::Rate(block.rate_hz));
        }
        scanner.push(block.stereo);
        if !goes_on(scanner.duration()) {
            return Err(MeasureError::Interrupted);
        }
    }
    Ok(Measured { loudness: scanner.loudness(), duration: scanner.duration(), is_whole })
}
