//! The process.

use std::{io, path::Path, time::Duration};

use tempfile::TempDir;

use super::{
    client::Homeserver,
    config::{Announced, Config, server_name},
    template,
};
use crate::{
    guard::{self, Program, Server},
    install, ports, secret,
};

/// How long Synapse may take to answer: a second alone, many beside a compiler.
const ANSWERS_WITHIN: Duration = Duration::from_mins(1);

/// Why there is no homeserver.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// It could not be run, or ended. Its last lines are in the source.
    #[error("the homeserver did not start")]
    Server(#[source] guard::Error),
    /// Its folder could not be written, or loopback has no free port.
    #[error("the homeserver's files could not be written")]
    Files(#[source] io::Error),
    /// The cache could not be written.
    #[error("the homeserver's template could not be made")]
    Cache(#[source] install::Cause),
    /// The certificate could not be made.
    #[error("the homeserver's certificate could not be made")]
    Certificate(#[source] rcgen::Error),
}

/// A running Synapse with an empty database. Dropping it kills it and deletes its folder.
#[derive(Debug)]
pub struct Synapse {
    // In this order: the folder is deleted when nobody writes in it any more.
    server: Server,
    _folder: TempDir,
    homeserver: Homeserver,
}

impl Synapse {
    /// Starts one on free ports and waits until it answers, within a minute. `program` is
    /// [`install::synapse`]'s.
    ///
    /// # Errors
    ///
    /// [`StartError`]; ports that somebody else took meanwhile are replaced, twice.
    pub async fn start(program: &Path, announced: &Announced) -> Result<Self, StartError> {
        let mut attempt = 1;
        loop {
            match Self::try_start(program, announced).await {
                Err(StartError::Server(error))
                    if error.is_port_taken() && attempt < ports::ATTEMPTS =>
                {
                    attempt += 1;
                }
                other => return other,
            }
        }
    }

    /// The homeserver that it is, for requests. Clones go on to work after a restart.
    pub fn homeserver(&self) -> &Homeserver {
        &self.homeserver
    }

    /// The process, to be looked at, killed or frozen.
    pub fn server(&mut self) -> &mut Server {
        &mut self.server
    }

    /// Starts it again, with its database and on its ports, and waits until it answers.
    ///
    /// # Errors
    ///
    /// As [`Server::wait_until`].
    pub async fn restart(&mut self) -> Result<(), guard::Error> {
        self.server.restart().await?;
        let homeserver = self.homeserver.clone();
        self.server.wait_until(ANSWERS_WITHIN, async || homeserver.is_healthy().await).await
    }

    async fn try_start(program: &Path, announced: &Announced) -> Result<Self, StartError> {
        let folder = guard::folder("synapse").map_err(StartError::Files)?;
        template::copy_to(folder.path(), program).await?;
        let [http_port, tls_port] = ports::tcp().map_err(StartError::Files)?;
        let registration_secret = secret::make();
        let config = Config {
            folder: folder.path(),
            http_port,
            tls_port,
            registration_secret: &registration_secret,
            announced,
        };
        config.write().map_err(StartError::Files)?;
        let server = launch(program, folder.path(), http_port, ANSWERS_WITHIN).await?;
        let homeserver = Homeserver::new(http_port, server_name(tls_port), registration_secret);
        Ok(Self { server, _folder: folder, homeserver })
    }
}

/// Starts Synapse in a folder with its configuration, and waits until it answers.
pub(super) async fn launch(
    program: &Path,
    folder: &Path,
    http_port: u16,
    within: Duration,
) -> Result<Server, StartError> {
    let program = Program {
        path: program.to_owned(),
        arguments: vec!["--config-path".to_owned(), "homeserver.yaml".to_owned()],
        // Its log appears as it is written, not when a buffer is full.
        environment: vec![("PYTHONUNBUFFERED".to_owned(), "1".to_owned())],
        folder: folder.to_owned(),
    };
    let mut server = Server::start("Synapse", program, folder.join("synapse.log"))
        .map_err(StartError::Server)?;
    let asked = Homeserver::new(http_port, String::new(), String::new());
    server
        .wait_until(within, async || asked.is_healthy().await)
        .await
        .map_err(StartError::Server)?;
    Ok(server)
}
