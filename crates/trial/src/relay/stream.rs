//! Bytes between two TCP connections, held back while the link says so.

use std::{
    io,
    sync::atomic::{AtomicU64, Ordering},
};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpStream,
};

use super::link::{Link, State};

/// What is read at once.
const CHUNK_BYTES: usize = 16 * 1024;

/// How many connections of a kind are open at once; beyond it, new ones wait to be accepted.
pub(super) const CONNECTIONS_MAX: usize = 128;

/// When a connection's bytes are held back.
pub(super) type Held = fn(&State) -> bool;

/// Passes bytes both ways until one side has closed, and counts them.
pub(super) async fn pass_both(
    mut client: TcpStream,
    mut sfu: TcpStream,
    link: &Link,
    held: Held,
    passed: &AtomicU64,
) -> io::Result<()> {
    let (client_read, client_write) = client.split();
    let (sfu_read, sfu_write) = sfu.split();
    tokio::select! {
        ended = pass(client_read, sfu_write, link.clone(), held, passed) => ended,
        ended = pass(sfu_read, client_write, link.clone(), held, passed) => ended,
    }
}

async fn pass(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut link: Link,
    held: Held,
    passed: &AtomicU64,
) -> io::Result<()> {
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        link.until(|state| !held(state)).await;
        let length = from.read(&mut chunk).await?;
        // It may have been held back meanwhile, and then its end is, too.
        link.until(|state| !held(state)).await;
        if length == 0 {
            return Ok(());
        }
        to.write_all(&chunk[..length]).await?;
        passed.fetch_add(length as u64, Ordering::Relaxed);
    }
}
