//! What stands between clients and an SFU.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use crate::{
    relay::Relay,
    sfu::Sfu,
    stack::{Options, SfuOption},
    tls::TlsFront,
};

/// The way to an SFU: straight, through a relay, TLS, or both.
#[derive(Debug, Default)]
pub(crate) struct Way {
    pub(crate) tls: Option<TlsFront>,
    pub(crate) relay: Option<Relay>,
}

impl Way {
    /// Makes the way that is asked for.
    pub(crate) fn to(sfu: &Sfu, options: &Options) -> io::Result<Self> {
        let at: IpAddr =
            if options.ipv6 { Ipv6Addr::LOCALHOST.into() } else { Ipv4Addr::LOCALHOST.into() };
        let sockets = sfu.sockets();
        let mut way = Self::default();
        // livekit-server 1.13.5 takes ::1 for an IPv4-compatible address and has no media there.
        if options.ipv6 || options.sfu == SfuOption::Relayed {
            way.relay = Some(Relay::start(sockets, at)?);
        }
        if options.sfu == SfuOption::Tls {
            let behind = way.relay.as_ref().map_or(sockets.signalling, Relay::signalling);
            way.tls = Some(TlsFront::start(behind, at)?);
        }
        Ok(way)
    }

    /// What clients are told, where it is not the SFU's own address.
    pub(crate) fn url(&self) -> Option<String> {
        let relay = self.relay.as_ref().map(|relay| relay.url().to_owned());
        self.tls.as_ref().map(TlsFront::url).or(relay)
    }
}
