//! Links: a file or a radio station on the web, read while it plays.
//!
//! A [`Link`] reads straight from its connection and keeps only the piece that came last: whoever
//! plays it reads ahead, and the rest waits in the server. Where the server can send parts (RFC 9110
//! §14), the link can be searched as a file can; each jump is a request. A station is reached again
//! when its connection breaks, and tells what it plays.

mod address;
mod answer;
mod backoff;
mod error;
mod guard;
mod icy;
mod pace;
mod source;
mod station;
#[cfg(test)]
mod tests;
mod watch;

use std::time::Duration;

use bytesize::ByteSize;
use reqwest::{
    Client, Response, StatusCode,
    header::{
        ACCEPT_ENCODING, ACCEPT_RANGES, CONTENT_ENCODING, ETAG, HeaderMap, HeaderValue, IF_RANGE,
        LOCATION, RANGE,
    },
    redirect,
};
use tokio::time::{Instant, timeout, timeout_at};
use url::Url;

pub(crate) use error::LinkError;
pub(crate) use guard::Refusal;
pub(crate) use source::Link;
pub(crate) use watch::Watch;

pub(super) use answer::name;
pub(super) use backoff::Backoff;

use crate::{command::Barred, config};
use answer::Answer;
use guard::{Guard, REDIRECTS_MAX};

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
    barred: Barred,
    size_max: ByteSize,
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
            // They are followed here, so that each is checked as a link is.
            .redirect(redirect::Policy::none())
            .referer(false)
            // A proxy would do the look-up, and could be led anywhere.
            .no_proxy()
            // Other users of the client's crate switch these on for all; a little that is packed can
            // become more than any memory holds.
            .no_gzip()
            .no_brotli()
            .no_deflate()
            .no_zstd()
            .build()?;
        let config::Links { size_max, patience, .. } = *settings;
        Ok(Self { client, guard, barred: Barred::default(), size_max, patience })
    }

    /// The same, that leads to none of these hosts.
    pub(crate) fn barring(&self, barred: Barred) -> Self {
        Self { barred, ..self.clone() }
    }

    /// Whether a link may be followed, as far as it tells itself.
    ///
    /// # Errors
    /// [`LinkError::Refused`].
    pub(crate) fn check(&self, url: &Url) -> Result<(), LinkError> {
        if let Some(host) = self.barred.host(url) {
            return Err(LinkError::Refused(Refusal::Blocked { host: host.to_owned() }));
        }
        self.guard.check(url).map_err(LinkError::Refused)
    }

    /// Asks for a link and looks at the answer; the body is read later, by the [`Link`].
    ///
    /// # Errors
    /// [`LinkError`]; cancel-safe, nothing is left open.
    pub(crate) async fn open(&self, url: &Url) -> Result<Link, LinkError> {
        let answer = self.request(url, None).await?;
        if matches!(answer.kind().as_str(), "text/html" | "application/xhtml+xml") {
            return Err(LinkError::WebPage);
        }
        match answer.len {
            Some(0) => Err(LinkError::Empty { title: answer.title() }),
            Some(size) if size > self.size_max.as_u64() => {
                let size = ByteSize(size);
                Err(LinkError::TooBig { size, size_max: self.size_max })
            }
            _ => Ok(Link::new(self.clone(), url, answer)),
        }
    }

    /// Gets a file, or a part of it given by its first byte and length, of at most so many bytes.
    ///
    /// # Errors
    /// [`LinkError`]; cancel-safe.
    pub(crate) async fn get(
        &self,
        url: &Url,
        range: Option<(u64, u64)>,
        bytes_max: usize,
    ) -> Result<Vec<u8>, LinkError> {
        let rest = range.map(|(from, _)| Rest { from, version: None });
        let answer = self.request(url, rest.as_ref()).await?;
        let host = answer.host().to_owned();
        let size_max = ByteSize(bytes_max as u64);
        let wanted = range.map_or(bytes_max, |(_, len)| usize::try_from(len).unwrap_or(usize::MAX));
        if wanted > bytes_max || (range.is_none() && answer.len > Some(size_max.as_u64())) {
            return Err(LinkError::ListTooBig { host, size_max });
        }
        // One more tells apart what ends there and what does not.
        let read_max = if range.is_some() { wanted } else { bytes_max + 1 };
        let bytes = Link::new(self.clone(), url, answer).read_up_to(read_max).await?;
        if bytes.len() > bytes_max {
            Err(LinkError::ListTooBig { host, size_max })
        } else {
            Ok(bytes)
        }
    }

    /// Asks for a link, or for the rest of it, wherever it leads.
    async fn request(&self, url: &Url, rest: Option<&Rest>) -> Result<Answer, LinkError> {
        let until = Instant::now() + self.patience;
        let mut at = url.clone();
        for _ in 0..=REDIRECTS_MAX {
            self.check(&at)?;
            let response = match self.ask(&at, rest, until).await? {
                Ok(response) => response,
                Err(error) => return self.as_shoutcast(&at, error).await,
            };
            match leads_to(&at, &response) {
                Some(next) => at = next,
                None => return accept(response, rest),
            }
        }
        Err(LinkError::Refused(Refusal::TooFar))
    }

    /// Asks one server; what the client makes of no answer is inside.
    async fn ask(
        &self,
        url: &Url,
        rest: Option<&Rest>,
        until: Instant,
    ) -> Result<reqwest::Result<Response>, LinkError> {
        let host = url.host_str().unwrap_or_default();
        // A compressed answer could not be searched, and music does not get smaller.
        let mut request = self.client.get(url.clone()).header(ACCEPT_ENCODING, "identity");
        match rest {
            None => request = request.header("icy-metadata", "1"),
            Some(Rest { from, version }) => {
                request = request.header(RANGE, format!("bytes={from}-"));
                if let Some(version) = version {
                    request = request.header(IF_RANGE, version);
                }
            }
        }
        timeout_at(until, request.send())
            .await
            .map_err(|_| LinkError::TooSlow { host: host.to_owned() })
    }

    /// Asks a server again whose answer is no HTTP.
    async fn as_shoutcast(&self, url: &Url, error: reqwest::Error) -> Result<Answer, LinkError> {
        let is_other = error.is_request() && !error.is_connect() && !error.is_timeout();
        if is_other && url.scheme() == "http" {
            let asking = async {
                let addresses = self.guard.addresses(url).await.ok()?;
                Answer::of_shoutcast(url, &addresses).await
            };
            if let Ok(Some(answer)) = timeout(self.patience, asking).await {
                return Ok(answer);
            }
        }
        Err(LinkError::of_request(url.host_str().unwrap_or_default(), error))
    }
}

/// Where an answer sends whoever asked (RFC 9110 §15.4).
fn leads_to(url: &Url, response: &Response) -> Option<Url> {
    let is_redirect = matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308);
    let location = response.headers().get(LOCATION).filter(|_| is_redirect)?;
    url.join(str::from_utf8(location.as_bytes()).ok()?).ok()
}

/// Takes an answer, if it is what was asked for.
fn accept(response: Response, rest: Option<&Rest>) -> Result<Answer, LinkError> {
    let status = response.status();
    let expected = if rest.is_some() { StatusCode::PARTIAL_CONTENT } else { StatusCode::OK };
    if status == expected {
        let answer = Answer::of_http(response);
        as_it_is(&answer)?;
        Ok(answer)
    } else if status.is_success() {
        let host = response.url().host_str().unwrap_or_default().to_owned();
        Err(LinkError::Changed { host })
    } else {
        Err(LinkError::Status(status.as_u16()))
    }
}

/// The part of a link from a byte on.
#[derive(Debug)]
struct Rest {
    from: u64,
    /// What the first answer called the version that it sent; a part of another would be noise.
    version: Option<HeaderValue>,
}

/// Refuses what is compressed: a little of it can become more than any memory holds.
fn as_it_is(answer: &Answer) -> Result<(), LinkError> {
    let encoding = answer.headers.get(CONTENT_ENCODING).map(HeaderValue::as_bytes);
    match encoding.map(<[u8]>::trim_ascii) {
        None | Some(b"" | b"identity") => Ok(()),
        Some(encoding) => Err(LinkError::Compressed {
            host: answer.host().to_owned(),
            encoding: String::from_utf8_lossy(encoding).into_owned(),
        }),
    }
}

/// Whether the server says that it sends parts.
fn sends_parts(headers: &HeaderMap) -> bool {
    headers.get(ACCEPT_RANGES).is_some_and(|units| units == "bytes")
}

/// The version of what was sent, if it is exact (RFC 9110 §13.1.5 asks for a strong one).
fn version(headers: &HeaderMap) -> Option<HeaderValue> {
    headers.get(ETAG).filter(|tag| !tag.as_bytes().starts_with(b"W/")).cloned()
}
