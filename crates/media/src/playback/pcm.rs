//! A whole source as samples, as fast as it can be read: for those who measure it.

use std::fmt;

use symphonia::core::io::MediaSource;
use thiserror::Error;

use super::decode::{DecodeError, Decoder};
use super::info::Info;
use super::open::{OpenError, Opened, look};
use super::queue::{Piece, Queue, Trim};
use super::reader::{ReadError, Reader};

/// How many packets in a row may be bad, as when playing.
const BAD_PACKETS_MAX: u32 = 100;

/// Decoding a source to its end failed. What came before is whole.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PcmError {
    /// The source could not be read to its end; trying again may work.
    #[error("the source cannot be read to its end")]
    Read(#[source] ReadError),
    /// It could not be decoded to its end, and never will be.
    #[error("the source cannot be decoded to its end")]
    Decode(#[source] DecodeError),
}

/// Samples that belong together.
#[derive(Debug, Clone, Copy)]
pub struct Block<'a> {
    /// Their rate; it may be another one than that of the block before.
    pub rate_hz: u32,
    /// Interleaved stereo, mixed down, without what the encoder added to the music.
    pub stereo: &'a [f32],
}

/// Decodes a source packet by packet.
///
/// Holds some seconds of compressed packets and the samples of one packet, however long the source
/// is. Its methods block while the source does. Dropping it closes the source.
pub struct Pcm {
    reader: Reader,
    info: Info,
    queue: Queue,
    all_read: bool,
    decoder: Decoder,
    trim: Trim,
    decoded: Vec<f32>,
    bad_in_a_row: u32,
    packets_skipped: u64,
}

impl fmt::Debug for Pcm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pcm")
            .field("info", &self.info)
            .field("packets_skipped", &self.packets_skipped)
            .finish_non_exhaustive()
    }
}

impl Pcm {
    /// Looks at what the source holds.
    ///
    /// # Errors
    ///
    /// As [`open`](super::open).
    pub fn open(source: Box<dyn MediaSource>) -> Result<Self, OpenError> {
        let Opened { reader, info, start } = look(source)?;
        Ok(Self {
            reader,
            info,
            queue: Queue::default(),
            all_read: false,
            decoder: Decoder::new(&start.params)?,
            trim: start.trim,
            decoded: Vec::new(),
            bad_in_a_row: 0,
            packets_skipped: 0,
        })
    }

    /// What the source says about itself.
    pub fn info(&self) -> &Info {
        &self.info
    }

    /// Packets that could not be decoded and were left out.
    pub fn packets_skipped(&self) -> u64 {
        self.packets_skipped
    }

    /// Decodes the next packet that has music in it; none at the end.
    ///
    /// # Errors
    ///
    /// The source goes on, and cannot be followed.
    pub fn next_block(&mut self) -> Result<Option<Block<'_>>, PcmError> {
        loop {
            let Some(piece) = self.next_piece()? else { return Ok(None) };
            if let Piece::Track(start) = &piece {
                self.decoder = Decoder::new(&start.params)
                    .map_err(|error| PcmError::Decode(DecodeError::Track(error)))?;
                self.trim = start.trim;
            } else if let Piece::Packet(timed) = &piece {
                match self.decoder.decode(&timed.packet, &mut self.decoded) {
                    Ok(rate_hz) if !self.decoded.is_empty() => {
                        self.bad_in_a_row = 0;
                        let music = self.trim.cut(self.decoded.len() / 2);
                        if !music.is_empty() {
                            let stereo = &self.decoded[2 * music.start..2 * music.end];
                            return Ok(Some(Block { rate_hz, stereo }));
                        }
                    }
                    Ok(_) => self.note_bad()?,
                    Err(_) => {
                        self.packets_skipped += 1;
                        self.note_bad()?;
                    }
                }
            }
        }
    }

    fn next_piece(&mut self) -> Result<Option<Piece>, PcmError> {
        loop {
            if let Some(piece) = self.queue.pop() {
                return Ok(Some(piece));
            }
            if self.all_read {
                return Ok(None);
            }
            let batch = self.reader.read_ahead().map_err(PcmError::Read)?;
            self.all_read = batch.ended;
            self.queue.append(batch.queue);
        }
    }

    fn note_bad(&mut self) -> Result<(), PcmError> {
        self.bad_in_a_row += 1;
        if self.bad_in_a_row >= BAD_PACKETS_MAX {
            let error = DecodeError::TooManyBadPackets(self.bad_in_a_row);
            return Err(PcmError::Decode(error));
        }
        Ok(())
    }
}
