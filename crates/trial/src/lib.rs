//! The real stack on loopback, for a demonstration and for tests: homeserver, SFU, token service
//! and Element Call in a browser. It uses no crate of ours, so that what it says about the bot is
//! not said by the bot's own code.
//!
//! Not a deployment: everything here is thrown away when its trial ends, and listens on loopback
//! only.

mod background;
pub mod bot;
pub mod browser;
pub mod guard;
pub mod homeserver;
mod http;
pub mod install;
pub mod person;
mod ports;
pub mod relay;
pub mod second;
mod secret;
pub mod sfu;
pub mod stack;
pub mod stage;
pub mod tls;
pub mod token_service;
pub mod versions;
mod way;
