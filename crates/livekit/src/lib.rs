//! One connection to one LiveKit SFU, without sockets: signalling, two peer connections, our
//! tracks and those of others.
//!
//! [`Connection`] is a state machine that somebody else drives. Messages from the WebSocket,
//! datagrams and time come in through `handle_*`; messages to be sent, datagrams and events come
//! out of [`Connection::poll_output`]. It never opens a socket and never looks at a clock, so a
//! test can run it through an hour in a millisecond. Frames come in and go out encoded, and encrypted
//! where the call is: nothing here knows a media key.
//!
//! Source: livekit-server 1.13.5 as it answers (protocol 16, two peer connections over `/rtc`);
//! WebRTC by str0m.

mod address;
mod connection;
mod data;
mod ended;
mod ids;
mod peer;
mod receive;
mod remote;
mod signal;
mod track;
mod trouble;

pub use address::{AddressError, ReconnectReason, Resume, signal_url};
pub use connection::{
    Addresses, Config, Connection, Datagram, Event, Output, Protocol, Received, State,
};
pub use data::{DataError, DataPacket, Reliability};
pub use ended::{Ended, Recovery, Why};
pub use ids::{ParticipantSid, TrackSid};
pub use peer::Target;
pub use receive::Frame;
pub use remote::{Kind, Quality, RemoteTrack, SubscriptionProblem};
pub use track::{Level, PublishError, SendError, Source, TrackConfig, TrackId};
