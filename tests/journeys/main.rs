//! People's stories, end to end: the bot as a black box in a call of the real Element Call, with a
//! real homeserver and a real SFU, judged by what the browser plays and what the chat says.

mod support;

mod both_ways;
mod calls;
mod come_and_go;
mod ear;
mod examples;
mod faults;
mod hearing;
mod jukebox;
mod keychain;
mod keys;
mod leaving;
mod participant;
mod soak;
mod sources;
mod start;
mod trouble;
