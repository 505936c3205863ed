//! The homeserver: [`Synapse`] is the process, [`Homeserver`] the little of Matrix that a test asks
//! of it, over plain HTTP and without any of the bot's code.
//!
//! Its server name is `localhost:PORT`, with the port of a TLS listener: who looks a token up at the
//! server's name then goes straight there, without `.well-known` and SRV.

mod client;
mod config;
mod rooms;
mod synapse;
mod template;

pub use self::{
    client::{Answer, Homeserver, Login, RequestError},
    config::Announced,
    rooms::NewRoom,
    synapse::{StartError, Synapse},
};
