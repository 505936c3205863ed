//! The jukebox: what people have it do from the chat, and what comes of that in the call, by ear.

mod hall;
mod tones;

mod buttons;
mod lasting;
mod overlaid;
mod queueing;
mod rights;
mod rooms;
mod sources;
mod steering;
mod trouble;
mod web;
