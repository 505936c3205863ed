//! Files that people sent: fetched from the homeserver, decrypted and bounded.
//!
//! The SDK reads a whole answer before it looks at it, so the request is made by its HTTP client and
//! read in pieces here. The file's announced size is looked at first, then the `Content-Length`, then
//! every piece. Path and authentication are the SDK's (`/_matrix/client/v1/media`, Matrix 1.11, or
//! the old path where the homeserver has only that). Encrypted files (client-server API, "Sending
//! encrypted attachments") are decrypted when all is here and their SHA-256 holds.

use std::{
    borrow::Cow,
    io::{self, Cursor, Read},
    time::Duration,
};

use bytes::Bytes;
use matrix_sdk::{
    Client, HttpError,
    reqwest::{self, Response},
    ruma::{
        MxcUri, OwnedMxcUri,
        api::{
            Metadata, OutgoingRequest,
            auth_scheme::SendAccessToken,
            client::{
                authenticated_media::get_content::v1 as authenticated,
                media::get_content::v3 as open,
            },
        },
        events::room::EncryptedFile,
    },
};
use matrix_sdk_base::crypto::AttachmentDecryptor;
use serde_json::Value;

/// How long a homeserver may be silent: it may have to fetch the file from another one first, for
/// which Synapse takes up to 20 s by itself.
const SILENT_MAX: Duration = Duration::from_secs(30);
/// How long a whole download may take.
const DOWNLOAD_MAX: Duration = Duration::from_mins(10);

/// Why a file could not be fetched.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MediaError {
    /// The message names no file, or not in a way that we understand. Nothing helps.
    #[error("the message names no file")]
    NoFile,
    /// The file is larger than the caller takes.
    #[error("the file has more than {limit} bytes")]
    TooLarge {
        /// What the caller takes, in bytes.
        limit: u64,
    },
    /// The homeserver does not have it, or does not give it to us: it was removed, or its server is
    /// away. Later it may be there.
    #[error("the homeserver answered with status {0}")]
    Refused(u16),
    /// The homeserver does not answer, or stopped in the middle. Later it may.
    #[error("the homeserver does not answer")]
    Unreachable(#[source] reqwest::Error),
    /// Nothing came for 30 s, or not all within 10 minutes.
    #[error("the homeserver is too slow")]
    TooSlow,
    /// What the homeserver can do is not known, since it does not answer.
    #[error("the homeserver does not say what it can do")]
    Versions(#[source] Box<HttpError>),
    /// The file is not the one that the message means: it was cut or changed, or its key is wrong.
    #[error("the file cannot be decrypted")]
    Undecryptable(#[source] io::Error),
}

/// Fetches files. Clones ask the same account.
#[derive(Debug, Clone)]
pub struct Media {
    client: Client,
}

/// Where a file is, and its key if it has one.
#[derive(Debug)]
enum Source {
    Clear(OwnedMxcUri),
    Encrypted(Box<EncryptedFile>),
}

impl Media {
    pub(crate) fn new(client: Client) -> Self {
        Self { client }
    }

    /// Fetches the file of a message ([`Attachment::content`](crate::Attachment::content)), and
    /// decrypts it if it is encrypted. While an encrypted file is decrypted it is held twice.
    ///
    /// # Errors
    /// [`MediaError`]; [`MediaError::TooLarge`] as soon as it is known. Cancel-safe: dropping the
    /// future ends the download.
    pub async fn download(&self, content: &Value, limit: u64) -> Result<Bytes, MediaError> {
        if announced(content).is_some_and(|size| size > limit) {
            return Err(MediaError::TooLarge { limit });
        }
        let source = source(content).ok_or(MediaError::NoFile)?;
        let fetched = tokio::time::timeout(DOWNLOAD_MAX, self.fetch(source.uri(), limit)).await;
        let data = fetched.map_err(|_elapsed| MediaError::TooSlow)??;
        match source {
            Source::Clear(_) => Ok(data.into()),
            Source::Encrypted(file) => {
                let decrypted = tokio::task::spawn_blocking(move || decrypt(data, *file)).await;
                let decrypted = decrypted.map_err(io::Error::other).flatten();
                decrypted.map(Bytes::from).map_err(MediaError::Undecryptable)
            }
        }
    }

    async fn fetch(&self, uri: &MxcUri, limit: u64) -> Result<Vec<u8>, MediaError> {
        let request = self.request(uri).await?;
        let asked = tokio::time::timeout(SILENT_MAX, self.client.http_client().execute(request));
        let answer = asked.await.map_err(|_elapsed| MediaError::TooSlow)?;
        let answer = answer.map_err(MediaError::Unreachable)?;
        if !answer.status().is_success() {
            return Err(MediaError::Refused(answer.status().as_u16()));
        }
        read_bounded(answer, limit).await
    }

    async fn request(&self, uri: &MxcUri) -> Result<reqwest::Request, MediaError> {
        let versions = self.client.supported_versions().await;
        let versions = versions.map_err(|error| MediaError::Versions(Box::new(error)))?;
        let base = self.client.homeserver();
        let token = self.client.access_token().unwrap_or_default();
        let token = SendAccessToken::IfRequired(&token);
        let (server, id) = uri.parts().map_err(|_bad| MediaError::NoFile)?;
        let (server, id) = (server.to_owned(), id.to_owned());
        let request = if authenticated::Request::PATH_BUILDER.is_supported(&versions) {
            authenticated::Request::new(id, server).try_into_http_request::<Vec<u8>>(
                base.as_str(),
                token,
                Cow::Owned(versions),
            )
        } else {
            #[expect(deprecated, reason = "all that a homeserver before Matrix 1.11 has")]
            open::Request::new(id, server).try_into_http_request(
                base.as_str(),
                token,
                Cow::Owned(versions),
            )
        };
        let request = request.map_err(|_bad| MediaError::NoFile)?;
        let mut request = reqwest::Request::try_from(request).map_err(MediaError::Unreachable)?;
        // The client's own limit is for small answers.
        *request.timeout_mut() = Some(DOWNLOAD_MAX);
        Ok(request)
    }
}

impl Source {
    fn uri(&self) -> &MxcUri {
        match self {
            Self::Clear(uri) => uri,
            Self::Encrypted(file) => &file.url,
        }
    }
}

/// Reads an answer piece by piece, no more than `limit` bytes.
async fn read_bounded(mut answer: Response, limit: u64) -> Result<Vec<u8>, MediaError> {
    let too_large = MediaError::TooLarge { limit };
    if answer.content_length().is_some_and(|length| length > limit) {
        return Err(too_large);
    }
    let mut data = Vec::new();
    loop {
        let piece = tokio::time::timeout(SILENT_MAX, answer.chunk()).await;
        let piece = piece.map_err(|_elapsed| MediaError::TooSlow)?;
        let Some(piece) = piece.map_err(MediaError::Unreachable)? else { return Ok(data) };
        if data.len() as u64 + piece.len() as u64 > limit {
            return Err(too_large);
        }
        data.extend_from_slice(&piece);
    }
}

/// The size that the message's sender wrote into it, in bytes.
fn announced(content: &Value) -> Option<u64> {
    content.get("info")?.get("size")?.as_u64()
}

/// The encrypted file wins: a `url` beside it would not be what was encrypted.
fn source(content: &Value) -> Option<Source> {
    if let Some(file) = content.get("file") {
        let file = serde_json::from_value(file.clone()).ok()?;
        return Some(Source::Encrypted(Box::new(file)));
    }
    let uri = OwnedMxcUri::from(content.get("url")?.as_str()?);
    uri.is_valid().then_some(Source::Clear(uri))
}

fn decrypt(data: Vec<u8>, file: EncryptedFile) -> io::Result<Vec<u8>> {
    let mut decrypted = Vec::with_capacity(data.len());
    let mut data = Cursor::new(data);
    let mut reader = AttachmentDecryptor::new(&mut data, file.into()).map_err(io::Error::other)?;
    reader.read_to_end(&mut decrypted)?;
    Ok(decrypted)
}

#[cfg(test)]
mod tests;
