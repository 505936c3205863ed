//! Why a link cannot be played.

use std::error::Error;

use bytesize::ByteSize;
use url::Url;

use super::guard::Refusal;
use crate::command::Title;

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
    /// The server did not continue where we asked it to: the file changed, or it does not keep what
    /// it announced.
    #[error("{host} does not continue where it should")]
    Changed {
        /// The host.
        host: String,
    },
}

impl LinkError {
    /// Sorts the failure of a request by what helps.
    pub(super) fn of_request(host: &str, error: reqwest::Error) -> Self {
        // After a redirect it is another host that failed.
        let host = error.url().and_then(Url::host_str).unwrap_or(host).to_owned();
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
