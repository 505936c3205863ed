//! What is played: from what somebody typed to packets that can be played.
//!
//! [`resolve`] finds the source: a file of the [`library`], an [`upload`], or what is behind a link
//! on the [`web`]: a file or a station ([`link`]), a [`playlist`], a segmented stream ([`hls`]), a
//! [`podcast`], or what a helper [`program`] finds. [`open`] prepares it for the [`player`]. Whatever goes wrong on the way becomes a reply in [`error`].

mod content;
mod error;
mod hls;
mod item;
#[cfg_attr(not(test), expect(dead_code, reason = "wired in by the resolver"))]
mod library;
mod link;
mod open;
mod player;
#[cfg_attr(not(test), expect(dead_code, unused_imports, reason = "wired in by the room"))]
mod queue;
mod playlist;
mod podcast;
mod program;
mod resolve;
#[cfg(test)]
mod server;
mod upload;
mod web;
mod xml;

pub(crate) use error::PlayError;
#[cfg_attr(
    not(test),
    expect(unused_imports, reason = "the resolver and the store are written against them")
)]
pub(crate) use item::{Item, Origin, Upload};
#[expect(unused_imports, reason = "wired in by the resolver and the room")]
pub(crate) use library::{Hit, Library, LibraryError};
pub(crate) use open::Opened;
pub(crate) use player::{Ended, Playback};
#[expect(unused_imports, reason = "wired in by the room")]
pub(crate) use podcast::Episode;
#[expect(unused_imports, reason = "wired in by the room")]
pub(crate) use resolve::{Found, Resolver, Source};
#[expect(unused_imports, reason = "wired in with the media repository")]
pub(crate) use upload::{UploadError, Uploads};
