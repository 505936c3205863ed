//! Links against a server that does what real ones do on bad days.

use std::io::{self, Read, Seek, SeekFrom};

use bytesize::ByteSize;
use phonograph_media::playback::MediaSource;

use super::*;
use crate::{
    command::Host,
    jukebox::server::{Server, Then, parts, reply},
};

/// Much shorter than in life, and long for a loopback.
const PATIENCE: Duration = Duration::from_millis(300);

#[tokio::test]
async fn a_file_is_read_to_its_end() {
    let server = Server::start(|_| reply("", b"0123456789")).await;
    let mut link = links().open(&server.url("/music/F%C3%BCr%20Elise.mp3")).await.unwrap();
    assert_eq!(link.title().to_string(), "Für Elise");
    assert_eq!((link.byte_len(), link.is_endless(), link.is_seekable()), (Some(10), false, false));
    assert_eq!(blocking(move || read_all(&mut link)).await.unwrap(), b"0123456789");
}

#[tokio::test]
async fn a_station_has_no_end_and_a_name() {
    let server = Server::start_and(Then::Close, |_| {
        b"HTTP/1.0 200 OK\r\nicy-name: Radio Z\r\n\r\nabc".to_vec()
    })
    .await;
    let mut link = links().open(&server.url("/")).await.unwrap();
    assert_eq!(link.title().to_string(), "Radio Z");
    assert!(link.is_endless());
    assert!(link.seek(SeekFrom::End(0)).is_err());
    assert_eq!(blocking(move || read_all(&mut link)).await.unwrap(), b"abc");
}

#[tokio::test]
async fn what_no_music_can_be_in_is_told_at_once() {
    let cases: [(&[u8], &str); 6] = [
        (b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n", "the server answered with status 404"),
        (b"HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n", "the server answered with status 503"),
        (
            b"HTTP/1.1 200 OK\r\ncontent-type: Text/HTML; charset=utf-8\r\ncontent-length: 1\r\n\r\n<",
            "the link leads to a web page",
        ),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", "the file behind the link is empty"),
        (
            b"HTTP/1.1 200 OK\r\ncontent-length: 2000000\r\n\r\n",
            "1.9 MiB are more than the 1.0 MiB allowed",
        ),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "cannot reach 127.0.0.1"),
    ];
    for (answer, expected) in cases {
        let server = Server::start(|_| answer.to_vec()).await;
        let error = links().open(&server.url("/x")).await.unwrap_err();
        assert_eq!(error.to_string(), expected);
    }
}

#[tokio::test]
async fn a_host_where_nobody_answers_is_told_with_its_name() {
    let server = Server::start(|_| Vec::new()).await;
    let url = server.url("/");
    server.stop().await;
    let error = links().open(&url).await.unwrap_err();
    assert!(matches!(error, LinkError::Unreachable { host, .. } if host == "127.0.0.1"));
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_too_slow() {
    let server = Server::start(|_| Vec::new()).await;
    let error = links().open(&server.url("/")).await.unwrap_err();
    assert!(matches!(error, LinkError::TooSlow { .. }), "{error}");
}

#[tokio::test]
async fn a_server_that_falls_silent_is_too_slow() {
    let server =
        Server::start(|_| b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc".to_vec()).await;
    let mut link = links().open(&server.url("/")).await.unwrap();
    let watch = link.watch();
    watch.is_music();
    let error = blocking(move || read_all(&mut link)).await.unwrap_err();
    assert_eq!(error.to_string(), "127.0.0.1 sends too slowly");
    assert!(matches!(*watch.failure().unwrap(), LinkError::TooSlow { .. }));
}

#[tokio::test]
async fn a_body_that_breaks_off_is_told_and_not_taken_for_the_end() {
    let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\nconnection: close\r\n\r\nabc";
    let server = Server::start_and(Then::Close, |_| answer.to_vec()).await;
    let mut link = links().open(&server.url("/")).await.unwrap();
    let error = blocking(move || read_all(&mut link)).await.unwrap_err();
    assert_eq!(error.to_string(), "the connection to 127.0.0.1 broke");
}

#[tokio::test]
async fn noise_without_end_is_given_up() {
    let server = Server::start_and(Then::Flood, |_| b"HTTP/1.0 200 OK\r\n\r\n".to_vec()).await;
    let mut link = links().open(&server.url("/")).await.unwrap();
    let error = blocking(move || io::copy(&mut link, &mut io::sink())).await.unwrap_err();
    assert_eq!(error.to_string(), "127.0.0.1 sends without end");
}

#[tokio::test]
async fn a_file_is_searched_where_the_server_sends_parts() {
    let server = Server::start(|request| parts(request, &body(0, BODY_LEN))).await;
    let mut link = links().open(&server.url("/x.m4a")).await.unwrap();
    assert!(link.is_seekable());
    let link = blocking(move || {
        let mut four = [0; 4];
        link.read_exact(&mut four)?;
        assert_eq!(four[..], body(0, 4));
        for to in [SeekFrom::End(-10), SeekFrom::Start(600_000), SeekFrom::Current(-4)] {
            let position = link.seek(to)?;
            link.read_exact(&mut four)?;
            assert_eq!(four[..], body(position, 4), "{to:?}");
        }
        assert_eq!(link.seek(SeekFrom::Start(BODY_LEN + 5))?, BODY_LEN + 5);
        assert_eq!(link.read(&mut four)?, 0);
        io::Result::Ok(link)
    })
    .await
    .unwrap();
    assert_eq!(link.watch().failure().map(|error| error.to_string()), None);
}

#[tokio::test]
async fn a_small_jump_forward_costs_no_request() {
    let server = Server::start(|request| parts(request, &body(0, BODY_LEN))).await;
    let mut link = links().open(&server.url("/x.m4a")).await.unwrap();
    blocking(move || {
        let mut four = [0; 4];
        for position in [0, 100, 50_000, 170_000] {
            link.seek(SeekFrom::Start(position))?;
            link.read_exact(&mut four)?;
            assert_eq!(four[..], body(position, 4));
        }
        io::Result::Ok(())
    })
    .await
    .unwrap();
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn a_part_of_another_version_is_not_taken() {
    let server = Server::start(|request| {
        let version = if request.contains("range: ") { 2 } else { 1 };
        let headers = format!("accept-ranges: bytes\r\netag: \"{version}\"\r\n");
        reply(&headers, &body(0, BODY_LEN))
    })
    .await;
    let mut link = links().open(&server.url("/")).await.unwrap();
    let error = blocking(move || {
        link.seek(SeekFrom::Start(500_000))?;
        link.read(&mut [0])
    });
    assert_eq!(error.await.unwrap_err().to_string(), "127.0.0.1 does not continue where it should");
    assert!(server.requests()[1].contains("if-range: \"1\""));
}

#[tokio::test]
async fn redirects_are_followed_five_times() {
    let server = Server::start(|request| {
        let step: u32 = request[5..6].parse().unwrap();
        if step == 9 { reply("", b"abc") } else { moved(&format!("/{}", step + 1)) }
    })
    .await;
    let mut link = links().open(&server.url("/4")).await.unwrap();
    assert_eq!(blocking(move || read_all(&mut link)).await.unwrap(), b"abc");
    let error = links().open(&server.url("/3")).await.unwrap_err();
    assert!(matches!(error, LinkError::Refused(Refusal::TooFar)), "{error}");
}

#[tokio::test]
async fn a_private_address_is_refused_before_anything_is_sent() {
    let server = Server::start(|_| reply("", b"abc")).await;
    let strict = links_allowing(&[]);
    let port = server.url("/").port().unwrap();
    for host in ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "0.0.0.0"] {
        let url = format!("http://{host}:{port}/").parse().unwrap();
        let error = strict.open(&url).await.unwrap_err();
        assert!(matches!(error, LinkError::Refused(Refusal::Private { .. })), "{host}: {error}");
    }
    assert!(server.requests().is_empty());
}

#[tokio::test]
async fn a_redirect_into_a_private_network_is_refused() {
    for inside in
        ["http://127.0.0.2/", "http://localhost/", "http://169.254.169.254/latest/meta-data"]
    {
        let server = Server::start(move |_| moved(inside)).await;
        let error = links().open(&server.url("/")).await.unwrap_err();
        assert!(matches!(error, LinkError::Refused(Refusal::Private { .. })), "{inside}: {error}");
    }
}

#[tokio::test]
async fn a_redirect_out_of_the_web_is_not_followed() {
    let server = Server::start(|_| moved("file:///etc/passwd")).await;
    assert!(links().open(&server.url("/")).await.is_err());
}

#[tokio::test]
async fn a_redirect_to_a_host_that_is_barred_is_refused_before_anything_is_asked_there() {
    let server = Server::start(|request| match &request[..6] {
        "GET /a" => moved("/b"),
        "GET /b" => moved("http://127.0.0.2:1/c"),
        _ => reply("", b"abc"),
    })
    .await;
    let links = links_allowing(&["127.0.0.1", "127.0.0.2"]);
    let elsewhere = links.open(&server.url("/a")).await.unwrap_err();
    assert!(matches!(elsewhere, LinkError::Unreachable { .. }), "{elsewhere}");
    let barring = |host: &str| links.barring(Barred::from_iter(&Host::new(host)));
    let error = barring("127.0.0.2").open(&server.url("/a")).await.unwrap_err();
    assert!(is_barred(&error, "127.0.0.2"), "{error}");
    assert_eq!(server.requests().len(), 4);

    let error = barring("127.0.0.1").open(&server.url("/c")).await.unwrap_err();
    assert!(is_barred(&error, "127.0.0.1"), "{error}");
    assert_eq!(server.requests().len(), 4);
}

#[tokio::test]
async fn a_redirect_without_a_place_is_told_by_its_status() {
    let server =
        Server::start(|_| b"HTTP/1.1 302 Found\r\ncontent-length: 0\r\n\r\n".to_vec()).await;
    let error = links().open(&server.url("/")).await.unwrap_err();
    assert!(matches!(error, LinkError::Status(302)), "{error}");
}

fn is_barred(error: &LinkError, name: &str) -> bool {
    matches!(error, LinkError::Refused(Refusal::Blocked { host }) if host == name)
}

fn links() -> Links {
    links_allowing(&["127.0.0.1"])
}

fn links_allowing(hosts: &[&str]) -> Links {
    Links::new(&config::Links {
        allow_hosts: hosts.iter().map(|host| (*host).to_owned()).collect(),
        size_max: ByteSize::mib(1),
        patience: PATIENCE,
    })
    .unwrap()
}

const BODY_LEN: u64 = 900_000;

/// Bytes of a body in which each place looks different.
fn body(from: u64, count: u64) -> Vec<u8> {
    (from..from + count).map(|place| (place % 251) as u8 ^ (place >> 10) as u8).collect()
}

fn moved(to: &str) -> Vec<u8> {
    format!("HTTP/1.1 302 Found\r\nlocation: {to}\r\ncontent-length: 0\r\n\r\n").into_bytes()
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.unwrap()
}

fn read_all(link: &mut Link) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    link.read_to_end(&mut bytes).map(|_| bytes)
}
