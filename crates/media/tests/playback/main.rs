//! Playback judged by its sound: what goes in, what a decoder at the far end makes of what
//! comes out.

mod bench;
mod formats;
mod gapless;
mod hostile;
mod listen;
mod ogg;
mod passing;
mod seek;
mod trouble;
mod wav;
