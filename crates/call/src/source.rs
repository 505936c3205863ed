//! Where a call's sound comes from.

use phonograph_livekit::Level;

/// Something that gives one encoded frame for every 20 ms.
///
/// It is asked once for each 20 ms: while it gives frames up to 20 ms before the frame is due, otherwise
/// when it is.
///
/// It is called on a media worker, which many calls share: it must not block, wait for a lock or
/// take longer than a few hundred microseconds.
pub trait AudioSource: Send {
    /// Puts the next frame, one Opus packet of 20 ms at 48 kHz, into `out`, whose former content
    /// was dropped.
    fn pull(&mut self, out: &mut Vec<u8>) -> Pulled;
}

/// What came of a pull.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pulled {
    /// A frame, and how loud it is.
    Frame(Level),
    /// Nothing yet: these 20 ms are silent, and the next pull comes in time.
    Starved,
    /// Nothing any more; the source has ended as it wants to be heard ending, and is dropped.
    Ended,
}
