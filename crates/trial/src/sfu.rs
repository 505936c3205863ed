//! The SFU: a livekit-server that is reached on loopback alone, and makes no rooms by itself.

use std::{
    fs, io,
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    time::Duration,
};

use serde_json::json;
use tempfile::TempDir;

use crate::{
    guard::{self, Program, Server},
    http, ports, secret,
};

/// How long livekit-server may take to answer: a tenth of a second alone, more beside a compiler.
const ANSWERS_WITHIN: Duration = Duration::from_secs(30);

/// The name of the one key that it knows; LiveKit's own tools call theirs so.
const KEY: &str = "devkey";

/// Why there is no SFU.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// It could not be run, or ended. Its last lines are in the source.
    #[error("the SFU did not start")]
    Server(#[source] guard::Error),
    /// Its folder could not be written, or loopback has no free port.
    #[error("the SFU's files could not be written")]
    Files(#[source] io::Error),
}

/// A running livekit-server. Dropping it kills it and deletes its folder.
#[derive(Debug)]
pub struct Sfu {
    // In this order: the folder is deleted when nobody writes in it any more.
    server: Server,
    _folder: TempDir,
    address: Address,
    sockets: Sockets,
}

/// Where an SFU listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sockets {
    /// Signalling and HTTP API.
    pub signalling: SocketAddr,
    /// All media over UDP.
    pub udp: SocketAddr,
    /// All media over TCP.
    pub tcp: SocketAddr,
}

/// Where an SFU is, and what opens it.
#[derive(Clone)]
pub struct Address {
    /// For clients: `ws://127.0.0.1:…`.
    pub url: String,
    /// The name of its key.
    pub key: String,
    /// The key's secret, with which tokens are signed.
    pub secret: String,
}

impl Sfu {
    /// Starts one on free ports and waits until it answers, within half a minute. `program` is
    /// [`crate::install::livekit_server`]'s. `webhooks` is where it says who comes and goes.
    ///
    /// # Errors
    ///
    /// [`StartError`]; ports that somebody else took meanwhile are replaced, twice.
    pub async fn start(program: &Path, webhooks: Option<&str>) -> Result<Self, StartError> {
        let mut attempt = 1;
        loop {
            match Self::try_start(program, webhooks).await {
                Err(StartError::Server(error))
                    if error.is_port_taken() && attempt < ports::ATTEMPTS =>
                {
                    attempt += 1;
                }
                other => return other,
            }
        }
    }

    /// Where it is.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Where it listens.
    pub fn sockets(&self) -> Sockets {
        self.sockets
    }

    /// The process, to be looked at, killed or frozen.
    pub fn server(&mut self) -> &mut Server {
        &mut self.server
    }

    /// Starts it again on its ports, without its rooms, and waits until it answers.
    ///
    /// # Errors
    ///
    /// As [`Server::wait_until`].
    pub async fn restart(&mut self) -> Result<(), guard::Error> {
        self.server.restart().await?;
        let url = self.address.http_url();
        self.server.wait_until(ANSWERS_WITHIN, async || answers(&url).await).await
    }

    async fn try_start(program: &Path, webhooks: Option<&str>) -> Result<Self, StartError> {
        let folder = guard::folder("sfu").map_err(StartError::Files)?;
        let [signalling, tcp] = ports::tcp().map_err(StartError::Files)?;
        let udp = ports::udp().map_err(StartError::Files)?;
        let [signalling, tcp, udp] =
            [signalling, tcp, udp].map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
        let sockets = Sockets { signalling, udp, tcp };
        let address = Address {
            url: format!("ws://{signalling}"),
            key: KEY.to_owned(),
            secret: secret::make(),
        };
        let config = configuration(&sockets, &address, webhooks);
        fs::write(folder.path().join("livekit.yaml"), config).map_err(StartError::Files)?;
        let program = Program {
            path: program.to_owned(),
            arguments: vec!["--config".to_owned(), "livekit.yaml".to_owned()],
            environment: Vec::new(),
            folder: folder.path().to_owned(),
        };
        let log = folder.path().join("livekit.log");
        let mut server =
            Server::start("livekit-server", program, log).map_err(StartError::Server)?;
        let url = address.http_url();
        server
            .wait_until(ANSWERS_WITHIN, async || answers(&url).await)
            .await
            .map_err(StartError::Server)?;
        Ok(Self { server, _folder: folder, address, sockets })
    }
}

impl Address {
    /// For its HTTP API.
    pub fn http_url(&self) -> String {
        self.url.replacen("ws", "http", 1)
    }
}

impl std::fmt::Debug for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Address")
            .field("url", &self.url)
            .field("key", &self.key)
            .field("secret", &"***")
            .finish()
    }
}

/// livekit-server's configuration. JSON is YAML, so it is written as JSON.
fn configuration(sockets: &Sockets, address: &Address, webhooks: Option<&str>) -> String {
    let config = json!({
        "port": sockets.signalling.port(),
        "bind_addresses": ["127.0.0.1"],
        "rtc": {
            "tcp_port": sockets.tcp.port(),
            "udp_port": sockets.udp.port(),
            "node_ip": "127.0.0.1",
            "use_external_ip": false,
            "enable_loopback_candidate": true,
            "interfaces": { "includes": ["lo"] },
            // Nobody is there. Without one, clients are told of a public one.
            "stun_servers": ["127.0.0.1:3478"],
        },
        "keys": { &address.key: address.secret },
        // The token service decides for whom a room is made.
        "room": { "auto_create": false },
        "webhook": {
            "api_key": address.key,
            "urls": webhooks.as_slice(),
        },
        "logging": { "level": "info", "json": false },
    });
    format!("{config:#}")
}

/// Whether it says OK at its root.
async fn answers(url: &str) -> bool {
    match http::client().get(url).send().await {
        Ok(answer) => answer.status().is_success(),
        Err(_) => false,
    }
}
