//! TLS in front of a port that has none, with a certificate that an authority of the trial's own
//! signed.

use std::{
    fs, io,
    net::{IpAddr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
    sync::Arc,
};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use tempfile::TempDir;
use tokio::{io::copy_bidirectional, net::TcpStream, task::JoinSet};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{ServerConfig, crypto::aws_lc_rs, pki_types::PrivateKeyDer},
};

use crate::{background::Background, guard};

/// How many connections are open at once; beyond it, new ones wait to be accepted.
const CONNECTIONS_MAX: usize = 128;

/// A running front. Dropping it closes its sockets and deletes the authority's certificate.
///
/// It has a thread of its own, so that it goes on when the runtime of the test that started it ends.
#[derive(Debug)]
pub struct TlsFront {
    // In this order: the folder is deleted when nobody uses it any more.
    _thread: Background,
    folder: TempDir,
    address: SocketAddr,
}

impl TlsFront {
    /// Starts one on a free port of the loopback address `at`, for which its certificate is, and for
    /// `localhost`. What it decrypts goes to `behind`.
    ///
    /// # Errors
    ///
    /// The address has no free port, the authority's certificate cannot be made or written, or the
    /// thread cannot be started.
    pub fn start(behind: SocketAddr, at: IpAddr) -> io::Result<Self> {
        let listener = TcpListener::bind((at, 0))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let (config, authority) = certified(at)?;
        let folder = guard::folder("tls")?;
        fs::write(authority_in(folder.path()), authority)?;
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let thread = Background::start("TLS front", async move {
            let listener = tokio::net::TcpListener::from_std(listener)?;
            serve(&listener, &acceptor, behind).await
        })?;
        Ok(Self { _thread: thread, folder, address })
    }

    /// Where it is, for a `WebSocket` and without a slash at the end: `wss://127.0.0.1:…`.
    pub fn url(&self) -> String {
        format!("wss://{}", self.address)
    }

    /// A PEM file with the certificate of the authority that signed for it: who trusts that, trusts
    /// it. It is there as long as the front is.
    pub fn authority(&self) -> PathBuf {
        authority_in(self.folder.path())
    }
}

fn authority_in(folder: &Path) -> PathBuf {
    folder.join("authority.pem")
}

async fn serve(
    listener: &tokio::net::TcpListener,
    acceptor: &TlsAcceptor,
    behind: SocketAddr,
) -> io::Result<()> {
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        if connections.len() >= CONNECTIONS_MAX {
            connections.join_next().await;
        }
        let (client, _) = listener.accept().await?;
        let acceptor = acceptor.clone();
        connections.spawn(async move {
            if let Err(error) = connection(client, &acceptor, behind).await {
                // Mostly a client that does not like our certificate.
                tracing::debug!(%error, "a connection through TLS ended");
            }
        });
    }
}

async fn connection(
    client: TcpStream,
    acceptor: &TlsAcceptor,
    behind: SocketAddr,
) -> io::Result<()> {
    client.set_nodelay(true)?;
    let mut client = acceptor.accept(client).await?;
    let mut plain = TcpStream::connect(behind).await?;
    plain.set_nodelay(true)?;
    copy_bidirectional(&mut client, &mut plain).await.map(drop)
}

/// A server's settings with a certificate for `at`, and the PEM of who signed it.
fn certified(at: IpAddr) -> io::Result<(ServerConfig, String)> {
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    authority.distinguished_name.push(DnType::CommonName, "phonograph trial's authority");
    let authority = KeyPair::generate()
        .and_then(|key| CertifiedIssuer::self_signed(authority, key))
        .map_err(io::Error::other)?;
    let key = KeyPair::generate().map_err(io::Error::other)?;
    let names = vec![at.to_string(), "localhost".to_owned()];
    let certificate = CertificateParams::new(names)
        .and_then(|params| params.signed_by(&key, &authority))
        .map_err(io::Error::other)?;
    let key = PrivateKeyDer::try_from(key.serialize_der()).map_err(io::Error::other)?;
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|config| {
            config.with_no_client_auth().with_single_cert(vec![certificate.der().clone()], key)
        })
        .map_err(io::Error::other)?;
    Ok((config, authority.pem()))
}
