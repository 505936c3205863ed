//! Playback judged by its sound: what goes in, what a decoder at the far end makes of what
//! comes out.

mod formats;
mod hostile;
mod listen;
mod ogg;
mod passing;
mod trouble;
mod wav;
