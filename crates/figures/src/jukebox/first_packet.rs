//! How long it takes until a command is obeyed, without what a browser adds.

use std::{
    future::IntoFuture as _,
    net::Ipv4Addr,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use axum::{Router, body::Bytes, routing::get};
use tokio::net::TcpListener;

use super::listener::{Ear, Listener};
use crate::{
    bench::{Bench, Cast, DECODED, Scene},
    figure::Figure,
};

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../assets/trial/tones.flac");
/// So that the bot may fetch from this machine.
const SETTINGS: &str = "[links]\nallow_hosts = [\"127.0.0.1\"]";
/// After which nothing of what was stopped comes any more.
const QUIET: Duration = Duration::from_millis(500);

/// `command_to_first_packet_ms_p95`: from the moment that a person's client begins to send `!play`, in an
/// encrypted room, with the bot in the call and its track muted since it stopped, to the arrival of the
/// first packet at another participant, which is made of our library and decrypts it. Loopback, the real
/// homeserver and SFU. `file`: a FLAC file of the library; `link`: the same file by HTTP from a server
/// of this process.
pub(crate) async fn measure(bench: &Bench, runs: u32) -> Result<Vec<Figure>> {
    let listener = Listener::new(bench.homeserver(), "ear").await?;
    let cast = Cast {
        name: "packet",
        sections: Some(SETTINGS),
        guest: Some(listener.user_id()),
        ..Cast::default()
    };
    let scene = bench.scene_of(&cast).await?;
    let call = listener.join(&scene.room).await?;
    scene.ask(DECODED).await?;
    let mut ear = Ear::open(call, scene.bot.user_id()).await?;
    ear.frame().await?;
    let link = format!("!play {}", serve(Path::new(FILE)).await?);
    let name = "command_to_first_packet_ms_p95";
    let mut figures = Vec::new();
    for (part, command, aim) in [("file", DECODED, 150.0), ("link", link.as_str(), 600.0)] {
        let mut samples = Vec::new();
        for _ in 0..runs {
            scene.ask("!stop").await?;
            ear.muted(QUIET).await?;
            samples.push(say_and_receive(&scene, &mut ear, command).await?);
        }
        let [p95, median] = Figure::p95(&format!("{name}/{part}"), &samples, "ms", aim);
        figures.extend([p95, median]);
    }
    Ok(figures)
}

/// Milliseconds.
async fn say_and_receive(scene: &Scene, ear: &mut Ear, command: &str) -> Result<f64> {
    let began = Instant::now();
    // The packet may come before the client knows that the command was sent.
    let (said, arrival) = tokio::try_join!(scene.person.say(&scene.room, command), ear.frame())?;
    // The panel may change later; the answer is to be there before the next command.
    scene.person.wait_for_answer(&scene.room, &said, phonograph_trial::stage::WITHIN).await?;
    ensure!(arrival >= began, "the packet came before the command");
    Ok(arrival.duration_since(began).as_secs_f64() * 1000.0)
}

/// Serves a file until the process ends; its address.
async fn serve(file: &Path) -> Result<String> {
    let bytes = Bytes::from(tokio::fs::read(file).await?);
    let app = Router::new().route("/tones.flac", get(move || async move { bytes }));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = format!("http://{}/tones.flac", listener.local_addr()?);
    tokio::spawn(axum::serve(listener, app).into_future());
    Ok(address)
}
