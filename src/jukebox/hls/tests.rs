//! Segmented streams from a server that keeps an index.

use std::{
    io::{self, Read},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use aws_lc_rs::{
    cipher::{AES_128, EncryptionContext, PaddedBlockEncryptingKey, UnboundCipherKey},
    iv::FixedLength,
};
use bytesize::ByteSize;

use super::{Hls, HlsError, ts::tests::mux};
use crate::{
    command::Title,
    config,
    jukebox::{
        link::{LinkError, Links},
        server::{Server, reply},
    },
};

const VOD: &str =
    "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n/0\n#EXTINF:1,\n/1\n#EXT-X-ENDLIST\n";

#[tokio::test]
async fn segments_are_read_one_after_the_other() {
    let server = Server::start(|request| match path(request) {
        "/0" => reply("", &mux(0x0f, b"one ")),
        "/1" => reply("", &mux(0x0f, b"two")),
        other => panic!("{other}"),
    })
    .await;
    let stream = open(&server, VOD).await.unwrap();
    assert!(!stream.is_endless());
    assert_eq!(read_all(stream).await.unwrap(), b"one two");
}

#[tokio::test]
async fn the_stream_is_chosen_from_those_of_a_master() {
    let server = Server::start(|request| match path(request) {
        "/sound" => reply("", VOD.as_bytes()),
        "/0" | "/1" => reply("", b"\xff\xf1x"),
        other => panic!("{other}"),
    })
    .await;
    let master = "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=900000,RESOLUTION=1x1\n/picture\n\
                  #EXT-X-STREAM-INF:BANDWIDTH=128000\n/sound\n";
    let stream = open(&server, master).await.unwrap();
    assert_eq!(read_all(stream).await.unwrap(), b"\xff\xf1x\xff\xf1x");
}

#[tokio::test]
async fn fragments_come_behind_their_header_once() {
    let server = Server::start(|request| match path(request) {
        "/init" => reply("", b"header "),
        _ => reply("", b"part "),
    })
    .await;
    let index = VOD.replacen("#EXTINF", "#EXT-X-MAP:URI=\"/init\"\n#EXTINF", 1);
    let stream = open(&server, &index).await.unwrap();
    assert_eq!(read_all(stream).await.unwrap(), b"header part part ");
}

#[tokio::test]
async fn locked_segments_are_unlocked_with_their_number_for_a_vector() {
    let server = Server::start(|request| match path(request) {
        "/key" => reply("", b"0123456789abcdef"),
        "/0" => reply("", &lock(b"\xff\xf1one ", 7)),
        "/1" => reply("", &lock(b"\xff\xf1two", 8)),
        other => panic!("{other}"),
    })
    .await;
    let locked = VOD.replacen(
        "#EXTINF",
        "#EXT-X-MEDIA-SEQUENCE:7\n#EXT-X-KEY:METHOD=AES-128,URI=\"/key\"\n#EXTINF",
        1,
    );
    let stream = open(&server, &locked).await.unwrap();
    assert_eq!(read_all(stream).await.unwrap(), b"\xff\xf1one \xff\xf1two");
    let keys = server.requests().iter().filter(|request| path(request) == "/key").count();
    assert_eq!(keys, 1);
}

#[tokio::test]
async fn a_live_stream_goes_on_with_what_its_index_gets() {
    let asked = Arc::new(AtomicUsize::new(0));
    let server = Server::start(move |request| match path(request) {
        "/live" => {
            let count = asked.fetch_add(1, Ordering::Relaxed);
            let end = if count == 2 { "#EXT-X-ENDLIST\n" } else { "" };
            let number = count + 1;
            reply(
                "",
                format!(
                    "#EXT-X-TARGETDURATION:1\n#EXT-X-MEDIA-SEQUENCE:{number}\n/{number}\n{end}"
                )
                .as_bytes(),
            )
        }
        number => reply("", format!("\u{fffd}{number}").as_bytes()),
    })
    .await;
    let stream = open_at(&server, "/live", "#EXT-X-TARGETDURATION:1\n/0\n").await.unwrap();
    assert!(stream.is_endless());
    let watch = stream.watch();
    watch.is_music();
    let read = read_all(stream).await.unwrap();
    assert_eq!(String::from_utf8(read).unwrap().replace('\u{fffd}', ""), "/0/1/2/3");
    assert!(watch.has_ended());
}

#[tokio::test]
async fn segments_in_private_networks_are_refused() {
    let server = Server::start(|_| panic!()).await;
    for inside in ["http://169.254.169.254/x", "http://localhost/x", "file:///etc/passwd"] {
        let index = VOD.replace("/0", inside);
        let error = read_all(open(&server, &index).await.unwrap()).await.unwrap_err();
        let failure = error.get_ref().and_then(|error| error.downcast_ref::<Arc<LinkError>>());
        assert!(matches!(failure.map(Arc::as_ref), Some(LinkError::Refused(_))), "{error:?}");
    }
}

#[tokio::test]
async fn what_cannot_be_read_is_told() {
    let server = Server::start(|_| reply("", &mux(0x81, b"x"))).await;
    let locked = VOD.replacen("#EXTINF", "#EXT-X-KEY:METHOD=SAMPLE-AES,URI=\"/k\"\n#EXTINF", 1);
    for (index, expected) in [
        (VOD, "its sound is of stream type 0x81"),
        (&*locked, "the segments are locked by other means than AES-128"),
    ] {
        let stream = open(&server, index).await.unwrap();
        let watch = stream.watch();
        drop(read_all(stream).await.unwrap_err());
        let failure = watch.failure().unwrap();
        assert!(phonograph_call::chain(&*failure).ends_with(expected), "{failure:?}");
    }
    let error = open(&server, "#EXTM3U\n#EXT-X-VERSION:3\n").await.unwrap_err();
    assert!(matches!(error, LinkError::Stream { source: HlsError::NoSegments, .. }), "{error}");
}

#[tokio::test]
async fn a_stream_that_changes_its_form_can_be_opened_anew() {
    let server = Server::start(|request| match path(request) {
        "/0" => reply("", &mux(0x0f, b"one")),
        _ => reply("", b"\xff\xf1two"),
    })
    .await;
    let stream = open(&server, VOD).await.unwrap();
    let watch = stream.watch();
    drop(read_all(stream).await.unwrap_err());
    assert!(watch.failure().unwrap().is_over_when_reopened());
}

#[tokio::test]
async fn a_segment_that_is_gone_is_asked_for_three_times() {
    let server =
        Server::start(|_| b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n".to_vec()).await;
    let stream = open(&server, VOD).await.unwrap();
    let watch = stream.watch();
    watch.is_music();
    drop(read_all(stream).await.unwrap_err());
    assert!(matches!(*watch.failure().unwrap(), LinkError::Status(404)));
    assert_eq!(server.requests().len(), 3);
}

async fn open(server: &Server, index: &str) -> Result<Hls, LinkError> {
    open_at(server, "/index", index).await
}

async fn open_at(server: &Server, path: &str, index: &str) -> Result<Hls, LinkError> {
    let links = Links::new(&config::Links {
        allow_hosts: vec!["127.0.0.1".to_owned()],
        size_max: ByteSize::mib(1),
        patience: Duration::from_secs(5),
    })
    .unwrap();
    Hls::open(links, index, &server.url(path), Title::new("x")).await
}

/// Reads it all, followed by somebody meanwhile.
async fn read_all(mut stream: Hls) -> io::Result<Vec<u8>> {
    let watch = stream.watch();
    let reading = move || {
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).map(|_| bytes)
    };
    let read = tokio::task::spawn_blocking(reading).await.unwrap();
    drop(watch);
    read
}

fn path(request: &str) -> &str {
    request.split(' ').nth(1).unwrap()
}

fn lock(sound: &[u8], number: u128) -> Vec<u8> {
    let key = UnboundCipherKey::new(&AES_128, b"0123456789abcdef").unwrap();
    let key = PaddedBlockEncryptingKey::cbc_pkcs7(key).unwrap();
    let mut bytes = sound.to_vec();
    let vector = EncryptionContext::Iv128(FixedLength::from(number.to_be_bytes()));
    drop(key.less_safe_encrypt(&mut bytes, vector).unwrap());
    bytes
}
