//! Files that people send into rooms, from the homeserver's media repository.

use std::io::Cursor;

use async_trait::async_trait;
use bytesize::ByteSize;
use phonograph_matrix::{Media, MediaError};
use phonograph_media::playback::MediaSource;

use crate::jukebox::{Upload, UploadError};

/// The media repository, as the jukebox asks it.
#[derive(Debug)]
pub(crate) struct Uploads(pub(crate) Media);

#[async_trait]
impl crate::jukebox::Uploads for Uploads {
    async fn download(
        &self,
        upload: &Upload,
        size_max: ByteSize,
    ) -> Result<Box<dyn MediaSource>, UploadError> {
        let bytes = self.0.download(&upload.content, size_max.as_u64()).await;
        let bytes = bytes.map_err(|error| explain(error, upload, size_max))?;
        Ok(Box::new(Cursor::new(bytes)))
    }
}

fn explain(error: MediaError, upload: &Upload, size_max: ByteSize) -> UploadError {
    match error {
        MediaError::NoFile => UploadError::NoFile,
        MediaError::TooLarge { limit } => {
            let size = ByteSize(upload.size.unwrap_or(limit.saturating_add(1)));
            UploadError::TooBig { size, size_max }
        }
        error @ MediaError::Refused(_) => UploadError::Gone(Box::new(error)),
        error @ MediaError::Undecryptable(_) => UploadError::Undecryptable(Box::new(error)),
        // The enum belongs to the library and is open.
        error => UploadError::Unreachable(Box::new(error)),
    }
}
