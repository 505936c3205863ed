//! What passes beside the media: who speaks, how well people are connected, packets of data.

use livekit_protocol::{ConnectionQuality, ConnectionQualityUpdate, SpeakersChanged};

use super::{Connection, DataError, Event, Instant, Reliability, State, Target, Trouble};
use crate::{Quality, data, peer::WriteError};

impl Connection {
    /// Sends a packet of data to everybody, up to 64 000 bytes. It is not encrypted end to end.
    ///
    /// # Errors
    /// [`DataError`]; nothing was sent.
    pub fn send_data(
        &mut self,
        topic: Option<&str>,
        payload: &[u8],
        reliability: Reliability,
        now: Instant,
    ) -> Result<(), DataError> {
        data::check(topic, payload)?;
        if self.state != State::Connected {
            return Err(DataError::NotConnected);
        }
        let sequence = match reliability {
            Reliability::Reliable => self.data_sequence + 1,
            Reliability::Lossy => 0,
        };
        let packet = data::encode(topic, payload, sequence);
        let written = self.publisher.write_data(reliability, &packet);
        self.drain(Target::Publisher, now);
        match written {
            Ok(()) => {
                self.data_sequence = self.data_sequence.max(sequence);
                Ok(())
            }
            Err(WriteError::NotOpen) => Err(DataError::NotConnected),
            Err(WriteError::Full) => Err(DataError::Full),
        }
    }

    /// Takes a message from a data channel.
    pub(super) fn data_came(&mut self, reliability: Reliability, message: &[u8], now: Instant) {
        match data::decode(message, reliability) {
            Ok(Some(packet)) => self.emit(Event::Data(packet)),
            // A part of something that Element Call does not speak, nor we.
            Ok(None) => {}
            Err(data::Unreadable) => self.troubles.count(Trouble::BrokenData, now),
        }
    }

    pub(super) fn speakers_changed(&mut self, changed: &SpeakersChanged) {
        for speaker in &changed.speakers {
            let Some(identity) = self.hearing.roster.identity(&speaker.sid) else { continue };
            let identity = identity.to_owned();
            let level = if speaker.level.is_finite() { speaker.level.max(0.0) } else { 0.0 };
            self.emit(Event::Speaking { identity, level, active: speaker.active });
        }
    }

    pub(super) fn quality_changed(&mut self, update: &ConnectionQualityUpdate) {
        for info in &update.updates {
            let Some(identity) = self.hearing.roster.identity(&info.participant_sid) else {
                continue;
            };
            let identity = identity.to_owned();
            let quality = match info.quality() {
                ConnectionQuality::Lost => Quality::Lost,
                ConnectionQuality::Poor => Quality::Poor,
                ConnectionQuality::Good => Quality::Good,
                ConnectionQuality::Excellent => Quality::Excellent,
            };
            self.emit(Event::Quality { identity, quality });
        }
    }
}
