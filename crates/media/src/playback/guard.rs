//! A wall between hostile files and the call that plays them.

use std::panic::{AssertUnwindSafe, catch_unwind};

use symphonia::core::errors::{Error, Result};

/// Runs a parser of foreign bytes; a panic in it becomes an error of the stream.
///
/// symphonia's demuxers and decoders are large and meet files that nobody has seen before: some
/// that are built to break them reach an assertion or an overflow check (found by this crate's
/// property tests). Such a file must end like any other malformed one, not end the media worker
/// and with it the music of other rooms. The crates forbid `unsafe`, so a panic leaves nothing
/// worse behind than a parser in an odd state; readers are not used again after it, and decoders
/// are given up after a few.
pub(crate) fn guarded<T>(parse: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(parse)).unwrap_or(Err(Error::DecodeError("the parser panicked")))
}
