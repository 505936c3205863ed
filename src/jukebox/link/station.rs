//! Stations: what is live is reached again when its connection is lost.
//!
//! MP3 and AAC streams can be entered anywhere, so the new connection goes on where the old one broke
//! and the decoder finds its way back. Other formats begin with headers; there the reader fails, and
//! whoever plays the station opens it anew.

use std::time::{Duration, Instant};

use tokio::time::sleep;
use tracing::{debug, info};

use super::{Backoff, LinkError, pace::Pace, source::Link};

/// How long is waited before it is looked again whether anybody still listens.
const NAP_MAX: Duration = Duration::from_millis(500);

/// Content types of streams without headers.
const ENTERED_ANYWHERE: &[&str] =
    &["audio/mpeg", "audio/mp3", "audio/aac", "audio/aacp", "audio/x-aac", "audio/x-mpeg"];

impl Link {
    /// What came instead of more bytes of what plays: reaches it again if it is live, or says what
    /// is to become of it.
    pub(super) fn recover(&mut self, mut trouble: LinkError) -> Result<(), LinkError> {
        if !self.is_station || !self.watch.is_known() || !trouble.may_pass() {
            return Err(trouble);
        }
        if !ENTERED_ANYWHERE.contains(&self.kind.as_str()) {
            return Err(LinkError::Interrupted { host: self.host(), source: Box::new(trouble) });
        }
        info!(host = self.host(), error = phonograph_call::chain(&trouble), "lost a station");
        self.body = None;
        loop {
            let backoff = self.backoff.get_or_insert_with(|| Backoff::new(Instant::now()));
            let Some(pause) = backoff.pause(Instant::now(), rand::random()) else {
                return Err(LinkError::Gone { host: self.host(), source: Box::new(trouble) });
            };
            if !self.rest(pause) {
                return Err(trouble);
            }
            match self.runtime.block_on(self.links.request(&self.asked, None)) {
                Ok(answer) if answer.kind() == self.kind => {
                    debug!(host = self.host(), "reached the station again");
                    self.enter(answer);
                    return Ok(());
                }
                Ok(answer) => {
                    return Err(LinkError::OtherFormat { host: self.host(), kind: answer.kind() });
                }
                Err(error) if error.may_pass() => trouble = error,
                Err(error) => return Err(error),
            }
        }
    }

    /// Waits; false as soon as nobody listens any more.
    fn rest(&self, pause: Duration) -> bool {
        let until = Instant::now() + pause;
        while !self.watch.is_alone() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return true;
            }
            self.runtime.block_on(sleep(left.min(NAP_MAX)));
        }
        false
    }

    /// Goes on with what came of a new connection.
    fn enter(&mut self, answer: super::answer::Answer) {
        self.take_titles(&answer);
        self.pace = Pace::new(self.links.patience, Instant::now());
        self.pace.opened();
        self.body = Some(answer.body);
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{self, Read},
        sync::{
            Arc,
            atomic::{AtomicUsize, Ordering},
        },
    };

    use bytesize::ByteSize;

    use super::super::Links;
    use super::*;
    use crate::{
        command::Title,
        config,
        jukebox::server::{Server, Then},
    };

    #[tokio::test]
    async fn titles_are_told_as_they_come_and_are_no_sound() {
        let body = b"icy-metaint: 4\r\n\r\nabcd\x02StreamTitle='Bach - Air';\0\0\0\0\0\0\0efgh\0ij";
        let server = station(vec![("audio/mpeg", body)]).await;
        let link = links().open(&server.url("/")).await.unwrap();
        let mut titles = link.titles();
        assert_eq!(*titles.borrow_and_update(), None);
        assert_eq!(read_all(link).await.unwrap(), b"abcdefghij");
        assert_eq!(*titles.borrow(), Some(Title::new("Bach - Air")));
        assert!(server.requests()[0].contains("icy-metadata: 1"));
    }

    #[tokio::test]
    async fn a_station_that_is_cut_is_reached_again_until_its_format_changes() {
        let first = b"icy-metaint: 4\r\n\r\nabcd\x02StreamTitle='Bach";
        let second = b"icy-metaint: 9\r\n\r\nefgh";
        let server =
            station(vec![("audio/mpeg", first), ("audio/mpeg", second), ("audio/ogg", b"\r\n")]);
        let server = server.await;
        let mut link = links().open(&server.url("/")).await.unwrap();
        let watch = link.watch();
        watch.is_music();
        let mut sound = [0; 8];
        let (link, read) = blocking(move || {
            let read = link.read_exact(&mut sound).map(|()| sound);
            (link, read)
        })
        .await;
        assert_eq!(read.unwrap(), *b"abcdefgh");
        let error = read_all(link).await.unwrap_err();
        assert_eq!(error.to_string(), "127.0.0.1 sends \"audio/ogg\" now");
        assert!(watch.failure().unwrap().is_over_when_reopened());
    }

    #[tokio::test]
    async fn a_format_with_headers_is_to_be_opened_anew() {
        let server = station(vec![("application/ogg", b"\r\nOggS")]).await;
        let link = links().open(&server.url("/")).await.unwrap();
        let watch = link.watch();
        watch.is_music();
        let error = read_all(link).await.unwrap_err();
        assert_eq!(error.to_string(), "the stream of 127.0.0.1 was interrupted");
        assert!(watch.failure().unwrap().is_over_when_reopened());
        assert_eq!(server.requests().len(), 1);
    }

    #[tokio::test]
    async fn a_station_that_nobody_follows_is_let_go() {
        let server = station(vec![("audio/mpeg", b"\r\nabcd")]).await;
        let link = links().open(&server.url("/")).await.unwrap();
        link.watch().is_music();
        let error = read_all(link).await.unwrap_err();
        assert_eq!(error.to_string(), "127.0.0.1 ended the stream");
        assert_eq!(server.requests().len(), 1);
    }

    #[tokio::test]
    async fn a_station_is_not_tried_again_before_it_was_heard() {
        let server = station(vec![("audio/mpeg", b"\r\nabcd")]).await;
        let link = links().open(&server.url("/")).await.unwrap();
        assert_eq!(read_all(link).await.unwrap(), b"abcd");
        assert_eq!(server.requests().len(), 1);
    }

    #[tokio::test]
    async fn old_shoutcast_is_understood() {
        let answer = b"ICY 200 OK\r\nicy-name:Radio Z\r\ncontent-type:audio/mpeg\r\n\
                       icy-metaint:4\r\n\r\nabcd\0ef";
        let server = Server::start_and(Then::Close, |_| answer.to_vec()).await;
        let link = links().open(&server.url("/;stream?a=b")).await.unwrap();
        assert_eq!(link.title().to_string(), "Radio Z");
        assert_eq!(read_all(link).await.unwrap(), b"abcdef");
        assert!(server.requests()[1].starts_with("GET /;stream?a=b HTTP/1.0\r\n"));
    }

    /// Cuts each connection after its answer, the last one again and again.
    async fn station(answers: Vec<(&'static str, &'static [u8])>) -> Server {
        let count = Arc::new(AtomicUsize::new(0));
        Server::start_and(Then::Close, move |_| {
            let nth = count.fetch_add(1, Ordering::Relaxed).min(answers.len() - 1);
            let (kind, rest) = answers[nth];
            let head = format!("HTTP/1.0 200 OK\r\nicy-name: Z\r\ncontent-type: {kind}\r\n");
            [head.as_bytes(), rest].concat()
        })
        .await
    }

    fn links() -> Links {
        Links::new(&config::Links {
            allow_hosts: vec!["127.0.0.1".to_owned()],
            size_max: ByteSize::mib(1),
            patience: Duration::from_secs(5),
        })
        .unwrap()
    }

    async fn read_all(mut link: Link) -> io::Result<Vec<u8>> {
        blocking(move || {
            let mut bytes = Vec::new();
            link.read_to_end(&mut bytes).map(|_| bytes)
        })
        .await
    }

    async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
        tokio::task::spawn_blocking(work).await.unwrap()
    }
}
