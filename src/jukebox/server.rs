//! A web server for tests that does what real ones do on bad days.

use std::{
    io,
    sync::{Arc, Mutex},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::{JoinHandle, JoinSet},
};
use url::Url;

/// An answer with this body.
pub(super) fn reply(headers: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 200 OK\r\n{headers}content-length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

/// The answer of a server that sends parts, if it is asked for one.
pub(super) fn parts(request: &str, body: &[u8]) -> Vec<u8> {
    let from = request.split("range: bytes=").nth(1).and_then(|rest| rest.split('-').next());
    let Some(from) = from.map(|from| from.parse::<usize>().unwrap()) else {
        return reply("accept-ranges: bytes\r\netag: \"1\"\r\n", body);
    };
    let (rest, len) = (&body[from..], body.len());
    let head = format!(
        "HTTP/1.1 206 Partial Content\r\n\
         content-length: {}\r\n\
         content-range: bytes {from}-{}/{len}\r\n\r\n",
        rest.len(),
        len - 1
    );
    [head.as_bytes(), rest].concat()
}

/// What a server does after its answer.
#[derive(Debug, Clone, Copy)]
pub(super) enum Then {
    /// It keeps the connection and takes the next request.
    Listen,
    /// It closes the connection.
    Close,
    /// It sends zeros without end.
    Flood,
}

/// Answers each request with the bytes that a function makes of it.
pub(super) struct Server {
    port: u16,
    requests: Arc<Mutex<Vec<String>>>,
    task: JoinHandle<()>,
}

impl Server {
    pub(super) async fn start(answer: impl Fn(&str) -> Vec<u8> + Send + Sync + 'static) -> Self {
        Self::start_and(Then::Listen, answer).await
    }

    pub(super) async fn start_and(
        then: Then,
        answer: impl Fn(&str) -> Vec<u8> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let requests = Arc::<Mutex<Vec<String>>>::default();
        let (answer, seen) = (Arc::new(answer), Arc::clone(&requests));
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (answer, seen) = (Arc::clone(&answer), Arc::clone(&seen));
                connections.spawn(async move {
                    // Clients hang up when they have heard enough.
                    drop(serve(stream, then, answer.as_ref(), &seen).await);
                });
            }
        });
        Self { port, requests, task }
    }

    pub(super) fn url(&self, path: &str) -> Url {
        format!("http://127.0.0.1:{}{path}", self.port).parse().unwrap()
    }

    pub(super) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }

    pub(super) async fn stop(self) {
        self.task.abort();
        assert!(self.task.await.is_err_and(|error| error.is_cancelled()));
    }
}

async fn serve(
    mut stream: TcpStream,
    then: Then,
    answer: &(impl Fn(&str) -> Vec<u8> + Sync),
    seen: &Mutex<Vec<String>>,
) -> io::Result<()> {
    loop {
        let mut request = String::new();
        while !request.ends_with("\r\n\r\n") {
            request.push(char::from(stream.read_u8().await?));
        }
        seen.lock().unwrap().push(request.clone());
        stream.write_all(&answer(&request)).await?;
        match then {
            Then::Listen => {}
            Then::Close => return stream.shutdown().await,
            Then::Flood => loop {
                stream.write_all(&[0; 1 << 12]).await?;
            },
        }
    }
}
