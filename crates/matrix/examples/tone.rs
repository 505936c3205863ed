//! A tone of 440 Hz in a room's call.
//!
//! ```text
//! PASSWORD=… cargo run --example tone -- https://matrix.example.org @bot:example.org '!room:example.org'
//! ```
//!
//! The bot accepts an invite to that room, joins its call or starts it, and plays until it is
//! interrupted. With `CALL_PASSWORD` it joins a call that is encrypted with a password.

mod common;

use std::f64::consts::TAU;

use anyhow::Result;
use phonograph_call::{AudioSource, Event, Pulled, livekit::Level};

/// Samples of one channel in 20 ms.
const BLOCK: u64 = 960;

/// An encoder, and how far the tone is.
struct Tone {
    encoder: opus::Encoder,
    samples: u64,
}

impl AudioSource for Tone {
    fn pull(&mut self, out: &mut Vec<u8>) -> Pulled {
        let sample = |n: u64| (0.25 * (TAU * 440.0 * n as f64 / 48_000.0).sin()) as f32;
        // Twice each: left and right.
        let block: Vec<f32> =
            (self.samples..self.samples + BLOCK).flat_map(|n| [sample(n); 2]).collect();
        self.samples += BLOCK;
        match self.encoder.encode_vec_float(&block, 1275) {
            Ok(packet) => {
                out.extend_from_slice(&packet);
                Pulled::Frame(Level::Below(15))
            }
            Err(_) => Pulled::Ended,
        }
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let mut joined = common::join(false).await?;
    let encoder = opus::Encoder::new(48_000, opus::Channels::Stereo, opus::Application::Audio)?;
    joined.call.publish(Box::new(Tone { encoder, samples: 0 }));
    loop {
        tokio::select! {
            event = joined.call.event() => match event {
                Some(Event::Joined) => common::say("in the call"),
                Some(Event::Heard) => common::say("somebody hears us"),
                Some(Event::Ended(reason)) => {
                    common::say(&phonograph_call::chain(&reason));
                    return Ok(());
                }
                Some(_) => {}
                None => return Ok(()),
            },
            interrupted = tokio::signal::ctrl_c() => {
                interrupted?;
                break;
            }
        }
    }
    joined.call.leave().await;
    Ok(())
}
