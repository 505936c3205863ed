//! Files that people send into rooms.

use std::error::Error;

use async_trait::async_trait;
use bytesize::ByteSize;
use phonograph_media::playback::MediaSource;

use super::Upload;

/// Gets them from the homeserver.
#[async_trait]
pub(crate) trait Uploads: Send + Sync {
    /// Downloads a file, and decrypts it if its message says how.
    ///
    /// Reading what it gives may block. Cancel-safe.
    ///
    /// # Errors
    /// [`UploadError`]; a file that is larger than `size_max` is given up as soon as that shows.
    async fn download(
        &self,
        upload: &Upload,
        size_max: ByteSize,
    ) -> Result<Box<dyn MediaSource>, UploadError>;
}

/// Why a file cannot be had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UploadError {
    /// Nobody is there to get it.
    #[error("there is no way to the media repository")]
    Unavailable,
    /// The message names no file, or in a way that cannot be read.
    #[error("the message names no file")]
    NoFile,
    /// It is larger than the settings allow.
    #[error("the file is larger than the {size_max} allowed")]
    TooBig {
        /// Its size, as announced or as far as it was seen.
        size: ByteSize,
        /// The setting `links.size_max`.
        size_max: ByteSize,
    },
    /// The homeserver does not have it, or no longer.
    #[error("the homeserver does not have the file")]
    Gone(#[source] Box<dyn Error + Send + Sync>),
    /// The homeserver does not give it now. Later may help.
    #[error("the homeserver does not give the file")]
    Unreachable(#[source] Box<dyn Error + Send + Sync>),
    /// What came is not what the message says: its hash or its key does not fit.
    #[error("the file cannot be decrypted")]
    Undecryptable(#[source] Box<dyn Error + Send + Sync>),
}
