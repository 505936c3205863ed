//! Frame encryption alone.

use std::time::Duration;

use anyhow::{Result, ensure};
use phonograph_frame::{
    Codec,
    crypto::{KeyIndex, KeyRing, MediaKey, NonceSeed, Sealer},
};

use super::{
    clock::{CpuInstant, ROUNDS, median},
    frame,
};
use crate::figure::Figure;

/// Frames between two looks at the clock.
const FRAMES: u32 = 10_000;
/// How long a round is, at least.
const ROUND: Duration = Duration::from_millis(500);

/// `frame_encryption_million_per_s`: how many frames of 160 bytes one core seals and opens again in
/// a second. What is opened is compared with what was sealed.
pub(crate) fn measure() -> Result<Vec<Figure>> {
    let key = MediaKey::from_random([7; 16]).derive();
    let mut sealer = Sealer::new(NonceSeed::new([3; 12]));
    let mut ring = KeyRing::new();
    sealer.set_key(KeyIndex::new(0), key.clone());
    ring.set(KeyIndex::new(0), key);
    let frame = frame();
    let (mut sealed, mut opened) = (Vec::new(), Vec::new());
    let mut rates = Vec::new();
    for _ in 0..ROUNDS {
        let (began, mut frames) = (CpuInstant::now(), 0_u64);
        let took = loop {
            for _ in 0..FRAMES {
                sealer.seal(Codec::Opus, &frame, &mut sealed)?;
                ring.open(Codec::Opus, &sealed, &mut opened)?;
                ensure!(opened == frame, "a frame came back as another");
            }
            frames += u64::from(FRAMES);
            let took = began.elapsed();
            if took >= ROUND {
                break took;
            }
        };
        rates.push(frames as f64 / took.as_secs_f64() / 1e6);
    }
    let name = "frame_encryption_million_per_s";
    let figure = Figure::at_least(name, median(&rates), "million/s", 1.5);
    Ok(vec![Figure { runs: ROUNDS, ..figure }])
}
