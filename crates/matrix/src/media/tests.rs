//! Against a homeserver of a few lines, since no real one lies about sizes.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use matrix_sdk_base::crypto::AttachmentEncryptor;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use super::*;

const FILE: &[u8] = b"hello world";
const LIMIT: u64 = 1_000;

#[tokio::test]
async fn a_file_in_clear_is_fetched_as_it_is() {
    let server = Server::start(with_length(FILE)).await;
    let file = server.media.download(&clear(), LIMIT).await.unwrap();
    assert_eq!(&file[..], FILE);
}

#[tokio::test]
async fn an_encrypted_file_is_decrypted() {
    let (sealed, content) = sealed();
    let server = Server::start(with_length(&sealed)).await;
    let file = server.media.download(&content, LIMIT).await.unwrap();
    assert_eq!(&file[..], FILE);
}

#[tokio::test]
async fn a_file_that_a_browser_encrypted_is_decrypted() {
    // By WebCrypto, the way that the trial's person sends files.
    let sealed = [0xf4, 0xf4, 0xd2, 0xc5, 0x68, 0x04, 0xf6, 0x2e, 0xdd, 0xab, 0x29];
    let key = json!({
        "key_ops": ["encrypt", "decrypt"], "ext": true, "kty": "oct", "alg": "A256CTR",
        "k": "uJ6ZfwZr8Y6DxMnLACXez7wnhBn2jWPqRUahZZ6vgII",
    });
    let hash = "SLWLZcebaLpun9Yeh5+Osz+iu6zef3kzFewf92Rtl3k";
    let file = json!({
        "v": "v2", "url": "mxc://x/1", "key": key, "iv": "jqXZHahvm2QAAAAAAAAAAA",
        "hashes": { "sha256": hash },
    });
    let server = Server::start(with_length(&sealed)).await;
    let fetched = server.media.download(&json!({ "file": file }), LIMIT).await.unwrap();
    assert_eq!(&fetched[..], FILE);
}

#[tokio::test]
async fn an_encrypted_file_that_was_changed_is_refused() {
    let (mut sealed, content) = sealed();
    sealed[0] ^= 1;
    let server = Server::start(with_length(&sealed)).await;
    let error = server.media.download(&content, LIMIT).await.unwrap_err();
    assert!(matches!(error, MediaError::Undecryptable(_)), "{error:?}");
}

#[tokio::test]
async fn a_file_that_says_it_is_too_large_is_not_asked_for() {
    let server = Server::start(with_length(FILE)).await;
    let mut content = clear();
    content["info"] = json!({ "size": LIMIT + 1 });
    let error = server.media.download(&content, LIMIT).await.unwrap_err();
    assert!(matches!(error, MediaError::TooLarge { limit: LIMIT }), "{error:?}");
    assert_eq!(server.asked.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn a_file_whose_answer_says_it_is_too_large_is_not_read() {
    // No byte follows: whoever waits for one gets none.
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", LIMIT + 1);
    let server = Server::start(head.into_bytes()).await;
    let error = server.media.download(&clear(), LIMIT).await.unwrap_err();
    assert!(matches!(error, MediaError::TooLarge { .. }), "{error:?}");
}

#[tokio::test]
async fn a_file_that_does_not_say_how_large_it_is_is_read_up_to_the_limit() {
    let server = Server::start(in_chunks(&[7; 100], 10)).await;
    assert_eq!(server.media.download(&clear(), LIMIT).await.unwrap().len(), 1_000);

    let server = Server::start(in_chunks(&[7; 100], 11)).await;
    let error = server.media.download(&clear(), LIMIT).await.unwrap_err();
    assert!(matches!(error, MediaError::TooLarge { .. }), "{error:?}");
}

#[tokio::test]
async fn a_file_that_the_homeserver_has_not_is_told_from_a_homeserver_that_is_away() {
    let server = Server::start(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".into()).await;
    let error = server.media.download(&clear(), LIMIT).await.unwrap_err();
    assert!(matches!(error, MediaError::Refused(404)), "{error:?}");

    let cut = b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\nhello";
    let server = Server::start(cut.into()).await;
    let error = server.media.download(&clear(), LIMIT).await.unwrap_err();
    assert!(matches!(error, MediaError::Unreachable(_)), "{error:?}");
}

#[tokio::test]
async fn a_message_without_a_file_has_none() {
    let server = Server::start(with_length(FILE)).await;
    for content in [
        json!({}),
        json!(1),
        json!({ "url": "https://example.org/a.ogg" }),
        json!({ "url": "mxc://" }),
        json!({ "file": { "url": "mxc://x/1" } }),
        json!({ "file": null, "url": "mxc://x/1" }),
    ] {
        let error = server.media.download(&content, LIMIT).await.unwrap_err();
        assert!(matches!(error, MediaError::NoFile), "{content}: {error:?}");
    }
    assert_eq!(server.asked.load(Ordering::Relaxed), 0);
}

fn clear() -> Value {
    json!({ "msgtype": "m.audio", "body": "a.ogg", "url": "mxc://x/1" })
}

fn sealed() -> (Vec<u8>, Value) {
    let mut plain = Cursor::new(FILE);
    let mut encryptor = AttachmentEncryptor::new(&mut plain);
    let mut sealed = Vec::new();
    encryptor.read_to_end(&mut sealed).unwrap();
    let mut file = serde_json::to_value(encryptor.finish()).unwrap();
    file["url"] = "mxc://x/1".into();
    (sealed, json!({ "msgtype": "m.audio", "body": "a.ogg", "file": file }))
}

fn with_length(body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

fn in_chunks(chunk: &[u8], count: usize) -> Vec<u8> {
    let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    let one = [format!("{:x}\r\n", chunk.len()).as_bytes(), chunk, b"\r\n"].concat();
    [head, one.repeat(count), b"0\r\n\r\n".to_vec()].concat()
}

/// A homeserver with one file.
struct Server {
    media: Media,
    /// How often the file was asked for.
    asked: Arc<AtomicUsize>,
}

impl Server {
    async fn start(file: Vec<u8>) -> Self {
        // Another test may have been first.
        drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::<AtomicUsize>::default();
        let counter = Arc::clone(&asked);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                answer(stream, &file, &counter).await;
            }
        });
        let client = Client::builder().homeserver_url(url).build().await.unwrap();
        Self { media: Media::new(client), asked }
    }
}

/// Answers one request and closes.
async fn answer(mut stream: TcpStream, file: &[u8], asked: &AtomicUsize) {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => request.push(byte),
            Err(_closed) => return,
        }
    }
    if request.starts_with(b"GET /_matrix/client/v1/media/download/x/1") {
        asked.fetch_add(1, Ordering::Relaxed);
        drop(stream.write_all(file).await);
    } else {
        drop(stream.write_all(&with_length(br#"{"versions":["v1.11"]}"#)).await);
    }
}
