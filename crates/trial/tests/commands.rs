//! `cargo trial stack`, as a program that brings its own clients uses it.

use std::{
    io::{BufRead, BufReader},
    net::TcpStream,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value;

/// What a stack tells of itself in its first line.
const TOLD: [&str; 8] = [
    "homeserver_url",
    "registration_secret",
    "server_name",
    "sfu_key",
    "sfu_secret",
    "sfu_url",
    "token_service_url",
    "versions",
];

#[test]
fn stack_stays_until_its_input_closes() {
    let (mut trial, endpoints) = stack();
    let mut told: Vec<_> = endpoints.as_object().expect("an object").keys().collect();
    told.sort();
    assert_eq!(told, TOLD);
    assert!(listening(&endpoints).iter().all(|listens| *listens));

    drop(trial.stdin.take());
    let status = trial.wait().expect("it ends");

    assert!(status.success());
    assert_eq!(listening(&endpoints), [false; 3]);
}

#[test]
fn stack_leaves_nothing_when_it_is_killed() {
    let (mut trial, endpoints) = stack();

    trial.kill().expect("it can be killed");
    trial.wait().expect("it ends");

    let began = Instant::now();
    while listening(&endpoints) != [false; 3] {
        assert!(began.elapsed() < Duration::from_secs(20), "still there: {endpoints}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A running `stack`, and its first line.
fn stack() -> (Child, Value) {
    let mut trial = Command::new(env!("CARGO_BIN_EXE_phonograph-trial"))
        .arg("stack")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut line = String::new();
    let out = trial.stdout.take().expect("its output");
    BufReader::new(out).read_line(&mut line).expect("a line");
    (trial, serde_json::from_str(&line).expect("one JSON object"))
}

/// Whether homeserver, SFU and token service take connections.
fn listening(endpoints: &Value) -> [bool; 3] {
    ["homeserver_url", "sfu_url", "token_service_url"].map(|name| {
        let url = endpoints[name].as_str().expect("an address");
        let (_, address) = url.split_once("://").expect("a scheme");
        TcpStream::connect(address).is_ok()
    })
}
