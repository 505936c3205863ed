//! Playback judged by its sound: what goes in, what a decoder at the far end makes of what
//! comes out.

mod assets;
mod bench;
mod commands;
mod formats;
mod gapless;
mod hostile;
mod listen;
mod mixing;
mod ogg;
mod passing;
mod seek;
mod switching;
mod trouble;
mod wav;
