//! What the jukebox can do: what playing costs, how long its commands take, how punctual it is, and
//! how it bears a large library.

mod lateness;
mod listener;
mod music;
mod played;

pub(crate) mod files;
pub(crate) mod first_packet;
pub(crate) mod passing;
pub(crate) mod rooms;
pub(crate) mod transcode;

pub(crate) use lateness::{Lateness, Punctuality, Track};
pub(crate) use played::Played;
