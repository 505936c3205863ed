//! Packets of data between participants, beside the media.
//!
//! They travel as SCTP messages over the channels `_reliable` and `_lossy`: ours on the publisher
//! connection, those of others on the subscriber connection. They are *not* encrypted end to end:
//! whoever runs the SFU reads them. Element Call neither sends nor reads any.

use std::fmt;

/// The longest payload. The server's own limit for a whole message is 65 535 bytes.
pub(crate) const PAYLOAD_MAX: usize = 64_000;
/// The longest topic.
pub(crate) const TOPIC_MAX: usize = 256;

/// How a packet of data travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reliability {
    /// In order and sent again until it arrives.
    Reliable,
    /// Once, in any order.
    Lossy,
}

/// A packet of data from another participant.
#[derive(Clone, PartialEq, Eq)]
pub struct DataPacket {
    /// Who sent it, as the server says.
    pub identity: String,
    /// What it is about, if the sender said so.
    pub topic: Option<String>,
    /// What it carries; at most 64 000 bytes.
    pub payload: Vec<u8>,
    /// How it travelled.
    pub reliability: Reliability,
}

/// The payload is a message's body, which no log should have.
impl fmt::Debug for DataPacket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DataPacket")
            .field("identity", &self.identity)
            .field("topic", &self.topic)
            .field("bytes", &self.payload.len())
            .field("reliability", &self.reliability)
            .finish()
    }
}

/// Why a packet of data was not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// The channel is not open yet, or no more; later it may be.
    #[error("there is no data channel yet")]
    NotConnected,
    /// The payload is longer than 64 000 bytes, or the topic longer than 256.
    #[error("{0} bytes are too long for one packet of data")]
    TooLong(usize),
    /// As much as the channel takes is on its way already; a pause helps.
    #[error("the data channel is full")]
    Full,
}
