//! What is played: from what somebody typed to packets that can be played.
//!
//! [`resolve`] finds the source, a file of the [`library`] or a [`link`] on the web, and [`open`]
//! prepares it for the [`player`]. Whatever goes wrong on the way becomes a reply in [`error`].

mod error;
mod item;
mod library;
mod link;
mod open;
mod player;
mod resolve;
#[cfg(test)]
mod server;

pub(crate) use error::PlayError;
#[expect(
    unused_imports,
    reason = "the queue, the resolver and the store are written against them"
)]
pub(crate) use item::{Item, Origin, Upload};
pub(crate) use open::Opened;
pub(crate) use player::{Ended, Playback};
pub(crate) use resolve::Resolver;
