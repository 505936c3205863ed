//! One connection to one LiveKit SFU, without sockets: signalling, two peer connections, our
//! tracks.
//!
//! [`Connection`] is a state machine that somebody else drives. Messages from the WebSocket,
//! datagrams and time come in through `handle_*`; messages to be sent, datagrams and events come
//! out of [`Connection::poll_output`]. It never opens a socket and never looks at a clock, so a
//! test can run it through an hour in a millisecond. Frames come in encoded, and encrypted where the
//! call is: nothing here knows a media key.
//!
//! Source: livekit-server 1.13.5 as it answers (protocol 16, two peer connections over `/rtc`);
//! WebRTC by str0m.

mod address;
mod connection;
mod ended;
mod peer;
mod signal;
mod track;

pub use address::{AddressError, signal_url};
pub use connection::{Addresses, Config, Connection, Datagram, Event, Output, State};
pub use ended::{Ended, Recovery, Why};
pub use peer::Target;
pub use track::{Level, PublishError, SendError, TrackConfig, TrackId};
