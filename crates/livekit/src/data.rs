//! Packets of data between participants, beside the media.
//!
//! They travel as SCTP messages over the channels `_reliable` and `_lossy`: ours on the publisher
//! connection, those of others on the subscriber connection. They are *not* encrypted end to end:
//! whoever runs the SFU reads them. Element Call neither sends nor reads any.

use std::fmt;

use livekit_protocol::{DataPacket as WirePacket, UserPacket, data_packet::Value};
use prost::Message;

use crate::remote::IDENTITY_MAX;

/// The longest payload. The server's own limit for a whole message is 65 535 bytes.
const PAYLOAD_MAX: usize = 64_000;
/// The longest topic.
const TOPIC_MAX: usize = 256;

/// How a packet of data travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
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

/// A message that is no packet of data, or one beyond the limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unreadable;

/// Whether a packet is within the limits.
pub(crate) fn check(topic: Option<&str>, payload: &[u8]) -> Result<(), DataError> {
    let topic = topic.map_or(0, str::len);
    if topic > TOPIC_MAX {
        return Err(DataError::TooLong(topic));
    }
    if payload.len() > PAYLOAD_MAX {
        return Err(DataError::TooLong(payload.len()));
    }
    Ok(())
}

/// Writes a packet. `sequence` is the number of a reliable one, by which the server drops repeats;
/// 0 for a lossy one. Who sends it the server writes itself.
pub(crate) fn encode(topic: Option<&str>, payload: &[u8], sequence: u32) -> Vec<u8> {
    let user = UserPacket {
        payload: payload.to_vec(),
        topic: topic.map(str::to_owned),
        ..UserPacket::default()
    };
    let value = Some(Value::User(user));
    WirePacket { value, sequence, ..WirePacket::default() }.encode_to_vec()
}

/// Reads a packet; `None` for one that carries something else than a user's data.
pub(crate) fn decode(
    message: &[u8],
    reliability: Reliability,
) -> Result<Option<DataPacket>, Unreadable> {
    let packet = WirePacket::decode(message).map_err(|_| Unreadable)?;
    let identity = packet.participant_identity;
    let Some(Value::User(UserPacket { payload, topic, .. })) = packet.value else {
        return Ok(None);
    };
    if identity.len() > IDENTITY_MAX || check(topic.as_deref(), &payload).is_err() {
        return Err(Unreadable);
    }
    Ok(Some(DataPacket { identity, topic, payload, reliability }))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_packet_beyond_the_limits_is_neither_sent_nor_taken() {
        assert_eq!(check(None, &vec![0; PAYLOAD_MAX]), Ok(()));
        assert_eq!(check(None, &vec![0; 64_001]), Err(DataError::TooLong(64_001)));
        let long = "t".repeat(257);
        assert_eq!(check(Some(&long), &[]), Err(DataError::TooLong(257)));
        let message = encode(None, &vec![0; 64_001], 1);
        assert_eq!(decode(&message, Reliability::Reliable), Err(Unreadable));
        let message = encode(Some(&long), &[], 1);
        assert_eq!(decode(&message, Reliability::Reliable), Err(Unreadable));
    }

    #[test]
    fn the_payload_is_not_printed() {
        let message = encode(Some("t"), b"secret", 1);
        let packet = decode(&message, Reliability::Lossy).unwrap().unwrap();
        assert_eq!(packet.payload, b"secret");
        assert!(!format!("{packet:?}").contains("115"), "a byte of it: {packet:?}");
    }

    proptest! {
        #[test]
        fn no_message_makes_it_panic(message in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _read = decode(&message, Reliability::Reliable);
        }
    }
}
