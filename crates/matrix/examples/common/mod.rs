//! What both examples begin with: log in, accept the invite, join the call.

use std::{env, path::PathBuf, sync::Arc};

use anyhow::{Context, Result, bail};
use phonograph_call::{Call, Config, Network, Password, Workers, matrixrtc::RoomId};
use phonograph_matrix::{Account, Credentials, Incoming, Settings};

/// A call, and what it needs to go on.
pub(crate) struct Joined {
    pub(crate) call: Call,
    _workers: Workers,
}

/// Joins the call that the command line names.
pub(crate) async fn join(listens: bool) -> Result<Joined> {
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    anyhow::ensure!(provider.install_default().is_ok(), "a crypto provider is there already");
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [homeserver, user, room] = arguments.as_slice() else {
        bail!("name a homeserver, a user and a room; the password is taken from PASSWORD");
    };
    let password = env::var("PASSWORD").context("PASSWORD is not set")?;
    let local = user.trim_start_matches('@').split(':').next().unwrap_or("bot").to_owned();
    let (account, incoming) = Account::start(Settings {
        homeserver: homeserver.clone(),
        user: user.clone(),
        credentials: Credentials::Password(password),
        store: PathBuf::from(format!("{local}.store")),
        display_name: None,
    })
    .await
    .context("cannot log in")?;
    let account = Arc::new(account);
    let room = RoomId::from(room.as_str());
    sync(&account, incoming, &room).await?;
    let workers = Workers::start(1)?;
    let config = Config {
        listens,
        password: env::var("CALL_PASSWORD").ok().map(Password::new),
        ..Config::new(room)
    };
    let call = Call::join(account.calls(), config, &Network::new(&[])?, &workers);
    Ok(Joined { call, _workers: workers })
}

/// Keeps syncing from now on; returns when we are in the room.
async fn sync(
    account: &Arc<Account>,
    mut incoming: tokio::sync::mpsc::Receiver<Incoming>,
    room: &RoomId,
) -> Result<()> {
    let syncing = Arc::clone(account);
    tokio::spawn(async move { say(&syncing.run().await.to_string()) });
    let invited = account.pending_invites().await.iter().any(|invite| invite.room == *room);
    if !account.joined_rooms().contains(room) && !invited {
        say("waiting for an invite");
        loop {
            match incoming.recv().await {
                Some(Incoming::Invite(invite)) if invite.room == *room => break,
                Some(_) => {}
                None => bail!("the sync has ended"),
            }
        }
    }
    if !account.joined_rooms().contains(room) {
        account.accept(room).await.context("cannot join the room")?;
    }
    // Chat is nothing to these examples, but it has to be taken.
    tokio::spawn(async move { while incoming.recv().await.is_some() {} });
    Ok(())
}

/// Prints a line.
#[expect(clippy::print_stdout, reason = "that is what an example does")]
pub(crate) fn say(text: &str) {
    println!("{text}");
}
