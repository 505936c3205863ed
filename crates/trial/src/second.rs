//! A second SFU for the users of a stack's homeserver, as that of another homeserver would be.

use std::{
    io,
    net::{Ipv4Addr, TcpListener},
};

use crate::{
    install,
    sfu::{self, Sfu},
    stack::Stack,
    token_service::{self, Start, TokenService},
};

/// Why there is no second SFU.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// livekit-server could not be installed; the source names the line to run.
    #[error("what the second SFU needs is not there")]
    Install(#[from] install::Error),
    /// Loopback has no free port.
    #[error("there is no free port")]
    Ports(#[from] io::Error),
    /// The SFU did not start.
    #[error("no second SFU")]
    Sfu(#[from] sfu::StartError),
    /// The token service did not start.
    #[error("no second token service")]
    TokenService(#[from] token_service::StartError),
}

/// A running SFU with a token service of its own, which nobody announces: somebody is told of it,
/// by [`JoinOptions::transport`](crate::person::JoinOptions::transport). Dropping it stops both.
#[derive(Debug)]
pub struct SecondSfu {
    token_service: TokenService,
    sfu: Sfu,
}

impl SecondSfu {
    /// Starts one whose token service trusts the homeserver of `stack` and makes rooms for its users.
    pub(crate) async fn start(stack: &Stack) -> Result<Self, Error> {
        let program = install::livekit_server().await?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let sfu = Sfu::start(&program, None).await?;
        let homeserver = stack.homeserver();
        let start = Start {
            listener,
            sfu: sfu.address().clone(),
            server_name: homeserver.server_name().to_owned(),
            homeserver: homeserver.url().to_owned(),
            delegates: false,
        };
        let token_service = TokenService::start_ours(start, None, None)?;
        Ok(Self { token_service, sfu })
    }

    /// Where clients ask its token service, without a slash at the end.
    pub fn url(&self) -> &str {
        self.token_service.url()
    }

    /// The SFU, to be looked at, killed or frozen.
    pub fn sfu(&mut self) -> &mut Sfu {
        &mut self.sfu
    }

    /// Its token service.
    pub fn token_service(&self) -> &TokenService {
        &self.token_service
    }
}
