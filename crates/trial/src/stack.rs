//! The servers together: a homeserver, an SFU and a token service that know each other, on free
//! ports of loopback. Several stacks run side by side.
//!
//! What is missing on this machine is installed first. [`Options`] leave parts out or make them
//! wrong, for tests of what the bot says then.

use std::{
    io,
    net::{Ipv4Addr, Ipv6Addr, TcpListener},
};

use serde::Serialize;

use crate::{
    homeserver::{self, Announced, Homeserver, Synapse},
    install, ports,
    relay::Relay,
    second::{self, SecondSfu},
    secret,
    sfu::{self, Address, Sfu},
    tls::TlsFront,
    token_service::{self, Refusal, Start, TokenService},
    versions,
    way::Way,
};

/// What is different from a stack in which everything works.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The homeserver announces no transport.
    pub announces_nothing: bool,
    /// Where the SFU is.
    pub sfu: SfuOption,
    /// Only users whose name begins so are told the way that [`Options::sfu`] makes; the others go
    /// straight to the SFU, and are spared what happens on it.
    pub told_to: Option<String>,
    /// Clients find the SFU and its media on `[::1]` alone, which [`has_ipv6`] has to be true for. A
    /// [`Relay`] takes it there.
    pub ipv6: bool,
    /// The token service takes delayed leaves over from clients (`/delegate_delayed_leave`), and the
    /// SFU tells it who leaves. Element Call makes use of that where it finds it. The original
    /// always does.
    pub delegation: bool,
    /// The token service refuses everybody from the start. It is ours then, never the original.
    pub refusal: Option<Refusal>,
}

/// Where the SFU of a stack is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum SfuOption {
    /// Where the token service says it is.
    #[default]
    There,
    /// There, but clients are told an address at which nobody listens: tokens are good, and no
    /// connection comes about. The token service is ours then, never the original.
    Unreachable,
    /// There, behind a [`Relay`] whose address clients are told. The token service is ours then,
    /// never the original.
    Relayed,
    /// There, behind TLS: clients are told a `wss` address, and [`TlsFront::authority`] is whom they
    /// have to trust. The token service is ours then, never the original.
    Tls,
    /// Nowhere: the token service fails when it has to make a room.
    Absent,
}

/// Why a stack could not be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Something that it needs could not be installed; the source names the line to run.
    #[error("what the servers need is not there")]
    Install(#[from] install::Error),
    /// Loopback has no free port.
    #[error("there is no free port")]
    Ports(#[source] io::Error),
    /// The homeserver did not start.
    #[error("no homeserver")]
    Homeserver(#[from] homeserver::StartError),
    /// The SFU did not start.
    #[error("no SFU")]
    Sfu(#[from] sfu::StartError),
    /// What stands before the SFU could not listen.
    #[error("no way to the SFU")]
    BeforeSfu(#[source] io::Error),
    /// The token service did not start.
    #[error("no token service")]
    TokenService(#[from] token_service::StartError),
}

/// Running servers. Dropping it stops them all and deletes what they wrote.
#[derive(Debug)]
pub struct Stack {
    token_service: TokenService,
    way: Way,
    sfu: Option<Sfu>,
    synapse: Synapse,
    address: Address,
    /// Where clients find the SFU.
    sfu_url: String,
}

/// Everything that somebody outside needs to use a stack.
#[derive(Debug, Clone, Serialize)]
pub struct Endpoints {
    /// The homeserver's client API.
    pub homeserver_url: String,
    /// What its users have behind the colon. `https://` and this is its federation API.
    pub server_name: String,
    /// For `/_synapse/admin/v1/register`.
    pub registration_secret: String,
    /// What the homeserver announces.
    pub token_service_url: String,
    /// The SFU, for clients.
    pub sfu_url: String,
    /// The name of its key.
    pub sfu_key: String,
    /// The key's secret.
    pub sfu_secret: String,
    /// What runs.
    pub versions: Versions,
}

/// The versions of a stack's servers.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Versions {
    /// The homeserver's.
    pub synapse: &'static str,
    /// The SFU's.
    pub livekit_server: &'static str,
}

impl Stack {
    /// Installs what is missing, starts the servers side by side and waits until they answer: two
    /// seconds, once everything is there.
    ///
    /// # Errors
    ///
    /// [`Error`]. What was started by then is stopped.
    pub async fn start(options: Options) -> Result<Self, Error> {
        let programs = install::servers().await?;
        // Taken before anything runs: the homeserver and the SFU are told of it.
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(Error::Ports)?;
        let port = listener.local_addr().map_err(Error::Ports)?.port();
        let url = format!("http://127.0.0.1:{port}");
        let original = token_service::binary().filter(|_| options.original_will_do());
        let told_by_sfu = original.is_some() || options.delegation;
        let webhooks = told_by_sfu.then(|| format!("{url}/sfu_webhook"));
        let announced = if options.announces_nothing {
            Announced::Nothing
        } else {
            Announced::TokenService(url)
        };
        let (synapse, sfu) = tokio::join!(Synapse::start(&programs.synapse, &announced), async {
            if options.sfu == SfuOption::Absent {
                return Ok(None);
            }
            Sfu::start(&programs.livekit_server, webhooks.as_deref()).await.map(Some)
        });
        let (synapse, sfu) = (synapse?, sfu?);
        let address = match &sfu {
            Some(sfu) => sfu.address().clone(),
            None => nobody().map_err(Error::Ports)?,
        };
        let way = sfu.as_ref().map(|sfu| Way::to(sfu, &options)).transpose();
        let way = way.map_err(Error::BeforeSfu)?.unwrap_or_default();
        let told = match options.sfu {
            SfuOption::Unreachable => Some(nobody().map_err(Error::Ports)?.url),
            SfuOption::There | SfuOption::Relayed | SfuOption::Tls | SfuOption::Absent => way.url(),
        };
        let start = Start {
            listener,
            sfu: address.clone(),
            server_name: synapse.homeserver().server_name().to_owned(),
            homeserver: synapse.homeserver().url().to_owned(),
            delegates: options.delegation,
        };
        let token_service = match original {
            Some(binary) => TokenService::start_original(&binary, start).await?,
            None => TokenService::start_ours(start, told, options.told_to.clone())?,
        };
        let sfu_url = way.url().unwrap_or_else(|| address.url.clone());
        let stack = Self { token_service, way, sfu, synapse, address, sfu_url };
        if let TokenService::Ours(service) = &stack.token_service {
            service.refuse(options.refusal);
        }
        Ok(stack)
    }

    /// The homeserver, for requests. Cloned, it may outlive a borrow of the stack.
    pub fn homeserver(&self) -> &Homeserver {
        self.synapse.homeserver()
    }

    /// The homeserver's process.
    pub fn synapse(&mut self) -> &mut Synapse {
        &mut self.synapse
    }

    /// The SFU, if there is one.
    pub fn sfu(&mut self) -> Option<&mut Sfu> {
        self.sfu.as_mut()
    }

    /// The relay between clients and the SFU: with [`SfuOption::Relayed`], or [`Options::ipv6`].
    pub fn relay(&self) -> Option<&Relay> {
        self.way.relay.as_ref()
    }

    /// The TLS before the SFU, with [`SfuOption::Tls`].
    pub fn tls(&self) -> Option<&TlsFront> {
        self.way.tls.as_ref()
    }

    /// Starts one more SFU for this homeserver's users, which it does not announce.
    ///
    /// # Errors
    ///
    /// [`second::Error`]. What was started by then is stopped.
    pub async fn second_sfu(&self) -> Result<SecondSfu, second::Error> {
        SecondSfu::start(self).await
    }

    /// The token service.
    pub fn token_service(&self) -> &TokenService {
        &self.token_service
    }

    /// The SFU's own address, past all that stands before it.
    pub fn sfu_address(&self) -> &Address {
        &self.address
    }

    /// What somebody outside needs to use the stack.
    pub fn endpoints(&self) -> Endpoints {
        let homeserver = self.homeserver();
        Endpoints {
            homeserver_url: homeserver.url().to_owned(),
            server_name: homeserver.server_name().to_owned(),
            registration_secret: homeserver.registration_secret().to_owned(),
            token_service_url: self.token_service.url().to_owned(),
            sfu_url: self.sfu_url.clone(),
            sfu_key: self.address.key.clone(),
            sfu_secret: self.address.secret.clone(),
            versions: Versions {
                synapse: versions::SYNAPSE,
                livekit_server: versions::LIVEKIT_SERVER,
            },
        }
    }
}

impl Options {
    /// Whether an lk-jwt-service can do what is asked of the token service.
    fn original_will_do(&self) -> bool {
        let told_the_truth = matches!(self.sfu, SfuOption::There | SfuOption::Absent);
        self.refusal.is_none() && told_the_truth && self.told_to.is_none() && !self.ipv6
    }
}

/// Whether this machine has the loopback address `[::1]`. Containers often have not.
pub fn has_ipv6() -> bool {
    TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_ok()
}

/// The address of an SFU that is not there.
fn nobody() -> io::Result<Address> {
    let [port] = ports::tcp()?;
    Ok(Address {
        url: format!("ws://127.0.0.1:{port}"),
        key: "nobody".to_owned(),
        secret: secret::make(),
    })
}
