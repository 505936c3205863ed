//! What is played: from what somebody typed to packets that can be played.
//!
//! [`resolve`] finds the source: a file of the [`library`], an [`upload`], or what is behind a link
//! on the [`web`]: a file or a station ([`link`]), a [`playlist`], a segmented stream ([`hls`]), a
//! [`podcast`], or what a helper [`program`] finds. [`open`] prepares it. The [`queue`] decides what
//! plays when; the [`player`] hands that to its [`desk`], which makes the sound. Whatever goes wrong
//! on the way becomes a reply in [`error`].

mod aside;
mod broadcast;
pub(crate) mod clips;
mod content;
mod desk;
mod error;
mod hls;
mod item;
mod library;
mod link;
mod loudness;
mod open;
mod player;
mod playlist;
mod podcast;
mod program;
pub(crate) mod queue;
mod reading;
mod resolve;
#[cfg(test)]
mod server;
pub(crate) mod speech;
mod upload;
mod want;
mod web;
mod xml;

pub(crate) use error::PlayError;
pub(crate) use item::{Item, Origin, Upload};
pub(crate) use library::Library;
pub(crate) use open::{Opened, Sound};
pub(crate) use player::{JumpId, News, Player, Tuning};
pub(crate) use resolve::{Found, Resolver};
pub(crate) use upload::{UploadError, Uploads};
pub(crate) use want::Want;
