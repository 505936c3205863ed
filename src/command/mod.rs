//! What people say to the bot, and what it says to them.
//!
//! [`parse()`] reads a message, [`access`] says who is heard, [`reply`] holds every sentence of the
//! bot. All of it is pure.

mod access;
mod parse;
mod reply;
mod title;

pub(crate) use access::Allow;
pub(crate) use parse::{Addressing, Command, Heard, Misunderstood, Prefix, Wanted, parse};
pub(crate) use reply::{CHOICES_MAX, Reference, Reply, Trouble};
pub(crate) use title::Title;
