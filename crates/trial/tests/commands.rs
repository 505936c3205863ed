//! `cargo trial stack`, as a program that brings its own clients uses it.

use std::{
    fs,
    io::{BufRead, BufReader},
    net::TcpStream,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
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

#[test]
fn what_cannot_be_installed_is_named_with_the_reason_and_the_line_to_run() {
    let empty = tempfile::tempdir().expect("a folder");
    let output = trial()
        .env("PATH", empty.path())
        .env("XDG_CACHE_HOME", empty.path())
        .stdin(Stdio::null())
        .output()
        .expect("it starts");

    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr);
    for wanted in [
        "Synapse 1.163.2 could not be installed",
        "run: python3 -m venv",
        "there is no `python3` on this machine",
        "livekit-server 1.13.5: failed",
    ] {
        assert!(said.contains(wanted), "{wanted} is not in:\n{said}");
    }
}

#[test]
fn an_lk_jwt_service_that_somebody_has_is_started_in_place_of_ours() {
    let folder = tempfile::tempdir().expect("a folder");
    let binary = stand_in(folder.path());

    let (mut trial, endpoints) = told_by(trial().env("PHONOGRAPH_TOKEN_SERVICE", binary));
    drop(trial.stdin.take());
    trial.wait().expect("it ends");

    let environment = fs::read_to_string(folder.path().join("environment")).expect("it was run");
    let text = |name: &str| endpoints[name].as_str().expect("a text");
    let (server, bind) = (text("server_name"), text("token_service_url").replace("http://", ""));
    for wanted in [
        format!("LIVEKIT_JWT_BIND={bind}"),
        format!("LIVEKIT_URL={}", text("sfu_url")),
        format!("LIVEKIT_KEY={}", text("sfu_key")),
        format!("LIVEKIT_SECRET={}", text("sfu_secret")),
        format!("LIVEKIT_FULL_ACCESS_HOMESERVERS={server}"),
        format!("LIVEKIT_CS_API_URL_OVERRIDES={server}={}", text("homeserver_url")),
    ] {
        assert!(environment.lines().any(|line| line == wanted), "{wanted}");
    }
}

/// A program that takes lk-jwt-service's place: it writes its environment down and says that it is
/// well.
fn stand_in(folder: &Path) -> PathBuf {
    let at = folder.display();
    let script = format!(
        "#!/bin/sh\nenv >'{at}/environment'\nexec python3 -m http.server \
         --bind 127.0.0.1 --directory '{at}' \"${{LIVEKIT_JWT_BIND#*:}}\"\n"
    );
    let binary = folder.join("lk-jwt-service");
    fs::write(folder.join("healthz"), "").expect("a file");
    fs::write(&binary, script).expect("a file");
    fs::set_permissions(&binary, fs::Permissions::from_mode(0o755)).expect("a program");
    binary
}

fn trial() -> Command {
    let mut trial = Command::new(env!("CARGO_BIN_EXE_phonograph-trial"));
    trial.arg("stack");
    trial
}

/// A running `stack`, and its first line.
fn stack() -> (Child, Value) {
    told_by(&mut trial())
}

fn told_by(command: &mut Command) -> (Child, Value) {
    let mut trial =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it starts");
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
