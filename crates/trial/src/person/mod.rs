//! People for a trial: each signs in on a browser's page, chats, and has Element Call to hear with.
//!
//! [`Person`] is the account and its rooms, [`Call`] what Element Call shows and plays, [`Heard`]
//! what can be measured in it. They are told apart from the bot in all: another client, another
//! language, another media stack.

mod call;
mod chat;
mod client;
mod join;
mod message;
mod microphone;
mod sound;
mod sounds;
mod stranger;

pub use call::{Call, EncryptionError, Participant, Shown};
pub use client::Person;
pub use join::{JoinOptions, Keys};
pub use message::{Message, Reaction};
pub use microphone::Microphone;
pub use sound::{Channel, Gap, Heard, Received, Stream};
pub use sounds::{Sound, Sounds};
pub use stranger::{Forwarded, Guise, Stranger};
