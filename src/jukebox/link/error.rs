//! Why a link cannot be played.

use std::{error::Error, io};

use bytesize::ByteSize;

use super::guard::Refusal;
use crate::{command::Title, jukebox::hls::HlsError};

/// Why a link does not give us bytes, or no more of them.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LinkError {
    /// The host has no address, nobody answers there, or what answers is not the web. Later, or
    /// another spelling, may help.
    #[error("cannot reach {host}")]
    Unreachable {
        /// The host.
        host: String,
        /// What the HTTP client said.
        source: reqwest::Error,
    },
    /// It leads into a private network, too far, or out of the web; the source says which.
    #[error("the link is not followed")]
    Refused(#[source] Refusal),
    /// The server answered that it gives us nothing.
    #[error("the server answered with status {0}")]
    Status(u16),
    /// It is a page to read; the address of the file is needed.
    #[error("the link leads to a web page")]
    WebPage,
    /// There is not one byte in it.
    #[error("the file behind the link is empty")]
    Empty {
        /// Its name.
        title: Title,
    },
    /// The file is larger than the settings allow.
    #[error("{size} are more than the {size_max} allowed")]
    TooBig {
        /// Its size, as announced.
        size: ByteSize,
        /// The setting `links.size_max`.
        size_max: ByteSize,
    },
    /// The server is silent for longer than the settings allow, or sends hardly anything. Later may
    /// help.
    #[error("{host} sends too slowly")]
    TooSlow {
        /// The host.
        host: String,
    },
    /// The server sends and sends, and what it sends is no music that we find.
    #[error("{host} sends without end")]
    Endless {
        /// The host.
        host: String,
    },
    /// The connection broke. Starting again may help.
    #[error("the connection to {host} broke")]
    Broken {
        /// The host.
        host: String,
        /// What the HTTP client said.
        source: reqwest::Error,
    },
    /// The connection to a SHOUTcast server broke. Starting again may help.
    #[error("the connection to {host} broke")]
    Lost {
        /// The host.
        host: String,
        /// What the system said.
        source: io::Error,
    },
    /// The server ended what is live. Starting again may help.
    #[error("{host} ended the stream")]
    Ended {
        /// The host.
        host: String,
    },
    /// What is live was interrupted, and cannot be entered in its middle. Opening it anew helps.
    #[error("the stream of {host} was interrupted")]
    Interrupted {
        /// The host.
        host: String,
        /// By what.
        source: Box<LinkError>,
    },
    /// What is live was lost, and did not come back for minutes. Later may help.
    #[error("{host} did not come back")]
    Gone {
        /// The host.
        host: String,
        /// What the last attempt failed by.
        source: Box<LinkError>,
    },
    /// What is live goes on in another format. Opening it anew helps.
    #[error("{host} sends {kind:?} now")]
    OtherFormat {
        /// The host.
        host: String,
        /// The content type, or the form of segments.
        kind: String,
    },
    /// The server compresses what it was asked to send as it is.
    #[error("{host} sends in the encoding {encoding:?}")]
    Compressed {
        /// The host.
        host: String,
        /// As it calls it.
        encoding: String,
    },
    /// A list, an index or a segment is larger than any real one.
    #[error("{host} sends more than {size_max} of a list")]
    ListTooBig {
        /// The host.
        host: String,
        /// The most that is taken.
        size_max: ByteSize,
    },
    /// A segmented stream cannot be read; the source says why.
    #[error("the stream of {host} cannot be read")]
    Stream {
        /// The host.
        host: String,
        /// Why.
        source: HlsError,
    },
    /// The server did not continue where we asked it to: the file changed, or it does not keep what
    /// it announced.
    #[error("{host} does not continue where it should")]
    Changed {
        /// The host.
        host: String,
    },
}

impl LinkError {
    /// Whether it may be over in a moment, so that what is live is tried again.
    pub(crate) fn may_pass(&self) -> bool {
        match self {
            Self::Unreachable { .. }
            | Self::TooSlow { .. }
            | Self::Broken { .. }
            | Self::Lost { .. }
            | Self::Ended { .. }
            | Self::Empty { .. } => true,
            // A station that restarts has no mount point for a while, and a segment comes late.
            Self::Status(status) => matches!(status, 404 | 408 | 429 | 500..),
            Self::Refused(_)
            | Self::WebPage
            | Self::TooBig { .. }
            | Self::Endless { .. }
            | Self::Interrupted { .. }
            | Self::Gone { .. }
            | Self::OtherFormat { .. }
            | Self::Compressed { .. }
            | Self::ListTooBig { .. }
            | Self::Stream { .. }
            | Self::Changed { .. } => false,
        }
    }

    /// Whether what plays goes on when it is opened anew at once.
    pub(crate) fn is_over_when_reopened(&self) -> bool {
        matches!(self, Self::Interrupted { .. } | Self::OtherFormat { .. })
    }

    /// Sorts the failure of a request by what helps.
    pub(super) fn of_request(host: &str, error: reqwest::Error) -> Self {
        let host = host.to_owned();
        if let Some(refusal) = find::<Refusal>(&error) {
            Self::Refused(refusal.clone())
        } else if error.is_timeout() && !error.is_connect() {
            Self::TooSlow { host }
        } else {
            // The link may hold a secret in its query, which the error would print.
            Self::Unreachable { host, source: error.without_url() }
        }
    }
}

/// The cause of this type, however deep it lies.
fn find<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        next = error.source();
    }
    None
}
