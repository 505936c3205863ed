//! What a server answered: its headers, and a body that is still to come.
//!
//! SHOUTcast before version 2 answers `ICY 200 OK`, which is no HTTP and which no client of HTTP
//! takes. It is asked again on a connection of our own.

use std::{io, net::SocketAddr};

use bytes::{Bytes, BytesMut};
use percent_encoding::percent_decode_str;
use reqwest::{
    Response,
    header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use url::Url;

use super::{LinkError, USER_AGENT};
use crate::command::Title;

/// The longest head of a SHOUTcast answer, in bytes.
const HEAD_MAX: usize = 16 * 1024;
/// How much is read at once of a SHOUTcast stream, in bytes.
const READ_LEN: usize = 16 * 1024;

/// An answer.
#[derive(Debug)]
pub(super) struct Answer {
    /// Where the redirects ended.
    pub(super) url: Url,
    pub(super) headers: HeaderMap,
    /// How many bytes the body has, if that is announced.
    pub(super) len: Option<u64>,
    pub(super) body: Body,
}

/// The rest of an answer.
#[derive(Debug)]
pub(super) enum Body {
    Http(Response),
    Shoutcast {
        stream: TcpStream,
        /// What came with the head.
        first: Bytes,
    },
}

impl Answer {
    pub(super) fn of_http(response: Response) -> Self {
        Self {
            url: response.url().clone(),
            headers: response.headers().clone(),
            len: response.content_length(),
            body: Body::Http(response),
        }
    }

    /// Asks one of these addresses as SHOUTcast's own players do; `None` if it is no such server.
    pub(super) async fn of_shoutcast(url: &Url, addresses: &[SocketAddr]) -> Option<Self> {
        let mut stream = TcpStream::connect(addresses).await.ok()?;
        let target = &url[url::Position::BeforePath..url::Position::AfterQuery];
        let host = url.host_str()?;
        let request = format!(
            "GET {target} HTTP/1.0\r\nHost: {host}\r\nUser-Agent: {USER_AGENT}\r\n\
             Icy-MetaData: 1\r\nConnection: close\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await.ok()?;
        let mut seen = BytesMut::new();
        let end = loop {
            if let Some(at) = seen.windows(4).position(|at| at == b"\r\n\r\n") {
                break at + 4;
            }
            if seen.len() > HEAD_MAX || stream.read_buf(&mut seen).await.ok()? == 0 {
                return None;
            }
        };
        let first = seen.split_off(end).freeze();
        let headers = shoutcast_headers(&seen)?;
        let body = Body::Shoutcast { stream, first };
        Some(Self { url: url.clone(), headers, len: None, body })
    }

    /// The host that it came from.
    pub(super) fn host(&self) -> &str {
        self.url.host_str().unwrap_or_default()
    }

    /// What it says that it is, without parameters and in small letters.
    pub(super) fn kind(&self) -> String {
        let kind = self.headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        let kind = kind.and_then(|kind| kind.split(';').next()).unwrap_or_default();
        kind.trim().to_ascii_lowercase()
    }

    /// Whether it is live: no end, and the headers that only stations send.
    pub(super) fn is_station(&self) -> bool {
        self.len.is_none() && self.headers.keys().any(|name| name.as_str().starts_with("icy-"))
    }

    /// What to call it: the station's name for itself, the file's name, or the host.
    pub(super) fn title(&self) -> Title {
        let station = self.headers.get("icy-name").map(HeaderValue::as_bytes);
        let station = station.map(|name| String::from_utf8_lossy(name).into_owned());
        match station.filter(|name| !name.trim().is_empty()) {
            Some(station) => Title::new(&station),
            None => name(&self.url),
        }
    }
}

impl Body {
    /// Waits for the next bytes; `None` at the end. Cancel-safe.
    pub(super) async fn chunk(&mut self, host: &str) -> Result<Option<Bytes>, LinkError> {
        match self {
            Self::Http(response) => response.chunk().await.map_err(|error| LinkError::Broken {
                host: host.to_owned(),
                source: error.without_url(),
            }),
            Self::Shoutcast { first, .. } if !first.is_empty() => Ok(Some(std::mem::take(first))),
            Self::Shoutcast { stream, .. } => match read(stream).await {
                Ok(piece) => Ok((!piece.is_empty()).then_some(piece)),
                Err(source) => Err(LinkError::Lost { host: host.to_owned(), source }),
            },
        }
    }
}

async fn read(stream: &mut TcpStream) -> io::Result<Bytes> {
    let mut piece = BytesMut::with_capacity(READ_LEN);
    stream.read_buf(&mut piece).await?;
    Ok(piece.freeze())
}

/// What to call what is behind a link: the file's name without its ending, or the host.
pub(in super::super) fn name(url: &Url) -> Title {
    let name = url.path_segments().and_then(|mut parts| parts.next_back());
    let name = name.map(|name| percent_decode_str(name).decode_utf8_lossy().into_owned());
    let stem = name.map(|name| match name.rsplit_once('.') {
        Some((stem, _)) if !stem.is_empty() => stem.to_owned(),
        _ => name,
    });
    let stem = stem.filter(|stem| !stem.trim().is_empty());
    Title::new(stem.as_deref().or(url.host_str()).unwrap_or_default())
}

/// The headers behind `ICY 200`; those that cannot be read are left out.
fn shoutcast_headers(head: &[u8]) -> Option<HeaderMap> {
    let mut lines = head.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    if !lines.next()?.starts_with(b"ICY 200") {
        return None;
    }
    let headers = lines.filter_map(|line| {
        let colon = line.iter().position(|byte| *byte == b':')?;
        let name = HeaderName::from_bytes(&line[..colon]).ok()?;
        Some((name, HeaderValue::from_bytes(line[colon + 1..].trim_ascii()).ok()?))
    });
    Some(headers.collect())
}
