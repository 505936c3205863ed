//! What people say to the bot, and what it says to them.
//!
//! [`parse()`] reads a message, [`structured()`] one that a client took apart, [`words`] holds all words it knows, [`access`] says who is heard,
//! [`rights`] who may do what, [`RoomSettings`] what a room has set, and [`reply`] holds every
//! sentence of the bot. All of it is pure.

mod access;
mod buttons;
mod closest;
mod order;
mod pace;
mod parse;
mod prefix;
mod reply;
mod rights;
mod settings;
mod structured;
mod time;
mod title;
mod words;

pub(crate) use access::{Allow, Block};
pub(crate) use buttons::{BUTTONS, button, digit, keycap};
pub(crate) use order::{
    Autoplay, Barred, Blocked, Change, Command, DjCommand, Episode, Host, ListCommand, LoopMode,
    Seek, SetCommand, Wanted, Which,
};
pub(crate) use pace::{Cooldown, Flood, Verdict};
pub(crate) use parse::{Addressing, Heard, Misunderstood, parse};
pub(crate) use prefix::Prefix;
pub(crate) use reply::{
    CHOICES_MAX, Edit, Help, HistoryPage, Limit, Line, ListOutcome, Now, PAGE_LEN, PICKS_MAX,
    Panel, Picks, QueuePage, Reference, Reply, State, Trouble,
};
pub(crate) use rights::{Decision, Group, Levels, Person, Refusal, RoomRules, decide};
pub(crate) use settings::{Defaults, ListFull, RoomSettings, Setting, SettingError, VOLUME_MAX};
pub(crate) use structured::{DESCRIPTION_TYPE, descriptions, structured};
pub(crate) use title::Title;
pub(crate) use words::Word;
