//! Links: a file or a radio station on the web, read while it plays.
//!
//! A [`Link`] reads straight from its connection and keeps only the piece that came last: whoever
//! plays it reads ahead, and the rest waits in the server. Where the server can send parts (RFC 9110
//! §14), the link can be searched as a file can; each jump is a request.

mod address;
mod error;
mod guard;
mod pace;
mod source;
#[cfg(test)]
mod tests;

use std::time::Duration;

use reqwest::{
    Client, Response, StatusCode,
    header::{ACCEPT_ENCODING, ACCEPT_RANGES, CONTENT_TYPE, ETAG, HeaderValue, IF_RANGE, RANGE},
};
use tokio::time::timeout;
use url::Url;

pub(crate) use error::LinkError;
pub(crate) use guard::Refusal;
pub(crate) use source::{Link, Watch};

use crate::config;
use guard::Guard;

/// How long a connection may take to stand, look-up and TLS included. Music that is far away still
/// answers within one.
const CONNECT_MAX: Duration = Duration::from_secs(5);

/// How we name ourselves; some stations refuse those without a name.
const USER_AGENT: &str = concat!("phonograph/", env!("CARGO_PKG_VERSION"));

/// Opens links. Clones share their connections.
#[derive(Debug, Clone)]
pub(crate) struct Links {
    client: Client,
    guard: Guard,
    size_max: bytesize::ByteSize,
    patience: Duration,
}

impl Links {
    /// Opens links as the settings allow.
    ///
    /// # Errors
    /// If the system's certificates cannot be used.
    pub(crate) fn new(settings: &config::Links) -> Result<Self, reqwest::Error> {
        let guard = Guard::new(&settings.allow_hosts);
        let client = Client::builder()
            .user_agent(USER_AGENT)
            .connect_timeout(CONNECT_MAX)
            .dns_resolver(guard.clone())
            .redirect(guard.redirects())
            .referer(false)
            // A proxy would do the look-up, and could be led anywhere.
            .no_proxy()
            .build()?;
        let config::Links { size_max, patience, .. } = *settings;
        Ok(Self { client, guard, size_max, patience })
    }

    /// Asks for a link and looks at the answer; the body is read later, by the [`Link`].
    ///
    /// # Errors
    /// [`LinkError`]; cancel-safe, nothing is left open.
    pub(crate) async fn open(&self, url: &Url) -> Result<Link, LinkError> {
        self.guard.check(url).map_err(LinkError::Refused)?;
        let response = self.request(url, None).await?;
        if is_page(&response) {
            return Err(LinkError::WebPage);
        }
        match response.content_length() {
            Some(0) => Err(LinkError::Empty { title: source::title(&response) }),
            Some(size) if size > self.size_max.as_u64() => {
                let size = bytesize::ByteSize(size);
                Err(LinkError::TooBig { size, size_max: self.size_max })
            }
            _ => Ok(Link::new(self.clone(), response)),
        }
    }

    /// Asks for a link, or for the rest of it.
    async fn request(&self, url: &Url, rest: Option<&Rest>) -> Result<Response, LinkError> {
        let host = url.host_str().unwrap_or_default();
        // A compressed answer could not be searched, and music does not get smaller.
        let mut request = self.client.get(url.clone()).header(ACCEPT_ENCODING, "identity");
        if let Some(Rest { from, version }) = rest {
            request = request.header(RANGE, format!("bytes={from}-"));
            if let Some(version) = version {
                request = request.header(IF_RANGE, version);
            }
        }
        let response = timeout(self.patience, request.send())
            .await
            .map_err(|_| LinkError::TooSlow { host: host.to_owned() })?
            .map_err(|error| LinkError::of_request(host, error))?;
        let status = response.status();
        let expected = if rest.is_some() { StatusCode::PARTIAL_CONTENT } else { StatusCode::OK };
        if status == expected {
            Ok(response)
        } else if status.is_success() {
            Err(LinkError::Changed { host: host.to_owned() })
        } else {
            Err(LinkError::Status(status.as_u16()))
        }
    }
}

/// The part of a link from a byte on.
#[derive(Debug)]
struct Rest {
    from: u64,
    /// What the first answer called the version that it sent; a part of another would be noise.
    version: Option<HeaderValue>,
}

/// What pages to read call themselves. Everything else is judged by what is in it.
fn is_page(response: &Response) -> bool {
    let kind = response.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let kind = kind.and_then(|kind| kind.split(';').next()).unwrap_or_default().trim();
    ["text/html", "application/xhtml+xml"].iter().any(|page| kind.eq_ignore_ascii_case(page))
}

/// Whether the server says that it sends parts.
fn sends_parts(response: &Response) -> bool {
    response.headers().get(ACCEPT_RANGES).is_some_and(|units| units == "bytes")
}

/// The version of what was sent, if it is exact (RFC 9110 §13.1.5 asks for a strong one).
fn version(response: &Response) -> Option<HeaderValue> {
    response.headers().get(ETAG).filter(|tag| !tag.as_bytes().starts_with(b"W/")).cloned()
}
