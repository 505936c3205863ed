//! Keeps links out of private networks.
//!
//! A name is checked by the addresses that it has, and only those that passed are connected to, so
//! that a second look-up cannot turn it into something else. A link that is a number is checked by
//! itself. Both hold at each redirect too. Hosts of the settings are free.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

use super::address::is_public;

/// How many times a link may lead on; browsers stop at 20, music needs one or two.
pub(super) const REDIRECTS_MAX: usize = 5;

/// Why a link is not followed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    /// The host has no address outside of private networks. Only the operator can allow it.
    #[error("{host} has no public address, and `links.allow_hosts` does not name it")]
    Private {
        /// As it stands in the link.
        host: String,
    },
    /// The host is blocked, by the operator or in the room.
    #[error("links to {host} are blocked")]
    Blocked {
        /// As it stands in the link.
        host: String,
    },
    /// The link leads from one to the next, and again.
    #[error("the link leads on more than {REDIRECTS_MAX} times")]
    TooFar,
    /// The link leads out of the web.
    #[error("the link leads to something else than http or https")]
    NotWeb,
}

/// What may be connected to.
#[derive(Debug, Clone)]
pub(super) struct Guard {
    allowed: Arc<[String]>,
}

impl Guard {
    /// `allowed` hosts may have any address.
    pub(super) fn new(allowed: &[String]) -> Self {
        Self { allowed: allowed.iter().map(|host| plain(host)).collect() }
    }

    /// Checks what a link says itself; the addresses of a name are checked when it is resolved.
    pub(super) fn check(&self, url: &Url) -> Result<(), Refusal> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err(Refusal::NotWeb);
        }
        let address = match url.host() {
            Some(Host::Ipv4(address)) => IpAddr::V4(address),
            Some(Host::Ipv6(address)) => IpAddr::V6(address),
            Some(Host::Domain(_)) => return Ok(()),
            None => return Err(Refusal::NotWeb),
        };
        let host = address.to_string();
        if is_public(address) || self.allows(&host) {
            Ok(())
        } else {
            Err(Refusal::Private { host })
        }
    }

    /// The addresses of a link that may be connected to, by a connection of our own.
    pub(super) async fn addresses(&self, url: &Url) -> io::Result<Vec<SocketAddr>> {
        self.check(url).map_err(io::Error::other)?;
        let host = url.host_str().unwrap_or_default();
        let port = url.port_or_known_default().unwrap_or_default();
        // What is a number in a link has brackets if it is of IPv6.
        let name = host.trim_start_matches('[').trim_end_matches(']');
        let found: Vec<_> = tokio::net::lookup_host((name, port)).await?.collect();
        self.admit(name, found).map_err(io::Error::other)
    }

    /// Those of a host's addresses that may be connected to.
    fn admit(&self, host: &str, found: Vec<SocketAddr>) -> Result<Vec<SocketAddr>, Refusal> {
        if self.allows(host) {
            return Ok(found);
        }
        let public: Vec<_> = found.into_iter().filter(|found| is_public(found.ip())).collect();
        if public.is_empty() { Err(Refusal::Private { host: host.to_owned() }) } else { Ok(public) }
    }

    fn allows(&self, host: &str) -> bool {
        self.allowed.contains(&plain(host))
    }
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let guard = self.clone();
        Box::pin(async move {
            // The port is filled in by the caller.
            let found: Vec<_> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let admitted = guard.admit(name.as_str(), found)?;
            Ok(Box::new(admitted.into_iter()) as Addrs)
        })
    }
}

/// A host in the one form in which it is compared: no case, no brackets, no dot of the root.
fn plain(host: &str) -> String {
    let host = host.trim_start_matches('[').trim_end_matches(']').trim_end_matches('.');
    match host.parse::<IpAddr>() {
        Ok(address) => address.to_string(),
        Err(_) => host.to_lowercase(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_checked_in_every_spelling() {
        let guard = Guard::new(&[]);
        for link in [
            "http://127.0.0.1/",
            "http://127.1/",
            "http://0x7f000001/",
            "http://2130706433/",
            "http://0177.0.0.1/",
            "http://[::1]/",
            "http://[::ffff:127.0.0.1]/",
            "http://169.254.169.254/latest",
            "https://10.0.0.1:8443/",
            "http://0/",
        ] {
            let refused = guard.check(&link.parse().unwrap());
            assert!(matches!(refused, Err(Refusal::Private { .. })), "{link}");
        }
        assert!(guard.check(&"http://1.1.1.1/".parse().unwrap()).is_ok());
    }

    #[test]
    fn only_the_web_is_opened() {
        for link in ["ftp://example.org/", "file:///etc/passwd", "data:audio/wav,x"] {
            let refused = Guard::new(&[]).check(&link.parse().unwrap());
            assert_eq!(refused, Err(Refusal::NotWeb), "{link}");
        }
    }

    #[test]
    fn of_a_name_only_its_public_addresses_are_used() {
        let guard = Guard::new(&[]);
        let [public, private] = addresses();
        assert_eq!(guard.admit("mixed.example", vec![private, public]), Ok(vec![public]));
        let refused = Refusal::Private { host: "inside.example".to_owned() };
        assert_eq!(guard.admit("inside.example", vec![private]), Err(refused));
    }

    #[test]
    fn hosts_of_the_settings_are_free_however_they_are_written() {
        let hosts = ["Radio.LAN", "[::1]", "10.0.0.1"].map(str::to_owned);
        let guard = Guard::new(&hosts);
        let [_, private] = addresses();
        assert_eq!(guard.admit("radio.lan.", vec![private]), Ok(vec![private]));
        assert!(guard.check(&"http://[0:0::1]:8000/".parse().unwrap()).is_ok());
        assert!(guard.check(&"http://10.1/".parse().unwrap()).is_ok());
        assert!(guard.check(&"http://10.0.0.2/".parse().unwrap()).is_err());
        assert!(guard.admit("other.lan", vec![private]).is_err());
    }

    fn addresses() -> [SocketAddr; 2] {
        ["1.1.1.1:0", "192.168.0.1:0"].map(|address| address.parse().unwrap())
    }
}
