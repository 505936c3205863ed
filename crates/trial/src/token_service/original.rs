//! Element's lk-jwt-service as a process, where somebody has its binary.

use std::{env, path::Path, time::Duration};

use tempfile::TempDir;

use super::{Start, StartError};
use crate::{
    guard::{self, Program, Server},
    http,
};

/// How long it may take to answer: milliseconds alone, more beside a compiler.
const ANSWERS_WITHIN: Duration = Duration::from_secs(20);

/// A running lk-jwt-service. Dropping it kills it.
#[derive(Debug)]
pub struct Original {
    // In this order: the folder is deleted when nobody writes in it any more.
    server: Server,
    _folder: TempDir,
    url: String,
}

impl Original {
    pub(super) async fn start(binary: &Path, start: Start) -> Result<Self, StartError> {
        let folder = guard::folder("token-service").map_err(StartError::Ours)?;
        let bind = start.listener.local_addr().map_err(StartError::Ours)?.to_string();
        let url = format!("http://{bind}");
        let environment = environment(&start, bind);
        // Now the port is free for it.
        drop(start);
        let program = Program {
            // It is started in another folder than ours.
            path: env::current_dir().map_err(StartError::Ours)?.join(binary),
            arguments: Vec::new(),
            environment,
            folder: folder.path().to_owned(),
        };
        let log = folder.path().join("lk-jwt-service.log");
        let mut server =
            Server::start("lk-jwt-service", program, log).map_err(StartError::Original)?;
        let health = format!("{url}/healthz");
        server
            .wait_until(ANSWERS_WITHIN, async || {
                http::client().get(&health).send().await.is_ok_and(|a| a.status().is_success())
            })
            .await
            .map_err(StartError::Original)?;
        Ok(Self { server, _folder: folder, url })
    }

    /// Where clients ask it, without a slash at the end.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The process, to be looked at, killed or frozen.
    pub fn server(&mut self) -> &mut Server {
        &mut self.server
    }
}

/// Its settings, all of which are environment variables.
fn environment(start: &Start, bind: String) -> Vec<(String, String)> {
    [
        ("LIVEKIT_JWT_BIND", bind),
        ("LIVEKIT_URL", start.sfu.url.clone()),
        ("LIVEKIT_KEY", start.sfu.key.clone()),
        ("LIVEKIT_SECRET", start.sfu.secret.clone()),
        ("LIVEKIT_FULL_ACCESS_HOMESERVERS", start.server_name.clone()),
        // The homeserver's certificate is self-signed.
        ("LIVEKIT_INSECURE_SKIP_VERIFY_TLS", "YES_I_KNOW_WHAT_I_AM_DOING".to_owned()),
        ("LIVEKIT_CS_API_URL_OVERRIDES", format!("{}={}", start.server_name, start.homeserver)),
        ("LIVEKIT_LOG_LEVEL", "debug".to_owned()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .to_vec()
}
